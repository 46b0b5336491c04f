"""proxy/policy/schema.py: every fault of a policy file is named with its path."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.policy import DETECTORS, Kind, Policy, load_policy, parse_policy
from proxy.policy.rules import _KEYS
from proxy.policy.schema import _ROLE, _THRESHOLDS, _TOP
from proxy.types import Threshold
from tests.policy.small import DROP, SMALL, changed, faults, parsed

FAULTS: list[tuple[str, Any, str, str]] = [
    # where, what is put there, the path of the fault, a part of its message
    ("version", DROP, "version", "is missing"),
    ("version", 3, "version", "version 3 is not known; this program reads versions 1 to 2"),
    ("version", 0, "version", "from 1"),
    ("unknown_entities", "block", "unknown_entities", "is part of version 2; write `version: 2`"),
    ("version", "1", "version", "expected a whole number"),
    ("version", True, "version", "expected a whole number"),
    ("version", 1.5, "version", "expected a whole number"),
    ("name", 5, "name", "expected text, got the number 5"),
    ("name", "", "name", "is blank"),
    ("name", "x" * 65, "name", "has 65 characters"),
    ("name", "a\nb", "name", "not one line"),
    ("mode", "observ", "mode", '"observ" is no mode; did you mean "observe"?'),
    ("mode", False, "mode", "which YAML reads as false; text needs quotes"),
    ("audiences", DROP, "audiences", "is missing"),
    ("audiences", "open", "audiences", "expected a list"),
    ("audiences[3]", "team", "audiences[3]", "stands in this list twice"),
    ("audiences[3]", "default", "audiences[3]", '"default" is no audience'),
    ("audiences[3]", 7, "audiences[3]", "expected text"),
    ("audiences[3]", " spaced", "audiences", "no name of an audience"),
    ("audiences[3]", "two\nlines", "audiences", "no name of an audience"),
    ("audiences[3]", None, "audiences[3]", "expected text, got nothing"),
    ("thresholds", {}, "thresholds", "is empty"),
    ("thresholds", [], "thresholds", "expected a mapping, got a list"),
    ("thresholds.nobdy", {"act": 60}, "thresholds.nobdy", 'did you mean "nobody"?'),
    ("thresholds.nobody", 80, "thresholds.nobody", "expected a mapping, got the number 80"),
    ("thresholds.nobody.bugdet", 5, "thresholds.nobody.bugdet", 'unknown key; did you mean "budget"?'),
    ("thresholds.nobody.act", 0, "thresholds.nobody.act", "must be from 1 to 10000, not 0"),
    ("thresholds.nobody.act", 27, "thresholds.nobody.act", "exempt_run (20) must be at most act - 8"),
    ("thresholds.default.act", 27, "thresholds.default.act", "exempt_run (20) must be at most act - 8"),
    ("thresholds.nobody.budget", 80, "thresholds.nobody.budget", "budget of 80 is not below act (80)"),
    ("thresholds.nobody.act", 9, "thresholds.nobody.act", "budget of 10 is not below act (9)"),
    ("thresholds.nobody.budget", -1, "thresholds.nobody.budget", "must be from 0 to 10000"),
    ("thresholds.nobody.cover", 23, "thresholds.nobody.cover", "must be 0 (off) or from 24 to 160"),
    ("thresholds.nobody.cover", 161, "thresholds.nobody.cover", "must be from 0 to 160"),
    ("thresholds.default.cover", 5, "thresholds.default.cover", "must be 0 (off) or from 24 to 160"),
    ("exempt_run", 33, "thresholds.default.act", "exempt_run (33) must be at most act - 8, and act is 40"),
    ("exempt_run", 11, "exempt_run", "must be from 12"),
    ("exempt_run", "20", "exempt_run", "expected a whole number"),
    ("roles", DROP, "roles", "is missing"),
    ("roles", ["guest"], "roles", "expected a mapping of roles, got a list"),
    ("roles.guest", "open", "roles.guest", "expected a mapping, got the text"),
    ("roles.guest", None, "roles.guest", "expected a mapping, got nothing"),
    ("roles.two words", {"clearance": ["open"]}, 'roles["two words"]', "is no name of a role"),
    ("roles.other", {"clearance": ["open"]}, "roles.other", "is no name of a role"),
    ("roles.guest.clearence", ["open"], "roles.guest.clearence", 'did you mean "clearance"?'),
    ("roles.guest.clearance", DROP, "roles.guest.clearance", "is missing"),
    ("roles.guest.clearance", [], "roles.guest.clearance", "is an empty list"),
    ("roles.guest.clearance", "open", "roles.guest.clearance", "expected a list, such as [open]"),
    ("roles.guest.clearance[1]", "taem", "roles.guest.clearance[1]", 'no audience; did you mean "team"?'),
    ("roles.guest.clearance[1]", "open", "roles.guest.clearance[1]", "twice"),
    ("roles.guest.models", [], "roles.guest.models", "is an empty list"),
    ("roles.guest.models", ["a", 5], "roles.guest.models[1]", "expected text"),
    ("roles.guest.echo", [], "roles.guest.echo", "is an empty list"),
    ("roles.guest.echo", ["user", "assistant"], "roles.guest.echo[1]", "could have the model say"),
    ("roles.guest.echo", ["usr"], "roles.guest.echo[0]", 'is no message role; did you mean "user"?'),
    ("roles.guest.hold", 255, "roles.guest.hold", "must be from 256"),
    ("roles.guest.hold", 319, "roles.guest.hold", "less than 4 x act (80)"),
    ("roles.guest.hold", "4096", "roles.guest.hold", "expected a whole number"),
    ("roles.guest.on_block", "stop", "roles.guest.on_block", "(known: refuse, error)"),
    ("roles.guest.logprobs", "alow", "roles.guest.logprobs", 'did you mean "allow"?'),
    ("roles.guest.logprobs", "allow", "roles.guest.logprobs", "spell the text again"),
    ("detectors", {}, "detectors", "is empty"),
    ("detectors.memorized", {"enabled": True}, "detectors.memorized", 'did you mean "memorised"?'),
    ("detectors.pii", True, "detectors.pii", "expected a mapping"),
    ("detectors.pii.enabled", "true", "detectors.pii.enabled", "expected true or false, got the text"),
    ("detectors.pii.enable", True, "detectors.pii.enable", 'did you mean "enabled"?'),
    ("rule", [], "rule", 'unknown key; did you mean "rules"?'),
]


@pytest.mark.parametrize(("where", "value", "path", "part"), FAULTS, ids=lambda each: str(each)[:40])
def test_each_fault_has_its_path(where: str, value: Any, path: str, part: str) -> None:
    """A single mistake gives exactly one fault, at its place, with words that help; none follows from it."""
    found = faults(changed(where, value))
    assert [at for at, _ in found] == [path], found
    assert part in found[0][1]


def test_all_faults_come_at_once_in_order_of_lines() -> None:
    """Ten mistakes in one file are ten faults in one error, sorted by line."""
    text = """version: 3
