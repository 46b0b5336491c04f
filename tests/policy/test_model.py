"""proxy/policy/model.py: decide, view, and what a role is spared."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from proxy.errors import ConfigError
from proxy.policy import NO_RULE, Numbers, Policy, examples, load_policy
from proxy.types import Action, Finding, Provenance, Span, Threshold, Verdict
from tests.policy.small import changed, parsed

INDEX = ("open", "team", "nobody")


def found(detector: str, entity: str, audience: str | None = None) -> Finding:
    origin = None if audience is None else Provenance("d:1", audience)
    return Finding(detector, entity, Span(2, 9), 8, provenance=origin)


def policy_of(*rules: dict[str, Any], **top: Any) -> Policy:
    named = [{"id": f"r{n}", "action": "block", **rule} for n, rule in enumerate(rules)]
    return parsed({**changed("rules", named), **top})


def test_the_first_rule_that_fits_wins() -> None:
    """Order decides, not strictness."""
    policy = policy_of(
        {"finding": "pii/email", "roles": ["guest"], "action": "redact"},
        {"finding": "pii/*", "action": "allow"},
        {"finding": "*/*"},
    )
    assert policy.decide(found("pii", "email"), "guest").rule == "r0"
    assert policy.decide(found("pii", "email"), "member").rule == "r1"
    assert policy.decide(found("pii", "phone"), "guest").rule == "r1"
    assert policy.decide(found("payload", "x"), "guest").rule == "r2"


def test_no_rule_means_block() -> None:
    """A finding that nothing fits is blocked, enforced, by a rule id of its own."""
    finding = found("pii", "api_key")
    assert policy_of({"finding": "pii/email"}).decide(finding, "guest") == Verdict(
        Action.BLOCK, NO_RULE, finding, True, "[API_KEY]"
    )


def test_a_verdict_carries_its_finding() -> None:
    """Two findings alike in kind get verdicts about themselves, not about the first."""
    policy = policy_of({"finding": "pii/*"})
    first, second = found("pii", "email"), Finding("pii", "email", Span(5, 6), 5)
    assert policy.decide(first, "guest").finding is first
    assert policy.decide(second, "guest").finding is second


@pytest.mark.parametrize(
    ("finding", "rule"),
    [
        (found("memorised", "passage", "team"), "r0"),
        (found("memorised", "passage", "open"), NO_RULE),
        (found("memorised", "passage", "unheard-of"), NO_RULE),
        (found("memorised", "passage"), NO_RULE),
    ],
)
def test_a_rule_with_audiences_fits_only_these(finding: Finding, rule: str) -> None:
    """Other audiences, unknown ones and findings without provenance fall through."""
    policy = policy_of({"finding": "memorised/*", "audience": ["team"], "action": "redact"})
    assert policy.decide(finding, "guest").rule == rule


@pytest.mark.parametrize("audience", [None, "open", "nobody", "unheard-of"])
def test_a_rule_without_audience_fits_any_when_it_stops(audience: str | None) -> None:
    """A block or a redaction without audiences fits all text, of unknown audiences too."""
    policy = policy_of({"finding": "memorised/*", "action": "redact"})
    assert policy.decide(found("memorised", "passage", audience), "guest").rule == "r0"


def test_an_allow_never_opens_an_unknown_audience() -> None:
    """A rule that allows everything still does not fit text of an audience the policy does not name."""
    policy = policy_of({"finding": "*/*", "action": "allow"})
    for audience in (None, "open", "team", "nobody"):
        assert policy.decide(found("memorised", "passage", audience), "guest").action is Action.ALLOW
    verdict = policy.decide(found("memorised", "passage", "unheard-of"), "guest")
    assert (verdict.action, verdict.rule, verdict.enforced) == (Action.BLOCK, NO_RULE, True)


def test_masks() -> None:
    """A rule's own mask wins; else the entity's; else the common one."""
    policy = policy_of(
        {"finding": "pii/phone", "action": "redact", "mask": "<tel>"},
        {"finding": "pii/*", "action": "redact"},
    )
    masks = [policy.decide(found("pii", each), "guest").mask for each in ("phone", "email", "person", "new")]
    assert masks == ["<tel>", "[EMAIL]", "[PERSON]", "[REDACTED]"]


def test_what_stops_by_entity() -> None:
    """A finding without a document is stopped where the rule that fits it says so and is enforced."""
    policy = policy_of(
        {"finding": "pii/email", "action": "redact", "mode": "observe"},
        {"finding": "pii/*", "roles": ["member"], "action": "allow"},
        {"finding": "pii/phone", "action": "redact"},
    )
    asked = [("guest", "email"), ("guest", "phone"), ("guest", "card"), ("member", "phone")]
    assert [policy.stops(role, "pii", entity) for role, entity in asked] == [False, True, True, False]
    assert not policy_of({"finding": "pii/*"}, mode="observe").stops("guest", "pii", "card")


def named(entity: str, fingerprint: str) -> Finding:
    origin = Provenance("d:1", "team")
    return Finding("known_values", entity, Span(2, 9), 8, provenance=origin, fingerprint=fingerprint)


def test_numbered_masks_are_one_for_each_value() -> None:
    """The same value has the same number wherever it stands; each type and each answer counts from one."""
    policy = policy_of({"finding": "known_values/*", "action": "redact"}, mask="numbered")
    asked = [("person", "a"), ("email", "b"), ("person", "c"), ("person", "a"), ("new", "d"), ("person", "")]
    for _ in range(2):
        numbers = Numbers()
        masks = [policy.decide(named(*each), "guest", numbers).mask for each in asked]
        assert masks == ["[PERSON_1]", "[EMAIL_1]", "[PERSON_2]", "[PERSON_1]", "[REDACTED]", "[PERSON]"]
    assert policy.decide(named("person", "a"), "guest").mask == "[PERSON]"


def test_only_what_is_redacted_is_numbered() -> None:
    """A rule's own mask stays as it is; values that are observed or allowed take no number."""
    policy = policy_of(
        {"finding": "known_values/phone", "action": "redact", "mask": "<tel>"},
        {"finding": "known_values/email", "action": "redact", "mode": "observe"},
        {"finding": "known_values/*", "action": "redact", "mask": "numbered"},
    )
    numbers = Numbers()
    masks = [policy.decide(named(each, "x"), "guest", numbers).mask for each in ("phone", "email", "order")]
    assert masks == ["<tel>", "[EMAIL]", "[ORDER_1]"]


