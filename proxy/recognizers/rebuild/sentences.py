"""Sentences made for training: templates.txt filled with made-up names, addresses and companies.

May import: the standard library. The rule
that must stay true: the same seed gives the same sentences, and no sentence comes from a test set.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from .values import SLOT, Mark, Values

CHOICE = re.compile(r"\[([^\[\]{}]*(?:\{\w+\}[^\[\]{}]*)*)\]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One training text and where its entities stand."""

    text: str
    marks: tuple[Mark, ...]


def sections(text: str) -> dict[str, list[str]]:
    """The word lists of words.txt by section; items are separated by " / ", or by blanks without it."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1]
            found[name] = []
        elif line and not line.startswith("#"):
            found[name] += line.split(" / ") if " / " in line else line.split()
    return found


def templates(text: str) -> list[str]:
    """The lines of templates.txt without comments, with ``\\n`` turned into a line break."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.replace("\\n", "\n") for line in lines]


class Maker:
    """Fills templates. One seed, one sequence of sentences."""

    def __init__(self, seed: int) -> None:
        here = files(__package__)
        self.values = Values(seed, sections(here.joinpath("words.txt").read_text("utf-8")))
        self.templates = templates(here.joinpath("templates.txt").read_text("utf-8"))
        self.random: random.Random = self.values.random

    def sentences(self, count: int) -> Iterator[Sentence]:
        """``count`` sentences; every template is used about equally often."""
        order: list[str] = []
        for _ in range(count):
            if not order:
                order = self.random.sample(self.templates, len(self.templates))
            yield self._recase(self.fill(order.pop()))

    def fill(self, template: str) -> Sentence:
        """One template with its alternatives picked and its slots filled."""
        self.values.change_locale()
        text = CHOICE.sub(lambda m: self.random.choice(m.group(1).split("|")), template)
        made: list[str] = []
        marks: list[Mark] = []
        at = size = 0
        for slot in SLOT.finditer(text):
            made.append(text[at : slot.start()])
            size += slot.start() - at
            value, inner = self.values.slot(slot.group(1))
            for start, end, label in inner:
                marks.append((size + start, size + end, label))
            if len(marks) > 1 and marks[-1][2] == marks[-2][2] == "PER" and made[-1] == " ":  # {first} {last}
                marks[-2:] = [(marks[-2][0], marks[-1][1], "PER")]
            made.append(value)
            size += len(value)
            at = slot.end()
        return Sentence("".join((*made, text[at:])), tuple(marks))

    def _recase(self, sentence: Sentence) -> Sentence:
        """Some people write in lower case, some in capitals; a length that changes is left alone."""
        dice = self.random.random()
        text = (
            sentence.text.lower() if dice < 0.15 else sentence.text.upper() if dice < 0.18 else sentence.text
        )
        return Sentence(text, sentence.marks) if len(text) == len(sentence.text) else sentence
