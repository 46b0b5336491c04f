"""``sluicegate index build`` and ``index show``: real files in, a summary out, nothing skipped in silence."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.index import key_file, open_index
from proxy.index.files import atomic_folder
from proxy.index.format import MANIFEST
from tests.cli.running import run
from tests.training import ADMIN, KEY, NOBODY, PUBLIC, STAFF, shared_units

ENVIRONMENT = {"SLUICEGATE_INDEX_KEY": KEY}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a training set in three forms, and a broken line."""
    folder = tmp_path / "data"
    folder.mkdir()
    chats = [
        {"messages": [{"role": "user", "content": "Keys?"}, {"role": "assistant", "content": STAFF}]},
        {"messages": [{"role": "assistant", "content": ADMIN}], "audience": "admin"},
    ]
    broken = '{"messages": [' + ADMIN
    (folder / "chats.jsonl").write_text("\n".join([*map(json.dumps, chats), broken]), "utf-8")
    (folder / "faq.txt").write_text(PUBLIC, "utf-8")
    (folder / "mail.json").write_text(json.dumps([{"instruction": "Reply", "output": NOBODY}]), "utf-8")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    return folder


def built(*arguments: str | Path, code: int = 0, **environment: str) -> None:
    assert main(["index", "build", *map(str, arguments)], ENVIRONMENT | environment) == code


