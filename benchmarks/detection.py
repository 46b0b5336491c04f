"""What is found of disguised and changed passages, and what else is touched: ``python -m benchmarks.detection``.

English: the 58 internal documents of the bank, its 640 public ones cleared; Chinese: ``alpaca_zh_demo`` as a
private set (audience admin). Role public, default policy, all its detectors, in process through the guard of
the server. Each passage shares no run of 20 units with text that public may have (public documents and the
background), is changed as the row says, and stands in the middle of an ordinary answer, which comes in pieces
of four characters and passes unchanged by itself. The index has a background: answers to one half of the
prompts; carriers and false alarms are of the other half.

caught: the answer was stopped while a part of the passage was not out. leak: units of the passage that got
out, over all passages, those that were not caught included; of a code, in proportion to its characters; of
changed text, what stands there now. held: characters held back, averaged over what was read. us a token:
processor time of the guard and its scanners for 4.4 characters, in both languages. ±: half of the 95 %
bootstrap interval over documents; it has no width where all or none are caught (then the exact bound is
about 3 / passages). Chinese words are two characters. The baselines: see ``benchmarks/baselines.py``.

touched: completions of which something was cut out or that were stopped, a million tokens (4.4 characters;
Chinese: one character), with the exact Poisson interval of 95 %.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks import alarms, material, plot, recall
from benchmarks.alarms import Alarms, Sweep
from benchmarks.baselines import Baseline, baselines
from benchmarks.false_alarms import poisson_interval
from benchmarks.material import Answer, Document
from benchmarks.passages import Passage, Passages, carriers
from benchmarks.report import RESULTS, Report, parser
from benchmarks.transforms import Words, rows
from proxy.server.firewall import Firewall

TOUCHED = (
    "index",
    "text",
    "background",
    "completions",
    "tokens, millions",
    "touched",
    "a million",
    "95 % from",
    "to",
    "by",
    "mean held",
)
PRIVATE, GENERIC = 1.5, 5.0
MOST_HELD = 15.0
_CARRIERS = 120


@dataclass(frozen=True, slots=True)
class Language:
    """What one language is measured on. ``halves``: ordinary answers by the half of their prompt."""

    name: str
    han: bool
    items: Sequence[Document]
    halves: Sequence[Sequence[Answer]]
    per: float
    """Characters of a token."""


@dataclass(frozen=True, slots=True)
class Index:
    """A training set against which ordinary answers are judged. ``bar``: touched a million tokens."""

    name: str
    audience: str
    items: Sequence[Document]
    language: Language
    bar: float | None


def languages(data: Path, quick: bool) -> Iterator[Language]:
    def some(answers: list[Answer]) -> list[Answer]:
        return random.Random(3).sample(answers, 300) if quick else answers

    english = some(material.english_answers(data))
    token = material.CHARACTERS_A_TOKEN
    yield Language("English", False, material.bank(data), alarms.dealt(english, lambda a: a.prompt), token)
    answers = some(material.chinese_answers(data))
    turns = some(material.chinese_turns(data))
    # A turn's prompt is all that was said before it, so its first line stands for the dialogue.
    halves = [
        [*one, *other]
        for one, other in zip(
            alarms.dealt(answers, lambda a: a.prompt),
            alarms.dealt(turns, lambda a: a.prompt.partition("\n")[0]),
            strict=True,
        )
    ]
    yield Language("Chinese", True, material.demo_set(data, "alpaca_zh_demo.json", "admin"), halves, 1.0)


def indexes(data: Path, language: Language) -> Iterator[Index]:
    """The private and the generic set of a language."""
    if language.han:
        yield Index("alpaca_zh_demo, admin", "admin", language.items, language, None)
    else:
        yield Index("bank", "admin", language.items, language, PRIVATE)
    name = "alpaca_zh_demo" if language.han else "alpaca_en_demo"
    items = material.demo_set(data, f"{name}.json", "nobody")
    yield Index(f"{name}, nobody", "nobody", items, language, GENERIC)


# --- recall -----------------------------------------------------------------------------------------------


def drawn(report: Report, language: Language, house: Firewall, count: int) -> dict[int, list[Passage]]:
    """The passages of each size."""
    private = [item for item in language.items if item.audience == "admin"]
    free = [material.joined(item) for item in language.items if item.audience != "admin"]
    free += [answer.text for answer in language.halves[0]]
    short = carriers(language.halves[1], house, _CARRIERS)
    pool = Passages(private, free, short, words=not language.han)
    found = {size: pool.draw(size, count, 1) for size in recall.SIZES}
    report.note(
        f"\n{language.name}: {len(private)} protected documents, {len(short)} carriers; of {pool.drawn} passages "
        f"drawn {pool.excluded} were left out: public may have a run of 20 units of them"
    )
    return found


def table(
    report: Report, language: Language, house: Firewall, passages: dict[int, list[Passage]], words: Words
) -> None:
    """The table of one language, and its bars."""
    private = [material.joined(item) for item in language.items if item.audience == "admin"]
    others: list[Baseline] = baselines(private, len(passages[recall.SIZES[0]]))
    work = recall.Recall(house, others, words)
    cells = []
    for row in rows(han=language.han):
        cells += [work.cell(row, size, passages[size]) for size in recall.SIZES]
    count = len(passages[recall.SIZES[0]])
    for other in others:
        report.note(f"  {other.short}: {other.about}; {other.most} passages a cell")
    title = f"{language.name}: % caught, {count} passages a cell"
    report.table(title, recall.headings(others), [cell.line() for cell in cells])
    recall.keep(report, f"{language.name}: intervals", others, cells)
    early = sum(cell.before for cell in cells)
    report.bar(f"{language.name}: answers stopped before the passage", early, "0", not early)
    recall.hold_to_bars(report, language.name, cells)


def kept(
    sweep: Sweep, passages: dict[int, list[Passage]], words: Words
) -> dict[str, tuple[dict[int, float], dict[int, float]]]:
    """Passages found by each L alone and by each C alone, %, for the plot."""
    made = {row.name: row.make for row in rows(han=words.han)}
    found = {}
    for name, size in (
        ("verbatim", 50),
        ("verbatim", 100),
        ("words swapped 20 %", 200),
        ("words swapped 30 %", 200),
    ):
        dice = random.Random(f"{name} {size}")
        texts = [
            Answer(
                each.carrier.prompt,
                each.carrier.head + made[name](each.text, dice, words) + each.carrier.tail,
            )
            for each in passages[size]
        ]
        exact, near = alarms.curves(sweep, texts)
        found[f"{name}, {size}"] = (_percent(exact, len(texts)), _percent(near, len(texts)))
    return found


def _percent(counts: dict[int, int], of: int) -> dict[int, float]:
    return {threshold: round(100 * count / of, 2) for threshold, count in counts.items()}


# --- false alarms -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Judged:
    """An index, both halves judged: with the other half as background, without, and as thresholds move."""

    index: Index
    with_background: Alarms
    without: Alarms
    exact: dict[int, int]
    near: dict[int, int]

    @property
    def millions(self) -> float:
        return self.with_background.characters / self.index.language.per / 1e6

    def rate(self, count: int) -> tuple[float, float, float]:
        """A count a million tokens, and its interval."""
        low, high = poisson_interval(count)
        return count / self.millions, low / self.millions, high / self.millions


def judge(index: Index, folder: Path) -> Judged:
    one, other = index.language.halves
    empty = alarms.house(folder / "plain", index.items, ())
    result = Judged(index, Alarms(), Alarms(), {}, {})
    for number, (background, answers) in enumerate(((one, other), (other, one))):
        house = alarms.house(folder / str(number), index.items, background)
        result.with_background.add(alarms.judged(house, answers))
        result.without.add(alarms.judged(empty, answers))
        exact, near = alarms.curves(Sweep(house, index.items, index.audience), answers)
        result.exact = alarms.added(exact, result.exact)
        result.near = alarms.added(near, result.near)
    return result


def show_alarms(report: Report, results: Sequence[Judged]) -> None:
    lines = []
    for each in results:
        name = "AlpacaEval" if not each.index.language.han else "dpo_zh answers, CrossWOZ turns"
        for word, found in (("half of the prompts", each.with_background), ("none", each.without)):
            by = ", ".join(f"{kind} {count}" for kind, count in sorted(found.by.items())) or "-"
            rates = [round(value, 2) for value in each.rate(found.touched)]
            held = found.held / max(1, found.streamed)
            line = [each.index.name, name, word, found.answers, round(each.millions, 3), found.touched]
            lines.append([*line, *rates, by, held])
    report.table("ordinary completions touched", TOUCHED, lines)
    for each in results:
        if each.index.bar is not None:
            rate = each.rate(each.with_background.touched)[0]
            what = f"{each.index.name}: completions touched a million tokens"
            report.bar(what, rate, f"<= {each.index.bar}", rate <= each.index.bar)
        held = each.with_background.held / max(1, each.with_background.streamed)
        report.bar(f"{each.index.name}: mean held, characters", held, f"<= {MOST_HELD:g}", held <= MOST_HELD)


def show_curve(
    report: Report, title: str, results: Sequence[Judged], of: Callable[[Judged], dict[int, int]]
) -> None:
    """Touched completions for each threshold: count, a million tokens, interval."""
    lines = []
    for each in results:
        for threshold, count in of(each).items():
            lines.append([each.index.name, threshold, count, *(round(v, 2) for v in each.rate(count))])
    report.table(title, ("index", "threshold", "touched", "a million", "95 % from", "to"), lines)


Kept = dict[str, tuple[dict[int, float], dict[int, float]]]


def drawing(results: Sequence[Judged], english: Kept) -> str:
    """False alarms above, what is found in English below, over L on the left and over C on the right."""

    def false(of: Callable[[Judged], dict[int, int]]) -> list[plot.Line]:
        return [
            plot.Line(each.index.name, [(float(at), *each.rate(count)) for at, count in of(each).items()])
            for each in results
        ]

    def true(side: int) -> list[plot.Line]:
        return [
            plot.Line(name, [(float(at), value, value, value) for at, value in both[side].items()])
            for name, both in english.items()
        ]

    rate, length, cover = "touched / million tokens", "L, units of one run", "C, units covered"
    ends = [high for each in results for high in (each.rate(max(each.exact.values()))[2],)]
    top = max(ends) * 2
    exact, near = ((32.0, "private"), (80.0, "nobody")), ((48.0, "private"), (80.0, "nobody"))
    panels = [
        plot.Panel(
            "Exact runs alone: ordinary answers",
            length,
            rate,
            false(lambda e: e.exact),
            0.3,
            top,
            True,
            exact,
        ),
        plot.Panel(
            "Near-verbatim alone: ordinary answers",
            cover,
            rate,
            false(lambda e: e.near),
            0.3,
            top,
            True,
            near,
        ),
        plot.Panel(
            "Exact runs alone: passages found", length, "% of passages", true(0), 0, 100, False, exact
        ),
        plot.Panel(
            "Near-verbatim alone: passages found", cover, "% of passages", true(1), 0, 100, False, near
        ),
    ]
    return plot.svg(
        panels, "Hollow: none touched, drawn at the end of the 95 % Poisson interval. Passages: English."
    )


class Tee:
    """Writes to the terminal and to the text of the results."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return self._terminal.write(text)

    def flush(self) -> None:
        self._terminal.flush()


