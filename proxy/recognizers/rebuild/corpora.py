"""Reads the two public corpora that the English tagger is trained on.

Broad Twitter Corpus (Derczynski, Bontcheva and Roberts 2016) and WNUT 2017 emerging entities
(Derczynski and others 2017), both CC BY 4.0, as CoNLL columns: a token and its BIO label a line, a
blank line between sentences. May import: the standard library only. The rule that must stay true:
the test part of WNUT 2017 is never read here; it is what the tagger is measured on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .sentences import Sentence
from .values import Mark

FILES = ("btc.train", "btc.dev", "btc.test", "wnut17train.conll", "emerging.dev.conll")
LABELS = {"PER": "PER", "LOC": "LOC", "ORG": "ORG", "person": "PER", "location": "LOC"}
LABELS |= {"corporation": "ORG", "group": "ORG"}


def read_corpora(folder: Path) -> Iterator[Sentence]:
    """Every sentence of the training files in ``folder``. Raises FileNotFoundError for a missing one."""
    for name in FILES:
        yield from read_conll(folder / name)


def read_conll(path: Path) -> Iterator[Sentence]:
    """The sentences of one file; labels that are not of our four kinds become "no entity"."""
    rows: list[tuple[str, str]] = []
    for line in path.read_text("utf-8").split("\n"):
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) >= 2 and columns[0].strip():
            rows.append((columns[0].strip(), columns[-1].strip()))
        elif rows:
            yield sentence(rows)
            rows = []
    if rows:
        yield sentence(rows)


def sentence(rows: list[tuple[str, str]]) -> Sentence:
    """Join tokens by blanks. A handle (@name) is a label of an account, not a name: no entity."""
    text = ""
    marks: list[Mark] = []
    previous = ""
    for token, label in rows:
        handle = token.startswith("@") or previous == "@"
        kind = "" if handle else LABELS.get(label[2:], "")
        text += " " if text and previous != "@" else ""
        start, end = len(text), len(text) + len(token)
        text += token
        if kind and label[0] == "I" and marks and marks[-1][2] == kind and marks[-1][1] >= start - 1:
            marks[-1] = (marks[-1][0], end, kind)
        elif kind:
            marks.append((start, end, kind))
        previous = token
    return Sentence(text, tuple(marks))
