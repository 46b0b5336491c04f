"""policies/*.yaml: the packaged policies say what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.policy import DETECTORS, examples, load_policy, packaged_policies, policies_folder
from proxy.policy.rules import _KEYS
from proxy.policy.schema import _ROLE, _THRESHOLDS, _TOP, ECHO
from proxy.types import Action, Finding, Provenance, Span, Threshold

INDEX = ("public", "staff", "admin", "nobody")

# Role and audience of the text: what becomes of memorised text. "free": never found at all.
MATRIX = {
    "default": {
        "public": {
            "public": "free",
            "staff": "block",
            "admin": "block",
            "nobody": "redact",
            "legal": "block",
        },
        "staff": {"public": "free", "staff": "free", "admin": "block", "nobody": "redact", "legal": "block"},
        "admin": {"public": "free", "staff": "free", "admin": "free", "nobody": "allow", "legal": "block"},
    },
    "strict": {
        "public": {"public": "free", "staff": "block", "admin": "block", "nobody": "block", "legal": "block"},
        "staff": {"public": "free", "staff": "free", "admin": "block", "nobody": "block", "legal": "block"},
        "admin": {"public": "free", "staff": "free", "admin": "free", "nobody": "block", "legal": "block"},
    },
}
CASES = [(p, r, a, w) for p, roles in MATRIX.items() for r, row in roles.items() for a, w in row.items()]


@pytest.mark.parametrize(("policy", "role", "audience", "what"), CASES)
@pytest.mark.parametrize(
    "kind", ["memorised/passage", "memorised/near_passage", "payload/structure", "encoded/passage"]
)
def test_memorised_text(policy: str, role: str, audience: str, what: str, kind: str) -> None:
    """For each packaged policy, role and audience, memorised text meets what is documented."""
    loaded = load_policy(Path(policy))
    view = loaded.view(role, (), (*INDEX, "legal"))
    assert (audience in view.cleared) is (what == "free")
    assert (audience in view.protected) is (what != "free")
    if what == "free":
        return
    detector, entity = kind.split("/")
    finding = Finding(detector, entity, Span(0, 5), 4, provenance=Provenance("d:1", audience))
    verdict = loaded.decide(finding, role)
    assert (verdict.action.name.lower(), verdict.enforced) == (what, True)


# What becomes of a known value of the audience `nobody`, and of a card and an e-mail address that are new.
PERSONAL = {
    ("default", "public"): ("redact", "redact", "observed"),
    ("default", "staff"): ("redact", "redact", "observed"),
    ("default", "admin"): ("allow", "allow", "allow"),
    ("strict", "public"): ("redact", "redact", "redact"),
    ("strict", "staff"): ("redact", "redact", "redact"),
    ("strict", "admin"): ("redact", "redact", "redact"),
}


@pytest.mark.parametrize(("policy", "role"), PERSONAL)
def test_personal_data(policy: str, role: str) -> None:
    """Known values are redacted; of new ones, checked types are redacted and contact data observed."""
    loaded = load_policy(Path(policy))
    got = []
    for detector, entity, audience in (
        ("known_values", "email", "nobody"),
        ("pii", "card", None),
        ("pii", "email", None),
    ):
        origin = Provenance("d:1", audience) if audience else None
        verdict = loaded.decide(Finding(detector, entity, Span(0, 5), 4, provenance=origin), role)
        got.append(verdict.action.name.lower() if verdict.enforced else "observed")
    assert tuple(got) == PERSONAL[policy, role]


@pytest.mark.parametrize(
    "entity", ["phone", "person", "address", "place", "organisation", "ip", "cn_plate", "password"]
)
def test_contact_data_only_counts_by_default(entity: str) -> None:
    """Names, phone numbers and addresses that are not in the training set pass, and are counted."""
    verdict = load_policy(None).decide(Finding("pii", entity, Span(0, 5), 4), "public")
    assert (verdict.action, verdict.enforced, verdict.rule) == (Action.REDACT, False, "contact-data")


@pytest.mark.parametrize("entity", ["iban", "cn_id", "api_key", "private_key", "jwt"])
def test_other_personal_data_is_redacted_by_default(entity: str) -> None:
    """What is not contact data is redacted, also what no rule names."""
    verdict = load_policy(None).decide(Finding("pii", entity, Span(0, 5), 4), "public")
    assert (verdict.action, verdict.enforced) == (Action.REDACT, True)


def test_thresholds() -> None:
    """The documented units; strict differs by its budget alone."""
    default, strict = load_policy(None), load_policy(Path("strict"))
    for audience in ("public", "staff", "admin"):
        assert default.thresholds[audience] == Threshold(32, 12, 48)
        assert strict.thresholds[audience] == Threshold(32, 0, 48)
    assert default.thresholds["nobody"] == Threshold(80, 12, 136)
    assert strict.thresholds["nobody"] == Threshold(80, 0, 136)
    assert default.exempt_run == strict.exempt_run == 20


def test_only_the_default_admin_sees_everything() -> None:
    """No other role of a packaged policy is spared, so none can have logprobs."""
    spared = {
        (name, role)
        for name in packaged_policies()
        for role in load_policy(Path(name)).roles
        if load_policy(Path(name)).logprobs(role, INDEX) == "allow"
    }
    assert spared == {("default", "admin")}
    assert not load_policy(None).sees_everything("admin", (*INDEX, "legal"))


def test_every_packaged_policy_is_tested() -> None:
    """A policy file added beside the others must join the matrix."""
    assert set(packaged_policies()) == set(MATRIX)


def luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + n % 2) for n, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def valid_number(text: str) -> bool:
    """Whether a text holds a card, an IBAN or a Chinese identity number with the right check digits."""
    cards = [re.sub(r"\D", "", each) for each in re.findall(r"(?<!\d)(?:\d ?){15}\d(?!\d)", text)]
    ibans = [
        re.sub(" ", "", each)
        for each in re.findall(r"[A-Z]{2}\d\d(?: ?[A-Z0-9]{4})+(?: ?[A-Z0-9]{1,3})", text)
    ]
    people = re.findall(r"(?<!\d)\d{17}[\dX]", text)
    weights = [pow(2, 17 - n, 11) for n in range(18)]
    return (
        any(luhn(each) for each in cards)
        or any(int("".join(str(int(c, 36)) for c in each[4:] + each[:4])) % 97 == 1 for each in ibans)
        or any(
            sum(w * "0123456789X".index(c) for w, c in zip(weights, p, strict=True)) % 11 == 1 for p in people
        )
    )


@pytest.mark.parametrize("name", MATRIX)
def test_examples_are_what_they_say(name: str) -> None:
    """Each example of a leak holds an address or a number with right check digits; the others none."""
    tried = 0
    for rule, text, fits in examples(load_policy(Path(name))):
        tried += 1
        address = re.search(r"\w@\w+\.\w", text) is not None
        assert (address or valid_number(text)) is fits, (rule.id, text)
    assert tried >= 6


def test_the_readme_explains_every_field() -> None:
    """Each key of the schema has its row in policies/README.md."""
    readme = (policies_folder() / "README.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", readme, re.M))
    settings = {key for kind in DETECTORS.values() for key in kind.settings}
    assert {*_TOP, *_THRESHOLDS, *_ROLE, *_KEYS, "enabled", *settings} <= rows
    for role in ECHO:
        assert f"`{role}`" in readme