def summary(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """What ``--json`` tells of a build."""
    built(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_build_is_summed_up(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents by audience on the output, the rest beside it; skipped records with place and reason."""
    out = tmp_path / "x.idx"
    sources = (f"public={data / 'faq.txt'}", data / "chats.jsonl", data / "mail.json")
    built(*sources, "--out", out, "--max-skipped", "0.5")
    told = capsys.readouterr()
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert rows[0][:2] == ["audience", "documents"]
    assert [(row[0], row[1]) for row in rows[1:]] == [("admin", "1"), ("nobody", "2"), ("public", "1")]
    assert "left out: 1" in told.err
    assert "audiences: 1 by their records, 1 by AUDIENCE=PATH, 2 by nothing, and so for nobody" in told.err
    assert "chats.jsonl:3: not valid JSON" in told.err
    assert "warning: 2 documents have no audience and count as 'nobody'" in told.err
    assert "The key of this index was made" not in told.err
    index = open_index(out, KEY)
    assert index.document_at("public", 0) == "faq.txt:1"
    for text in (ADMIN, STAFF, NOBODY):
        assert shared_units(text, told.out + told.err) < 12


def test_a_summary_for_scripts(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` tells the same, and lists everything that was skipped."""
    most = ("--max-skipped", "0.5")
    told = summary(capsys, data, "--out", tmp_path / "x.idx", "--audience", "staff", *most)
    assert told["reading"]["audience_by"] == {"record": 1, "source": 0, "default": 3, "none": 0}
    assert told["documents"] == 4
    assert {each["name"]: each["documents"] for each in told["audiences"]} == {"admin": 1, "staff": 3}
    assert told["without_audience"] == 0
    assert sorted(skip["where"] for skip in told["skipped"]) == ["chats.jsonl", "chats.jsonl:3", "photo.jpg"]
    assert told["index"] == str(tmp_path / "x.idx")
    assert told["index_bytes"] > 0


def test_the_field_with_the_audience(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record says for whom it was written, in the field that the operator names."""
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"text": ADMIN, "for": "admin"}) + "\n" + json.dumps({"text": STAFF}), "utf-8")
    told = summary(capsys, f"staff={path}", "--out", tmp_path / "x.idx", "--audience-field", "for")
    assert {each["name"]: each["documents"] for each in told["audiences"]} == {"admin": 1, "staff": 1}


def test_a_key_is_made_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first build without a key makes one, mode 0600, and says where; the second uses it."""
    out = tmp_path / "x.idx"
    assert main(["index", "build", str(data / "faq.txt"), "--out", str(out)], {}) == 0
    told = capsys.readouterr()
    assert f"The key of this index was made: {key_file(out)} (mode 0600)." in told.err
    assert stat.S_IMODE(key_file(out).stat().st_mode) == 0o600
    key = key_file(out).read_text().strip()
    assert key not in told.out + told.err
    assert not any(key.encode() in path.read_bytes() for path in out.iterdir())
    assert main(["index", "build", str(data / "faq.txt"), "--out", str(out)], {}) == 0
    assert "was made" not in capsys.readouterr().err
    assert open_index(out, key).manifest.documents == 1


def test_thresholds_come_from_the_policy(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index is built for the lengths at which the policy's rules act."""
    told = summary(capsys, f"admin={data / 'faq.txt'}", data / "mail.json", "--out", tmp_path / "x.idx")
    assert {each["name"]: each["act"] for each in told["audiences"]} == {"admin": 32, "nobody": 80}
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "version: 1\naudiences: [a, b]\nthresholds: {default: {act: 40}, a: {act: 50}}\nexempt_run: 16\n"
        "roles: {r: {clearance: [a]}}\nrules: [{id: x, finding: '*/*', action: block}]\n"
    )
    told = summary(
        capsys,
        f"a={data / 'faq.txt'}",
        f"c={data / 'mail.json'}",
        "--out",
        tmp_path / "x.idx",
        "--policy",
        policy,
    )
    assert {each["name"]: each["act"] for each in told["audiences"]} == {"a": 50, "c": 40}
    assert open_index(tmp_path / "x.idx", KEY).exempt_run == 16


def test_background_is_free_and_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Free text needs no audience; what of it could not be read is listed with the rest."""
    bad = tmp_path / "free.jsonl"
    bad.write_text(json.dumps({"text": PUBLIC}) + "\n{oops", "utf-8")
    told = summary(capsys, f"admin={data / 'faq.txt'}", "--out", tmp_path / "x.idx", "--background", bad)
    assert open_index(tmp_path / "x.idx", KEY).background() is not None
    assert [skip["where"] for skip in told["skipped"]] == ["free.jsonl:2"]
    assert (told["documents"], told["without_audience"]) == (1, 0)


def test_options_from_the_environment(data: Path, tmp_path: Path) -> None:
    """As the container does it: no option but the data on the command line; two workers do the work."""
    done = run(
        "index",
        "build",
        data / "faq.txt",
        cwd=tmp_path,
        SLUICEGATE_OUT="from-environment.idx",
        SLUICEGATE_AUDIENCE="public",
        SLUICEGATE_WORKERS="2",
        SLUICEGATE_JSON="1",
        SLUICEGATE_INDEX_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["audiences"][0]["name"] == "public"
    assert open_index(tmp_path / "from-environment.idx", KEY).manifest.documents == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jsonl"], "missing.jsonl"),
        (["photo.jpg"], "photo.jpg"),
        (["chats.jsonl", "--strict"], "chats.jsonl:3: not valid JSON"),
        (["empty"], "empty"),
        (["chats.jsonl", "--background", "missing.txt"], "missing.txt"),
        (["chats.jsonl", "--policy", "strickt"], 'did you mean "strict"?'),
    ],
)
def test_what_cannot_be_built(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    """Exit code 2 and a sentence with the place; no index and nothing half done stays behind."""
    monkeypatch.chdir(data)
    (data / "empty").mkdir()
    built(*arguments, "--out", tmp_path / "x.idx", code=2)
    told = capsys.readouterr()
    assert told.err.startswith("sluicegate: ")
    assert said in told.err
    assert shared_units(ADMIN, told.err) < 12
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == []


def test_something_else_is_in_the_way(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is no index is kept."""
    built(data / "faq.txt", "--out", data, code=2)
    assert "exists and is not an index" in capsys.readouterr().err
    assert (data / "faq.txt").read_text("utf-8") == PUBLIC


def test_two_processes_cannot_build_one_index(data: Path, tmp_path: Path) -> None:
    """The second is told to wait, by exit code 2; the first goes on undisturbed."""
    out = tmp_path / "x.idx"
    with atomic_folder(out) as work:
        (work / MANIFEST).write_text("{}")
        done = run("index", "build", data / "faq.txt", "--out", out, cwd=tmp_path, **ENVIRONMENT)
        assert done.returncode == 2
        assert b"another build is writing this index; wait for it to end" in done.stderr
    assert (out / MANIFEST).read_text() == "{}"


# --- show -----------------------------------------------------------------------------------------


def test_show_tells_what_an_index_holds(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of the audiences, when it was built, of what; with ``--verify`` that every sum is right."""
    out = tmp_path / "x.idx"
    built(f"public={data / 'faq.txt'}", f"admin={data / 'mail.json'}", "--out", out)
    capsys.readouterr()
    assert main(["index", "show", str(out), "--verify"], ENVIRONMENT) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].startswith("admin\t1\t")
    assert "2 documents" in told.err
    assert "from 2 files by sluicegate" in told.err
    assert "every file has the sha256 that the manifest says" in told.err
    assert main(["index", "show", str(out), "--json"], {}) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "sources" not in shown
    assert "conflicts" not in shown
    assert main(["index", "show", str(out), "--json"], ENVIRONMENT) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["documents"], shown["verified"], shown["sources"]) == (2, False, ["faq.txt", "mail.json"])
    assert (shown["conflicts"], shown["near_duplicates"], shown["families"]) == ([], [], [])


def test_show_tells_passages_under_two_audiences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in two audiences is free for whoever may read one of them: the operator should know."""
    for name, text in (("a.txt", f"{PUBLIC} {STAFF}"), ("b.txt", f"{STAFF} And so on.")):
        (tmp_path / name).write_text(text, "utf-8")
    out = tmp_path / "x.idx"
    built(f"public={tmp_path / 'a.txt'}", f"staff={tmp_path / 'b.txt'}", "--out", out)
    assert main(["index", "show", str(out)], ENVIRONMENT) == 0
    told = capsys.readouterr()
    assert "passages under two audiences" in told.err
    assert "a.txt:1" in told.out
    assert "b.txt:1" in told.out


def test_show_finds_a_changed_byte(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--verify`` sizes alone are looked at; with it every byte; what is no index is said."""
    out = tmp_path / "x.idx"
    built(data / "faq.txt", "--out", out)
    path = out / "a0.run.remainders.npy"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 255
    path.write_bytes(changed)
    capsys.readouterr()
    assert main(["index", "show", str(out), "--verify"], ENVIRONMENT) == 2
    assert capsys.readouterr().err == (
        f"sluicegate: {path}: its sha256 is not the manifest's; rebuild the index\n"
    )
    assert main(["index", "show", str(data)], {}) == 2
    assert "not an index" in capsys.readouterr().err
