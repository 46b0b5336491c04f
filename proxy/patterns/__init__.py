"""What personal data and secrets look like: one table for the index build and for the stream alike.

Both doors of the product read the same rules: ``recognizers`` finds values in training text with them,
``detectors`` finds values in answers as they come. RE2 compiles them (``matcher``), when somebody asks.

May import: the standard library; google-re2 inside functions. The rule that must stay true: a rule is
written once, with its examples beside it, and what the stream finds in a text is what :meth:`Matcher.find`
finds in it.
"""

from __future__ import annotations

from proxy.patterns import contact, identity, money, passwords, secrets
from proxy.patterns.matcher import Found, Matcher
from proxy.patterns.pattern import Pattern

PATTERNS: tuple[Pattern, ...] = (
    *secrets.PATTERNS,
    *passwords.PATTERNS,
    *identity.PATTERNS,
    *money.PATTERNS,
    *contact.PATTERNS,
)
"""In order of precedence: of two rules that fit equally long values at one place, the first wins."""

ENTITIES: frozenset[str] = frozenset(pattern.entity for pattern in PATTERNS)

__all__ = ["ENTITIES", "PATTERNS", "Found", "Matcher", "Pattern"]
