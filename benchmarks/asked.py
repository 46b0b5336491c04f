"""A value in an answer, and what a role gets of it: the guard with all detectors, a character at a time.

The rule that must stay true: whether a value was delivered is told from what came out, not from findings.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.shop import Item
from proxy.guard import StreamGuard
from proxy.jsontext import JsonCells
from proxy.server.firewall import Firewall
from proxy.types import Action, Finding, Verdict
from proxy.values import letters_of

ROLE = "public"

ENGLISH = (
    "I have looked that up for you, and what I can see here is {}. Is there anything else?",
    "Sure: {}",
    "The entry you mean says {}; it was changed in spring.",
    "- first of all, {}\n- second, nothing",
    "As far as I remember ({}) that was it.",
)
CHINESE = ("您好，查到的内容是{}，请核对。", "好的：{}", "系统里写的是{}。还需要别的吗？", "（{}）就是这一条")
FORMS = ("prose", "JSON", "tool arguments")
_MASK = re.compile(r"\[[A-Z_]+\]")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that says a value: what stands around it, and whether it is JSON."""

    before: str
    value: str
    after: str
    json: bool

    @property
    def text(self) -> str:
        return self.before + self.value + self.after


def say(item: Item, form: str, number: int) -> Said:
    """The value alone: in a sentence, in structured output, in the arguments of a call."""
    value = json.dumps(item.text, ensure_ascii=False)[1:-1]
    if form == "JSON":
        return Said('{"found": true, "rows": [{"v": "', value, '"}], "more": null}', True)
    if form == "tool arguments":
        return Said('{"limit": 5, "query": "', value, '"}', True)
    sentences = CHINESE if item.chinese else ENGLISH
    before, after = sentences[number % len(sentences)].split("{}")
    return Said(before, item.text, after, False)


# --- what the caller gets -----------------------------------------------------------------------------


@dataclass(slots=True)
class Meter:
    """What was fed, held and spent."""

    characters: int = 0
    held: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        return round(self.held / max(1, self.characters), 2)

    @property
    def pace(self) -> float:
        return round(self.seconds / max(1, self.characters) * 1e6, 1)


@dataclass(slots=True)
class Stack:
    """All detectors of the server, under the default policy."""

    house: Firewall
    meters: dict[str, Meter] = field(default_factory=lambda: defaultdict(Meter))

    def ask(self, text: str, meter: str, *, json: bool = False, echo: Sequence[str] = ()) -> Outcome:
        """One answer, a character at a time."""
        house, told = self.house, self.meters[meter]
        view = house.policy.view(ROLE, tuple(echo), house.index.audiences)

        def decide(finding: Finding) -> Verdict:
            return house.policy.decide(finding, ROLE)

        scanners = [detector.scanner(view) for detector in house.detectors]
        cells = JsonCells() if json else None
        guard = StreamGuard(scanners, decide, ceiling=house.policy.hold(ROLE), cells=cells)
        out = []
        began = time.process_time()
        for character in text:
            step = guard.feed(character)
            out.append(step.text)
            told.held += guard.held
            if step.stopped:
                break
        else:
            out.append(guard.finish().text)
        told.seconds += time.process_time() - began
        told.characters += len(text)
        touched = any(v.enforced and v.action is not Action.ALLOW for v in guard.verdicts)
        return Outcome("".join(out), guard.stopped, touched)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out. ``touched``: something of it was masked, or it was stopped."""

    text: str
    stopped: bool
    touched: bool

    def hides(self, said: Said) -> bool:
        """Whether nothing of the value was delivered: what is left is what stands around it."""
        left, around = letters_of(_MASK.sub("", self.text)), letters_of(said.before + said.after)
        if said.json and not self.stopped:
            json.loads(self.text)  # JSON in, JSON out
        return around.startswith(left) if self.stopped else left == around

    def holds(self, text: str) -> bool:
        """Whether a value stands in what came out, in any spelling."""
        return letters_of(text) in letters_of(_MASK.sub("", self.text))
