"""What is touched and held back of ordinary text: ``python -m benchmarks.false_alarms --data DATA``.

English: 3,224 answers of eight models to AlpacaEval (``benign``), against the bank's documents (58 internal,
the others public) and against ``alpaca_en_demo`` as text of nobody. Chinese: the answers of ``dpo_zh_demo``
and the guide's turns of CrossWOZ, against ``alpaca_zh_demo`` as text of nobody and against private sets: the
records of CrossWOZ (for the answers) and ``glaive_toolcall_zh_demo`` (for the turns, which quote the records,
and the answers). Role public, default policy, in process through the detectors and the guard of the server.

touched: completions of which something was redacted or that were stopped, a million tokens of 4.4 characters
(Chinese: a million characters), with the exact Poisson interval of 95 %; what was asked counts as the
caller's own words, as in the server, but for the columns without echo. exact only: near-verbatim matching is
switched off (cover 0). held: received less released, in characters, after each character, averaged over all
characters, fed one at a time (of English, every fourth answer). behind: those of these answers that were not
touched as a stream of pieces of about a token, one every 20 ms, gathered as the server does: the most words
held at once, and how much later than it came a piece had left whole.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import material
from benchmarks.material import Answer, Units
from benchmarks.report import Report, parser
from proxy.server.firewall import Firewall
from proxy.server.settings import GATHER
from proxy.types import Document, Verdict

ROLE = "public"
_PIECE = 1000
"""Characters fed at once where only the outcome counts: it does not depend on the cutting."""

_TICK = 20
"""Milliseconds between two pieces of a stream."""
_BEAT = math.ceil(1000 * GATHER / _TICK)
"""Pieces from one read of the relay to the next."""

_TOUCHED = (
    "index",
    "text",
    "completions",
    "characters",
    "tokens or characters, millions",
    "touched",
    "a million",
    "95 % from",
    "to",
    "without echo",
    "a million ",
)
_HELD = ("index", "text", "mean", "p50", "p90", "p99", "p99.9", "max")
_BEHIND = (
    *("index", "text", "most characters", "most words", "p99 ms", "p99.9 ms", "most ms"),
    *("answers", "of them ever held"),
)


@dataclass(slots=True)
class Holds:
    """How many characters were held, after each character received."""

    counts: Counter[int] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        return sum(held * count for held, count in self.counts.items()) / max(1, self.size)

    @property
    def most(self) -> int:
        return max(self.counts, default=0)

    def quantile(self, share: float) -> int:
        left = share * self.size
        for held, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return held
        return self.most


@dataclass(slots=True)
class Touched:
    """An answer of which something was cut out."""

    number: int
    verdicts: tuple[Verdict, ...]

    @property
    def kinds(self) -> set[str]:
        return {f"{each.finding.detector}/{each.finding.entity}" for each in self.verdicts}


@dataclass(slots=True)
class Alarms:
    """What a firewall made of a set of ordinary answers."""

    characters: int = 0
    touched: list[Touched] = field(default_factory=list)
    without_echo: int = 0
    holds: Holds = field(default_factory=Holds)
    lag: Holds = field(default_factory=Holds)
    """How many pieces later than it came each character left."""
    most_characters: int = 0
    most_words: int = 0
    held_answers: int = 0
    streams: int = 0


def measure(house: Firewall, answers: Sequence[Answer], every: int) -> Alarms:
    """Judge each answer with and without the caller's words; each ``every``-th also as a stream (0: none)."""
    result = Alarms()
    dice = random.Random(41)
    for number, answer in enumerate(answers):
        result.characters += len(answer.text)
        outcome = material.judge(house, ROLE, material.cut(answer.text, _PIECE), (answer.prompt,))
        if outcome.enforced:
            result.touched.append(Touched(number, outcome.enforced))
        result.without_echo += bool(material.judge(house, ROLE, material.cut(answer.text, _PIECE)).enforced)
        if every and number % every == 0:
            _singly(house, answer, result.holds)
            if not outcome.enforced:
                _stream(house, answer, dice, result)
    return result


