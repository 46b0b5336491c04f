"""Reads Chinese with the lac_small network and its CRF, decoded here for many sentences at once.

May import: numpy, ``proxy.text`` and the room's own files. The rule that must stay true: a sentence's
tags depend on that sentence only, whatever is in the batch with it.

LAC: Z. Jiao, S. Sun and K. Sun, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network" (2018).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from proxy.text import plain_character

from .chinese_rules import Token, entities_of
from .entities import Entity
from .windows import HAN

BATCH = 32


def simplified(text: str) -> str:
    """``text`` with traditional Han characters as simplified ones, character for character."""
    return HAN.sub(lambda match: _simplified(match[0]), text)


@functools.lru_cache(maxsize=1 << 15)
def _simplified(character: str) -> str:
    made = plain_character(character)
    return made if len(made) == 1 else character


class Chinese:
    """The network with its alphabet, tags and transitions (``tables``: the JSON file beside it)."""

    def __init__(self, session: Any, tables: bytes) -> None:
        read = json.loads(tables)
        self.session = session
        self.alphabet: dict[str, int] = read["alphabet"]
        self.unknown: int = read["unknown"]
        self.tags: list[str] = read["tags"]
        self.start = np.array(read["start"], dtype=np.float32)
        self.end = np.array(read["end"], dtype=np.float32)
        self.transitions = np.array(read["transitions"], dtype=np.float32)

    def recognize(self, sentences: Sequence[str]) -> list[list[Entity]]:
        """The entities of each sentence (plain text, see ``windows.plain``), in text order."""
        found: list[list[Entity]] = [[] for _ in sentences]
        sentences = [simplified(text) for text in sentences]
        order = sorted((n for n, text in enumerate(sentences) if text), key=lambda n: len(sentences[n]))
        for at in range(0, len(order), BATCH):
            some = order[at : at + BATCH]
            for n, tags in zip(some, self.tagged([sentences[n] for n in some]), strict=True):
                found[n] = entities_of(sentences[n], list(self._tokens(tags)))
        return found

    def tagged(self, sentences: Sequence[str]) -> list[list[int]]:
        """The number of the best tag for every character. No sentence may be empty."""
        lengths = np.array([len(text) for text in sentences], dtype=np.int32)
        ids = np.zeros((len(sentences), int(lengths.max())), dtype=np.int64)
        for row, text in enumerate(sentences):
            ids[row, : len(text)] = [self.alphabet.get(character, self.unknown) for character in text]
        logits = self.session.run(None, {"ids": ids, "lengths": lengths})[0]
        return self._best(logits, lengths)

    def _best(self, logits: Any, lengths: Any) -> list[list[int]]:
        """Viterbi over all sentences side by side; one that has ended keeps its scores."""
        count, longest, _ = logits.shape
        scores = logits[:, 0] + self.start
        back = np.zeros((longest, count, len(self.start)), dtype=np.uint8)
        for place in range(1, longest):
            ways = scores[:, :, None] + self.transitions
            back[place] = ways.argmax(axis=1)
            going = (lengths > place)[:, None]
            scores = np.where(going, ways.max(axis=1) + logits[:, place], scores)
        last = (scores + self.end).argmax(axis=1)
        paths: list[list[int]] = []
        for row in range(count):
            tag = int(last[row])
            path = [tag]
            for place in range(int(lengths[row]) - 1, 0, -1):
                tag = int(back[place, row, tag])
                path.append(tag)
            paths.append(path[::-1])
        return paths

    def _tokens(self, tags: Sequence[int]) -> Iterator[Token]:
        """Words: a tag that ends in -I goes on with the word before it."""
        start, name = 0, ""
        for place, tag in enumerate(tags):
            label = self.tags[tag]
            if label.endswith("-I") and place and label[:-2] == name:
                continue
            if place:
                yield Token(name, start, place)
            start, name = place, label.removesuffix("-B").removesuffix("-I")
        yield Token(name, start, len(tags))
