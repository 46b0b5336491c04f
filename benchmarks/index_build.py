"""What an index costs: ``python -m benchmarks.index_build --data DATA``.

Time to build, bytes, memory, time to open. The real sets are indexed as they are. They are small, so larger
ones are made of them: Markov text, in English of words and in Chinese of characters, in which each next word
follows one that stood after the same ``--order`` words somewhere in the sets (fixed seed). It is no language,
but its words and letters are as common as in the sets, and nearly all of its runs of 20 units are distinct,
which is the worst case for size and memory; the table says how many are.

Each build, each opening and each reader runs in a process of its own, bound to one core, without worker
processes, and the whole set has one audience, ``nobody``, as when nobody names one. CPU seconds are of the
whole process after its imports: reading the file, hashing, sorting, writing, checksums. *yardstick*: CPU
nanoseconds a step of a plain loop in the same process, which tells how fast the machine was at the time;
*scaled*: what the build would have done at the yardstick's best pace of this run, where nothing else runs on
the core's other thread.
exact: what exact matching needs, all files but the sampled places, the words and the MinHash signatures and
clusters, which serve near-verbatim matching, the documents' names and the report.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import material
from benchmarks.markov import ENGLISH, chinese_words, english_words, markov
from benchmarks.report import Report, parser
from proxy.server.firewall import Firewall
from proxy.types import Document

_LOOKUPS = 10_000
_BUILD = (
    *("text", "MB", "documents", "distinct runs", "builds", "CPU s", "MB/s a core"),
    *("yardstick ns", "MB/s scaled", "reading s"),
    *("bytes a byte, exact", "total", "peak MB", "peak bytes a byte"),
)
_OPEN = (
    *("text", "index", "open ms", "CPU ms", "resident before", "opened"),
    *("after 10,000 tokens of a stream", "after 10,000 random look-ups"),
)
_NEAR = (".place.", ".words.", ".minhash", ".clusters")
# --- what runs in a process of its own --------------------------------------------------------------------


def child_build(text: Path, index: Path, data: Path) -> dict[str, Any]:
    """Build the index of the records of one file."""
    from proxy.index import read_manifest

    # Imports whatever a build needs, so that only the work is timed.
    material.build(index.with_suffix(".warm"), [Document("warm:1", ("one small build",), "nobody")])
    before = yardstick()
    began = time.process_time()
    for _ in material.reading(text, "nobody"):
        pass
    read, began = time.process_time() - began, time.process_time()
    material.build(index, material.reading(text, "nobody"))
    spent = time.process_time() - began
    manifest = read_manifest(index)
    files = {name: int(entry["bytes"]) for name, entry in manifest.files.items()}
    units = sum(audience.units for audience in manifest.audiences)
    return {
        "cpu": spent,
        "read": read,
        "yardstick": (before + yardstick()) / 2,
        "text": manifest.text_bytes,
        "documents": manifest.documents,
        "distinct": sum(audience.grams for audience in manifest.audiences) / max(1, units),
        "files": files,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def yardstick(steps: int = 2_000_000) -> float:
    """CPU nanoseconds a step of a plain loop."""
    began, total = time.process_time(), 0
    for number in range(steps):
        total ^= number
    return (time.process_time() - began) / steps * 1e9


def child_open(text: Path, index: Path, data: Path) -> dict[str, Any]:
    """Open an index and use it: the memory of a serving process before and after."""
    import numpy  # noqa: F401  as a server has

    from proxy.index import open_index

    policy = material.policy_named("default")
    sizes = [resident()]
    began, clock = time.process_time(), time.perf_counter()
    opened = open_index(index, material.KEY)
    spent, wall = time.process_time() - began, time.perf_counter() - clock
    sizes.append(resident())
    guard = material.guard(house := Firewall.assemble(policy, opened), "public")
    for piece in _tokens(material.english_answers(data), _LOOKUPS):
        if guard.feed(piece).stopped:
            guard = material.guard(house, "public")
    sizes.append(resident())
    dice, contains = random.Random(51), opened.exempt(opened.audiences[0])
    for _ in range(_LOOKUPS):
        contains(dice.getrandbits(64))
    sizes.append(resident())
    return {"open": wall, "cpu": spent, "rss": sizes, "index": opened.manifest.index_bytes}


def _tokens(answers: Sequence[material.Answer], count: int) -> Iterator[str]:
    """``count`` pieces of 4 characters."""
    return islice((piece for answer in answers for piece in material.cut(answer.text, 4)), count)


def resident() -> int:
    """The resident bytes of this process, touched pages of mapped files among them."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


CHILDREN: Mapping[str, Callable[[Path, Path, Path], dict[str, Any]]] = {
    "build": child_build,
    "open": child_open,
}