def test_what_stops_is_asked_for_every_protected_audience() -> None:
    """A kind that is stopped for one audience's text alone is stopped; cleared audiences do not count."""
    policy = policy_of(
        {"finding": "known_values/*", "audience": ["team"], "action": "redact"},
        {"finding": "known_values/*", "action": "allow"},
    )
    assert not policy.stops("guest", "known_values", "email")
    assert policy.stops("guest", "known_values", "email", INDEX)
    assert not policy.stops("member", "known_values", "email", INDEX)


def test_an_observed_rule_is_not_enforced() -> None:
    """A rule in observe mode gives its verdict, not enforced; the others stay enforced."""
    policy = policy_of({"finding": "pii/email", "mode": "observe"}, {"finding": "pii/*"})
    assert policy.decide(found("pii", "email"), "guest").enforced is False
    assert policy.decide(found("pii", "email"), "guest").action is Action.BLOCK
    assert policy.decide(found("pii", "phone"), "guest").enforced is True


def test_an_observing_policy_enforces_nothing() -> None:
    """In observe mode no verdict is enforced, not even that of no rule."""
    policy = policy_of({"finding": "pii/email"}, mode="observe")
    assert policy.decide(found("pii", "email"), "guest").enforced is False
    assert policy.decide(found("payload", "x", "unheard-of"), "guest").enforced is False
    assert policy.sees_everything("guest", (*INDEX, "unheard-of"))


