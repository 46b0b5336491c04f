"""Name audiences and order them: which is read by fewer roles, and what an author's spelling of one means.

The invariant: where several audiences are named for one text, the narrowest counts. Those that cannot be
compared, or read, leave the text to nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

from proxy.text import fold
from proxy.types import NOBODY

FIELD = "audience"
"""The field that is looked at when the operator names none."""

_NAME = re.compile(r"\w[\w.-]{0,63}")
_AND = re.compile(r"[\s,;|/+&、，；]+")
_AROUND = " \t\r\n\v\f'\"`´‘’“”«»「」[](){}<>*_:="
_LONGEST_KEY = 200
_ALIKE = frozenset(
    (
        *("visibility", "visible_to", "access", "access_level", "access_group", "acl", "permission"),
        *("permissions", "clearance", "confidentiality", "classification", "sensitivity", "security_level"),
        *("secrecy", "restricted_to", "allowed_roles", "readers", "viewers", "zielgruppe", "sichtbarkeit"),
        *(
            "受众",
            "目标受众",
            "可见范围",
            "可见性",
            "公开范围",
            "权限",
            "密级",
            "保密级别",
            "访问级别",
            "读者",
        ),
    )
)
_ALIKE_FOLDED = frozenset(map(fold, _ALIKE))


@dataclass(frozen=True, slots=True)
class Order:
    """Which audiences are wider than others. ``readers``: the roles that may read each of them."""

    readers: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {
            "public": frozenset(("public", "staff", "admin")),
            "staff": frozenset(("staff", "admin")),
            "admin": frozenset(("admin",)),
            NOBODY: frozenset(),
        }
    )

    @classmethod
    def of(cls, clearances: Mapping[str, Sequence[str]], audiences: Iterable[str]) -> Order:
        """Return the order of a policy, from the clearance of each role."""
        roles = {name: {role for role, names in clearances.items() if name in names} for name in audiences}
        return cls({name: frozenset(found) for name, found in roles.items()} | {NOBODY: frozenset()})

    def named(self, text: str) -> str:
        """Return an audience as the policy spells it, where only case, width, blanks or quotes differ."""
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain in self.readers:
            return plain
        bare = spelled(plain)
        return next((name for name in self.readers if name.casefold() == bare), plain)

    def knows(self, text: str) -> bool:
        """Return whether a text is the name of an audience of the policy, in any spelling."""
        return len(text) <= _LONGEST_KEY and self.named(text) in self.readers

    def read(self, value: object) -> list[str]:
        """Return the audiences that the value of a mark names; none where it is empty.

        A list, or a string that lists known names, names each of them; anything else is for nobody.
        """
        if value is None or value == "":
            return []
        if isinstance(value, str):
            name = self.named(value)
            if name in self.readers or _NAME.fullmatch(name):
                return [name]
            listed = [each for each in _AND.split(value) if spelled(each)]
            if listed and len(value) <= _LONGEST_KEY and all(map(self.knows, listed)):
                return [self.named(each) for each in listed]
            return [NOBODY]
        if isinstance(value, list | tuple):
            return [name for each in value for name in (self.read(each) or [NOBODY])] or [NOBODY]
        return [NOBODY]

    def is_name(self, value: object) -> bool:
        """Return whether the value of a mark says an audience, or nothing, and so holds no text."""
        if isinstance(value, list | tuple):
            return bool(value) and all(map(self.is_name, value))
        if not isinstance(value, str):
            return value is None
        named = self.read(value)
        return not named or named != [NOBODY] or self.named(value) == NOBODY

    def narrowest(self, names: Iterable[str]) -> str:
        """Return the audience that no role reads unless it reads all of them; ``nobody`` where none is."""
        distinct = list(dict.fromkeys(names))
        if len(distinct) == 1:
            return distinct[0]
        for name in distinct:
            if name in self.readers and all(
                other in self.readers and self.readers[name] <= self.readers[other] for other in distinct
            ):
                return name
        return NOBODY

    def is_wider(self, one: str, other: str) -> bool:
        """Return whether some role may read ``one`` and not ``other``."""
        nobody: frozenset[str] = frozenset()
        return not self.readers.get(one, nobody) <= self.readers.get(other, nobody)

    def meant(self, name: str) -> str:
        """Return a known name that is like an unknown one; "" where none is."""
        close = get_close_matches(name.casefold(), [each.casefold() for each in self.readers], 1, 0.6)
        return self.named(close[0]) if close else ""


def spelled(text: str) -> str:
    """Return a name without what spellings differ in: case, width, blanks, quotes, invisible characters."""
    plain = unicodedata.normalize("NFKC", text)
    visible = "".join(each for each in plain if unicodedata.category(each) not in ("Cf", "Cc"))
    return visible.strip(_AROUND).casefold()


@lru_cache(maxsize=1 << 14)
def same_key(one: str, other: str) -> bool:
    """Return whether two keys are the same but for case, signs, invisible and look-alike characters."""
    return len(one) <= _LONGEST_KEY and bool(folded := fold(other)) and fold(one) == folded


@lru_cache(maxsize=1 << 14)
def is_alike(key: str) -> bool:
    """Return whether a field that is not called ``audience`` may be meant as one."""
    plain = key.strip().casefold()
    if len(plain) > 2 * len(FIELD) + 4:
        return False
    return fold(plain) in _ALIKE_FOLDED or FIELD in plain or bool(get_close_matches(plain, (FIELD,), 1, 0.8))