def child(name: str, text: Path, index: Path, data: Path) -> dict[str, Any]:
    """Run one of the above in a process of its own, bound to one core."""
    core = min(os.sched_getaffinity(0))
    arguments = ["--data", str(data), "--child", name, str(text), str(index)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.index_build", *arguments],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# --- the tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A text, the builds of its index, and how the last one opens. ``bars``: whether it is held to them."""

    name: str
    builds: Sequence[dict[str, Any]]
    opened: Sequence[dict[str, Any]]
    bars: bool


def measure(folder: Path, data: Path, name: str, text: Path, repeat: int, *, bars: bool) -> Made:
    index = folder / "made.idx"
    builds = [child("build", text, index, data) for _ in range(repeat)]
    opened = [child("open", text, index, data) for _ in range(3)]
    shutil.rmtree(index)
    return Made(name, builds, opened, bars)


def show(report: Report, made: Sequence[Made]) -> None:
    builds, opens = [], []
    best = min(yardstick(100_000) for _ in range(500))
    best = min(best, *(build["yardstick"] for one in made for build in one.builds))
    report.numbers["best yardstick ns"] = round(best, 2)
    for one in made:
        first = one.builds[0]
        size, near = first["text"], sum(_near(first["files"]))
        total = sum(first["files"].values())
        cpu = median(build["cpu"] for build in one.builds)
        exact, rate = (total - near) / size, size / cpu / 1e6
        pace = median(build["yardstick"] for build in one.builds)
        builds.append(
            [
                *(one.name, size / 1e6, first["documents"], first["distinct"], len(one.builds), cpu, rate),
                *(pace, rate * pace / best, median(build["read"] for build in one.builds)),
                *(exact, total / size),
                *(first["peak"] / 1e6, first["peak"] / size),
            ]
        )
        sizes = [median(each["rss"][at] for each in one.opened) / 1e6 for at in range(4)]
        wall, spent = (median(each[name] for each in one.opened) * 1e3 for name in ("open", "cpu"))
        opens.append([one.name, total / 1e6, wall, spent, *sizes])
        if one.bars:
            scaled = rate * pace / best
            report.bar(f"{one.name}: MB/s a core, scaled", scaled, ">= 1", scaled >= 1)
            report.bar(f"{one.name}: bytes of index a byte, exact", exact, "<= 7", exact <= 7)
            report.bar(f"{one.name}: bytes of index a byte, total", total / size, "<= 14", total / size <= 14)
            report.bar(f"{one.name}: seconds to open", wall / 1e3, "< 1", wall < 1000)
    report.table("building, one process on one core", _BUILD, builds)
    report.table("opening and serving (sizes in MB)", _OPEN, opens)
    largest = max(made, key=lambda one: int(one.builds[0]["text"])).builds[0]
    rows = [[name, size, size / largest["text"]] for name, size in sorted(largest["files"].items())]
    report.table("the files of the largest index", ("file", "bytes", "a byte of text"), rows)


def _near(files: Mapping[str, int]) -> Iterator[int]:
    return (size for name, size in files.items() if any(part in name for part in _NEAR))


def real_sets(data: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of the data folder as they are."""
    yield "bank, as it is", data / "bank/knowledge.jsonl"
    yield "alpaca_en_demo, as it is", data / "llama_factory/alpaca_en_demo.json"
    yield "alpaca_zh_demo, as it is", data / "llama_factory/alpaca_zh_demo.json"
    both = folder / "english.jsonl"
    _write(both, chain(*(material.demo_set(data, name) for name in ENGLISH), material.bank(data)))
    yield "all English sets", both


def _write(path: Path, items: Iterator[Document]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            file.write(json.dumps({"text": material.joined(item)}, ensure_ascii=False) + "\n")


def main() -> int:
    options = _options()
    if options.child:
        name, text, index = options.child
        print(json.dumps(CHILDREN[name](Path(text), Path(index), options.data)))
        return 0
    extra = {"english-mb": options.english_mb, "chinese-mb": options.chinese_mb, "order": options.order}
    report = Report("index_build", options.quick, not options.no_save, extra)
    english, chinese = (3, 2) if options.quick else (options.english_mb, options.chinese_mb)
    repeat = 1 if options.quick else 3
    made = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as name:
        folder = Path(name)
        for title, path in real_sets(options.data, folder):
            made.append(measure(folder, options.data, title, path, repeat, bars=False))
        for title, words, glue, size in (
            ("English", english_words, " ", english),
            ("Chinese", chinese_words, "", chinese),
        ):
            text = folder / f"{title}.jsonl"
            markov(words(options.data), glue, options.order, size * 1_000_000, text)
            what = f"{title}, Markov, {size} MB"
            made.append(measure(folder, options.data, what, text, 1, bars=True))
            text.unlink()
        show(report, made)
    return report.write()


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--english-mb", type=int, default=50, help="size of the English text (default: 50)")
    options.add_argument("--chinese-mb", type=int, default=20, help="size of the Chinese text (default: 20)")
    options.add_argument(
        "--order", type=int, default=1, help="words that a next word depends on (default: 1)"
    )
    options.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
