"""The self-test of an index: a second reading of the training files judges what the first one made."""

from __future__ import annotations

import ast
import csv
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import proxy.selftest
from proxy.cli import main
from proxy.datasets.parts import Part, Parts
from proxy.index import AddOptions, BuildOptions, add_documents, build_index, open_index
from proxy.policy import load_policy
from proxy.selftest import Outcome, Readers, Report, self_test, source_named
from proxy.types import Document
from tests.training import KEY

WORDS = re.findall(
    r"\w+",
    "refund ledger exception customer supervisor approve window limit parcel invoice harbour drawer panel "
    "valve circuit audit monthly quarter bypass number escalate manager shift night storage lamp copper "
    "bridge river stone paper glass table yellow green monday friday",
)


def sentence(seed: int, words: int = 40) -> str:
    """Return a text of its own for each seed."""
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words)).capitalize() + "."


def index_of(out: Path, documents: Sequence[tuple[str, str]], background: Sequence[str] = ()) -> Path:
    """Build an index as a reader that may be wrong would: of (audience, text)."""
    build_index(
        [Document(f"x:{n}", (text,), audience) for n, (audience, text) in enumerate(documents, 1)],
        out,
        BuildOptions(key=KEY),
        background=[Document("b:1", tuple(background))] if background else (),
    )
    return out


def report_of(index: Path, *data: str | Path, before: Path | None = None, **more: str) -> Report:
    policy = load_policy(None)
    return self_test(
        open_index(index, KEY),
        [source_named(str(each)) for each in data],
        readers=Readers.of({name: role.clearance for name, role in policy.roles.items()}, policy.audiences),
        threshold=lambda name: policy.thresholds.get(name, policy.thresholds["default"]),
        before=open_index(before, KEY) if before is not None else None,
        **more,  # type: ignore[arg-type]
    )


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def count(report: Report, outcome: Outcome) -> int:
    return sum(each.count(outcome) for each in report.sources)


# --- the two readings --------------------------------------------------------------------------------


def test_it_shares_no_code_with_the_dataset_readers() -> None:
    folder = Path(proxy.selftest.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.startswith("proxy.datasets") for name in names), path


def test_an_index_that_agrees_passes(tmp_path: Path) -> None:
    texts = [sentence(n) for n in range(12)]
    data = written(tmp_path / "a.jsonl", *({"audience": "admin", "text": text} for text in texts))
    report = report_of(index_of(tmp_path / "x.idx", [("admin", text) for text in texts]), data)
    assert report.ok
    assert count(report, Outcome.PROTECTED) == len(report.sources[0].judged) >= 12


@pytest.mark.parametrize("audience", ["public", "staff"])
def test_text_that_became_free_for_a_wider_audience_fails(tmp_path: Path, audience: str) -> None:
    data = written(tmp_path / "a.jsonl", *({"audience": "admin", "text": sentence(n)} for n in range(5)))
    index = index_of(tmp_path / "x.idx", [(audience, sentence(n)) for n in range(5)])
    report = report_of(index, data)
    assert not report.ok
    assert count(report, Outcome.WIDER) == len(report.sources[0].judged)


