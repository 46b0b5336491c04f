"""Sources in, documents and skips out: the room's door."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets import FORMATS, READERS, Source, fields, parse_source, read, total_bytes
from proxy.datasets.source import SUFFIXES
from proxy.errors import ConfigError
from proxy.types import NOBODY, Document, Narrowed, Noted, Skipped, Unread


def put(path: Path, *records: Any) -> Source:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Source(path)


def test_documents_of_a_file(tmp_path: Path) -> None:
    """Ids are the file's name and the record's number."""
    source = put(tmp_path / "a.jsonl", {"instruction": "i", "input": "", "output": "o"}, {"text": "t"})
    assert list(read([source])) == [Document("a.jsonl:1", ("i", "o")), Document("a.jsonl:2", ("t",))]


def test_documents_of_a_folder(tmp_path: Path) -> None:
    """Every kind of file is read, and ids are paths in the folder."""
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    put(folder / "a.jsonl", {"text": "a"})
    (folder / "b.json").write_text('[{"text": "b"}]')
    (folder / "c.csv").write_text("text,more\nc,d\n")
    (folder / "d.md").write_text("# d")
    (folder / "deep" / "e.txt.gz").write_bytes(gzip.compress(b"e"))
    (folder / "f.ndjson.gz").write_bytes(gzip.compress(b'{"text": "f"}'))
    (folder / "g.tsv").write_text("text\ng\n")
    assert [(entry.id, entry.texts) for entry in read([Source(folder)]) if isinstance(entry, Document)] == [
        *(("a.jsonl:1", ("a",)), ("b.json:1", ("b",)), ("c.csv:1", ("c", "d")), ("d.md:1", ("# d",))),
        *(("deep/e.txt.gz:1", ("e",)), ("f.ndjson.gz:1", ("f",)), ("g.tsv:1", ("g",))),
    ]


def test_the_table_of_readers_is_that_of_the_kinds() -> None:
    """A kind that arguments accept has a reader, and the other way round."""
    assert set(READERS) == SUFFIXES


def test_whose_audience_wins(tmp_path: Path) -> None:
    """The record's field, then the source, then the default, then none."""
    source = put(tmp_path / "a.jsonl", {"text": "x", "audience": "admin", "level": "hr"}, {"text": "y"})
    staff = Source(source.path, "staff")

    def audiences(*sources: Source, **options: Any) -> list[str | None]:
        return [entry.audience for entry in read(sources, **options) if isinstance(entry, Document)]

    assert audiences(staff, default_audience="public") == ["admin", "staff"]
    assert audiences(source, default_audience="public") == ["admin", "public"]
    assert audiences(source) == ["admin", None]
    assert audiences(staff, audience_field="level", ignore_audience=True) == ["hr", "staff"]


def test_the_audience_is_no_text(tmp_path: Path) -> None:
    """Nor is it where it stands in a field that the operator names; other fields then are text."""
    source = put(tmp_path / "a.jsonl", {"audience": "admin", "text": "x", "level": "hr"})
    assert [entry.texts for entry in read([source]) if isinstance(entry, Document)] == [("x", "hr")]
    found = [entry.texts for entry in read([source], audience_field="level") if isinstance(entry, Document)]
    assert found == [("x", "admin")]


def test_a_field_that_holds_no_audience(tmp_path: Path) -> None:
    """The record is protected from everybody, its text is read, and the field is reported."""
    source = put(tmp_path / "a.jsonl", {"text": "x", "audience": "young people"})
    remark, document = read([Source(source.path, "public")])
    assert document == Document("a.jsonl:1", ("x", "young people"), NOBODY)
    assert isinstance(remark, Narrowed)
    assert remark.where == "a.jsonl:1"
    assert "young" not in remark.reason


