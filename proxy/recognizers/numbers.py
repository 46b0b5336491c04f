"""Order, account, employee and tracking numbers: no rule knows their shape, but a training set shows it.

A number is known by the field it stands in or by the word before it ("order #W1006327", "工号 E20391"). Where
several share a shape (the same letters and signs around as many digits), the shape is learned, and whatever
has it is taken for such a number, with or without the word.

May import: ``proxy.patterns`` and the standard library; re2 inside functions. The rule that must stay true: a
shape of digits alone is never learned, since prices, dates and counts have it as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.patterns.alphabet import Alphabet, han
from proxy.patterns.pattern import Pattern, called
from proxy.patterns.shapes import any_case, chars

LEARNED = frozenset(("order", "account", "employee", "tracking", "identifier"))
"""The entities whose shapes are learned."""

ENOUGH = 3
"""Different numbers of one shape, with the same letters, that make it learned."""
ENOUGH_LOOSE = 8
"""The same where their letters differ, as in ``noah_brown_6181``."""
MOST_SHAPES = 200
_KEPT = 16
_LONGEST = 64
_RUNS = re.compile(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]+")


def _digits(least: int, value: str) -> int:
    kept = value.rstrip("-_")
    return len(kept) if sum("0" <= c <= "9" for c in kept) >= least else 0


def _number(
    name: str, entity: str, words: str, chinese: str, leaks: tuple[str, ...], passes: tuple[str, ...]
) -> Pattern:
    return Pattern(
        name,
        entity,
        chars("[#0-9A-Za-z_-]", 5, 40),
        lambda value: _digits(4, value),
        leaks,
        passes,
        lead=called(*map(any_case, words.split()), *map(han, chinese.split()), between="[ :#=,.\n]"),
        after="",
        sure=False,
    )


NUMBERS = (
    _number(
        "order-number",
        "order",
        "order invoice booking reservation ticket case claim policy",
        "订单 预约号 工单",
        leaks=("order #W1006327 is", "订单号：DD20240115887", "Your booking number is QX7719-2."),
        passes=("in order to", "the order of 12 items", "case-sensitive matching", "订单已发货"),
    ),
    _number(
        "account-number",
        "account",
        "account customer member membership",
        "账号 账户 会员号 客户编号",
        leaks=("account number 40012-8831,", "客户编号是C00917724", "member id M-20391-77"),
        passes=("account for 25 percent", "customer service", "会员号码为空"),
    ),
    _number(
        "employee-number",
        "employee",
        "employee badge",
        "工号 员工编号 员工号",
        leaks=("employee no. E20391", "工号：A100274"),
        passes=("employee handbook 2024", "工号未知", "badge of honour"),
    ),
    _number(
        "tracking-number",
        "tracking",
        "tracking waybill shipment",
        "运单号 快递单号 物流单号 快递号",
        leaks=("tracking number is 1Z999AA10123456784", "快递单号SF1234567890123", "shipment: 357962501027"),
        passes=("tracking pixel", "快递已到", "shipment of 12 boxes", "快递员电话是021-61234567"),
    ),
)
"""Numbers that the word before them gives away; for the build alone."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A learned number at characters ``[start, end)``."""

    entity: str
    start: int
    end: int


class LearnedNumbers:
    """The shapes that have been seen. Grows while a training set is read; not shared between processes."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._shapes: dict[str, str] = {}
        """RE2 source of a learned shape to its entity."""
        self._compiled: tuple[Any, list[tuple[Any, str]]] | None = None
        self._alphabet = Alphabet()

    def __len__(self) -> int:
        return len(self._shapes)

    def teach(self, entity: str, text: str) -> None:
        """A number of this kind stands in the set."""
        if entity not in LEARNED or len(text) > _LONGEST or not text.isascii():
            return
        runs = _RUNS.findall(text)
        if sum(map(str.isdigit, text)) < 4 or not any(run.isalpha() or run[0] in "#_-" for run in runs):
            return
        signs = sum(not run.isalnum() for run in runs)
        if signs > 1 and not any(char in text for char in " .,/:"):
            loose = "".join(_loose(run) for run in runs)
            self._note(entity, loose, text, ENOUGH_LOOSE)
            if loose in self._shapes:
                return
        self._note(entity, "".join(_exact(run) for run in runs), text, ENOUGH)

    def find(self, text: str) -> Iterator[Sighting]:
        """Numbers of learned shapes in a text, in their order."""
        if not self._shapes:
            return
        anything, each = self._ready()
        data = b"\n" + self._alphabet.fold(text)
        at = 0
        while match := anything.search(data, at):
            start = match.start() + 1
            end = match.end()
            at = start
            if end < len(data) and chr(data[end]) in _WORD:
                continue
            for shape, entity in each:
                if (found := shape.match(data, start)) and found.end() == end:
                    yield Sighting(entity, start - 1, end - 1)
                    at = end - 1
                    break

    def _note(self, entity: str, shape: str, text: str, enough: int) -> None:
        seen = self._seen[entity, shape]
        if len(seen) < _KEPT:
            seen.add(text)
        known = self._shapes.get(shape)
        if len(seen) < enough or known == entity or (known is None and len(self._shapes) >= MOST_SHAPES):
            return
        if known in (None, "identifier"):  # what says more about a number wins
            self._shapes[shape] = entity
            self._compiled = None

    def _ready(self) -> tuple[Any, list[tuple[Any, str]]]:
        if self._compiled is None:
            import re2

            options = re2.Options()
            options.encoding = re2.Options.Encoding.LATIN1
            options.longest_match = True
            together = "|".join(self._shapes)
            anything = re2.compile(f"[^0-9A-Za-z_](?:{together})".encode(), options)
            each = [(re2.compile(shape.encode(), options), entity) for shape, entity in self._shapes.items()]
            self._compiled = anything, each
        return self._compiled


_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"


def _exact(run: str) -> str:
    return f"[0-9]{{{len(run)}}}" if run.isdigit() else re.escape(run)


def _loose(run: str) -> str:
    if run.isdigit():
        return f"[0-9]{{{len(run)}}}"
    if run.isalpha():
        return "[a-z]{1,20}" if run.islower() else "[A-Z]{1,20}" if run.isupper() else "[A-Za-z]{1,20}"
    return re.escape(run)
