"""What is found of disguised and changed text, and what else is touched: ``python -m benchmarks.detection``.

English: the 58 internal documents of the bank, its 640 public ones cleared; Chinese: ``alpaca_zh_demo`` as a
private set (audience admin), which is generic and has code and drawings; Chinese, a company's data: the
dialogues of CrossWOZ and the records of its places (admin). Role public, default policy, all its detectors,
in process through the guard of the server. Each passage shares no run of 20 units with text that public may
have (public documents and the background), is changed as the row says, and stands in the middle of an
ordinary answer, which passes unchanged by itself. The index has a background: answers to one half of the
prompts; carriers and false alarms are of the other half.

caught: the answer was stopped while a part of the passage was not out. "ours %" is of all passages; "of 32+
units %" beside it is of those among them that have, as they stand in the document, the 32 units from which
on an exact match is guaranteed to be found: 50 characters of code, of a table or of a drawing may have fewer.
A line above the table says how many they are; the bars are held to both. leak: units of the passage that got
out, over all passages, those that were not caught included; of a code, in proportion to its characters; of
changed text, what stands there now. held: characters held back, averaged over what was read. us a token:
processor time of the guard and its scanners for 4.4 characters, in both languages; all in pieces of four
characters, but for the row of one. ±: half of the 95 % bootstrap interval over documents; it
has no width where all or none are caught (then the exact bound is about 3 / passages). Chinese words are two
characters. The baselines: see ``benchmarks/baselines.py``.

touched: completions of which something was cut out or that were stopped by a detector that asks the index, a
million tokens (4.4 characters; Chinese: one character), with the exact Poisson interval of 95 %. pii only:
those of which nothing but personal data that no index knows was cut out (a made-up password, a card number).
English: AlpacaEval; Chinese: the answers of dpo_zh_demo and the guide's turns of CrossWOZ; for the company's
data, of which those turns are a part, the answers alone.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import alarms, curves, material, recall
from benchmarks.alarms import Sweep
from benchmarks.baselines import Baseline, baselines
from benchmarks.curves import GENERIC, PRIVATE, Index, Judged, Kept
from benchmarks.material import Answer
from benchmarks.passages import Passage, Passages, carriers
from benchmarks.report import RESULTS, Report, parser
from benchmarks.transforms import Words, rows
from proxy.server.firewall import Firewall
from proxy.types import Document

_CARRIERS = 120
_KINDS = (("verbatim", 50), ("verbatim", 100), ("words swapped 20 %", 200), ("words swapped 30 %", 200))
"""Rows and sizes of the curves of what is found."""
PARTS = ("English", "Chinese", "Chinese-company")
"""What ``--only`` takes: a ``part`` of each language."""


@dataclass(frozen=True, slots=True)
class Language:
    """What one language is measured on. ``part``: its name for ``--only``.

    ``halves``: ordinary answers by the half of their prompt. ``private``: the name of the set; ``bar``: for
    its false alarms (None: it is not like private text). ``generic``: a demo set, judged as text of nobody.
    """

    part: str
    name: str
    han: bool
    items: Sequence[Document]
    halves: Sequence[Sequence[Answer]]
    per: float
    """Characters of a token."""
    private: str
    bar: float | None = None
    generic: str | None = None

    @property
    def protected(self) -> list[Document]:
        return [item for item in self.items if item.audience == "admin"]


def languages(data: Path, quick: bool) -> Iterator[Language]:
    def some(answers: list[Answer]) -> list[Answer]:
        return random.Random(3).sample(answers, 300) if quick else answers

    english = alarms.dealt(some(material.english_answers(data)), lambda answer: answer.prompt)
    per = material.CHARACTERS_A_TOKEN
    bank = material.bank(data)
    yield Language("English", "English", False, bank, english, per, "bank", PRIVATE, "alpaca_en_demo")
    answers = alarms.dealt(some(material.chinese_answers(data)), lambda answer: answer.prompt)
    # The prompt of a turn is all that was asked before, so its first line stands for the dialogue.
    turns = alarms.dealt(some(material.chinese_turns(data)), lambda answer: answer.prompt.partition("\n")[0])
    halves = [[*one, *other] for one, other in zip(answers, turns, strict=True)]
    name = "alpaca_zh_demo"
    generic = material.demo_set(data, f"{name}.json", "admin")
    yield Language("Chinese", "Chinese", True, generic, halves, 1.0, f"{name}, admin", None, name)
    own = [*material.crosswoz_dialogues(data, "admin"), *material.crosswoz_places(data, "admin")]
    name = "Chinese, a company's data"
    yield Language("Chinese-company", name, True, own, answers, 1.0, "CrossWOZ, admin", PRIVATE)


def indexes(data: Path, language: Language) -> Iterator[Index]:
    """The private set of a language, and the generic one where it has one."""
    halves, per, name = language.halves, language.per, language.generic
    yield Index(language.private, "admin", language.items, halves, per, language.bar)
    if name is not None:
        items = material.demo_set(data, f"{name}.json", "nobody")
        yield Index(f"{name}, nobody", "nobody", items, halves, per, GENERIC)


def drawn(report: Report, language: Language, house: Firewall, count: int) -> dict[int, list[Passage]]:
    """The passages of each size."""
    free = [material.joined(item) for item in language.items if item.audience != "admin"]
    free += [answer.text for answer in language.halves[0]]
    short = carriers(language.halves[1], house, _CARRIERS)
    pool = Passages(language.protected, free, short, words=not language.han)
    found = {size: pool.draw(size, count, 1) for size in recall.SIZES}
    report.note(
        f"\n{language.name}: {len(language.protected)} protected documents, {len(short)} carriers; "
        f"of {pool.drawn} passages drawn {pool.excluded} were left out, since public may have a part of them"
    )
    return found


def table(
    report: Report,
    language: Language,
    house: Firewall,
    passages: dict[int, list[Passage]],
    others: Sequence[Baseline],
    words: Words,
) -> None:
    """The table of one language, and its bars."""
    work = recall.Recall(house, others, words)
    cells = []
    for row in rows(han=language.han):
        fresh = [work.cell(row, size, passages[size]) for size in recall.SIZES]
        for cell in fresh:  # it takes a while
            print(language.name, *cell.line(), file=sys.stderr, flush=True)
        cells += fresh
    for other in others:
        report.note(f"  {other.short}: {other.about}; {other.most} passages a cell")
    count = len(passages[recall.SIZES[0]])
    recall.say_reach(report, language.name, work, passages)
    title = f"{language.name}: % caught, {count} passages a cell"
    report.table(title, recall.headings(others, work.act), [cell.line() for cell in cells])
    recall.keep(report, f"{language.name}: intervals", others, cells, work.act)
    early = sum(cell.before for cell in cells)
    report.bar(f"{language.name}: answers stopped before the passage", early, "0", not early)
    recall.hold_to_bars(report, language.name, cells, work.act)


def kept(sweep: Sweep, passages: dict[int, list[Passage]], words: Words) -> Kept:
    """Passages found by each L alone and by each C alone."""
    made = {row.name: row.make for row in rows(han=words.han)}
    found = {}
    for name, size in _KINDS:
        dice = random.Random(f"{name} {size}")
        texts = [_answer(each, made[name](each.text, dice, words)) for each in passages[size]]
        exact, near = alarms.curves(sweep, texts)
        found[f"{name}, {size}"] = (_percent(exact, len(texts)), _percent(near, len(texts)))
    return found


def _answer(passage: Passage, text: str) -> Answer:
    carrier = passage.carrier
    return Answer(carrier.prompt, carrier.head + text + carrier.tail)


def _percent(counts: dict[int, int], of: int) -> dict[int, float]:
    return {threshold: round(100 * count / of, 2) for threshold, count in counts.items()}


def run(report: Report, data: Path, folder: Path, count: int, only: str | None) -> str:
    """Everything; the drawing. ``only``: the table of one language and nothing else."""
    results: list[Judged] = []
    found: dict[str, Kept] = {}
    for language in languages(data, report.quick):
        if only not in (None, language.part):
            continue
        house = alarms.house(folder / language.part, language.items, language.halves[0])
        words = Words(language.halves[1], han=language.han)
        passages = drawn(report, language, house, count)
        others = baselines([material.joined(item) for item in language.protected], count)
        table(report, language, house, passages, others, words)
        if only:
            return ""
        ordinary = random.Random(9).sample(list(language.halves[1]), min(count, len(language.halves[1])))
        curves.show_baselines(report, language.name, others, ordinary, language.per)
        found[language.name] = kept(Sweep(house, language.items, "admin"), passages, words)
        for number, index in enumerate(indexes(data, language)):
            results.append(curves.judge(index, folder / f"{language.part}{number}"))
    curves.show_alarms(report, results)
    curves.show_curve(report, "exact runs of L units alone", results, lambda each: each.exact)
    curves.show_curve(report, "near-verbatim cover C alone", results, lambda each: each.near)
    for name, each in found.items():
        curves.show_kept(report, name, each)
    return curves.drawing(results, found["English"], material.policy_named("default"))


class Tee:
    """Writes to the terminal, and keeps what was written."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        written: int = self._terminal.write(text)
        return written

    def flush(self) -> None:
        self._terminal.flush()


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--passages", type=int, help="passages a cell (300; with --quick 20)")
    options.add_argument("--only", choices=PARTS, help="the table of one language, without the false alarms")
    given = options.parse_args()
    count = given.passages or (20 if given.quick else 300)
    tee: Any = Tee(sys.stdout)
    with redirect_stdout(tee), tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as folder:
        extra = {"passages": given.passages} if given.passages else {}
        name = f"detection.{given.only.lower()}" if given.only else "detection"
        if given.only:
            extra["only"] = given.only
        report = Report(name, given.quick, not given.no_save, extra)
        picture = run(report, given.data, Path(folder), count, given.only)
        status = report.write()
    if report.save:
        stem = f"{name}.quick" if given.quick else name
        (RESULTS / f"{stem}.txt").write_text(tee.text, "utf-8")
        if picture:
            (RESULTS / f"{stem}.svg").write_text(picture, "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
