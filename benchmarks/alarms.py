"""Ordinary answers against an index with a background, and what touches them as the thresholds move.

The prompts are dealt into two halves. The answers to one are the background of the index, those to the other
are judged, each with its prompt as the caller's words; then the other way round. So no answer is judged
against a background that has an answer to the same prompt, and every answer is judged once.

The rule that must stay true: a half is never background and judged in one index.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import material
from benchmarks.material import Answer
from proxy.detectors.memorised import MemorisedDetector
from proxy.index import BuildOptions, StoredIndex, build_index, open_index
from proxy.server.firewall import Firewall
from proxy.types import Contains, Document, TextIndex, Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROLE = "public"
ACTS = (24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 90, 100)
COVERS = (32, 36, 40, 44, 48, 52, 56, 64, 72, 80, 88, 96, 112, 128, 136, 152)
_NEVER = 1_000
_WHOLE, _TOKEN = 4096, 4
"""Characters of a piece where only the result counts, and of a stream."""
_STREAMED = 8
_PERSONAL = "pii"


def dealt(answers: Sequence[Answer], key: Callable[[Answer], str], seed: int = 11) -> list[list[Answer]]:
    """Two halves that share no key."""
    keys = sorted({key(answer) for answer in answers})
    random.Random(seed).shuffle(keys)
    first = set(keys[: len(keys) // 2])
    return [[a for a in answers if (key(a) in first) is side] for side in (True, False)]


def house(folder: Path, items: Iterable[Document], background: Iterable[Answer]) -> Firewall:
    """The default policy over an index with a background."""
    policy = material.policy_named("default")
    options = BuildOptions(
        key=material.KEY,
        acts={name: each.act for name, each in policy.thresholds.items() if name != "default"},
        default_act=policy.thresholds["default"].act,
        exempt_run=policy.exempt_run,
    )
    free = [Document(f"background:{number}", (each.text,)) for number, each in enumerate(background)]
    build_index(items, folder, options, background=free)
    return Firewall.assemble(policy, open_index(folder, material.KEY))


@dataclass(slots=True)
class Alarms:
    """What came of some ordinary answers.

    ``touched``: by a detector that asks the index; ``personal``: by ``pii`` alone, which would do so without
    any index. ``held``: characters held, summed over the ``streamed`` ones.
    """

    answers: int = 0
    characters: int = 0
    touched: int = 0
    personal: int = 0
    streamed: int = 0
    held: int = 0
    by: dict[str, int] = field(default_factory=dict)

    @property
    def mean_held(self) -> float:
        return self.held / max(1, self.streamed)

    def add(self, other: Alarms) -> None:
        self.answers += other.answers
        self.characters += other.characters
        self.touched += other.touched
        self.personal += other.personal
        self.streamed += other.streamed
        self.held += other.held
        for name, count in other.by.items():
            self.by[name] = self.by.get(name, 0) + count


def judged(firewall: Firewall, answers: Sequence[Answer]) -> Alarms:
    """The answers through all detectors of the policy; every eighth also as a stream, for what is held."""
    result = Alarms(len(answers), sum(len(answer.text) for answer in answers))
    for number, answer in enumerate(answers):
        pieces = material.cut(answer.text, _WHOLE)
        done = material.judge(firewall, ROLE, pieces, (answer.prompt,)).enforced
        learned = any(verdict.finding.detector != _PERSONAL for verdict in done)
        result.touched += learned
        result.personal += bool(done) and not learned
        for name in {f"{v.finding.detector}/{v.finding.entity}" for v in done}:
            result.by[name] = result.by.get(name, 0) + 1
        if number % _STREAMED == 0:
            _stream(firewall, answer, result)
    return result


def _stream(firewall: Firewall, answer: Answer, result: Alarms) -> None:
    guard = material.guard(firewall, ROLE, (answer.prompt,))
    for piece in material.cut(answer.text, _TOKEN):
        if guard.feed(piece).stopped:
            break
        result.streamed += len(piece)
        result.held += guard.held * len(piece)


# --- thresholds -------------------------------------------------------------------------------------------


class Levelled:
    """An index whose level at which a match acts is another: exact, from the documents' own hashes."""

    def __init__(self, index: StoredIndex, audience: str, length: int, grams: frozenset[int]) -> None:
        self._index = index
        self._audience = audience
        levels: list[tuple[int, Contains]] = [
            (index.exempt_run, index.exempt(audience)),
            (length, grams.__contains__),
        ]
        self._levels = sorted(levels, key=lambda level: level[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def levels(self, audience: str) -> Sequence[tuple[int, Contains]]:
        return self._levels if audience == self._audience else self._index.levels(audience)


class Sweep:
    """One protected audience under other thresholds."""

    def __init__(self, firewall: Firewall, items: Iterable[Document], audience: str) -> None:
        """``items``: the documents of the index; those of ``audience`` count."""
        self._firewall = firewall
        self._audience = audience
        self._key = firewall.index.key
        own = [item for item in items if (item.audience or "nobody") == audience]
        self._seeds = [self._key.seed_array(self._key.codes(material.joined(item))) for item in own]

    def exact(self, length: int) -> Callable[[Answer], bool]:
        """Whether an answer holds a run of ``length`` units or more; near-verbatim matching is off."""
        grams = frozenset(gram for seeds in self._seeds for gram in self._grams(seeds, length))
        index: Any = Levelled(self._firewall.index, self._audience, length, grams)
        return self._touches(index, Threshold(length, 12, 0))

    def _grams(self, seeds: NDArray[np.uint64], length: int) -> list[int]:
        found: list[int] = self._key.arrays(seeds, length).tolist()
        return found

    def near(self, cover: int) -> Callable[[Answer], bool]:
        """Whether an answer covers ``cover`` units of a document; exact matching is off."""
        return self._touches(self._firewall.index, Threshold(_NEVER, 12, cover))

    def _touches(self, index: TextIndex, threshold: Threshold) -> Callable[[Answer], bool]:
        detector = MemorisedDetector(index)
        policy, audiences = self._firewall.policy, self._firewall.index.audiences

        def touches(answer: Answer) -> bool:
            view = policy.view(ROLE, (answer.prompt,), audiences)
            view = replace(view, thresholds=dict.fromkeys(view.thresholds, threshold))
            return bool(detector.scanner(view).feed(answer.text).findings)

        return touches


def curves(sweep: Sweep, answers: Sequence[Answer]) -> tuple[dict[int, int], dict[int, int]]:
    """Answers touched, for each L of ``ACTS`` and each C of ``COVERS``.

    What a threshold does not touch, a greater one does not touch either.
    """
    return _curve(ACTS, sweep.exact, answers), _curve(COVERS, sweep.near, answers)


def _curve(
    thresholds: Sequence[int], at: Callable[[int], Callable[[Answer], bool]], answers: Sequence[Answer]
) -> dict[int, int]:
    left, found = list(answers), {}
    for threshold in thresholds:
        touches = at(threshold)
        left = [answer for answer in left if touches(answer)]
        found[threshold] = len(left)
    return found


def added(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """The sum of two counts of the same thresholds."""
    return {name: count + other.get(name, 0) for name, count in one.items()}