def _singly(house: Firewall, answer: Answer, holds: Holds) -> None:
    """One character at a time, counting what is held."""
    guard = material.guard(house, ROLE, (answer.prompt,))
    counts = holds.counts
    for character in answer.text:
        if guard.feed(character).stopped:
            break
        counts[guard.received - guard.released] += 1


def _stream(house: Firewall, answer: Answer, dice: random.Random, result: Alarms) -> None:
    """Pieces of 2 to 7 characters: how far behind the stream the caller is."""
    guard = material.guard(house, ROLE, (answer.prompt,))
    text, waiting, now, read, ever = answer.text, deque[tuple[int, int]](), 0, 0, False
    ready, beat = "", 0
    for piece in _pieces(text, dice):
        now += 1
        read += len(piece)
        ready += piece
        if now >= beat:  # the first at once, then as the relay reads
            guard.feed(ready)
            ready, beat = "", now + _BEAT
        waiting.append((read, now))
        _leave(waiting, guard.released, now, result.lag)
        held = text[guard.released : read]
        if held:
            ever = True
            result.most_characters = max(result.most_characters, len(held))
            result.most_words = max(result.most_words, len(held.split()))
    guard.feed(ready)
    guard.finish()
    _leave(waiting, len(text), now, result.lag)
    result.held_answers += ever
    result.streams += 1


def _leave(waiting: deque[tuple[int, int]], released: int, now: int, lag: Holds) -> None:
    """Pieces that are out completely leave the queue; each counts once, by its last character."""
    while waiting and waiting[0][0] <= released:
        _, came = waiting.popleft()
        lag.counts[now - came] += 1


def _pieces(text: str, dice: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = dice.randint(2, 7)
        yield text[at : at + size]
        at += size


# --- the interval -----------------------------------------------------------------------------------------


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """The exact (Garwood 1936) interval of the mean of a Poisson count."""
    tail = (1 - level) / 2

    def most(mean: float) -> float:
        """P(X <= count)."""
        return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))

    def less(mean: float) -> float:
        """P(X < count)."""
        return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))

    low = _solve(lambda mean: less(mean) - (1 - tail), count) if count else 0.0
    return low, _solve(lambda mean: most(mean) - tail, count)


def _solve(falling: Callable[[float], float], count: int) -> float:
    """Where a falling function of the mean is zero."""
    low, high = 1e-9, 10.0 * count + 20
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


