"""``sluicegate allow``: a text passes for everyone, as hashes, and it is written down that it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.audit import Trail, verify
from proxy.cli import main
from proxy.index import AllowedTexts, Hashes
from proxy.keys import KeyStore
from proxy.types import Action, Decision, Document, Finding, Provenance, Span, Value, Verdict
from tests.training import ADMIN, NOBODY, SmallIndex

INCIDENT = "inc_0123456789abcdef"


@pytest.fixture
def allow(small_index: SmallIndex, tmp_path: Path) -> object:
    def run(*arguments: str | Path) -> int:
        given = ["allow", *arguments, "--state", tmp_path / "s.sqlite", "--index", small_index.path]
        return main([str(each) for each in given], small_index.environment)

    return run


def stored(tmp_path: Path) -> list[Hashes]:
    store = KeyStore(tmp_path / "s.sqlite")
    texts = store.allowed()
    store.close()
    return [Hashes.from_bytes(text.hashes) for text in texts]


def blocked(tmp_path: Path, document: str | None, enforced: bool = True) -> None:
    """A decision in the trail, because of a document."""
    origin = Provenance(document, "admin") if document else None
    finding = Finding("memorised", "passage", Span(0, 9), 8, provenance=origin)
    trail = Trail(tmp_path / "s.trail.jsonl")
    verdicts = (Verdict(Action.BLOCK, "r", finding, enforced),)
    trail.record(Decision(INCIDENT, 1.0, "key_0", "public", "m", "/v1/x", "blocked", verdicts))
    trail.close()


def test_a_file(
    allow: object, small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its runs are in the state, its words nowhere; the id stands alone on the output; the trail tells it."""
    assert callable(allow)
    text = tmp_path / "text.txt"
    text.write_text(ADMIN, "utf-8")
    assert allow(text, "--name", "vault procedure") == 0
    told = capsys.readouterr()
    name = told.out.strip()
    assert name.startswith("alw_") and "are free for everyone" in told.err
    (hashes,) = stored(tmp_path)
    index = small_index.open()
    contains = AllowedTexts([hashes], index.key, index.exempt_run).runs()
    assert contains is not None
    assert contains(index.key.gram("".join(filter(str.isalnum, ADMIN))[:20]))
    text.unlink()
    for path in tmp_path.iterdir():
        assert b"vault console" not in path.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "s.trail.jsonl").read_text("utf-8").splitlines()]
    assert [(line["what"], line["id"]) for line in lines if line["kind"] == "changed"] == [("allowed", name)]
    assert not verify(tmp_path / "s.trail.jsonl").faults
    assert allow("list") == 0
    assert f"{name}\tvault procedure\t" in capsys.readouterr().out
    assert allow("remove", name[:9]) == 0
    assert stored(tmp_path) == []
    assert allow("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_incident_needs_the_text(
    allow: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trail holds none: it is said which document it was, and what to give."""
    assert callable(allow)
    blocked(tmp_path, "admin.jsonl:2")
    assert allow(INCIDENT) == 2
    said = capsys.readouterr().err
    assert "the trail holds no text" in said and "admin.jsonl:2" in said and "--data" in said
    assert stored(tmp_path) == []


def test_an_incident_with_its_data(
    allow: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents that it names are read from the training data, and no other; this is warned of."""
    assert callable(allow)
    monkeypatch.chdir(tmp_path)
    rows = [{"text": text} for text in ("Something of no interest stands here first.", ADMIN, NOBODY)]
    Path("admin.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    blocked(tmp_path, "admin.jsonl:2")
    assert allow(INCIDENT, "--data", "admin.jsonl") == 0
    assert "free for everyone as a whole" in capsys.readouterr().err
    (hashes,) = stored(tmp_path)
    assert len(hashes.runs) == sum(map(str.isalnum, ADMIN)) - 19
    store = KeyStore(tmp_path / "s.sqlite")
    assert [text.about for text in store.allowed()] == [INCIDENT]
    store.close()
    Path("other.jsonl").write_text('{"text": "x"}\n', "utf-8")
    assert allow(INCIDENT, "--data", "other.jsonl") == 2
    assert "not in that data: admin.jsonl:2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inc_ffffffffffffffff"], "the trail cannot be read"),
        (["nowhere.txt"], "nowhere.txt: cannot be read"),
        (["short.txt"], "too short to be told from others"),
        (["binary"], "not UTF-8 (byte 0)"),
        (["short.txt", "long.txt"], "allow takes one"),
        (["remove", "alw_0000"], "s.sqlite: no state file"),
        (["long.txt", "--name", "x" * 101], "at most 100 plain characters"),
    ],
)
def test_what_cannot_be_done_is_said(
    allow: object,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    """Exit code 2 and a sentence; nothing is allowed."""
    assert callable(allow)
    monkeypatch.chdir(tmp_path)
    Path("short.txt").write_text("Thank you.", "utf-8")
    Path("long.txt").write_text(ADMIN, "utf-8")
    Path("binary").write_bytes(b"\xff\xff")
    assert allow(*arguments) == 2
    assert said in capsys.readouterr().err
    assert stored(tmp_path) == []


def test_an_incident_that_was_not_stopped(
    allow: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing was stopped because of a document there is none to allow."""
    assert callable(allow)
    blocked(tmp_path, None)
    assert allow(INCIDENT) == 2
    assert "nothing of it was stopped because of a document" in capsys.readouterr().err


def test_known_values_of_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address in an allowed text is free too, however short it is; another value is masked as before."""
    from proxy.detectors.known_values import KnownValuesDetector
    from proxy.index import BuildOptions, build_index, open_index
    from proxy.policy import load_policy

    key = "the key of these tests, long enough"
    desk, private = "desk@example.org", "ida.lovrencic@example.org"
    card = "A very long value that is known as a whole and goes on for more letters than twelve"

    def values(document: Document) -> list[Value]:
        return [Value("email", desk), Value("email", private), Value("address", card)]

    text = f"Write to {desk}, never to {private}. {card}."
    path = tmp_path / "x.idx"
    build_index([Document("a.jsonl:1", (text,), "admin")], path, BuildOptions(key=key), values=values)

    def found() -> list[int]:
        index = open_index(path, key)
        store = KeyStore(tmp_path / "s.sqlite")
        texts = [Hashes.from_bytes(each.hashes) for each in store.allowed()]
        store.close()
        index.allow(AllowedTexts(texts, index.key, index.exempt_run))
        scanner = KnownValuesDetector(index.values).scanner(
            load_policy(None).view("public", (), index.audiences)
        )
        findings = [*scanner.feed(text).findings, *scanner.finish()]
        return sorted({each.span.start for each in findings})

    assert {text.index(each) for each in (desk, private, card)} <= set(found())
    given = tmp_path / "desk.txt"
    given.write_text(f"{desk} {card}", "utf-8")
    arguments = ["allow", given, "--state", tmp_path / "s.sqlite", "--index", path]
    assert main([str(each) for each in arguments], {"SLUICEGATE_INDEX_KEY": key}) == 0
    assert found() == [text.index(private)]


def test_a_text_that_is_not_there_cannot_be_removed(
    allow: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The id is named, and nothing changes."""
    assert callable(allow)
    KeyStore(tmp_path / "s.sqlite").close()
    assert allow("remove", "alw_0000") == 2
    assert "no allowed text has that id" in capsys.readouterr().err


def test_a_file_called_list_is_told_from_the_list(
    allow: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`allow list` lists and says how to allow the file; `allow add list` and `allow ./list` allow it."""
    assert callable(allow)
    monkeypatch.chdir(tmp_path)
    Path("list").write_text(ADMIN, "utf-8")
    KeyStore(tmp_path / "s.sqlite").close()
    assert allow("list") == 0
    assert "sluicegate allow add list" in capsys.readouterr().err
    assert stored(tmp_path) == []
    assert allow("add", "list") == 0
    assert allow("./list") == 0
    assert len(stored(tmp_path)) == 2


def test_a_file_called_add_is_allowed_by_its_name(
    allow: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lone word that is no command is a file, as before."""
    assert callable(allow)
    monkeypatch.chdir(tmp_path)
    Path("add").write_text(ADMIN, "utf-8")
    assert allow("add") == 0
    assert len(stored(tmp_path)) == 1


@pytest.mark.parametrize(("word", "meant"), [("lst", "list"), ("remov", "remove"), ("ad", "add")])
def test_a_misspelt_word_of_allow(
    allow: object,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    meant: str,
) -> None:
    """What is no file and close to a word of the command is answered with that word."""
    assert callable(allow)
    monkeypatch.chdir(tmp_path)
    assert allow(word) == 2
    assert f"{word}: no such file; did you mean '{meant}'?" in capsys.readouterr().err
