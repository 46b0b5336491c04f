"""``sluicegate audit show``: what was decided, from the trail, and never a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.audit import Trail, new_incident
from proxy.cli import main
from proxy.types import Action, Decision, Finding, Provenance, Span, Verdict


@pytest.fixture
def incident(tmp_path: Path) -> str:
    """One decision in a trail beside the state."""
    found = Finding(
        "memorised", "passage", Span(104, 128), 127, provenance=Provenance("handbook.jsonl:21", "admin")
    )
    decision = Decision(
        incident=new_incident(),
        time=1_700_000_000.0,
        key_id="key_0123456789ab",
        role="public",
        model="m",
        path="/v1/chat/completions",
        outcome="blocked",
        verdicts=(Verdict(Action.BLOCK, "memorised-restricted", found),),
        choices=((0, "content"),),
    )
    trail = Trail(tmp_path / "state.trail.jsonl")
    trail.record(decision)
    trail.close()
    return decision.incident


def show(*arguments: str | Path) -> int:
    return main(["audit", "show", *map(str, arguments)], {})


def test_a_decision_is_shown(incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who and when beside, and a line for each verdict: rule, document, offsets."""
    assert show(incident, "--state", tmp_path / "state.sqlite") == 0
    told = capsys.readouterr()
    assert told.err == ("2023-11-14T22:13:20.000Z  blocked  role public  key key_0123456789ab  model m\n")
    assert told.out.splitlines() == [
        "rule\taction\tenforced\tentity\tstart\tend\tdocument\taudience\tchannel",
        "memorised-restricted\tblock\tTrue\tpassage\t104\t128\thandbook.jsonl:21\tadmin\tcontent",
    ]


def test_a_decision_for_scripts(incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line itself, from the trail that is named."""
    assert show(incident, "--trail", tmp_path / "state.trail.jsonl", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["incident"], told["outcome"]) == (incident, "blocked")
    assert told["verdicts"][0]["document"] == "handbook.jsonl:21"


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("inc_0000000000000000", "no decision with the incident inc_0000000000000000"),
        ("17", "an incident id is inc_ and 16 digits"),
        ("", "an incident id is inc_ and 16 digits"),
    ],
)
def test_an_incident_that_is_not_there(
    incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str, said: str
) -> None:
    """Exit code 2, and what an incident looks like."""
    assert show(which, "--state", tmp_path / "state.sqlite") == 2
    assert said in capsys.readouterr().err


def test_no_trail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trail that is not where it is looked for is named."""
    assert show("inc_0000000000000000", "--trail", tmp_path / "none.jsonl") == 2
    assert f"{tmp_path / 'none.jsonl'}: the trail cannot be read" in capsys.readouterr().err