def test_text_of_an_audience_that_nobody_else_reads_differs(tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", *({"audience": "public", "text": sentence(n)} for n in range(5)))
    index = index_of(tmp_path / "x.idx", [("admin", sentence(n)) for n in range(5)])
    report = report_of(index, data)
    assert not report.ok
    assert count(report, Outcome.NARROWER) == len(report.sources[0].judged)


def test_text_that_was_not_read_fails(tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", *({"q": sentence(n), "a": sentence(n + 50)} for n in range(5)))
    index = index_of(tmp_path / "x.idx", [("nobody", sentence(n, 90)) for n in range(5)])
    assert not report_of(index, data).ok


def test_one_lost_file_does_not_hide_among_many(tmp_path: Path) -> None:
    """Two texts of 400: more than 99 % of the source are protected, and none of the one file."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(100):
        written(folder / f"{n:03}.jsonl", *({"text": sentence(4 * n + k)} for k in range(4)))
    kept = [("admin", sentence(n)) for n in range(396)]
    report = report_of(index_of(tmp_path / "x.idx", kept), f"admin={folder}")
    assert not report.ok
    assert {each.passage.file for each in report.sources[0].failures} == {"099.jsonl"}


def test_text_that_is_public_elsewhere_is_counted_apart(tmp_path: Path) -> None:
    shared = sentence(1)
    data = written(tmp_path / "a.jsonl", {"audience": "admin", "text": shared}, {"text": shared})
    index = index_of(tmp_path / "x.idx", [("admin", shared), ("public", shared)])
    report = report_of(index, f"public={data}")
    assert report.ok
    assert count(report, Outcome.FREE) > 0
    assert count(report, Outcome.WIDER) == 0


def test_background_is_free_by_declaration(tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", {"audience": "admin", "text": sentence(1)})
    index = index_of(tmp_path / "x.idx", [("admin", sentence(1))], background=[sentence(1)])
    report = report_of(index, data)
    assert report.ok
    assert count(report, Outcome.FREE) == len(report.sources[0].judged)


def test_what_was_free_before_an_addition_is_no_fault_of_it(tmp_path: Path) -> None:
    before = index_of(tmp_path / "old.idx", [("public", sentence(1))])
    index = index_of(tmp_path / "x.idx", [("public", sentence(1))])
    options = AddOptions(key=KEY, acts={}, default_act=32)
    add_documents([Document("t:1", (sentence(1),), "nobody")], index, options)
    (tmp_path / "take.txt").write_text(sentence(1), "utf-8")
    report = report_of(index, f"nobody={tmp_path / 'take.txt'}", before=before)
    assert report.ok
    assert count(report, Outcome.FREE) == len(report.sources[0].judged)
    assert not report_of(index, f"nobody={tmp_path / 'take.txt'}").ok


# --- what its own reader sees ------------------------------------------------------------------------


def table(rows: Sequence[Sequence[str]], end: str = "\n") -> str:
    return "".join(",".join(row) + end for row in rows)


def unclosed(path: Path) -> None:
    rows = [
        ["audience", "title", "text"],
        ["public", "Hours", '"' + sentence(1)],
        ["admin", "Refunds", sentence(2)],
        ["admin", "Codes", sentence(3)],
        *(["public", f"T{n}", sentence(n)] for n in range(4, 8)),
    ]
    path.write_text(table(rows), "utf-8")


def shifted(path: Path) -> None:
    rows = [
        ["text", "title", "audience"],
        [sentence(1), "Fine", "public"],
        [sentence(2), "a", "public", "admin"],
    ]
    path.write_text(table(rows), "utf-8")


def listed(path: Path) -> None:
    articles = [{"audience": "admin", "text": sentence(n)} for n in (2, 3)]
    path.write_text(json.dumps({"name": "kb", "articles": [*articles, {"text": sentence(1)}]}), "utf-8")


def inner(path: Path) -> None:
    path.write_text(json.dumps([{"meta": {"audience": "admin"}, "text": sentence(2)}]), "utf-8")


def capital(path: Path) -> None:
    path.write_text(json.dumps({" Audience ": "Admin", "text": sentence(2)}) + "\n", "utf-8")


def several(path: Path) -> None:
    path.write_text(json.dumps({"audience": ["staff", "admin"], "text": sentence(2)}) + "\n", "utf-8")


def numbered(path: Path) -> None:
    path.write_text(json.dumps({"audience": 3, "text": sentence(2)}) + "\n", "utf-8")


def doubled(path: Path) -> None:
    path.write_text(
        f'{{"audience": "admin", "text": {json.dumps(sentence(2))}, "audience": "public"}}\n', "utf-8"
    )


def quoted_tsv(path: Path) -> None:
    rows = [
        f'public\t"{sentence(1)}',
        f"admin\t{sentence(2)}",
    ]
    path.write_text("\n".join(["audience\ttext", *rows]) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", unclosed),
        ("a.csv", shifted),
        ("a.json", listed),
        ("a.json", inner),
        ("a.jsonl", capital),
        ("a.jsonl", several),
        ("a.jsonl", numbered),
        ("a.jsonl", doubled),
        ("a.tsv", quoted_tsv),
    ],
    ids=lambda each: each.__name__ if callable(each) else each,
)
def test_text_marked_for_few_is_not_taken_for_public(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    """An index of a reader that overlooks each kind of mark fails; text 2 is never for everybody."""
    write(tmp_path / name)
    index = index_of(tmp_path / "x.idx", [("public", sentence(n)) for n in range(1, 8)])
    report = report_of(index, f"public={tmp_path / name}")
    assert not report.ok
    assert any(sentence(2)[5:40] in each.passage.text for each in report.sources[0].failures)


def test_a_quoted_cell_with_a_line_break_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audience", "text"])
        rows.writerow(["admin", sentence(1) + "\n" + sentence(2)])
    index = index_of(tmp_path / "x.idx", [("admin", sentence(1) + "\n" + sentence(2))])
    report = report_of(index, f"public={path}")
    assert report.ok
    assert {each.passage.audience for each in report.sources[0].judged} == {"admin"}


def test_rubbish_in_place_of_a_file_in_utf_16_fails(tmp_path: Path) -> None:
    chinese = "客户服务部规定退款金额超过四百元时必须由主管审批，并在系统中登记原因之后才能发出通知。" * 6
    (tmp_path / "a.txt").write_bytes(chinese.encode("utf-16"))
    right = index_of(tmp_path / "x.idx", [("nobody", chinese)])
    assert report_of(right, tmp_path / "a.txt").ok
    assert report_of(right, tmp_path / "a.txt").sources[0].judged
    wrong = index_of(tmp_path / "y.idx", [("nobody", chinese.encode("utf-16").decode("latin-1"))])
    assert not report_of(wrong, tmp_path / "a.txt").ok


def test_parquet_is_read_by_pyarrow_itself(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"audience": ["admin"], "text": [sentence(1)]}), tmp_path / "a.parquet")
    index = index_of(tmp_path / "x.idx", [("public", sentence(1))])
    assert count(report_of(index, tmp_path / "a.parquet"), Outcome.WIDER) > 0


# --- the command ---------------------------------------------------------------------------------------

ENVIRONMENT = {"SLUICEGATE_INDEX_KEY": KEY}


def test_a_build_that_fails_its_self_test_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader that loses the audience of records: exit 2, the place, no text, and the old index stays."""
    data = written(tmp_path / "a.jsonl", *({"audience": "admin", "text": sentence(n)} for n in range(4)))
    out = tmp_path / "x.idx"
    assert main(["index", "build", f"public={data}", "--out", str(out), "--no-ner"], ENVIRONMENT) == 0
    assert "self-test: " in capsys.readouterr().err
    old = (out / "manifest.json").read_bytes()
    monkeypatch.setattr(Parts, "of", lambda _self, value, _outer: [Part({"text": value["text"]}, None)])
    assert main(["index", "build", f"public={data}", "--out", str(out), "--no-ner"], ENVIRONMENT) == 2
    said = capsys.readouterr().err
    assert "a.jsonl: record 1, field text: text for 'admin' is free for a wider audience" in said
    assert not any(word in said for word in sentence(0).split()[:3])
    assert (out / "manifest.json").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_it_runs_again_on_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = written(tmp_path / "a.jsonl", *({"audience": "admin", "text": sentence(n)} for n in range(4)))
    out = tmp_path / "x.idx"
    assert main(["index", "build", str(data), "--out", str(out), "--no-ner"], ENVIRONMENT) == 0
    capsys.readouterr()
    assert main(["index", "selftest", str(out), str(data), "--json"], ENVIRONMENT) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["failures"] == []
    written(data, *({"audience": "admin", "text": sentence(n)} for n in range(9, 13)))
    assert main(["index", "selftest", str(out), str(data)], ENVIRONMENT) == 2
    assert "is not protected" in capsys.readouterr().err
