"""What scanning costs: ``python -m benchmarks.scan_cost --data DATA``.

Ordinary answers (AlpacaEval; in Chinese those of ``dpo_zh_demo``) through the guard of the server, for role
public under the default policy, in pieces of 5 characters (a token), of 25 (what the server gathers of tokens
that come every 20 ms) and of 1,000 (a whole answer), each answer with a guard of its own.
One protected audience: the bank's internal documents (Chinese: ``glaive_toolcall_zh_demo``) for admin. Three:
more sets for staff, and demo sets for nobody.

CPU microseconds of this process a token of 4.4 characters (also for Chinese, to compare), the median of
several runs in turn with a *yardstick*: a plain loop over the characters that looks each up in a dictionary.
The machine may be shared and its pace may change from run to run; the yardstick's pace says how much, and the
last column, scanning in yardsticks, hardly depends on it.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import material
from benchmarks.material import Answer
from benchmarks.report import Report, parser
from proxy.server.firewall import Firewall
from proxy.types import Document

GATHERED = 25
SIZES = (5, GATHERED, 1000)
_COLUMNS = (
    *("text", "audiences", "detectors", "piece", "characters", "runs", "us a token", "us a character"),
    *("us a piece", "yardstick us a token", "in yardsticks"),
)
_ALL = "all"
_MOST = 10.0
"""Microseconds a token that all layers may take."""


def protected(data: Path, folder: Path) -> Iterator[tuple[str, int, Firewall]]:
    """(language, protected audiences, firewall) for each index."""

    def house(name: str, items: Sequence[Document]) -> Firewall:
        material.build(folder / name, items)
        return material.firewall(folder / name, "default")

    def demo(name: str, audience: str) -> list[Document]:
        return material.demo_set(data, name, audience)

    bank = material.bank(data)
    english = [*demo("c4_demo.jsonl", "staff"), *demo("alpaca_en_demo.json", "nobody")]
    yield "English", 1, house("en1", bank)
    yield "English", 3, house("en3", [*bank, *english])
    calls = demo("glaive_toolcall_zh_demo.json", "admin")
    chinese = [*material.crosswoz_places(data, "staff"), *demo("alpaca_zh_demo.json", "nobody")]
    yield "Chinese", 1, house("zh1", calls)
    yield "Chinese", 3, house("zh3", [*calls, *chinese])


def only(house: Firewall, name: str) -> Firewall:
    """The same with one detector; without near-verbatim matching for ``exact``."""
    if name == _ALL:
        return house
    policy = house.policy
    if name == "memorised, exact only":
        policy = replace(policy, thresholds={n: replace(t, cover=0) for n, t in policy.thresholds.items()})
    wanted = "memorised" if name.startswith("memorised") else name
    kept = tuple(each for each in house.detectors if each.name == wanted)
    return Firewall(policy, house.index, kept)


def scan(house: Firewall, answers: Sequence[Answer], size: int) -> float:
    """CPU seconds to scan the answers in pieces of ``size`` characters."""
    began = time.process_time()
    for answer in answers:
        guard = material.guard(house, "public", (answer.prompt,))
        for piece in material.cut(answer.text, size):
            if guard.feed(piece).stopped:
                break
        else:
            guard.finish()
    return time.process_time() - began


def yardstick(answers: Sequence[Answer]) -> float:
    """CPU seconds of a plain loop over the characters."""
    began = time.process_time()
    table: dict[str, int] = {}
    total = 0
    for answer in answers:
        for character in answer.text:
            total += table.setdefault(character, 1)
    return time.process_time() - began


def repeat(runs: int, *tasks: Callable[[], float]) -> list[float]:
    """The medians of several tasks, run in turn."""
    times = [[task() for task in tasks] for _ in range(runs)]
    return [median(column) for column in zip(*times, strict=True)]


def main() -> int:
    options = parser(__doc__).parse_args()
    report = Report("scan_cost", options.quick, not options.no_save)
    count, runs = (20, 3) if options.quick else (150, 7)
    texts = {
        "English": material.english_answers(options.data),
        "Chinese": material.chinese_answers(options.data),
    }
    texts = {name: random.Random(60).sample(answers, count) for name, answers in texts.items()}
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as folder:
        for language, audiences, full in protected(options.data, Path(folder)):
            answers = texts[language]
            characters = sum(len(answer.text) for answer in answers)
            tokens = characters / material.CHARACTERS_A_TOKEN
            for name in (_ALL, "memorised", "memorised, exact only", "encoded", "pii"):
                house = only(full, name)
                for size in SIZES:
                    pieces = sum(-(-len(answer.text) // size) for answer in answers)
                    spent, base = repeat(
                        runs, partial(scan, house, answers, size), partial(yardstick, answers)
                    )
                    rows.append(
                        [
                            *(language, audiences, name, size, characters, runs),
                            *(spent / tokens * 1e6, spent / characters * 1e6, spent / pieces * 1e6),
                            *(base / tokens * 1e6, spent / base),
                        ]
                    )
                    if (name, audiences, size) == (_ALL, 1, GATHERED):
                        cost = spent / tokens * 1e6
                        what = f"{language}: all layers, as gathered, us a token"
                        report.bar(what, cost, f"<= {_MOST:g}", cost <= _MOST)
    report.table("scanning ordinary answers (CPU)", _COLUMNS, rows)
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
