"""What a policy leaves open, in plain figures: computed from the policy and from the detectors' limits.

A firewall stops what its policy names and no more. Whoever writes a policy should see the rest before an
attacker does: passages below the threshold, the beginning of a code, what the time of a chunk tells, findings
that are only counted, callers without a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proxy.policy import Policy, Role
from proxy.policy.entities import NEWEST, later
from proxy.types import Action, Finding, Provenance, Span, Verdict

_MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Open:
    """Something that passes for a role. ``amount``: how much, in ``unit``; None where it is no number.

    ``audience``: whose text it is about; "" for text of any.
    """

    role: str
    what: str
    audience: str
    amount: int | None
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Later:
    """An entity that the policy's version does not know.

    ``now``: what is done with it. ``then``: the rule that would fit under the newest version, and its action.
    """

    role: str
    detector: str
    entity: str
    now: str
    rule: str
    then: str


def left_open(policy: Policy) -> list[Open]:
    """Return what the policy leaves open for each role that reads answers."""
    return [each for role in policy.roles.values() if not role.guard for each in _of_role(policy, role)]


def later_entities(policy: Policy) -> list[Later]:
    """Return, by role, the entities that newer versions know and this file does not name."""
    found = []
    for role in policy.roles:
        for detector, entities in later(policy.format).items():
            for entity in sorted(entities):
                rule = policy.rule_for(role, detector, entity, None)
                if rule is not None and (rule.names(detector, entity) or rule.allows_all):
                    continue
                verdict = _verdict(policy, role, detector, entity, None)
                then = ("no-rule", "block") if rule is None else (rule.id, rule.action.name.lower())
                now = "stop" if verdict.enforced else "observe"
                found.append(Later(role, detector, entity, now, *then))
    return found


def _of_role(policy: Policy, role: Role) -> Iterator[Open]:
    protected = [each for each in policy.audiences if each not in role.clearance]
    for audience in protected:
        yield from _passages(policy, role, audience)
    yield from _codes(policy, role, protected)
    yield from _counted(policy, role, protected)
    yield from _names(policy, role)
    yield from _unknown(policy, role)
    yield from _seen(policy, role, protected)
    yield from _requests(role)


def _passages(policy: Policy, role: Role, audience: str) -> Iterator[Open]:
    limit = policy.thresholds[audience]
    if not policy.enabled("memorised") or not _stops(
        _verdict(policy, role.name, "memorised", "passage", audience)
    ):
        yield Open(
            role.name, "passages", audience, None, "", f"Training text for '{audience}' passes, however long"
        )
        return
    most = limit.act - 1
    yield Open(
        role.name, "passages", audience, most, "units",
        f"A run of up to {most} units of a document for '{audience}' passes; an answer may hold many of them",
    )  # fmt: skip
    if limit.budget:
        yield Open(
            role.name, "beginnings", audience, limit.budget, "units",
            f"Of a longer run, the first {limit.budget} units are delivered before it is stopped",
        )  # fmt: skip
    near = _stops(_verdict(policy, role.name, "memorised", "near_passage", audience))
    if near and limit.cover:
        yield Open(
            role.name, "changed text", audience, limit.cover - 1, "units",
            f"Reworded text passes while its unchanged runs cover at most {limit.cover - 1} units of a "
            f"document for '{audience}'; a retelling in other words passes",
        )  # fmt: skip
    else:
        yield Open(
            role.name, "changed text", audience, None, "",
            f"Reworded text for '{audience}' passes: only runs as they are written are stopped",
        )  # fmt: skip


def _codes(policy: Policy, role: Role, protected: Iterable[str]) -> Iterator[Open]:
    from proxy.detectors.decoders.transducer import BUDGET

    audiences = [
        each for each in protected if _stops(_verdict(policy, role.name, "encoded", "passage", each))
    ]
    if not policy.enabled("encoded") or not audiences:
        if any(_stops(_verdict(policy, role.name, "memorised", "passage", each)) for each in protected):
            yield Open(role.name, "codes", "", None, "", "Training text in a code, such as base64, passes")
        return
    budget = max(policy.thresholds[each].budget for each in audiences)
    text = f"Up to {BUDGET} characters of a code, such as base64, are delivered before it is recognised"
    if budget:
        text += f", or those that carry {budget} units, whichever is more"
    yield Open(role.name, "codes", "", BUDGET, "characters", text)


def _counted(policy: Policy, role: Role, protected: Iterable[str]) -> Iterator[Open]:
    """Findings that pass: of documents that the role may not read, and of no document."""
    for detector, kind, audiences in (
        ("known_values", "of the training set", tuple(protected)),
        ("payload", "of the training set", tuple(protected)),
        ("pii", "that are not in the training set", (None,)),
    ):
        entities = sorted(policy.known_entities.get(detector, ()))
        if not policy.enabled(detector):
            passing = entities
        else:
            passing = [
                entity
                for entity in entities
                if not all(_stops(_verdict(policy, role.name, detector, entity, each)) for each in audiences)
            ]
        if passing and audiences:
            which = "All of these" if passing == entities else "These"
            yield Open(
                role.name, detector, "", len(passing), "entities",
                f"{which} {kind} pass, for some audience at least: {', '.join(passing)}"
                if audiences != (None,)
                else f"{which} {kind} pass: {', '.join(passing)}",
            )  # fmt: skip


def _names(policy: Policy, role: Role) -> Iterator[Open]:
    from proxy.detectors.pii import NAMES

    wanted = [each for each in sorted(NAMES) if _stops(_verdict(policy, role.name, "pii", each, None))]
    if policy.enabled("pii") and wanted and not policy.detectors["pii"].get("ner"):
        yield Open(
            role.name, "names", "", len(wanted), "entities",
            f"Not looked for outside the training set, since `detectors.pii.ner` is off: {', '.join(wanted)}",
        )  # fmt: skip


def _unknown(policy: Policy, role: Role) -> Iterator[Open]:
    if policy.format == 1 or policy.unknown is None:
        yield Open(
            role.name, "later entities", "", None, "",
            "Findings of entities that this policy does not know are only counted"
            + (f"; version {NEWEST} has `unknown_entities`" if policy.format == 1 else ""),
        )  # fmt: skip


def _seen(policy: Policy, role: Role, protected: Iterable[str]) -> Iterator[Open]:
    """What the form of an answer tells: its pace, its masks, its end."""
    audiences = tuple(protected)
    if policy.sees_everything(role.name, audiences):
        return
    yield Open(
        role.name, "timing", "", role.hold, "characters",
        f"The pace of a stream tells that text is held back, and about how much: up to {role.hold}",
    )  # fmt: skip
    verdicts = [
        _verdict(policy, role.name, detector, entity, audience)
        for detector, entities in policy.known_entities.items()
        if policy.enabled(detector)
        for entity in entities
        for audience in (None, *audiences)
    ]
    actions = {each.action for each in verdicts if each.enforced}
    if Action.REDACT in actions:
        numbered = policy.numbered or any(rule.mask == "numbered" for rule in policy.rules)
        yield Open(
            role.name, "masks", "", None, "",
            "A mask tells that a value is in the training set or looks like one, and of what kind"
            + (", and which of the answer's values are the same" if numbered else ""),
        )  # fmt: skip
    if Action.BLOCK in actions:
        yield Open(
            role.name, "stops", "", None, "",
            "A stopped answer tells that the model came near to protected text, and where in the answer",
        )  # fmt: skip
    if policy.logprobs(role.name, audiences) == "allow":
        yield Open(role.name, "logprobs", "", None, "", "Token probabilities are delivered")


def _requests(role: Role) -> Iterator[Open]:
    if role.requests_per_minute is None:
        text = "Requests have no limit, and nothing adds up what one caller gets over time"
        yield Open(role.name, "requests", "", None, "", text)
        return
    most = role.requests_per_minute * _MINUTES_A_DAY
    yield Open(
        role.name, "requests", "", most, "a day",
        f"{role.requests_per_minute} requests a minute are {most} a day, and nothing adds up what they get",
    )  # fmt: skip


def _verdict(policy: Policy, role: str, detector: str, entity: str, audience: str | None) -> Verdict:
    origin = None if audience is None else Provenance("", audience)
    return policy.decide(Finding(detector, entity, Span(0, 1), 1, provenance=origin), role)


def _stops(verdict: Verdict) -> bool:
    return verdict.enforced and verdict.action is not Action.ALLOW