def test_an_unknown_role_is_refused_everywhere() -> None:
    """A key whose role the policy does not have gets nothing decided; the error helps."""
    policy = policy_of({"finding": "pii/*"})
    for ask in (
        lambda: policy.role("gest"),
        lambda: policy.hold("gest"),
        lambda: policy.view("gest", (), INDEX),
        lambda: policy.decide(found("pii", "email"), "gest"),
        lambda: policy.sees_everything("gest", INDEX),
        lambda: policy.stops("gest", "pii", "email"),
        lambda: policy.logprobs("gest", INDEX),
    ):
        with pytest.raises(
            ConfigError, match=r'no role \'gest\'; did you mean "guest"\? \(roles: guest, member\)'
        ):
            ask()


def test_a_view_splits_the_index_by_clearance() -> None:
    """Protected and cleared are the index's audiences, each once, in its order; nobody is protected."""
    view = policy_of({"finding": "pii/*"}).view("member", ("said",), ("nobody", "open", "team", "open"))
    assert (view.role, view.echo, view.exempt_run) == ("member", ("said",), 20)
    assert view.protected == ("nobody",)
    assert view.cleared == ("open", "team")
    assert view.thresholds == {"nobody": Threshold(80, 10, 50)}


def test_an_audience_the_policy_does_not_name_is_protected() -> None:
    """An index with more audiences than the policy opens none of them, and they get the default threshold."""
    view = policy_of({"finding": "pii/*"}).view("member", (), ("open", "unheard-of", "Open"))
    assert view.protected == ("unheard-of", "Open")
    assert view.cleared == ("open",)
    assert view.thresholds["unheard-of"] == Threshold(40, 10, 50)


def test_nobody_is_cleared_only_when_a_clearance_names_it() -> None:
    """A role may have text of nobody only where the policy writes it."""
    policy = parsed(changed("roles.member.clearance", ["open", "nobody"]))
    assert policy.view("member", (), INDEX).cleared == ("open", "nobody")


def test_views_do_not_share_their_cache() -> None:
    """What one request works out is not seen by the next."""
    policy = policy_of({"finding": "pii/*"})
    first = policy.view("guest", (), INDEX)
    first.cache["x"] = 1
    assert policy.view("guest", (), INDEX).cache == {}


def test_a_view_names_the_audiences_that_are_only_counted() -> None:
    """Observed are the protected audiences of which memorised text cannot be stopped for the role."""
    policy = policy_of(
        {"finding": "memorised/*", "audience": ["team"], "mode": "observe"},
        {"finding": "memorised/passage", "audience": ["nobody"], "action": "allow"},
    )
    # text of nobody near the original has no rule, so it would be blocked
    assert policy.view("guest", (), INDEX).observed == {"team"}
    assert policy.observed("guest", "payload", INDEX) == frozenset()


def test_rules_for_each_entity_cover_a_detector_whose_entities_are_known() -> None:
    """Naming both things `memorised` finds is as good as `memorised/*`."""
    both = {"finding": ["memorised/passage", "memorised/near_passage"], "action": "allow"}
    assert policy_of(both).can_stop("guest", "memorised", INDEX) is False
    assert policy_of({**both, "finding": "memorised/passage"}).can_stop("guest", "memorised", INDEX) is True


def test_a_detector_whose_entities_are_not_known_needs_a_wildcard() -> None:
    """Allowing some entities of an open detector does not spare the role the others."""
    some = {"finding": ["pii/email", "pii/phone"], "action": "allow"}
    assert policy_of(some).can_stop("guest", "pii", INDEX) is True
    assert policy_of({**some, "finding": "pii/*"}).can_stop("guest", "pii", INDEX) is False


def test_findings_without_provenance_count_for_what_can_stop() -> None:
    """A rule for all named audiences still leaves findings that come from no document."""
    rule = {"finding": "memorised/*", "audience": list(INDEX), "action": "allow"}
    assert policy_of(rule).can_stop("guest", "memorised", INDEX) is True