# --- the tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A set of ordinary answers against one index. ``per``: characters of the unit of the rate; ``every``:
    how many answers there are to one whose hold is measured."""

    index: str
    text: str
    answers: Sequence[Answer]
    per: float
    every: int = 1
    bar: float | None = None


def show(report: Report, results: Sequence[tuple[Row, Alarms]]) -> None:
    """All tables, and the bars."""
    touched, held, behind = [], [], []
    for row, result in results:
        millions = result.characters / row.per / 1e6
        count = len(result.touched)
        low, high = (bound / millions for bound in poisson_interval(count))
        touched.append(
            [
                *(row.index, row.text, len(row.answers), result.characters, round(millions, 4)),
                *(count, count / millions, low, high),
                *(result.without_echo, result.without_echo / millions),
            ]
        )
        holds, lag = result.holds, result.lag
        if not holds.size:
            continue
        shares = [holds.quantile(share) for share in (0.5, 0.9, 0.99, 0.999)]
        held.append([row.index, row.text, holds.mean, *shares, holds.most])
        behind.append(
            [
                *(row.index, row.text, result.most_characters, result.most_words),
                *(lag.quantile(share) * _TICK for share in (0.99, 0.999)),
                *(lag.most * _TICK, result.streams, result.held_answers),
            ]
        )
    report.table("completions touched (role public, default policy)", _TOUCHED, touched)
    report.table("characters held back, one character at a time", _HELD, held)
    report.table(f"a piece of 2 to 7 characters every {_TICK} ms, untouched answers", _BEHIND, behind)
    for row, result in results:
        if row.bar is not None:
            rate = len(result.touched) / (result.characters / row.per / 1e6)
            what = f"{row.text} against {row.index}: touched a million tokens"
            report.bar(what, rate, f"<= {row.bar}", rate <= row.bar)
        mean = result.holds.mean
        if result.holds.size:
            report.bar(f"{row.text} against {row.index}: mean held", mean, "<= 15", mean <= 15)


def tell(report: Report, results: Sequence[tuple[Row, Alarms]]) -> None:
    """What was touched: numbers and document ids, no text."""
    units = Units()
    rows: list[list[object]] = []
    kinds: list[list[object]] = []
    for row, result in results:
        count = Counter(kind for touched in result.touched for kind in touched.kinds)
        kinds += ([row.index, row.text, kind, number] for kind, number in sorted(count.items()))
        for touched in result.touched:
            text = row.answers[touched.number].text
            for verdict in touched.verdicts:
                finding = verdict.finding
                begin = finding.span.start if finding.origin is None else finding.origin
                origin = finding.provenance
                document, audience = (origin.document, origin.audience) if origin else ("", "")
                size = units.count(text[begin : finding.span.end])
                rows.append(
                    [
                        *(row.index, row.text, touched.number, f"{finding.detector}/{finding.entity}"),
                        *(verdict.action.name.lower(), document, audience, size),
                    ]
                )
    columns = ("index", "text", "answer", "finding", "action", "document", "audience", "units")
    report.table("completions touched, by finding", ("index", "text", "finding", "completions"), kinds)
    report.table("what was touched", columns, rows)


def exactly(house: Firewall) -> Firewall:
    """The same without near-verbatim matching."""
    thresholds = {name: replace(each, cover=0) for name, each in house.policy.thresholds.items()}
    return Firewall.assemble(replace(house.policy, thresholds=thresholds), house.index)


def plan(data: Path, folder: Path, quick: bool) -> Iterator[tuple[Firewall, list[Row]]]:
    """The indexes, and what is judged against each."""

    def some(answers: list[Answer], count: int) -> list[Answer]:
        return random.Random(40).sample(answers, count) if quick and len(answers) > count else answers

    english = some(material.english_answers(data), 150)
    answers = some(material.chinese_answers(data), 60)
    turns = some(material.chinese_turns(data), 300)
    token = material.CHARACTERS_A_TOKEN

    def house(name: str, items: Sequence[Document]) -> Firewall:
        material.build(folder / name, items)
        return material.firewall(folder / name, "default")

    yield house("bank", material.bank(data)), [Row("bank", "AlpacaEval", english, token, 4, 1.5)]
    items = material.demo_set(data, "alpaca_en_demo.json", "nobody")
    yield house("en", items), [Row("alpaca_en_demo, nobody", "AlpacaEval", english, token, 4, 5)]
    name = "alpaca_zh_demo, nobody"
    chinese = [Row(name, "dpo_zh answers", answers, 1), Row(name, "CrossWOZ turns", turns, 1)]
    yield house("zh", material.demo_set(data, "alpaca_zh_demo.json", "nobody")), chinese
    name = "CrossWOZ records, admin"
    places = house("places", material.crosswoz_places(data, "admin"))
    yield places, [Row(name, "dpo_zh answers", answers, 1)]
    name = "glaive_toolcall_zh, admin"
    calls = house("calls", material.demo_set(data, "glaive_toolcall_zh_demo.json", "admin"))
    yield calls, [Row(name, "CrossWOZ turns", turns, 1), Row(name, "dpo_zh answers", answers, 1)]


def main() -> int:
    options = parser(__doc__).parse_args()
    report = Report("false_alarms", options.quick, not options.no_save)
    results = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as folder:
        for house, rows in plan(options.data, Path(folder), options.quick):
            for row in rows:
                exact = replace(row, index=f"{row.index}, exact only")
                results.append((row, measure(house, row.answers, 1 if options.quick else row.every)))
                results.append((exact, measure(exactly(house), row.answers, 0)))
        show(report, results)
        tell(report, results)
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
