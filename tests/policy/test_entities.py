"""Entities that a policy does not know: what each version of the file does with them, and who knows what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.detectors import payload
from proxy.detectors.memorised_stream import NEAR_PASSAGE, PASSAGE
from proxy.detectors.pii import PiiDetector
from proxy.policy import DETECTORS, NO_RULE, UNKNOWN_ENTITY, Policy, entities, load_policy
from proxy.policy.entities import KNOWN, NEWEST, later
from proxy.recognizers.values import FINDS
from proxy.types import Action, Finding, Provenance, Span
from tests.policy.small import SMALL, faults, parsed

LATER = "boarding_pass"
"""An entity that no release has yet."""


def policy(version: int, *rules: dict[str, Any], **top: Any) -> Policy:
    named = [{"id": f"r{number}", "action": "block", **rule} for number, rule in enumerate(rules)]
    return parsed({**SMALL, "version": version, "rules": named, **top})


def verdict(found: Policy, detector: str, entity: str, role: str = "guest") -> tuple[str, str, bool]:
    made = found.decide(Finding(detector, entity, Span(2, 9), 8), role)
    return made.action.name.lower(), made.rule, made.enforced


def test_every_entity_that_can_be_found_today_is_known() -> None:
    """The newest list is what the detectors and recognisers of this release report."""
    passages = {PASSAGE, NEAR_PASSAGE}
    assert dict(KNOWN[NEWEST]) == {
        "memorised": passages,
        "payload": {payload.ENTITY},
        "known_values": FINDS,
        "pii": PiiDetector.entities,
        "encoded": passages | FINDS,
    }
    assert set(KNOWN[NEWEST]) == set(DETECTORS)


def test_the_list_of_a_released_version_never_changes() -> None:
    """It is what the authors of those files meant; a new entity belongs into the newest list alone."""
    assert {name: len(each) for name, each in KNOWN[1].items()} == {
        "memorised": 2,
        "known_values": 28,
        "payload": 1,
        "encoded": 30,
        "pii": 18,
    }
    for name, each in KNOWN[1].items():
        assert each <= KNOWN[2][name]


@pytest.mark.parametrize("finding", ["pii/*", "*/*", ["known_values/*", "pii/*"]])
@pytest.mark.parametrize("action", ["block", "redact"])
def test_version_1_observes_a_later_entity_even_where_a_wildcard_fits(finding: Any, action: str) -> None:
    """A new release changes nothing for a file that was written before it."""
    made = policy(1, {"finding": finding, "action": action})
    assert verdict(made, "pii", LATER) == (action, "r0", False)
    assert verdict(made, "pii", "email") == (action, "r0", True)
    assert verdict(made, "a_later_detector", LATER)[2] is False


def test_version_1_observes_a_later_entity_that_no_rule_fits() -> None:
    """A known one that no rule fits is blocked, as always."""
    made = policy(1, {"finding": "pii/email"})
    assert verdict(made, "pii", LATER) == ("block", NO_RULE, False)
    assert verdict(made, "pii", "card") == ("block", NO_RULE, True)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("finding", [f"pii/{LATER}", f"*/{LATER}"])
def test_an_entity_that_a_rule_names_is_known(version: int, finding: str) -> None:
    """Whoever writes its name means it; only the rule that wins can name it."""
    assert verdict(policy(version, {"finding": finding}), "pii", LATER) == ("block", "r0", True)
    first = {"finding": "pii/*", "action": "redact", "roles": ["guest"]}
    before = policy(version, first, {"finding": finding})
    assert verdict(before, "pii", LATER)[1:] == (("r0", False) if version == 1 else (UNKNOWN_ENTITY, True))


@pytest.mark.parametrize(("word", "action"), [("block", "block"), ("redact", "redact"), (None, "block")])
def test_version_2_has_an_action_for_what_it_does_not_know(word: str | None, action: str) -> None:
    """Wildcards mean the entities of today; left out, the action is to block."""
    top = {} if word is None else {"unknown_entities": word}
    for rules in ([{"finding": "pii/*", "action": "allow"}], [{"finding": "*/*", "action": "redact"}], []):
        made = policy(2, {"finding": "memorised/passage", "audience": ["team"]}, *rules, **top)
        assert verdict(made, "pii", LATER) == (action, UNKNOWN_ENTITY, True)


def test_version_2_may_observe_what_it_does_not_know() -> None:
    """The rule that fits says what would have happened."""
    made = policy(2, {"finding": "pii/*", "action": "redact"}, unknown_entities="observe")
    assert verdict(made, "pii", LATER) == ("redact", "r0", False)
    assert verdict(made, "payload", LATER) == ("block", NO_RULE, False)


def test_a_role_that_may_have_whatever_is_found_may_have_unknown_entities() -> None:
    """`*/*` with allow, and for that role alone; text of an audience without a name stays shut."""
    made = policy(2, {"finding": "*/*", "action": "allow", "roles": ["member"]}, {"finding": "*/*"})
    assert verdict(made, "pii", LATER, "member") == ("allow", "r0", True)
    assert verdict(made, "pii", LATER, "guest") == ("block", UNKNOWN_ENTITY, True)
    stranger = Finding("known_values", LATER, Span(2, 9), 8, provenance=Provenance("d:1", "strangers"))
    assert made.decide(stranger, "member").action is Action.BLOCK


def test_an_unknown_entity_that_could_be_stopped_is_held_back() -> None:
    """The detectors are asked whether to hold: the same answer as the verdict."""
    two, one = policy(2, {"finding": "pii/email"}), policy(1, {"finding": "pii/*"})
    assert two.stops("guest", "known_values", LATER)
    assert not one.stops("guest", "known_values", LATER)
    assert two.can_stop("guest", "known_values", ["team"])
    assert one.can_stop("guest", "pii", ["team"])
    only = policy(1, {"finding": "memorised/*"}, {"finding": ["pii/*", "known_values/*"], "action": "allow"})
    assert not only.can_stop("guest", "pii", [])


def test_the_action_is_read_strictly() -> None:
    """Unknown words, and the key in a file of version 1."""
    two = {**SMALL, "version": 2}
    assert faults({**two, "unknown_entities": "allow"})[0][0] == "unknown_entities"
    assert faults({**two, "unknown_entitys": "block"})[0][0] == "unknown_entitys"
    assert "version: 2" in faults({**SMALL, "unknown_entities": "block"})[0][1]


def test_what_a_version_does_not_know_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each detector, also one that is new altogether."""
    assert later(NEWEST) == {}
    new = {**KNOWN[2], "pii": KNOWN[2]["pii"] | {LATER}, "meaning": frozenset({"retelling"})}
    monkeypatch.setattr(entities, "KNOWN", {1: KNOWN[1], 2: new})
    assert later(1) == {"pii": {LATER}, "meaning": {"retelling"}}
    assert later(2) == {}


@pytest.mark.parametrize("name", [None, "strict"])
def test_the_packaged_policies_decide_as_they_did_under_version_1(name: str | None, tmp_path: Path) -> None:
    """For each role, detector, entity and audience of today."""
    new = load_policy(None if name is None else Path(name))
    text = Path(new.source).read_text("utf-8")
    text = text.replace("version: 2\n", "version: 1\n").replace("\nunknown_entities: block\n", "\n")
    (tmp_path / "old.yaml").write_text(text, "utf-8")
    old = load_policy(tmp_path / "old.yaml")
    assert (new.format, old.format, new.unknown) == (2, 1, Action.BLOCK)
    for detector, known in KNOWN[1].items():
        for entity in known:
            for audience in (None, *new.audiences, "strangers"):
                origin = None if audience is None else Provenance("d:1", audience)
                finding = Finding(detector, entity, Span(2, 9), 8, provenance=origin)
                for role in new.roles:
                    assert new.decide(finding, role) == old.decide(finding, role)
