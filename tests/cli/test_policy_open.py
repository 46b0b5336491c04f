"""proxy/cli/policy_open.py: the figures are those of the policy, and a real server keeps to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.cli.policy_open import later_entities, left_open
from proxy.detectors.decoders import transducer
from proxy.policy import Policy, entities, load_policy, policies_folder
from proxy.text import units
from proxy.upstreams.scripted import Said, Says
from tests.serving import serving
from tests.training import ADMIN, SmallIndex, shared_units

Change = Callable[[str], str]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Policy]:
    """A packaged policy with some of its text replaced."""

    def write(name: str, *changes: tuple[str, str]) -> Policy:
        text = (policies_folder() / f"{name}.yaml").read_text("utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "mine.yaml"
        path.write_text(text, "utf-8")
        return load_policy(path)

    return write


def figures(policy: Policy, role: str, audience: str = "") -> dict[str, int | None]:
    """The amounts for a role, by what is open."""
    return {
        each.what: each.amount
        for each in left_open(policy)
        if each.role == role and each.audience in ("", audience)
    }


def test_the_figures_follow_the_policy(written: Callable[..., Policy]) -> None:
    """Each number changes with its field and with nothing else."""
    before = figures(load_policy(None), "public", "admin")
    assert before["passages"] == 31
    assert before["beginnings"] == 12
    assert before["changed text"] == 47
    after = figures(
        written("default", ("{act: 32, budget: 12, cover: 48}", "{act: 40, budget: 7, cover: 60}")),
        "public",
        "admin",
    )
    assert (after.pop("passages"), after.pop("beginnings"), after.pop("changed text")) == (39, 7, 59)
    assert after == {name: each for name, each in before.items() if name in after}
    assert "beginnings" not in figures(load_policy(Path("strict")), "public", "admin")
    off = figures(written("default", ("cover: 48", "cover: 0")), "public", "admin")
    assert off["changed text"] is None


def test_the_figure_of_codes_is_the_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy of the limit is kept."""
    assert figures(load_policy(None), "public", "admin")["codes"] == transducer.BUDGET
    monkeypatch.setattr(transducer, "BUDGET", 17)
    assert figures(load_policy(None), "public", "admin")["codes"] == 17


def test_what_is_turned_off_or_only_counted_is_open(written: Callable[..., Policy]) -> None:
    """A detector that is off, a rule or policy that observes, a role that is allowed all."""
    text = {each.what: each.text for each in left_open(load_policy(None)) if each.role == "public"}
    assert "email" in text["pii"] and "card" not in text["pii"]
    quiet = written(
        "default",
        ("\nrules:\n", "\ndetectors:\n  known_values: {enabled: false}\nrules:\n"),
        ("  - id: known-values\n    finding: known_values/*\n    action: redact\n", ""),
    )
    assert figures(quiet, "public", "admin")["known_values"] == 28
    assert "known_values" not in figures(load_policy(None), "public", "admin")
    watching = written("default", ("mode: enforce", "mode: observe"), ("logprobs: allow", "logprobs: refuse"))
    assert figures(watching, "public", "admin")["passages"] is None
    assert "timing" not in figures(watching, "public", "admin")
    assert figures(load_policy(None), "admin", "nobody")["passages"] is None


def test_limits_and_masks_are_open_as_the_policy_says(written: Callable[..., Policy]) -> None:
    """Requests a day at the limit; numbered masks tell more than typed ones."""
    staff = "  staff:\n    clearance: [public, staff]\n"
    limited = written("strict", (staff, f"{staff}    requests_per_minute: 7\n"))
    assert figures(limited, "staff")["requests"] == 7 * 60 * 24
    assert figures(limited, "admin")["requests"] is None
    masks = {each.text for each in left_open(load_policy(None)) if each.what == "masks"}
    numbered = written("default", ("mode: enforce", "mode: enforce\nmask: numbered"))
    assert masks != {each.text for each in left_open(numbered) if each.what == "masks"}


def test_later_entities_are_listed_with_the_rule_that_would_fit(
    written: Callable[..., Policy], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under version 1, for each role; what a rule names, and what a role may have anyway, is left out."""
    newer = {**entities.KNOWN[2], "pii": entities.KNOWN[2]["pii"] | {"boarding_pass", "visa"}}
    monkeypatch.setattr(entities, "KNOWN", {1: entities.KNOWN[1], 2: newer})
    monkeypatch.setattr("proxy.policy.model.KNOWN", {1: entities.KNOWN[1], 2: newer})
    changes = ("version: 2", "version: 1"), ("unknown_entities: block\n", ""), ("pii/cn_plate", "pii/visa")
    old = written("default", *changes)
    found = [(each.role, each.entity, each.now, each.rule, each.then) for each in later_entities(old)]
    assert found == [
        (role, "boarding_pass", "observe", "checked-data", "redact")
        for role in ("public", "staff", "gateway")
    ]
    assert main(["policy", "check", old.source], {}) == 0
    assert "pii/boarding_pass\tobserve\tchecked-data\tredact" in capsys.readouterr().out
    assert later_entities(load_policy(None)) == []


def test_scripts_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, in which every role that reads has something open."""
    assert main(["policy", "check", "strict", "--json"], {}) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["version"] == 2
    assert {each["role"] for each in found["open"]} == {"public", "staff", "admin"}
    assert found["later_entities"] == []
    assert [each["id"] for each in found["rules"]] == ["memorised", "known-values", "personal-data"]


@pytest.mark.parametrize("name", ["default", "strict"])
def test_a_real_server_keeps_to_the_figures(name: str, small_index: SmallIndex, tmp_path: Path) -> None:
    """What is said to pass passes, one unit more is stopped, and of that no more than said is delivered."""
    policy = load_policy(Path(name))
    open_for = figures(policy, "public", "admin")
    most, beginning = open_for["passages"], open_for.get("beginnings", 0)
    code = open_for["codes"]
    assert most is not None and beginning is not None and code is not None
    with serving(small_index, tmp_path, policy=Path(name)) as served:

        def delivered(said: str) -> str:
            served.up.script(Says(Said(f"Now then. {said} So much for that.")))
            text = served.stream("public").text()
            assert text.startswith("Now then.")
            return text.removeprefix("Now then.")

        assert shared_units(ADMIN, delivered(cut(ADMIN, most))) == most
        assert shared_units(ADMIN, delivered(cut(ADMIN, most + 1))) <= beginning
        hidden = base64.b64encode(ADMIN.encode()).decode()
        shown = delivered(hidden)
        length = next(n for n in range(len(hidden), -1, -1) if hidden[:n] in shown)
        assert length <= max(code, -(-beginning * 4 // 3) + 4)


def cut(text: str, count: int) -> str:
    """The shortest beginning of a text with so many units."""
    return next(text[:end] for end in range(len(text)) if len(units(text[:end])) == count)