nmae: x
mode: loud
audiences: [open, open]
thresholds: {default: {act: 10}}
roles:
  guest: {clearance: [opne], hold: 1, echo: [assistant]}
rules:
  - {id: no-rule, finding: memorised/x, action: stop}
"""
    with pytest.raises(ConfigError) as refused:
        parse_policy(text, "p.yaml")
    found = refused.value.faults
    places = [fault.split(": ")[0:2] for fault in found]
    assert [place[1] for place in places] == [
        "version",
        "nmae",
        "mode",
        "audiences[1]",
        "thresholds.default.act",
        "roles.guest.hold",
        "roles.guest.clearance[0]",
        "roles.guest.echo[0]",
        "rules[0].id",
        "rules[0].finding",
        "rules[0].action",
    ]
    lines = [int(place[0].removeprefix("p.yaml:")) for place in places]
    assert lines == [1, 2, 3, 4, 5, 7, 7, 7, 9, 9, 9]
    assert str(refused.value) == "\n".join(found)


def test_faulty_audiences_are_not_blamed_on_the_roles() -> None:
    """Where the audiences cannot be read, clearances and rules are not called unknown."""
    policy = changed("audiences", "open")
    assert [path for path, _ in faults(policy)] == ["audiences"]


def test_built_in_threshold_clashes_at_the_exempt_run() -> None:
    """With no threshold written, an exempt run too long is reported where it stands."""
    policy = changed("thresholds", DROP)
    policy["exempt_run"] = 25
    assert [path for path, _ in faults(policy)] == ["exempt_run"]


def test_default_threshold_without_act_clashes_at_the_exempt_run() -> None:
    """A default that takes its act from the program still may not clash with the exempt run."""
    policy = changed("thresholds", {"default": {"budget": 3}})
    policy["exempt_run"] = 25
    assert [path for path, _ in faults(policy)] == ["exempt_run"]


def test_a_hold_too_small_for_the_thresholds_is_reported_at_the_role() -> None:
    """A role that leaves out `hold` is named when the default hold would cut its answers off."""
    found = faults(changed("thresholds.nobody.act", 2000))
    assert [path for path, _ in found] == ["roles.guest", "roles.member"]


def test_thresholds_take_from_default_what_they_leave_out() -> None:
    """An entry's missing fields are the default's, and a missing default's are the program's."""
    policy = parsed(SMALL)
    assert policy.thresholds == {
        "default": Threshold(40, 10, 50),
        "open": Threshold(40, 10, 50),
        "team": Threshold(40, 10, 50),
        "nobody": Threshold(80, 10, 50),
    }
    assert parsed(changed("thresholds", DROP)).thresholds["team"] == Threshold(32, 12, 48)


def test_near_verbatim_matching_can_be_turned_off() -> None:
    """A cover of 0 is no fault: it means off."""
    assert parsed(changed("thresholds.nobody.cover", 0)).thresholds["nobody"].cover == 0


def test_an_exempt_run_of_act_less_eight_is_the_longest() -> None:
    """The bound itself is allowed."""
    assert parsed(changed("exempt_run", 32)).exempt_run == 32


def test_a_role_has_the_documented_defaults() -> None:
    """What a role leaves out is as the README says."""
    role = parsed(SMALL).role("guest")
    assert (role.models, role.hold, role.on_block, role.logprobs) == (("*",), 4096, "refuse", "refuse")
    assert role.echo == ("system", "developer", "user", "tool", "function")


def test_echo_none_counts_no_message_as_the_callers_words() -> None:
    """The word `none` stands for the list that may not be empty."""
    assert parsed(changed("roles.guest.echo", "none")).role("guest").echo == ()


def test_detectors_run_as_documented() -> None:
    """All but pii run unless turned off; pii runs where a rule names it or the policy says so."""
    assert {each for each in DETECTORS if parsed(SMALL).enabled(each)} == set(DETECTORS)
    policy = changed("rules", SMALL["rules"][:1])
    assert not parsed(policy).enabled("pii")
    policy["detectors"] = {"pii": {"enabled": True}, "payload": {"enabled": False}}
    assert parsed(policy).enabled("pii")
    assert not parsed(policy).enabled("payload")
    assert not parsed(policy).enabled("stranger")


def test_a_wildcard_does_not_turn_pii_on() -> None:
    """A rule for everything that is found does not make the policy look for more."""
    rule = {"id": "all", "finding": "*/*", "action": "block"}
    assert not parsed(changed("rules", [rule])).enabled("pii")


def test_further_detectors_and_their_settings_are_a_table() -> None:
    """A detector with settings of its own joins the table, and its settings are closed too."""
    table = {**DETECTORS, "secrets": Kind(settings={"entropy": int, "quick": bool})}
    head = yaml.safe_dump(SMALL)
    good = parse_policy(head + "detectors: {secrets: {entropy: 4, quick: true}}", "p", table)
    assert good.detectors["secrets"] == {"enabled": True, "entropy": 4, "quick": True}
    with pytest.raises(
        ConfigError, match=r"detectors\.secrets\.entropi: unknown key; did you mean \"entropy\""
    ):
        parse_policy(head + "detectors: {secrets: {entropi: 4}}", "p", table)
    with pytest.raises(ConfigError, match=r"detectors\.secrets\.entropy: expected a whole number"):
        parse_policy(head + "detectors: {secrets: {entropy: true}}", "p", table)


def test_version_is_of_the_text_and_name_of_the_file() -> None:
    """The same text has the same version, another text another; without a name the file gives it."""
    text = yaml.safe_dump(SMALL)
    assert parse_policy(text, "a/b.yaml").version == parse_policy(text, "c.yaml").version
    assert parse_policy(text, "x").version != parse_policy(text + "# more\n", "x").version
    assert len(parse_policy(text, "x").version) == 12
    assert parse_policy(text, "a/b.yaml").name == "b"
    assert parse_policy(text + "name: mine\n", "a/b.yaml").name == "mine"


_words = st.sampled_from(
    [
        "public",
        "staff",
        "memorised/*",
        "*/email",
        "block",
        "allow",
        "redact",
        "observe",
        "no",
        "32",
        "",
        "1:30",
    ]
)
_leaves = st.one_of(
    _words, st.integers(), st.booleans(), st.none(), st.floats(), st.text(max_size=8), st.dates()
)
_keys = st.one_of(
    st.sampled_from([*_TOP, *_ROLE, *_THRESHOLDS, *_KEYS, "enabled", "default", "public", "memorised"]),
    st.text(max_size=5),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=6)),
    max_leaves=25,
)


def _policy_or_fault(text: str) -> None:
    try:
        assert isinstance(parse_policy(text, "p.yaml"), Policy)
    except ConfigError as refused:
        assert refused.faults
        assert all(fault.startswith("p.yaml") for fault in refused.faults)


@settings(max_examples=150, deadline=None)
@given(tree=_trees)
def test_any_tree_gives_a_policy_or_a_fault(tree: Any) -> None:
    """Whatever a YAML file holds, reading it ends with a policy or a ConfigError."""
    _policy_or_fault(yaml.safe_dump(tree, allow_unicode=True))


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(SMALL)), tree=_trees)
def test_any_section_gives_a_policy_or_a_fault(key: str, tree: Any) -> None:
    """A sound policy with any one section replaced ends with a policy or a ConfigError."""
    _policy_or_fault(yaml.safe_dump({**SMALL, key: tree}, allow_unicode=True))


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("ab:-#[]{}&*!|>'\"%@`,? \n\t0.~\\<x\u2028\ufeff\x00"), max_size=60)
)
def test_any_text_gives_a_policy_or_a_fault(text: str) -> None:
    """Text made of YAML's own signs never raises anything but a ConfigError."""
    _policy_or_fault(text)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_edit_of_a_packaged_policy_gives_a_policy_or_a_fault(data: st.DataObject) -> None:
    """Cutting out or overwriting a piece of the default policy ends with a policy or a ConfigError."""
    with open(load_policy(None).source, encoding="utf-8") as file:
        text = file.read()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    _policy_or_fault(text[:begin] + data.draw(st.text(max_size=6)) + text[end:])
