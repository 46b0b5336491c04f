"""What a caller gets of a protected passage, by role: ``python -m benchmarks.guarantee --data DATA``.

Reads ``bank/knowledge.jsonl`` (58 internal documents, 640 public), ``shop/finetune_messages.jsonl``, the demo
sets of LLaMA-Factory, answers to AlpacaEval (``benign``) and the dialogues of CrossWOZ as carriers.

A passage is cut at random from a protected document, reaches the units at which a match acts and, compared as
folded text, shares no run of 20 units with a text that the role may have. It stands in the middle of an
ordinary answer, which by itself passes unchanged. The answer is judged whole, in pieces of one size and in
pieces of random sizes, all of 1 to 50 characters; some answers in pieces of every size.

cleared role: a role that may read the document, and how many of the answers it got unchanged ("-" where the
policy clears no one). max, p50, p99: units of the passage that were delivered to the other role.

in process: the detectors and the guard of the server, without HTTP. over HTTP: the ``openai`` client, a
server started with ``sluicegate serve``, and a scripted model behind it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchmarks import material
from benchmarks.cells import Cell, Place, Plan
from benchmarks.material import Outcome
from benchmarks.planted import MASK, Case, Measure
from benchmarks.report import Report, parser, quantile
from benchmarks.stack import Clients, server
from proxy.server.firewall import Firewall
from proxy.types import Document

COLUMNS = (
    "cell",
    "policy",
    "role",
    "passages",
    "stopped or cut out",
    "max units",
    "p50",
    "p99",
    "cuttings equal",
    "cleared role",
    "unchanged",
)


@dataclass(slots=True)
class Tally:
    """What came of the cases of one cell."""

    stopped: int = 0
    leaks: list[int] = field(default_factory=list)
    equal: int = 0
    unchanged: int = 0
    cleared: int = 0

    def row(self, cell: Cell) -> list[object]:
        return [
            cell.name,
            cell.policy,
            cell.role,
            len(cell.cases),
            self.stopped,
            max(self.leaks, default=0),
            quantile(self.leaks, 0.5),
            quantile(self.leaks, 0.99),
            self.equal,
            cell.cleared or "-",
            self.unchanged if cell.cleared else None,
        ]


# --- in process -------------------------------------------------------------------------------------------


def run_cell(house: Firewall, cell: Cell, every: int, seed: int) -> Tally:
    """Judge the cases of a cell in process; the first ``every`` in pieces of all sizes of 1 to 50."""
    tally, measure, dice = Tally(), Measure(), random.Random(seed)
    for number, case in enumerate(cell.cases):
        text = case.text
        whole = material.judge(house, cell.role, [text])
        sizes = range(1, 51) if number < every else (1 + number % 50,)
        cuttings = [list(material.cut(text, size)) for size in sizes]
        cuttings.append(list(material.cut_at_random(text, dice)))
        equal = all(_same(whole, material.judge(house, cell.role, pieces)) for pieces in cuttings)
        _count(tally, measure, case, whole.text, whole.stopped, equal)
        if cell.cleared:
            tally.unchanged += all(
                material.judge(house, cell.cleared, pieces).text == text for pieces in ([text], cuttings[-1])
            )
    return tally


def _same(one: Outcome, other: Outcome) -> bool:
    return (one.text, one.stopped, one.fault) == (other.text, other.stopped, other.fault) and not one.fault


def _count(tally: Tally, measure: Measure, case: Case, text: str, stopped: bool, equal: bool) -> None:
    tally.stopped += stopped or MASK in text
    tally.leaks.append(measure.leaked(case, text, stopped))
    tally.equal += equal


def judged(report: Report, title: str, results: Sequence[tuple[Cell, Tally]]) -> None:
    """Print the table of some cells, and hold them to what is promised."""
    report.table(title, COLUMNS, [tally.row(cell) for cell, tally in results])
    cases = sum(len(cell.cases) for cell, _ in results)
    stopped = sum(tally.stopped for _, tally in results)
    equal = sum(tally.equal for _, tally in results)
    over = max(max(tally.leaks, default=0) - cell.most for cell, tally in results)
    cleared = sum(len(cell.cases) - tally.unchanged for cell, tally in results if cell.cleared)
    report.bar(f"{title}: share stopped", stopped / max(1, cases), "1", cases > 0 and stopped == cases)
    report.bar(f"{title}: units delivered beyond the budget", max(0, over), "0", over <= 0)
    report.bar(f"{title}: answers that depend on the cutting", cases - equal, "0", equal == cases)
    report.bar(f"{title}: answers changed for a cleared role", cleared, "0", cleared == 0)


def public_documents(report: Report, house: Firewall, policy: str, items: Sequence[Document]) -> None:
    """Answers made of each public document, for ``public``."""
    changed: list[str] = []
    for number, item in enumerate(items):
        text = material.joined(item)
        cuttings = ([text], material.cut(text, 1 + number % 50))
        if any(material.judge(house, "public", pieces).text != text for pieces in cuttings):
            changed.append(item.id)
    what = f"in process, {policy}: public documents of {len(items)} that do not reach public unchanged"
    report.bar(what, len(changed), "0", not changed)
    if changed:
        report.note("    " + ", ".join(changed[:20]))


# --- over HTTP ------------------------------------------------------------------------------------------


async def ask_cell(clients: Clients, cell: Cell, seed: int) -> Tally:
    """Put the cases of a cell through the whole stack: not streamed, and in pieces of three sizes."""
    tally, measure, dice = Tally(), Measure(), random.Random(seed)
    for case in cell.cases:
        text = case.text
        sizes = (0, 1, dice.randint(2, 10), dice.randint(11, 50))
        answers = await asyncio.gather(*(clients.ask(cell.role, text, size) for size in sizes))
        equal = all(one == other for one, other in pairwise(answers))
        _count(tally, measure, case, *answers[0], equal)
        if cell.cleared:
            answers = await asyncio.gather(*(clients.ask(cell.cleared, text, size) for size in sizes[::2]))
            tally.unchanged += all(answer == (text, False) for answer in answers)
    return tally


async def ask_public(report: Report, clients: Clients, policy: str, items: Sequence[Document]) -> None:
    """Answers made of public documents through the whole stack, plain and streamed."""
    changed = []
    for number, item in enumerate(items):
        text = material.joined(item)
        answers = await asyncio.gather(
            clients.ask("public", text, 0), clients.ask("public", text, 1 + number % 50)
        )
        if any(answer != (text, False) for answer in answers):
            changed.append(item.id)
    what = f"over HTTP, {policy}: public documents of {len(items)} that do not reach public unchanged"
    report.bar(what, len(changed), "0", not changed)


async def over_http(report: Report, folder: Path, place: Place, public: Sequence[Document]) -> None:
    results = []
    for policy in ("default", "strict"):
        async with server(folder, place.folder, policy) as clients:
            for cell in place.http:
                if cell.policy == policy:
                    results.append((cell, await ask_cell(clients, cell, seed=31)))
            if public:
                await ask_public(report, clients, policy, public)
    judged(report, f"over HTTP, index {place.name}", results)


def main() -> int:
    options = parser(__doc__).parse_args()
    report = Report("guarantee", options.quick, not options.no_save)
    count, http, many = (16, 3, 20) if options.quick else (300, 20, 200)
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as name:
        folder = Path(name)
        plan = Plan(options.data, folder, report, count, http, many)
        public = [item for item in material.bank(options.data) if item.audience == "public"]
        for place in (plan.everything(), plan.two_ranks(), plan.chinese()):
            every = 1 if options.quick else 10
            results = [
                (cell, run_cell(place.houses[cell.policy], cell, every, seed=30)) for cell in place.cells
            ]
            judged(report, f"in process, index {place.name}", results)
            if place.extra:
                rows = [run_cell(place.houses[c.policy], c, 0, seed=32).row(c) for c in place.extra]
                report.table("not promised: passages that hold a run the role may have", COLUMNS, rows)
            shown = (public[::10] if options.quick else public) if place.name == "everything" else []
            for policy, house in place.houses.items():
                if shown:
                    public_documents(report, house, policy, shown)
            asyncio.run(over_http(report, folder, place, shown))
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
