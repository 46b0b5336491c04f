"""Expressions compiled for the folded bytes of ``alphabet``: for RE2, and for where a value may begin.

May import: its own folder; re2 (google-re2) when something is compiled. The rule that must stay true: what
decides about a value is matched in linear time on any text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from proxy.patterns.pattern import WORD, Pattern

_MEMORY = 64 << 20
"""Bytes that RE2 may use for the automaton of all patterns together; it takes what it meets."""


def compiled(source: str) -> Any:
    """One expression, of which the longest match counts."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.longest_match = True
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.compile(f"(?s){source}".encode("latin-1"), options)


def set_of(sources: Sequence[str]) -> Any:
    """Many expressions at once: which of them fit a beginning of a text."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY
    made = re2.Set.MatchSet(options)
    for source in sources:
        made.Add(f"(?s){source}".encode("latin-1"))
    made.Compile()
    return made


def grouped(pattern: Pattern) -> str:
    """The expression of a whole pattern; its first group is the value, where more than that belongs to it."""
    if not (pattern.lead or pattern.trail):
        return pattern.value.full
    lead, trail = (part.full if part else "" for part in (pattern.lead, pattern.trail))
    return f"{lead}({pattern.value.full}){trail}"


def places_of(first: Sequence[int]) -> re.Pattern[bytes]:
    """Bytes that can begin a value; letters and digits only where a word begins."""
    words = bytes(byte for byte in first if chr(byte) in WORD)
    signs = bytes(byte for byte in first if chr(byte) not in WORD)
    parts = []
    if words:
        parts.append(b"(?<![0-9A-Za-z])[" + re.escape(words) + b"]")
    if signs:
        parts.append(b"[" + re.escape(signs) + b"]")
    return re.compile(b"|".join(parts) or b"(?!)")
