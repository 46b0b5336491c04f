"""Whether words or letters stand in the opposite order: cheap tests that open the gates to reading backwards.

May import: the standard library. The rule that must stay true: a test looks at the words it is given and at
nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

_JOINED = 8
"""Words that hold :data:`_WORDS` seeds, unless they are very short."""
_WORDS, _LETTERS = 5, 2
"""Seeds that must be known. One in a hundred is a stranger's; and words in the wrong order say now and then
what some text says in the right one, but seldom for more than a seed and a word."""

_ARTICLES = "the a an my our your its their"
_BEFORE = (
    "of in to for on with from by at and or as is was are were be been will would can could should may "
    "might must has have had that if when which who into than then but so because through about under "
    "over between all every not while where until without within during against after before since "
    "though although whether"
)
"""Words that are common before an article or a possessive, and rare after one."""
_VERBS = {
    "to": "be make do ensure provide",
    "will": "be not have",
    "would": "be like not have",
    "must": "be not have",
    "should": "be not have",
    "may": "be not have",
    "can": "be not",
    "has": "been",
    "have": "been",
    "such": "as",
    "we": "are have will can",
}
_JOINTS = frozenset(
    [(article, word) for article in _ARTICLES.split() for word in _BEFORE.split()]
    + [(second, first) for first, seconds in _VERBS.items() for second in seconds.split()]
)
"""Neighbours that are common in English in the other order and rare in this one."""
_STOP = re.compile(r"[.!?](?<=[A-Za-z]{4}.) [a-z]")
"""A full stop before a small letter."""


class Probe(Protocol):
    """Quick tests for what the detectors of runs find, for one caller. None says no to what they find."""

    def begins(self, text: str, seeds: int = 1) -> bool:
        """Whether a text may begin as protected text does: of its first seeds alone, two units apart."""
        ...

    def knows(self, text: str) -> bool:
        """Whether a scanner that reads this text from its start may find or hold anything."""
        ...

    def goes_on(self, text: str) -> bool:
        """Whether all of a text may be protected text."""
        ...


def words_gate(text: str, words: Sequence[str]) -> bool:
    """Whether a text, whose words in small letters these are, looks as if they were in the wrong order."""
    return not _JOINTS.isdisjoint(pairwise(words)) or _STOP.search(text) is not None


def words_begin(text: str, probe: Probe) -> bool:
    """Whether the last words, in the opposite order, begin as a protected text may, and so do those but two.

    A word may be long enough for all seeds of the first: then those of the other lie in words behind it.
    """
    words = text.rsplit(None, _JOINED + 3)
    if words and not text[-1].isspace():
        words.pop()
    del words[:1]  # what is left of the text
    words.reverse()
    return probe.begins("".join(words[:_JOINED]), _WORDS) and probe.begins("".join(words[2 : 2 + _JOINED]))


def letters_begin(text: str, probe: Probe) -> bool:
    """Whether the last letters, in the opposite order, begin as a protected text may.

    So text is told that looks like no language either way: tables, code, drawings.
    """
    return probe.begins(text[::-1], _LETTERS)
