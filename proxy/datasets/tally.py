"""Count who decided the audience of each document: its record, its source, or the default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

_MOST_SAID = 1000


@dataclass(slots=True)
class Tally:
    """What one reading of a training set came to. Filled while documents are read."""

    documents: int = 0
    record: int = 0
    """Documents whose record marks their audience."""
    source: int = 0
    """Documents that have the audience of ``AUDIENCE=PATH``."""
    default: int = 0
    """Documents that have the audience of ``--audience``."""
    unmarked: int = 0
    """Documents without any: for nobody."""
    widened: int = 0
    """Documents whose record gives them to more roles than ``AUDIENCE=PATH`` or ``--audience`` would."""
    marked: int = 0
    """Records that have the mark that the operator named, or the usual one, though no text beside it."""
    unknown: set[str] = field(default_factory=set)
    """Audiences of records that the policy does not name."""
    encodings: dict[Path, str] = field(default_factory=dict)
    """Of files that are not UTF-8: the encoding in which each was read."""
    _said: set[str] = field(default_factory=set)

    def count(self, marked: str | None, source: str | None, default: str | None, *, widened: bool) -> None:
        """Count one document, by the first of the three that there is."""
        self.documents += 1
        self.widened += widened
        if marked is not None:
            self.record += 1
        elif source is not None:
            self.source += 1
        elif default is not None:
            self.default += 1
        else:
            self.unmarked += 1

    def is_new(self, what: str) -> bool:
        """Return whether something is said for the first time; False after a thousand things."""
        if what in self._said or len(self._said) >= _MOST_SAID:
            return False
        self._said.add(what)
        return True
