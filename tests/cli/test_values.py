"""Known values on the command line: which are looked for, what is told of them, when there is no index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.cli.values import value_finder
from proxy.errors import ConfigError
from proxy.guard import StreamGuard
from proxy.index import open_index
from proxy.policy import load_policy
from proxy.recognizers.presidio import Frame, Hit
from proxy.server.firewall import Firewall
from tests.training import KEY

ENVIRONMENT = {"SLUICEGATE_INDEX_KEY": KEY}

USERS = {
    "ida_holm_6181": {
        "name": {"first_name": "Ida", "last_name": "Holmqvist"},
        "address": {"address1": "98 Lantern Row", "city": "Port Alder", "zip": "80279"},
        "email": "ida.holmqvist@example.com",
        "orders": ["#W7678072", "#W7678073", "#W7678074"],
    }
}
CHAT = {
    "messages": [
        {"role": "assistant", "content": "Order #W1234567 goes to Margaret Thornton, who lives in Boston."}
    ]
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Records keyed by id, and a chat that comes before them and has no field names."""
    (tmp_path / "chats.jsonl").write_text(json.dumps(CHAT) + "\n", "utf-8")
    (tmp_path / "users.json").write_text(json.dumps(USERS), "utf-8")
    return tmp_path


def build(data: Path, *more: str, code: int = 0) -> None:
    arguments = ["chats.jsonl", "users.json", "--out", str(data / "x.idx"), "--audience", "admin", *more]
    files = [str(data / name) if name.endswith((".json", ".jsonl")) else name for name in arguments]
    assert main(["index", "build", *files], ENVIRONMENT) == code


