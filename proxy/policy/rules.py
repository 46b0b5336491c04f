"""The ``rules`` of a policy file: each one alone, and each one beside those before it.

May import: ``proxy.types``, ``proxy.policy.cursor``, ``proxy.policy.model``, ``proxy.policy.tree``. The rule
that must stay true: a rule that can never win is a fault, so that what is written is what is done. No message
shows an example's text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.policy.cursor import Cursor, meant
from proxy.policy.model import RESERVED, Rule
from proxy.policy.tree import Items, shown
from proxy.types import Action

ACTIONS = {"allow": Action.ALLOW, "redact": Action.REDACT, "block": Action.BLOCK}

_KEYS = ("id", "finding", "audience", "roles", "action", "mask", "mode", "leaks", "passes")
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PATTERN = re.compile(r"(\*|[a-z][a-z0-9_]*)/(\*|[a-z][a-z0-9_]*)")
_LONGEST_MASK = 64


@dataclass(frozen=True, slots=True)
class Kind:
    """What a policy may say about one detector.

    ``entities``: what it can report (empty: a policy may name any). ``settings``: further settings
    and their type, ``bool`` or ``int``; ``enabled`` every detector has. ``always``: it runs unless
    the policy turns it off; else it runs where a rule names it. ``needs_index``: rules about it
    alone cannot have examples, which are tried without an index.
    """

    entities: frozenset[str] = frozenset()
    settings: Mapping[str, type] = field(default_factory=dict)
    always: bool = True
    needs_index: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule may name; None: not known, because that section itself is faulty or missing."""

    audiences: Collection[str] | None
    roles: Collection[str] | None
    detectors: Mapping[str, Kind]
    off: Collection[str] = ()
    """Detectors that the policy turns off."""
    observe: bool = False
    """Whether the whole policy observes."""


def read_rules(here: Cursor | None, known: Known) -> tuple[Rule, ...]:
    """The rules that are sound; what is wrong with the others is noted."""
    found: list[tuple[Rule, Cursor]] = []
    lines: dict[str, int] = {}
    for entry in here.items("a list of rules") if here else []:
        rule = _rule(entry, known, lines)
        if rule is not None:
            _never_wins(rule, entry, found)
            found.append((rule, entry))
    return tuple(rule for rule, _ in found)


def _rule(here: Cursor, known: Known, lines: dict[str, int]) -> Rule | None:
    before = len(here.faults.found)
    at = here.fields(_KEYS, required=("id", "finding", "action"))
    name = _id(at["id"], lines) if "id" in at else None
    findings = _findings(at["finding"], known) if "finding" in at else ()
    audience = at["audience"].choices(known.audiences, "audience") if "audience" in at else None
    roles = at["roles"].choices(known.roles, "role") if "roles" in at else None
    word = at["action"].choice(ACTIONS, "action") if "action" in at else None
    mask = _mask(at["mask"], word) if "mask" in at else None
    observe = _observe(at["mode"], known) if "mode" in at else False
    leaks = _texts(at["leaks"]) if "leaks" in at else ()
    passes = _texts(at["passes"]) if "passes" in at else ()
    _examples(at, findings, leaks, passes, known)
    if len(here.faults.found) > before or name is None or word is None:
        return None
    return Rule(
        id=name,
        findings=findings,
        action=ACTIONS[word],
        audience=None if audience is None else frozenset(audience),
        roles=None if roles is None else frozenset(roles),
        mask=mask,
        observe=observe,
        leaks=leaks,
        passes=passes,
    )


def _id(here: Cursor, lines: dict[str, int]) -> str | None:
    name = here.text()
    if name is None:
        return None
    if not _ID.fullmatch(name):
        here.fault(f"{shown(name)} is no rule id: a-z, 0-9, `-`, `_`, `.`, at most 64 characters")
    elif name in RESERVED:
        here.fault(f"{shown(name)} is reserved for verdicts that come from no rule; choose another id")
    elif name in lines:
        here.fault(f"{shown(name)} is the id of another rule too, in line {lines[name]}")
    lines.setdefault(name, here.line)
    return name


