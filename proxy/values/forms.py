"""The forms of a value that are looked for, by its kind: what a known value becomes when an index is built.

A form is a run of letters as ``reading`` has them, so capitals, accents, spaces and punctuation inside
a value, full-width digits and Chinese numerals need no form of their own. What does: a phone number with
and without its country code, a person's name in both orders, "at" and "dot" spelt out in an e-mail
address, the number of an identifier without its prefix, the short words of an address.

May import: this package and the ground floor below it. The rule that must stay true: the first form is
the value itself, and a form that is too short to be safe is made only of a value that is so itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from proxy.text import is_wide
from proxy.types import Value
from proxy.values.addresses import address_forms, names_a_region
from proxy.values.everyday import is_common, is_never
from proxy.values.names import person_forms
from proxy.values.phones import phone_forms
from proxy.values.reading import GlyphTable, count_units, digits_of, letters_of, words_of

SAFE = 7
"""Units from which on a value is a finding by itself."""

SAFE_WIDE = 3
"""Characters from which on a person's name of Han characters is one: 6 units."""

SAFE_ALONE = 12
"""The same for a name of one word: many people have a family name, and many things a short one."""

_NAMED = ("person", "organisation")
_SPACELESS = "\u0590"
"""Latin, Greek, Cyrillic and Armenian come before it."""

ACTS = 64
"""Letters from which on a value is long: it is found after so many, and its mask grows as the rest comes."""

LONGEST = 4096
"""Letters of a value that are kept; what follows is matched as memorised text only."""

_LEAST = 4
_LEAST_PERSON = 3
"""Units below which a value is not kept: shorter ones stand everywhere."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The letters of a value in its forms, the first of them its own.

    ``weak``: too short or too common to be a finding alone. ``common``: it is in the list of what is
    common (and so proves nothing either). ``cut``: it had more than ``LONGEST`` letters.
    """

    letters: tuple[str, ...]
    weak: bool
    common: bool
    cut: bool = False

    @property
    def long(self) -> bool:
        """Whether it is found, and masked, before its end."""
        return len(self.letters[0]) >= ACTS


def forms_of(value: Value, table: GlyphTable | None = None) -> Forms | None:
    """The forms of a value; None for one that is not kept: without letters, or shorter than any use."""
    table = GlyphTable() if table is None else table
    text = value.text[: 4 * LONGEST]
    candidates = list(dict.fromkeys(filter(None, _MAKERS.get(value.entity, _other)(text, table))))
    if not candidates or is_never(candidates[0]):
        return None
    own = candidates[0]
    least = _LEAST_PERSON if value.entity == "person" else _LEAST
    if count_units(own) < least:
        return None
    if len(own) >= ACTS:
        return Forms((own[:LONGEST],), False, False, len(own) > LONGEST or len(text) < len(value.text))
    words = words_of(text, table)
    common = is_common(value.entity, own, words) or (value.entity == "address" and names_a_region(own, words))
    safe = is_safe(value.entity, own)
    short = not safe or (value.entity in _NAMED and len(words) == 1 and _is_half_a_name(own))
    kept = tuple(
        form
        for form in candidates
        if len(form) < ACTS and (is_safe(value.entity, form) if safe else count_units(form) >= least)
    )
    return Forms(kept, short or common, common)


def _is_half_a_name(letters: str) -> bool:
    """Whether a name of one word is a family name or a given name alone, in a script that parts the two."""
    return len(letters) < SAFE_ALONE and letters.isalpha() and letters[0] < _SPACELESS


def is_safe(entity: str, letters: str) -> bool:
    """Whether letters are long enough to be a finding alone."""
    if entity == "person" and len(letters) >= SAFE_WIDE and all(map(is_wide, letters)):
        return True
    return count_units(letters) >= SAFE


# --- by kind ---------------------------------------------------------------------------------------------

_PREFIXED = re.compile(r"[a-z]+(\d{7,})")


def _other(text: str, table: GlyphTable) -> Iterator[str]:
    """Identifiers and whatever else: the letters; the number alone where only letters stand before it."""
    letters = letters_of(text, table)
    digits = digits_of(text, table)
    yield digits if len(digits) == len(letters) else letters  # a number written in Chinese numerals
    if found := _PREFIXED.fullmatch(letters):
        yield found[1]


def _email(text: str, table: GlyphTable) -> Iterator[str]:
    """As it is (dots and @ are dropped like all punctuation); with "at"; with "at" and "dot"."""
    yield letters_of(text, table)
    local, at, domain = text.rpartition("@")
    if not at:
        return
    name, host = letters_of(local, table), letters_of(domain, table)
    spelt = "dot".join(letters_of(part, table) for part in domain.split("."))
    yield f"{name}at{host}"
    yield f"{name}at{spelt}"
    yield "dot".join(letters_of(part, table) for part in local.split(".")) + "at" + spelt


_MAKERS: Mapping[str, Callable[[str, GlyphTable], Iterator[str]]] = {
    "email": _email,
    "person": person_forms,
    "address": address_forms,
    "phone": phone_forms,
}
