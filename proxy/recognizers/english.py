"""Reads English, and other languages of the Latin alphabet, with a BERT tagger.

May import: numpy and the room's own files; ``tokenizers`` when a tagger is opened. The rule that must
stay true: a window is run alone, so what is found in it does not depend on what else is read.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .entities import Entity, Kind, trimmed
from .windows import ENGLISH_OVERLAP, english_windows, halves

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-ADDR", "I-ADDR")
"""The labels of our own tagger, in the order of its outputs."""

ORDER: tuple[Kind, ...] = ("person", "place", "organisation", "address")
"""The kinds in the order of the labels; "no entity" stands before them."""

ADDRESS = 4
SHAPES = 4
LEAST_DIGITS = 4
"""An address without a letter has at least so many digits: a postcode, and not any number."""

TITLE = re.compile(r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam)\b\.?\s+", re.IGNORECASE)
MOST_PIECES = 250

Word = tuple[int, int, int, int]
"""First and last+1 piece, first and last+1 character."""

Read = tuple[int, int, Any, bool]
"""A word's characters, the five probabilities ("no entity", then ``ORDER``), and whether one begins there."""


def shape(word: str) -> int:
    """How a word is written: 0 small letters or none, 1 Capitalised, 2 ALL CAPITALS, 3 mIxed."""
    if word.islower() or not any(map(str.isupper, word)):
        return 0
    if word[0].isupper() and (len(word) == 1 or word[1:].islower()):
        return 1
    return 2 if word.isupper() else 3


def words_of(offsets: Sequence[tuple[int, int]], text: str) -> Iterator[Word]:
    """Pieces grouped into words: runs of letters and digits; every other sign is a word of its own."""
    at, count = 0, len(offsets)
    while at < count:
        first, (start, end) = at, offsets[at]
        at += 1
        if end <= start:
            continue
        while (
            at < count
            and offsets[at][0] == end < offsets[at][1]
            and text[end - 1].isalnum()
            and text[end].isalnum()
        ):
            end = offsets[at][1]
            at += 1
        yield first, at, start, end


def pieces(tokenizer: Any, text: str) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """The ids of the word pieces of ``text``, the shape of the word each is from, and their offsets."""
    encoded = tokenizer.encode(text)
    offsets: list[tuple[int, int]] = encoded.offsets
    shapes = [0] * len(offsets)
    for first, last, start, end in words_of(offsets, text):
        shapes[first:last] = [shape(text[start:end])] * (last - first)
    return encoded.ids, shapes, offsets


class Tagger:
    """The network: gives, for every word of a window, how likely each kind is."""

    def __init__(self, session: Any, vocabulary: bytes) -> None:
        self.session = session
        self.tokenizer = importlib.import_module("tokenizers").Tokenizer.from_buffer(vocabulary)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def read(self, text: str) -> list[Read] | None:
        """The words of ``text``; None where it has more pieces than the network takes."""
        ids, shapes, offsets = pieces(self.tokenizer, text)
        if len(ids) > MOST_PIECES:
            return None
        logits = self.session.run(None, {"ids": np.array([ids]), "shapes": np.array([shapes])})[0][0]
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        begin, inside = likely[:, 1::2], likely[:, 2::2]
        kinds = np.concatenate([likely[:, :1], begin + inside], axis=1)
        begins = begin.sum(axis=1) > inside.sum(axis=1)
        return [
            (start, end, kinds[first:last].mean(axis=0), bool(begins[first]))
            for first, last, start, end in words_of(offsets, text)
        ]


class English:
    """Reads texts window by window with one tagger."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger

    def recognize(self, text: str) -> list[Entity]:
        """The entities of ``text``, which is plain (``windows.plain``); parts of addresses still apart."""
        found: list[Entity] = []
        waiting = list(english_windows(text))
        while waiting:
            start, end = waiting.pop()
            words = self.tagger.read(text[start:end])
            if words is None:
                waiting += halves(start, end, ENGLISH_OVERLAP)
                continue
            for entity in spans(words, text[start:end]):
                found.append(Entity(entity.kind, entity.start + start, entity.end + start, entity.score))
        return found


def spans(words: Sequence[Read], text: str) -> Iterator[Entity]:
    """Neighbouring words of one kind as entities."""
    open_kind, start, end, scores = 0, 0, 0, list[float]()
    for left, right, likely, begins in words:
        kind = int(likely.argmax())
        breaks = text.count("\n", end, left) if kind != ADDRESS else 0
        if kind != open_kind or (breaks and breaks + begins > 1):  # a blank line, or one that begins another
            if open_kind and (made := _entity(open_kind, start, end, scores, text)):
                yield made
            open_kind, start, scores = kind, left, []
        end = right
        scores.append(float(likely[kind]))
    if open_kind and (made := _entity(open_kind, start, end, scores, text)):
        yield made


def _entity(kind: int, start: int, end: int, scores: list[float], text: str) -> Entity | None:
    """The entity without a title in front; None where too little is left for a name."""
    title = TITLE.match(text, start, end)
    found = trimmed(
        Entity(ORDER[kind - 1], title.end() if title else start, end, sum(scores) / len(scores)), text
    )
    if found is None:
        return None
    word = text[found.start : found.end]
    digits = sum(map(str.isdigit, word))
    if not any(map(str.isalpha, word)) and (kind != ADDRESS or digits < LEAST_DIGITS):
        return None
    return found