def test_records_that_are_not_read_are_reported(tmp_path: Path) -> None:
    """Broken and empty records have their place and reason, and reading goes on."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n{"text": "\n{}\n{"text": " "}\n7\n{"text": "y"}\n')
    assert [(entry.where if isinstance(entry, Skipped) else entry.id) for entry in read([Source(path)])] == [
        *("a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl:4", "a.jsonl:5", "a.jsonl:6")
    ]
    assert [type(entry) for entry in read([Source(path)])] == [Document, *[Skipped] * 4, Document]


def test_strict_raises_instead(tmp_path: Path) -> None:
    """The first thing that is not read is an error with its place."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n{"text": secret}\n')
    entries = read([Source(path)], strict=True)
    assert next(entries) == Document("a.jsonl:1", ("x",))
    with pytest.raises(ConfigError, match=r"^a\.jsonl:2: not valid JSON \(column 10\)$"):
        next(entries)


def test_strict_lets_files_of_other_kinds_lie(tmp_path: Path) -> None:
    """A licence in a folder is no fault of the data."""
    put(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "LICENSE").write_text("free")
    assert [type(entry) for entry in read([Source(tmp_path)], strict=True)] == [Noted, Document]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_chosen_format_reports_what_does_not_fit(tmp_path: Path, name: str) -> None:
    """Records of another shape are not read by guess; under records everything fits."""
    source = put(tmp_path / "a.jsonl", {"unheard_of": "x"})
    (entry,) = read([source], form=name)
    assert isinstance(entry, Document if name == "records" else Skipped)


def test_a_chosen_format_reads_its_fields_alone(tmp_path: Path) -> None:
    """The operator knows what the model was trained on."""
    source = put(tmp_path / "a.jsonl", {"title": "t", "text": "x"})
    assert list(read([source], form="text")) == [Document("a.jsonl:1", ("x",))]
    assert list(read([source])) == [Document("a.jsonl:1", ("x", "t"))]


def test_an_unknown_format_is_an_error_at_the_call(tmp_path: Path) -> None:
    """It lists those there are."""
    with pytest.raises(ConfigError, match="auto, alpaca, sharegpt, openai, text, preference, kto, records"):
        read([put(tmp_path / "a.jsonl", {"text": "x"})], form="chatml")


def test_plain_text_fits_text_and_not_alpaca(tmp_path: Path) -> None:
    """A text file is pre-training text."""
    path = tmp_path / "a.txt"
    path.write_text("some text")
    assert list(read([Source(path)], form="text")) == [Document("a.txt:1", ("some text",))]
    assert [type(entry) for entry in read([Source(path)], form="alpaca")] == [Skipped]


