"""Test a new index against its own training files, before anything is served from it.

The files are read a second time by a reader that shares no code with ``datasets``. Passages of every
source are scanned as a role cleared for nothing but strictly wider audiences than the one their
author wrote. What is not found, and is not free elsewhere, fails the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.selftest.judging import Judge, Judged, Outcome
from proxy.selftest.marks import NOBODY, Marks, Readers
from proxy.selftest.passages import Sampler
from proxy.selftest.reading import Reading, Text, files_of
from proxy.selftest.sources import Tested, source_named
from proxy.types import TextIndex, Threshold

__all__ = ["Judged", "Outcome", "Readers", "Report", "SourceReport", "Tested", "self_test", "source_named"]

LEAST_OF_SOURCE = 0.99
"""The share of a source's passages that must be protected."""

LEAST_OF_FILE = 0.9
"""The same for one file: it has few passages, and may not hide among the others."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What the self-test found in one source."""

    source: str
    judged: tuple[Judged, ...] = ()
    short: int = 0
    codes: int = 0
    unread: tuple[tuple[str, str], ...] = ()

    def count(self, *outcomes: Outcome) -> int:
        return sum(each.outcome in outcomes for each in self.judged)

    @property
    def failures(self) -> tuple[Judged, ...]:
        """The passages that anyone could get, or that the author's audience could not."""
        return tuple(
            each
            for each in self.judged
            if each.outcome in (Outcome.MISSING, Outcome.WIDER, Outcome.NARROWER)
        )

    @property
    def ok(self) -> bool:
        """Whether no audience differs and enough passages are protected, in the source and in each file."""
        if self.count(Outcome.WIDER, Outcome.NARROWER):
            return False
        files: dict[str, list[bool]] = {}
        for each in self.judged:
            if each.outcome is not Outcome.FREE:
                files.setdefault(each.passage.file, []).append(each.outcome is Outcome.PROTECTED)
        every = [protected for found in files.values() for protected in found]
        return _share(every) >= LEAST_OF_SOURCE and all(
            _share(found) >= LEAST_OF_FILE for found in files.values()
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What the self-test found in all sources."""

    sources: tuple[SourceReport, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(each.ok for each in self.sources)


def self_test(
    index: TextIndex,
    sources: Sequence[Tested],
    *,
    readers: Readers,
    threshold: Callable[[str], Threshold],
    default_audience: str | None = None,
    audience_field: str | None = None,
    ignore_audience: bool = False,
    encoding: str | None = None,
    encodings: Mapping[str, str] = MappingProxyType({}),
    form: str = "auto",
    before: TextIndex | None = None,
    reported: Callable[[str], bool] = lambda _where: False,
    seed: int = 0,
) -> Report:
    """Scan passages of every source and report what is protected.

    ``encoding``: that of files that are not UTF-8, where the operator gave it; ``encodings``: what the
    dataset reader took them for, by path or name, which is checked here.

    ``readers`` and ``threshold`` come from the policy. ``before``: the index before documents were added.
    ``reported``: whether the dataset reader has said of
    a file that it gave some of its records a narrower audience; such records are no difference.
    """
    marks = Marks(readers, audience_field, ignore_audience)

    def texts(source: Tested, unread: list[tuple[str, str]]) -> Iterator[tuple[Text, str]]:
        reading = Reading(marks, encoding, encodings)
        for file in files_of(source.path, source.dataset, form):
            for text in reading.texts(file):
                yield text, text.audience or source.audience or default_audience or NOBODY
        unread += reading.unread

    def every() -> Iterator[tuple[Text, str]]:
        for source in sources:
            yield from texts(source, [])

    judge = Judge(index, readers, threshold, before)
    reports = []
    for source in sources:
        sampler = Sampler(source.name, lambda name: threshold(name).act, seed)
        unread: list[tuple[str, str]] = []
        for text, audience in texts(source, unread):
            sampler.add(text, audience)
        judged = [
            each
            if each.outcome is not Outcome.NARROWER or not reported(each.passage.file)
            else Judged(each.passage, Outcome.PROTECTED)
            for each in judge.judge(sampler.passages(), every)
        ]
        reports.append(SourceReport(source.name, tuple(judged), sampler.short, sampler.codes, tuple(unread)))
    return Report(tuple(reports))


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 1.0
