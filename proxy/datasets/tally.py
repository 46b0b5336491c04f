"""Count who decided the audience of each document: its record, its source, or the default."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    _said: set[str] = field(default_factory=set)

    def count(self, marked: str | None, source: str | None, default: str | None) -> None:
        """Count one document, by the first of the three that there is."""
        self.documents += 1
        if marked is not None:
            self.record += 1
        elif source is not None:
            self.source += 1
        elif default is not None:
            self.default += 1
        else:
            self.unmarked += 1

    def is_new(self, what: str) -> bool:
        """Return whether this is the first time that something is to be said."""
        new = what not in self._said
        self._said.add(what)
        return new