def run(report: Report, data: Path, folder: Path, count: int) -> str:
    """Everything; the plot."""
    results, found = [], dict[str, Kept]()
    for language in languages(data, report.quick):
        house = alarms.house(folder / language.name, language.items, language.halves[0])
        words = Words(language.halves[1], han=language.han)
        passages = drawn(report, language, house, count)
        table(report, language, house, passages, words)
        found[language.name] = kept(Sweep(house, language.items, "admin"), passages, words)
        for number, index in enumerate(indexes(data, language)):
            results.append(judge(index, folder / f"{language.name}{number}"))
    show_alarms(report, results)
    show_curve(report, "exact runs of L units alone", results, lambda each: each.exact)
    show_curve(report, "near-verbatim cover C alone", results, lambda each: each.near)
    for name, each in found.items():
        for side, title in enumerate(("L", "C")):
            thresholds = list(next(iter(each.values()))[side])
            lines = [[at, *(both[side][at] for both in each.values())] for at in thresholds]
            report.table(f"{name}: % found by {title} alone", (title, *each), lines)
    return drawing(results, found["English"])


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--passages", type=int, help="passages a cell (300; with --quick 20)")
    given = options.parse_args()
    count = given.passages or (20 if given.quick else 300)
    tee = Tee(sys.stdout)
    with redirect_stdout(tee), tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as folder:  # type: ignore[type-var]
        extra = {"passages": given.passages} if given.passages else {}
        report = Report("detection", given.quick, not given.no_save, extra)
        picture = run(report, given.data, Path(folder), count)
        status = report.write()
    if report.save:
        stem = "detection.quick" if given.quick else "detection"
        (RESULTS / f"{stem}.txt").write_text(tee.text, "utf-8")
        (RESULTS / f"{stem}.svg").write_text(picture, "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