def told(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    build(data, *more, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_records_and_chats_give_known_values(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields name them, also by a key; the shape of an order number is known to what comes before it."""
    found = told(data, capsys, "--no-ner")
    kinds = found["values"]["entities"]
    assert kinds["order"] >= 4
    assert {"email": 1, "address": 3}.items() <= kinds.items()
    assert found["finding"]["ner"] is False
    assert found["finding"]["documents"] == 2
    assert found["finding"]["characters_per_second"] > 0
    index = open_index(data / "x.idx", KEY)
    assert set(kinds) == set(index.values().entities)
    node: Any = index.values().root
    for letter in "w1234567":
        node = node[letter]
    assert [index.values().value(number).entity for number in node.ends] == ["order"]


def test_networks_find_names_in_prose(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--no-ner`` a name that no field holds is known too, and the rate is told."""
    with_networks = told(data, capsys)
    without = told(data, capsys, "--no-ner")
    assert with_networks["values"]["entities"]["person"] > without["values"]["entities"]["person"]
    assert with_networks["finding"]["ner"] is True


def test_the_summary_for_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many of each kind, and how fast; ``index show`` tells how many again. No value is printed."""
    build(data, "--no-ner")
    said = capsys.readouterr()
    assert "known values: " in said.err
    assert "looked for without networks in " in said.err
    assert "documents a second" in said.err
    assert main(["index", "show", str(data / "x.idx")], {}) == 0
    shown = capsys.readouterr()
    assert "known values: " in shown.err
    for value in ("Holmqvist", "holmqvist", "W7678072", "Lantern", "80279"):
        assert value not in said.out + said.err + shown.out + shown.err


def test_chosen_kinds(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only these are known; ``none`` looks for nothing."""
    assert told(data, capsys, "--entities", "email, order")["values"]["entities"].keys() == {"email", "order"}
    nothing = told(data, capsys, "--entities", "none")
    assert nothing["values"]["values"] == 0
    assert nothing["finding"] == {}


@pytest.mark.parametrize(
    ("entities", "said"),
    [("emial,order,crad", "--entities crad, emial: not known; these are: "), (" , ", "the list is empty")],
)
def test_kinds_that_do_not_exist(
    data: Path, capsys: pytest.CaptureFixture[str], entities: str, said: str
) -> None:
    """All of them are named at once, nothing is built, and no key is made."""
    files = [str(data / "users.json"), "--out", str(data / "x.idx")]
    assert main(["index", "build", *files, "--entities", entities], {}) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in data.iterdir()) == ["chats.jsonl", "users.json"]


def test_a_recognizer_that_raises_leaves_no_index(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with the document it failed on, and neither an index nor a part of one stays."""
    original = Frame.read

    def broken(self: Frame, texts: Sequence[str]) -> list[list[Hit]]:
        if any("Lantern" in text for text in texts):
            raise RuntimeError("Lantern")
        return original(self, texts)

    monkeypatch.setattr(Frame, "read", broken)
    build(data, "--no-ner", code=2)
    said = capsys.readouterr().err
    assert said.startswith("sluicegate: users.json:1: a recognizer failed (RuntimeError)")
    assert "Lantern" not in said
    assert sorted(path.name for path in data.iterdir()) == ["chats.jsonl", "users.json"]


def odd_records() -> list[dict[str, Any]]:
    """A text of a megabyte, thousands of values in one record, values one in another, an everyday word."""
    prose = " ".join(f"line {n} mail{n}@example.com" if n % 100 == 0 else f"line {n}" for n in range(100_000))
    nested = {"customer_name": "Ann Perkins", "address": "Ann Perkins Square 12", "order_id": "AB-123456-7"}
    return [
        {"note": prose},
        {f"email{n}": f"c{n}@example.org" for n in range(3000)},
        {"customer": nested | {"ref": "AB-123456-77", "first_name": "Mark", "last_name": "Will"}},
    ]


def test_odd_records_are_built_and_guarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of a record's size, depth or values stops a build; what stands in it is known."""
    inner = '{"email": "deep.down@example.net"}'
    for _ in range(500):
        inner = '{"a": [' + inner + "]}"
    lines = [*map(json.dumps, odd_records()), '{"x": ' + inner + "}", json.dumps({"text": f"Here: {inner}"})]
    (tmp_path / "odd.jsonl").write_text("\n".join(lines), "utf-8")
    files = [str(tmp_path / "odd.jsonl"), "--out", str(tmp_path / "x.idx"), "--audience", "admin"]
    assert main(["index", "build", *files, "--no-ner", "--json"], ENVIRONMENT) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["skipped"] == []
    assert found["documents"] == 5
    assert found["values"]["entities"]["email"] == 1000 + 3000 + 1
    firewall = Firewall.assemble(load_policy(None), open_index(tmp_path / "x.idx", KEY))
    for said, expected in (
        ("mail99900@example.com.", "[EMAIL]."),
        ("c2999@example.org and deep.down@example.net", "[EMAIL] and [EMAIL]"),
        ("at Ann Perkins Square 12, AB-123456-7", "at [ADDRESS], [ORDER]"),
        ("at Ann Perkins Square 13", "at [PERSON] Square 13"),
        ("Mark my words: this will be fine.", "Mark my words: this will be fine."),
    ):
        assert delivered(firewall, said) == expected


def delivered(firewall: Firewall, text: str) -> str:
    """What role public gets of an answer, one character at a time."""
    view = firewall.policy.view("public", (), firewall.index.audiences)
    scanners = [detector.scanner(view) for detector in firewall.detectors]
    guard = StreamGuard(scanners, lambda finding: firewall.policy.decide(finding, "public"))
    return "".join(guard.feed(character).text for character in text) + guard.finish().text


def test_an_index_that_was_there_is_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that fails changes nothing of the one before."""
    build(data, "--no-ner")
    before = open_index(data / "x.idx", KEY).manifest

    def broken(self: Frame, texts: Sequence[str]) -> list[list[Hit]]:
        raise RuntimeError

    monkeypatch.setattr(Frame, "read", broken)
    build(data, "--no-ner", code=2)
    assert open_index(data / "x.idx", KEY).manifest == before


def test_a_long_wait_is_told_beforehand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where networks are to read more than a megabyte, what shortens that is said beforehand."""
    (tmp_path / "long.txt").write_text("Nothing of interest is said here. " * 40_000, "utf-8")
    (tmp_path / "short.txt").write_text("Nothing of interest is said here. ", "utf-8")
    for name, options, said in (("long", [], True), ("long", ["--no-ner"], False), ("short", [], False)):
        files = [str(tmp_path / f"{name}.txt"), "--out", str(tmp_path / "x.idx"), "--audience", "staff"]
        assert main(["index", "build", *files, *options], ENVIRONMENT) == 0
        assert ("--no-ner leaves names" in capsys.readouterr().err) is said


def test_the_finder_of_a_list() -> None:
    """A list with commas and blanks; nothing is opened for ``none``; faults come before any work."""
    with value_finder("email , phone", ner=False, workers=1) as finder:
        assert finder is not None
        assert not finder.ner
    with value_finder("none", ner=True, workers=1) as finder:
        assert finder is None
    with pytest.raises(ConfigError, match="empty"), value_finder("", ner=True, workers=1):
        pass
