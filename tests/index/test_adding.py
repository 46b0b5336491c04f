"""proxy/index/adding.py: an index that grew finds what one finds that was built from everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.detectors import Parts, build
from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import GramKey
from proxy.guard import StreamGuard
from proxy.index import (
    AddOptions,
    BuildOptions,
    StoredIndex,
    add_documents,
    build_index,
    open_index,
    parts_of,
    verify,
)
from proxy.index.adding import MOST_PARTS
from proxy.index.report import clusters, conflicts
from proxy.policy import Policy, load_policy
from proxy.text import count_units
from proxy.types import Document, Value, Verdict
from tests.training import ADMIN, KEY, NOBODY, PUBLIC, STAFF, STAFF_ZH

ADD = AddOptions(KEY, {"nobody": 80}, 32)
NEW = "The night porter keeps a spare ledger under the third drawer, and reads it aloud to nobody on Fridays."
THIRD = "Whoever meets the surveyor at the weir must not mention the brass plate that was moved in April."
MAIL = "kilian.brandauer@example.org"


def values(document: Document) -> Sequence[Value]:
    """Every address that ends so is a known value."""
    words = " ".join(document.texts).split()
    return [Value("email", word) for word in words if word.endswith("@example.org")]


def old() -> list[Document]:
    return [
        Document("old.jsonl:1", (ADMIN,), "admin"),
        Document("old.jsonl:2", (STAFF,), "staff"),
        Document("old.jsonl:3", (STAFF_ZH,), "staff"),
        Document(
            "old.jsonl:4", (f"Write to {MAIL} in the matter of the ledger and of the drawer.",), "admin"
        ),
        Document("old.jsonl:5", (PUBLIC,), "public"),
    ]


def new() -> list[Document]:
    return [
        Document("new.jsonl:7", (NEW,), "staff"),
        Document("new.jsonl:8", (NOBODY,), "nobody"),
        Document("new.jsonl:9", (f"Ask ida.lovrencic@example.org or {MAIL} about it.",), "staff"),
    ]


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """Built from the old documents, and given the new ones."""
    path = tmp_path / "grown.idx"
    build_index(old(), path, BuildOptions(key=KEY), values=values)
    add_documents(new(), path, ADD, values=values)
    return path


@pytest.fixture
def whole(tmp_path: Path) -> StoredIndex:
    """Built from all of them at once."""
    path = tmp_path / "whole.idx"
    build_index([*old(), *new()], path, BuildOptions(key=KEY), values=values)
    return open_index(path, KEY)


def verdicts(index: StoredIndex, policy: Policy, role: str, text: str) -> tuple[str, list[Verdict]]:
    """What a role gets of a text, and why."""
    view = policy.view(role, (), index.audiences)
    enabled = ("memorised", "known_values", "payload", "encoded")
    scanners = [each.scanner(view) for each in build(Parts(index), enabled.__contains__)]
    guard = StreamGuard(scanners, lambda finding: policy.decide(finding, role))
    out = "".join(guard.feed(character).text for character in text) + guard.finish().text
    return out, list(guard.verdicts)


def shape(found: Sequence[Verdict]) -> list[tuple[object, ...]]:
    return sorted(
        (each.rule, each.action, each.finding.detector, each.finding.entity, each.finding.span.start,
         each.finding.span.end, str(each.finding.provenance))
        for each in found
    )  # fmt: skip


def sources(found: Sequence[Verdict]) -> set[str]:
    """The documents that verdicts name."""
    return {each.finding.provenance.document for each in found if each.finding.provenance}


@pytest.mark.parametrize("role", ["public", "staff", "admin"])
@pytest.mark.parametrize(
    "text",
    [
        f"So: {ADMIN}",
        f"So: {STAFF} And then.",
        f"所以：{STAFF_ZH}",
        f"Well, {NEW} {PUBLIC}",
        f"{NOBODY} {NEW}",
        NEW.replace("spare ledger", "spare old ledger").replace("aloud", "softly"),
        f"Try {MAIL} or ida.lovrencic@example.org for once.",
        f"{PUBLIC} Nothing of interest in here at all, really.",
    ],
)
def test_as_if_it_had_been_built_from_all(grown: Path, whole: StoredIndex, role: str, text: str) -> None:
    """The same text leaves, for the same reasons and because of the same documents."""
    policy = load_policy(None)
    one, why = verdicts(open_index(grown, KEY), policy, role, text)
    other, because = verdicts(whole, policy, role, text)
    assert one == other
    assert shape(why) == shape(because)


def test_documents_keep_their_names(grown: Path) -> None:
    """A finding in a new document names it, and one in an old one too."""
    index, policy = open_index(grown, KEY), load_policy(None)
    for text, name in ((ADMIN, "old.jsonl:1"), (NEW, "new.jsonl:7"), (NOBODY, "new.jsonl:8")):
        assert sources(verdicts(index, policy, "public", text)[1]) == {name}


def test_documents_begin_where_they_did(grown: Path) -> None:
    """Positions go on from part to part; every one leads to the beginning of its own document."""
    index = open_index(grown, KEY)
    begin = 0
    for text, name in ((STAFF, "old.jsonl:2"), (STAFF_ZH, "old.jsonl:3"), (NEW, "new.jsonl:7")):
        size = count_units(text)
        assert {index.start_of("staff", begin + at) for at in range(size)} == {begin}
        assert index.document_at("staff", begin) == name
        begin += size


def test_the_manifest_counts_everything(grown: Path) -> None:
    """Documents, sources and sizes of both; every file has its sum; the reports know of no false conflict."""
    index = open_index(grown, KEY)
    manifest = index.manifest
    assert manifest.documents == 8
    parts = parts_of(grown, manifest, GramKey(KEY))
    assert [part.private().sources for part in parts] == [("old.jsonl",), ("new.jsonl",)]
    assert index.audiences == ("admin", "public", "staff", "nobody")
    assert [each.name for each in manifest.audiences] == ["admin", "public", "staff", "nobody", "staff"]
    assert [part["documents"] for part in manifest.parts] == [3]
    verify(grown, manifest)
    on_disk = {path.relative_to(grown).as_posix() for path in grown.rglob("*") if path.is_file()}
    on_disk.remove("manifest.json")
    assert on_disk == set(manifest.files)
    assert {(each.first, each.second) for each in conflicts(grown, manifest, GramKey(KEY))} == {
        ("old.jsonl:4", "new.jsonl:9")  # the address; one audience in two parts is no conflict
    }
    assert clusters(grown, manifest, GramKey(KEY)) == []


def test_it_can_be_added_again(grown: Path) -> None:
    """Part after part; what was there is shared, not copied; a reader of the old one goes on."""
    before = open_index(grown, KEY)
    inode = (grown / "a0.seed.npy").stat().st_ino
    manifest = add_documents([Document("third.jsonl:1", (THIRD,), "staff")], grown, ADD)
    assert (grown / "a0.seed.npy").stat().st_ino == inode
    assert (len(manifest.parts), manifest.documents) == (2, 9)
    after, policy = open_index(grown, KEY), load_policy(None)
    assert after.version != before.version
    assert sources(verdicts(after, policy, "public", THIRD)[1]) == {"third.jsonl:1"}
    assert verdicts(before, policy, "public", THIRD)[1] == []
    for index in (before, after):
        assert verdicts(index, policy, "public", NEW)[1]


def test_new_background_is_free(tmp_path: Path) -> None:
    """Text that is declared free later is free in what was indexed before."""
    path, policy = tmp_path / "b.idx", load_policy(None)
    build_index(old(), path, BuildOptions(key=KEY))
    assert verdicts(open_index(path, KEY), policy, "public", STAFF)[1]
    add_documents(new(), path, ADD, background=[Document("free:1", (STAFF,))])
    assert verdicts(open_index(path, KEY), policy, "public", STAFF) == (STAFF, [])
    assert verdicts(open_index(path, KEY), policy, "public", ADMIN)[1]


def test_what_cannot_be_added(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No document, no index, another key, too many parts: said, and the index stays as it was."""
    before = open_index(grown, KEY).version
    with pytest.raises(ConfigError, match="no document to index"):
        add_documents([], grown, ADD)
    with pytest.raises(IndexFormatError, match="there is no index here"):
        add_documents(new(), tmp_path / "none.idx", ADD)
    with pytest.raises(IndexFormatError, match="another key"):
        add_documents(new(), grown, AddOptions("another key, long enough", {}, 32))
    monkeypatch.setattr("proxy.index.adding.MOST_PARTS", 1)
    with pytest.raises(ConfigError, match="build it anew from all its data"):
        add_documents(new(), grown, ADD)
    assert open_index(grown, KEY).version == before
    assert {path.name for path in tmp_path.iterdir()} == {"grown.idx"}
    assert MOST_PARTS == 16
