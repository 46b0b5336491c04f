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


def test_a_request_that_was_begun_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is found too: in flight, or cut off when a worker was killed."""
    trail = Trail(tmp_path / "state.trail.jsonl")
    trail.opened(Decision("inc_00000000000000aa", 1.0, "key_0", "public", "m", "/v1/x", "opened"))
    trail.close()
    assert show("inc_00000000000000aa", "--state", tmp_path / "state.sqlite") == 0
    assert "in flight: begun, not decided  role public" in capsys.readouterr().err


def verify(tmp_path: Path, *arguments: str | Path) -> int:
    return main(["audit", "verify", "--state", str(tmp_path / "state.sqlite"), *map(str, arguments)], {})


def test_a_whole_trail(incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and how much there is."""
    assert verify(tmp_path) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "1 files, 3 lines, 1 decisions, 1 chains: whole" in told.err


def test_a_changed_trail(incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, the file and the line on the output; for scripts the same as JSON."""
    path = tmp_path / "state.trail.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"role":"public"', b'"role":"admin"'))
    assert verify(tmp_path) == 2
    told = capsys.readouterr()
    assert told.out.startswith(f"{path}:2: chain ")
    assert "BROKEN" in told.err
    assert verify(tmp_path, "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["whole"], found["faults"][0]["line"]) == (False, 2)


def test_lines_cut_off_at_the_end(incident: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The heads of an earlier verification tell; what is no file of heads is said to be none."""
    path, heads = tmp_path / "state.trail.jsonl", tmp_path / "heads.json"
    assert verify(tmp_path, "--heads", heads) == 0
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert verify(tmp_path) == 0
    assert verify(tmp_path, "--heads", heads) == 2
    assert "is shorter now" in capsys.readouterr().out
    heads.write_text("[1]")
    assert verify(tmp_path, "--heads", heads) == 2
    assert "not the heads" in capsys.readouterr().err


def test_no_trail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trail that is not where it is looked for is named."""
    assert show("inc_0000000000000000", "--trail", tmp_path / "none.jsonl") == 2
    assert f"{tmp_path / 'none.jsonl'}: the trail cannot be read" in capsys.readouterr().err
