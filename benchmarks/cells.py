"""What the guarantee is measured on: the indexes, their protected passages, and what each role is promised.

The rule that must stay true: no passage is left out but for a reason that is printed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import material
from benchmarks.material import Units
from benchmarks.planted import Case, Planter, carriers, free_runs, in_traditional, style_of
from benchmarks.report import Report
from proxy.server.firewall import Firewall
from proxy.types import Document


@dataclass(frozen=True, slots=True)
class Cell:
    """Passages, whom they are given to, and what is promised. ``most``: units of a passage at most."""

    name: str
    policy: str
    role: str
    cleared: str | None
    cases: Sequence[Case]
    most: int


@dataclass(frozen=True, slots=True)
class Place:
    """An index, its protected documents by name, the firewalls of both policies, its cells."""

    name: str
    folder: Path
    houses: Mapping[str, Firewall]
    cells: list[Cell] = field(default_factory=list)
    http: list[Cell] = field(default_factory=list)
    extra: list[Cell] = field(default_factory=list)
    """What is measured and not promised."""


def make_place(folder: Path, name: str, items: Sequence[Document]) -> Place:
    index = folder / f"{name}.idx"
    material.build(index, items)
    return Place(name, index, {policy: material.firewall(index, policy) for policy in ("default", "strict")})


@dataclass(slots=True)
class Plan:
    """Makes the cells. ``count``: passages of a cell."""

    data: Path
    folder: Path
    report: Report
    count: int
    http: int
    carriers: int

    def _cells(
        self,
        place: Place,
        name: str,
        cases: Sequence[Case],
        role: str,
        cleared: str | None,
        *,
        always: bool = True,
    ) -> None:
        """The same cases under both policies.

        ``always``: False where the strict policy clears no one: text of nobody is blocked for everyone,
        and personal data is redacted for everyone.
        """
        for policy in ("default", "strict"):
            allowed = cleared if policy == "default" or always else None
            budget = place.houses[policy].policy.thresholds["default"].budget
            place.cells.append(Cell(name, policy, role, allowed, cases, budget))
            place.http.append(Cell(name, policy, role, allowed, cases[: self.http], budget))

    def _english(self, *places: Place) -> list[tuple[str, str]]:
        answers = [answer.text for answer in material.english_answers(self.data)]
        random.Random(1).shuffle(answers)
        return carriers(iter(answers), _houses(places), self.carriers)

    def _chinese(self, *places: Place) -> list[tuple[str, str]]:
        dialogues = ("\n".join(text for _, text in each) for each in material.chinese_dialogues(self.data))
        return carriers(dialogues, _houses(places), self.carriers)

    def everything(self) -> Place:
        """Bank, shop and all demo sets, as they come: passages of admin and nobody."""
        bank, shop = material.bank(self.data), material.shop(self.data)
        demo = [item for name in material.DEMO_SETS for item in material.demo_set(self.data, name)]
        place = make_place(self.folder, "everything", [*bank, *shop, *demo])
        self.report.note(f"\nindex everything: {material.audiences([*bank, *shop, *demo])}")
        free = free_runs(bank, "public")
        internal = [item for item in bank if item.audience == "admin"]
        self._reach(internal)
        planter = Planter(self._english(place), free, lambda text: False)
        for size in (50, 100, 200):
            cases = planter.draw(internal, size, 32, self.count, seed=size)
            self._cells(place, f"internal document, {size} characters", cases, "public", "admin")
        self._cells(
            place,
            "internal document, 100 characters",
            planter.draw(internal, 100, 32, self.count // 4, seed=7),
            "staff",
            "admin",
        )
        chats = planter.draw(shop, 100, 32, self.count // 2, seed=8)
        self._cells(place, "shop chat, 100 characters", chats, "public", "admin", always=False)
        self._cells(place, "note in 155 shop chats", self._note(shop, planter), "public", "admin")
        self._say(planter)
        shared = planter.draw(internal, 200, 32, self.count // 2, seed=13, shared=True)
        for policy in place.houses:
            place.extra.append(Cell("internal document, 200 characters", policy, "public", None, shared, 0))
        self._nobody(place, demo, free)
        return place

    def _note(self, shop: Sequence[Document], planter: Planter) -> list[Case]:
        """The internal note that many chats share: whole in many carriers, and each 50 characters of it."""
        dice = random.Random(9)
        told = [text for item in shop for text in item.texts if "Internal note:" in text]
        notes = {text[text.index("Internal note:") :] for text in told}
        assert len(notes) == 1, "the chats share one note"
        note = notes.pop()
        self.report.note(f"the note stands in {len(told)} chats and has {Units().count(note)} units")
        parts = [note] * 50 + [note[at : at + 50] for at in range(len(note) - 49)]
        return [case for part in parts if (case := planter.case(part, 32, dice)) is not None]

    def _nobody(self, place: Place, demo: Sequence[Document], free: set[str]) -> None:
        """Text that no one should get back, English, and Chinese in both scripts."""
        style = style_of(place.houses["default"])
        planter = Planter(self._english(place), free, style)
        english = [item for item in demo if item.id.startswith("alpaca_en_demo")]
        chinese = [item for item in demo if item.id.startswith("alpaca_zh_demo")]
        for size in (150, 300):
            cases = planter.draw(english, size, 80, self.count // 4, seed=size)
            self._cells(place, f"nobody, English, {size} characters", cases, "public", "admin", always=False)
        self._say(planter)
        planter = Planter(self._chinese(place), free, style)
        cases = planter.draw(chinese, 80, 80, self.count // 4, seed=10)
        self._cells(place, "nobody, Chinese, 80 characters", cases, "public", "admin", always=False)
        self._cells(
            place, "the same in traditional script", in_traditional(cases), "public", "admin", always=False
        )
        self._say(planter)

    def two_ranks(self) -> Place:
        """The bank, every second internal document for staff."""
        bank = material.bank(self.data)
        internal = [item for item in bank if item.audience == "admin"]
        staff = material.marked(internal[::2], "staff")
        admin, public = internal[1::2], [item for item in bank if item.audience == "public"]
        items = [*public, *staff, *admin]
        place = make_place(self.folder, "two-ranks", items)
        self.report.note(f"\nindex two-ranks: {material.audiences(items)}")
        ordinary = self._english(place)
        planter = Planter(ordinary, free_runs(items, "public"), lambda text: False)
        cases = planter.draw(staff, 100, 32, self.count // 4, seed=11)
        self._cells(place, "staff document, 100 characters", cases, "public", "staff")
        self._say(planter)
        planter = Planter(ordinary, free_runs(items, "public", "staff"), lambda text: False)
        cases = planter.draw(admin, 100, 32, self.count // 4, seed=12)
        self._cells(place, "admin document, 100 characters", cases, "staff", "admin")
        self._say(planter)
        return place

    def chinese(self) -> Place:
        """alpaca_zh_demo for admin."""
        items = material.demo_set(self.data, "alpaca_zh_demo.json", "admin")
        place = make_place(self.folder, "chinese", items)
        self.report.note(f"\nindex chinese: {material.audiences(items)}")
        planter = Planter(self._chinese(place), set(), lambda text: False)
        for size in (25, 50, 100):
            cases = planter.draw(items, size, 32, self.count // 2, seed=20 + size)
            self._cells(place, f"Chinese, {size} characters", cases, "public", "admin")
            changed = in_traditional(cases)
            self._cells(place, f"the same in traditional script, {size}", changed, "public", "admin")
        self._say(planter)
        return place

    def _reach(self, internal: Sequence[Document]) -> None:
        """How many passages of 50 characters have 32 units or more: all of them, none left out."""
        units, good, count = Units(), 0, 0
        for text in map(material.joined, internal):
            sizes = [units.count(character) for character in text]
            for at in range(len(sizes) - 49):
                count += 1
                good += sum(sizes[at : at + 50]) >= 32
        share = good / count
        what = f"share of all {count} passages of 50 characters of internal documents with 32 units or more"
        self.report.bar(what, share, ">= 0.98", share >= 0.98)

    def _say(self, planter: Planter) -> None:
        self.report.note(
            f"passages left out: {planter.excluded} hold a run of 20 units that the role may have, "
            f"{planter.short} have too few units"
        )


def _houses(places: Sequence[Place]) -> list[Firewall]:
    return [house for place in places for house in place.houses.values()]
