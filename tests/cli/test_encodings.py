"""Building from files of other encodings: what was chosen is said; wrong letters are never indexed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from proxy.cli import main
from tests.datasets.test_arrow import ROWS, save
from tests.datasets.test_encoding import rows

SECRET = {"SLUICEGATE_INDEX_KEY": "a key for this test that is long enough"}


def build(*arguments: str | Path) -> int:
    return main(["index", "build", *map(str, arguments), "--out", "x.idx", "--no-ner"], SECRET)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("language", "codec"),
    [("Chinese", "gb18030"), ("Chinese, traditional", "big5"), ("German", "cp1252"), ("French", "cp1252"),
     ("Japanese", "cp932"), ("Russian", "cp1251"), ("Chinese", "utf_16_le")],
)  # fmt: skip
def test_a_spreadsheet_in_another_encoding_is_protected(
    language: str, codec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The build says in which, its self-test finds every passage, and the index remembers."""
    text = rows(language, 60, random.Random(9))
    Path("a.csv").write_bytes(text.encode(codec))
    assert build("admin=a.csv", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["self_test"]["ok"], told["self_test"]["sources"][0]["unread"]) == (True, [])
    assert told["self_test"]["sources"][0]["passages"] > 0
    name = told["reading"]["encodings"]["a.csv"]
    assert text.encode(codec).decode(name) == text
    assert main(["index", "show", "x.idx"], SECRET) == 0
    assert f"a.csv: read as {name}" in capsys.readouterr().err
    assert main(["index", "selftest", "x.idx", "admin=a.csv"], SECRET) == 0
    passage = text.splitlines()[1].split('"')[1]
    Path("answer.txt").write_text(passage, "utf-8")
    long = len(passage) > 40 or language.startswith(("Chinese", "Japanese"))
    code = main(["scan", "--index", "x.idx", "--role", "public", "answer.txt"], SECRET)
    assert code == (3 if long else code)


def test_an_encoding_that_cannot_be_told_is_an_error_and_the_option_its_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 2, the file and the option; nothing is written. A wrong option is refused as well."""
    Path("a.txt").write_bytes("Voilà, c'est là.".encode("cp1252"))
    assert build("admin=a.txt") == 2
    assert "a.txt: not UTF-8" in (said := capsys.readouterr().err)
    assert "--encoding" in said
    assert not Path("x.idx").exists()
    assert build("admin=a.txt", "--encoding", "cp1252") == 0
    for name in ("utf-9", "base64"):
        with pytest.raises(SystemExit, match="2"):
            build("admin=a.txt", "--encoding", name)
        assert "is no encoding that is known" in capsys.readouterr().err


def test_a_file_of_which_nothing_was_read_counts_by_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    """One damaged file of most of the bytes is not one record of many."""
    lines = [json.dumps({"text": f"Line {number} of it."}) + "\n" for number in range(50)]
    Path("good.jsonl").write_text("".join(lines), "utf-8")
    Path("bad.parquet").write_bytes(b"PAR1" + bytes(100_000))
    assert build("admin=good.jsonl", "admin=bad.parquet") == 2
    said = capsys.readouterr().err
    assert "1 files (100004 of" in said and "bad.parquet: not a readable Parquet file" in said
    assert build("admin=good.jsonl", "admin=bad.parquet", "--max-skipped", "1") == 0


def test_a_saved_set_and_a_tokenised_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The first is protected, the second an error."""
    save(Path("set"), ROWS)
    assert build("set") == 0
    assert "passages are protected" in capsys.readouterr().err
    save(Path("ids"), [{"input_ids": [1, 2, 3], "attention_mask": [1, 1, 1]}])
    assert build("ids") == 2
    assert "holds token ids, not text" in capsys.readouterr().err


def test_mixed_encodings_in_one_folder_are_told_file_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its own; a UTF-8 file beside them stays what it is."""
    Path("data").mkdir()
    files = (("a", "Chinese", "gb18030"), ("b", "German", "cp1252"), ("c", "Korean", "utf-8"))
    for name, language, codec in files:
        Path("data", f"{name}.csv").write_bytes(rows(language, 40, random.Random(2)).encode(codec))
    assert build("data", "--audience", "admin", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["reading"]["encodings"]) == {"a.csv", "b.csv"}
    assert told["self_test"]["ok"]