@pytest.mark.parametrize(
    ("rule", "audiences", "answer"),
    [
        ({"finding": "*/*", "action": "allow"}, INDEX, True),
        ({"finding": "*/*", "action": "redact", "mode": "observe"}, INDEX, True),
        ({"finding": "*/*", "action": "redact"}, INDEX, False),
        ({"finding": "*/*", "action": "allow"}, (*INDEX, "unheard-of"), False),
        ({"finding": "*/*", "action": "redact", "mode": "observe"}, (*INDEX, "unheard-of"), True),
        ({"finding": "*/*", "action": "allow", "roles": ["member"]}, INDEX, False),
        ({"finding": "memorised/*", "action": "allow"}, INDEX, False),
    ],
)
def test_seeing_everything(rule: dict[str, Any], audiences: tuple[str, ...], answer: bool) -> None:
    """True only where no detector that runs could have anything enforced for the role."""
    assert policy_of(rule).sees_everything("guest", audiences) is answer


def test_a_detector_that_is_off_stops_nothing() -> None:
    """Only detectors that run count."""
    off = {each: {"enabled": False} for each in ("known_values", "payload", "encoded")}
    policy = policy_of({"finding": "memorised/*", "action": "allow"}, detectors=off)
    assert policy.sees_everything("guest", INDEX)


def test_logprobs_stay_shut_while_anything_could_be_stopped() -> None:
    """A role that may have logprobs loses them where the index holds an audience it cannot see."""
    policy = parsed(
        {
            **changed("roles.guest.logprobs", "allow"),
            "rules": [{"id": "all", "finding": "*/*", "action": "allow"}],
        }
    )
    assert policy.logprobs("guest", INDEX) == "allow"
    assert policy.logprobs("guest", ("unheard-of",)) == "refuse"
    assert policy.logprobs("member", INDEX) == "refuse"
    assert parsed(changed("roles.guest.logprobs", "strip")).logprobs("guest", INDEX) == "strip"


def test_models() -> None:
    """A role's patterns are those of a shell, and case counts."""
    role = parsed(changed("roles.guest.models", ["tuned-*", "base"])).role("guest")
    assert [role.may_use(each) for each in ("tuned-7b", "base", "Base", "base2", "untuned-7b", "")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_hold_is_the_roles() -> None:
    """The ceiling of held text is asked per role."""
    policy = parsed(changed("roles.guest.hold", 800))
    assert (policy.hold("guest"), policy.hold("member")) == (800, 4096)


def test_endless_new_entities_do_not_fill_the_memory() -> None:
    """What is kept of verdicts is bounded, and they stay right beyond it."""
    policy = policy_of({"finding": "pii/*", "action": "redact"})
    for number in range(5000):
        assert policy.decide(found("pii", f"e{number}"), "guest").action is Action.REDACT
    assert len(policy._outcomes) <= 4096


def test_a_policy_goes_to_other_processes() -> None:
    """A policy can be pickled, and decides the same there."""
    policy = policy_of({"finding": "pii/*", "action": "redact"})
    copy = pickle.loads(pickle.dumps(policy))
    assert copy == policy
    assert copy.decide(found("pii", "email"), "guest") == policy.decide(found("pii", "email"), "guest")


def test_examples_name_their_rule() -> None:
    """Each example comes with its rule and with what must come of it."""
    policy = policy_of(
        {"finding": "pii/email", "leaks": ["a@b.example", "c@d.example"], "passes": ["none"]},
        {"finding": "pii/*"},
    )
    got = [(rule.id, text, fits) for rule, text, fits in examples(policy)]
    assert got == [("r0", "a@b.example", True), ("r0", "c@d.example", True), ("r0", "none", False)]


def test_a_view_is_that_of_its_role_however_often_it_is_asked() -> None:
    """Views in turn are those of a policy that was asked nothing else; the caller's words are not kept."""
    policy, audiences = load_policy(None), ("public", "staff", "admin", "nobody")
    for role in (*policy.roles, *policy.roles):
        for named in (audiences, audiences[:2]):
            asked, fresh = policy.view(role, ("own",), named), load_policy(None).view(role, ("own",), named)
            assert (asked.protected, asked.cleared) == (fresh.protected, fresh.cleared)
            assert dict(asked.thresholds) == dict(fresh.thresholds)
            assert policy.view(role, (), named).echo == ()