def _findings(here: Cursor, known: Known) -> tuple[tuple[str, str], ...]:
    several = isinstance(here.tree, Items)
    found: list[tuple[str, str]] = []
    for each in here.items("a list") if several else [here]:
        pattern = _pattern(each, known.detectors)
        if pattern in found:
            each.fault("this finding stands in the list twice")
        elif pattern is not None:
            found.append(pattern)
    if found and all(detector in known.off for detector, _ in found):
        off = ", ".join(sorted({detector for detector, _ in found}))
        here.fault(f"can never be found: `detectors` turns {off} off; drop the rule or enable it")
    return tuple(found)


def _pattern(here: Cursor, detectors: Mapping[str, Kind]) -> tuple[str, str] | None:
    text = here.text()
    if text is None:
        return None
    parts = _PATTERN.fullmatch(text)
    if parts is None:
        here.fault(f"{shown(text)} is no finding: write detector/entity, such as memorised/passage or pii/*")
        return None
    detector, entity = parts[1], parts[2]
    if detector != "*" and detector not in detectors:
        here.fault(f"{shown(detector)} is no detector" + meant(detector, detectors))
        return None
    entities = detectors[detector].entities if detector != "*" else frozenset[str]()
    if entity != "*" and entities and entity not in entities:
        here.fault(f"{shown(entity)} is nothing that {detector} finds" + meant(entity, sorted(entities)))
        return None
    return detector, entity


def _mask(here: Cursor, action: str | None) -> str | None:
    """A mask stands in prose and inside JSON strings alike, so nothing in it may need an escape."""
    mask = here.text(_LONGEST_MASK)
    if mask is not None and (not mask.isprintable() or '"' in mask or "\\" in mask):
        here.fault(
            "a mask is one line of plain characters, without quotes or backslashes: it also stands in JSON"
        )
    if action is not None and action != "redact":
        here.fault(f"has no effect: the action is {action}, and only redact puts a mask")
    return mask


def _observe(here: Cursor, known: Known) -> bool:
    mode = here.choice(("enforce", "observe"), "mode")
    if mode == "enforce" and known.observe:
        here.fault(
            "contradicts the policy's `mode: observe`; set `mode: enforce` for the whole and "
            "`mode: observe` in the rules that should only count"
        )
    return mode == "observe"


def _texts(here: Cursor) -> tuple[str, ...]:
    texts = [each.text(secret=True) for each in here.items("a list of example texts")]
    return tuple(text for text in texts if text is not None)


def _examples(
    at: Mapping[str, Cursor],
    findings: Sequence[tuple[str, str]],
    leaks: Sequence[str],
    passes: Sequence[str],
    known: Known,
) -> None:
    for number, text in enumerate(passes):
        if text in leaks:
            at["passes"].fault(f"example {number} stands under leaks too")
    kinds = [known.detectors[each] for each, _ in findings if each != "*"]
    if len(kinds) == len(findings) and kinds and all(kind.needs_index for kind in kinds):
        for key in ("leaks", "passes"):
            if key in at:
                at[key].fault("examples are tried without an index, and what this rule finds needs one")


def _never_wins(rule: Rule, here: Cursor, earlier: Sequence[tuple[Rule, Cursor]]) -> None:
    for other, place in earlier:
        if _covers(other, rule):
            here.fault(
                f"the rule {shown(rule.id)} can never win: {shown(other.id)} in line {place.line} comes "
                "first and fits everything it fits; put the narrower rule first or drop one"
            )
            return


def _covers(first: Rule, second: Rule) -> bool:
    """Whether everything that ``second`` fits, ``first`` fits too."""
    if first.roles is not None and (second.roles is None or not second.roles <= first.roles):
        return False
    if first.audience is not None and (second.audience is None or not second.audience <= first.audience):
        return False
    strangers = second.audience is None and second.action is not Action.ALLOW
    if strangers and first.action is Action.ALLOW:
        return False  # the later rule still fits text of audiences that the policy does not name
    return all(
        any(d in ("*", detector) and e in ("*", entity) for d, e in first.findings)
        for detector, entity in second.findings
    )