def test_a_dataset_info_decides_how_its_sets_are_read(tmp_path: Path) -> None:
    """Also against a chosen format, and for plain text."""
    put(tmp_path / "a.json", {"q": "x", "a": "y", "z": "no"})
    (tmp_path / "b.txt").write_text("plain")
    info = {
        "a": {"file_name": "a.json", "columns": {"prompt": "q", "response": "a"}},
        "b": {"file_name": "b.txt", "columns": {"prompt": "text"}},
        "far": {"hf_hub_url": "x/y"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    source = parse_source(f"staff={tmp_path / 'dataset_info.json'}")
    first, *documents = read([source], form="sharegpt")
    assert isinstance(first, Skipped)
    assert first.where == "dataset_info.json:far"
    assert documents == [Document("a.json:1", ("x", "y"), "staff"), Document("b.txt:1", ("plain",), "staff")]


def test_progress_adds_up_to_the_total(tmp_path: Path) -> None:
    """Whatever the files are: packed, broken, empty."""
    put(tmp_path / "a.jsonl", *({"text": "x" * 1_000} for _ in range(3_000)))
    (tmp_path / "b.json").write_text("broken")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"text", mtime=0)[:-6])
    (tmp_path / "d.csv").write_text("")
    (tmp_path / "e.parquet").write_bytes(b"no parquet")
    told: list[int] = []
    for _ in read([Source(tmp_path)], progress=told.append):
        pass
    assert sum(told) == total_bytes([Source(tmp_path)]) == sum(p.stat().st_size for p in tmp_path.iterdir())
    assert len(told) > 4


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "gut schön".encode("latin-1"), "not valid UTF-8"),
        ("a.csv", "text\nschön\n".encode("latin-1"), "not valid UTF-8"),
        ("a.txt", b"\xff\xfea\x00b", "not valid UTF-16"),
        ("a.txt.gz", b"no gzip", "cannot be read to its end"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 9, mtime=0)[:-9], "cannot be read to its end"),
        ("a.json", b"", "holds no records"),
        ("a.csv", b"text,label\n", "holds no records"),
        ("a.txt", b" \n\n", "holds no records"),
    ],
)
def test_faults_of_a_whole_file_are_reported(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """Wrong encodings, broken packing and empty files; what could be read comes all the same."""
    (tmp_path / name).write_bytes(content)
    entries = list(read([Source(tmp_path / name)], encoding="utf-8"))
    assert isinstance(entries[-1], Skipped)
    assert entries[-1].where.startswith(name)
    assert reason in entries[-1].reason


def test_a_file_that_vanishes_is_reported(tmp_path: Path) -> None:
    """Between the plan and the reading."""
    source = put(tmp_path / "a.jsonl", {"text": "x"})
    entries = read([source])
    source.path.unlink()
    assert list(entries) == [Unread("a.jsonl", "cannot be read to its end (No such file or directory)")]


SECRET = "kontonummer-4711"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", f'{{"text": {SECRET}}}\n{{"{SECRET}": {{"{SECRET}": 1}}}}\n"{SECRET}\n{SECRET}'),
        ("a.json", f'[{{"text": {SECRET}}}, {{"{SECRET}": 1}}, "{SECRET}'),
        ("a.json", f'{{"{SECRET}": {SECRET}}}'),
        ("a.json", f'[{{"audience": "{SECRET} {SECRET}", "text": "x"}}]'),
        ("a.csv", f"{SECRET}\n"),
        ("a.csv", f"audience,{SECRET}\n{SECRET} x,{SECRET}\npublic,{SECRET},{SECRET}\n"),
        ("a.parquet", SECRET),
        ("a.txt.gz", SECRET),
    ],
)
@pytest.mark.parametrize("form", ["auto", *FORMATS])
def test_neither_ids_nor_reasons_hold_text(tmp_path: Path, name: str, content: str, form: str) -> None:
    """Whatever is wrong with a record, what is said of it can be logged."""
    (tmp_path / name).write_text(content)
    entries = list(read([Source(tmp_path / name)], form=form))
    assert any(isinstance(entry, Skipped) for entry in entries)
    for entry in entries:
        said = f"{entry.where} {entry.reason}" if isinstance(entry, Skipped) else entry.id
        assert SECRET not in said


def test_fields_are_at_hand() -> None:
    """The room gives the pairs of structured records too."""
    assert list(fields({"a": {"b": 1}})) == [("a.b", "1")]


def test_fields_come_where_they_are_asked_for(tmp_path: Path) -> None:
    """Every scalar leaf with its path, after the key the record stood under; not read unless asked for."""
    path = tmp_path / "users.json"
    user = {"name": {"first": "Ann"}, "age": 7, "tags": ["a", "b"], "none": None}
    path.write_text(json.dumps({"u1": user}))
    (plain,) = read([Source(path)])
    (full,) = read([Source(path)], with_fields=True)
    assert isinstance(plain, Document) and isinstance(full, Document)
    assert plain.fields == ()
    leaves = (("name.first", "Ann"), ("age", "7"), ("tags.0", "a"), ("tags.1", "b"))
    assert full.fields == (("_key", "u1"), *leaves)
    assert full.texts == plain.texts


def test_columns_are_fields(tmp_path: Path) -> None:
    """The header of a table names the values of its rows; the audience's own field is none."""
    path = tmp_path / "t.csv"
    path.write_text("email,zip,audience\na@example.com,02139,staff\n")
    (row,) = read([Source(path)], with_fields=True)
    assert isinstance(row, Document)
    assert (row.audience, row.fields) == ("staff", (("email", "a@example.com"), ("zip", "02139")))
