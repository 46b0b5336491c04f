"""Words and names that are too common to point at anyone alone (``everyday.txt``), and numbers like dates.

May import: the standard library and the data of its own folder. The rule that must stay true: what is
common is no finding alone, and still one beside another value of the same record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

_ANYWHERE = frozenset(("place", "organisation", "date_of_birth", "date"))
"""Kinds of values that stand in everybody's texts: a city, a company or a day alone tells of nobody."""

_YEAR = r"(?:19|20)\d\d"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}\d{0,6})?"
_DATE = re.compile(f"(?:{_YEAR}{_MONTH}{_DAY}|{_DAY}{_MONTH}{_YEAR}|{_MONTH}{_DAY}{_YEAR}){_TIME}")


@lru_cache(maxsize=1)
def _sections() -> Mapping[str, frozenset[str]]:
    """The sections of the list, read once."""
    found: dict[str, set[str]] = {}
    words: set[str] = set()
    for line in (resources.files("proxy.values") / "everyday.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            words = found.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            words.update(word.replace("'", "") for word in line.split())
    return {name: frozenset(section) for name, section in found.items()}


def is_common(entity: str, letters: str, words: Sequence[str]) -> bool:
    """Whether a value is no finding alone, however long it is.

    ``letters`` are all its letters, ``words`` the same word by word. So is a name that is itself in
    the list, one that is made of function words alone, and a number that reads as a date.
    """
    if entity in _ANYWHERE:
        return True
    sections = _sections()
    if letters in sections["alone"]:
        return True
    if words and all(word in sections["function"] or word in sections["never"] for word in words):
        return True
    return len(letters) >= 8 and _DATE.fullmatch(letters) is not None


def is_never(letters: str) -> bool:
    """Whether a value is not kept at all: it stands in every other sentence."""
    return letters in _sections()["never"]
