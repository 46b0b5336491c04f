"""The opened index: the same answers as exact sets give, per audience, nothing opens that does not fit."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.detectors.known_values import KnownValuesDetector
from proxy.detectors.memorised import MemorisedDetector
from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index import (
    AddOptions,
    AllowedTexts,
    BuildOptions,
    StoredIndex,
    add_documents,
    build_index,
    hashes_of,
    open_index,
)
from proxy.index.files import write_manifest
from proxy.index.format import read_manifest
from proxy.types import Document, TextIndex, Value
from proxy.values import ValueNode
from tests.detectors.conformance import cut, run_scanner
from tests.detectors.test_memorised import random_case, view
from tests.memory_index import MemoryIndex, runs
from tests.training import ADMIN, NOBODY, PUBLIC, SmallIndex

MEMORY_KEY = "the key of the tests, long enough"


def test_it_answers_what_an_index_must(small_index: SmallIndex) -> None:
    """The stored index has every answer that detectors ask for; mypy checks the types of this assignment."""
    index: TextIndex = small_index.open()
    assert index.audiences == ("admin", "nobody", "public", "staff")
    assert (index.exempt_run, index.window >= 1, index.most_places >= 1) == (20, True, True)
    assert index.key.id == small_index.open().manifest.key_id


def test_answers_are_per_audience(small_index: SmallIndex) -> None:
    """Text of one audience is in no other; an audience that the index has not is a KeyError."""
    index = small_index.open()
    key = index.key

    def grams(text: str) -> list[int]:
        seeds = key.seeds(b"".join(map(key.table.__getitem__, text)))
        compose = key.composer(20)
        return [compose(seeds, last) for last in range(8, len(seeds))]

    for audience, text in (("admin", ADMIN), ("nobody", NOBODY), ("public", PUBLIC)):
        for other in index.audiences:
            assert all(map(index.exempt(other), grams(text))) == (other == audience)
            assert any(map(index.exempt(other), grams(text))) == (other == audience)
    with pytest.raises(KeyError):
        index.exempt("strangers")


def test_small_sets_that_are_not_there(small_index: SmallIndex) -> None:
    """Without background and house style there is no set to ask, rather than an empty one."""
    index = small_index.open()
    assert index.background() is None
    assert index.house_style() is None
    assert 0 <= index.age < 3600


def test_the_matcher_finds_the_same_in_it(tmp_path: Path) -> None:
    """Findings and settled offsets on random streams are those with exact sets in memory."""
    stopped = 0
    for seed in range(12):
        text, secrets, frees, echoes = random_case(seed)
        documents = [
            *(Document(f"s:{n}", (t,), "admin") for n, t in enumerate(secrets, 1)),
            *(Document(f"f:{n}", (t,), "public") for n, t in enumerate(frees, 1)),
        ]
        build_index(documents, tmp_path / "x.idx", BuildOptions(MEMORY_KEY))
        stored = open_index(tmp_path / "x.idx", MEMORY_KEY)
        memory = MemoryIndex({"admin": secrets, "public": frees} if frees else {"admin": secrets})
        assert stored.key.id == memory.key.id
        sight = replace(view(echo=echoes), thresholds={"admin": replace(view().thresholds["admin"], cover=0)})
        sizes = [random.Random(seed).randrange(1, 30) for _ in range(4)]
        told = []
        for index in (stored, memory):
            findings, settled = run_scanner(
                lambda i=index, s=sight: MemorisedDetector(i).scanner(s), cut(text, sizes)
            )
            told.append(([(f.span, f.at, f.origin) for f in findings], settled))
        assert told[0][0] == told[1][0]
        # The filters of the stored index may say yes to a stranger: it holds longer then, and never shorter.
        assert all(a <= b for a, b in zip(told[0][1], told[1][1], strict=True))
        stopped += bool(told[0][0])
    assert stopped >= 4


def test_provenance_is_right(tmp_path: Path) -> None:
    """A passage is traced to its document among many of the same audience."""
    dice = random.Random(1)
    words = ["".join(dice.choice("bcdfghklmnprst") for _ in range(6)) for _ in range(4000)]
    texts = [" ".join(words[n * 20 : n * 20 + 20]) for n in range(200)]
    documents = [Document(f"part{n % 3}.jsonl:{n}", (text,), "admin") for n, text in enumerate(texts)]
    build_index(documents, tmp_path / "x.idx", BuildOptions(MEMORY_KEY))
    index = open_index(tmp_path / "x.idx", MEMORY_KEY)
    for number in (0, 7, 98, 199):
        said = f"Well: {texts[number][30:110]} and so on."
        findings, _ = run_scanner(lambda: MemorisedDetector(index).scanner(view()), [said])
        assert findings[0].provenance is not None
        assert findings[0].provenance.document == f"part{number % 3}.jsonl:{number}"


def test_an_empty_document_alone_is_an_index(tmp_path: Path) -> None:
    """Documents without a single unit are counted, and nothing is found in them."""
    build_index([Document("a:1", ("!",), "admin")], tmp_path / "x.idx", BuildOptions(MEMORY_KEY))
    index = open_index(tmp_path / "x.idx", MEMORY_KEY)
    assert index.manifest.documents == 1
    grams = runs(ADMIN, 20)
    assert not any(map(index.exempt("admin"), grams))
    assert index.seeds("admin")(runs(ADMIN, 12)) == []
    assert index.places("admin", grams[0]) == ()


def test_the_arrays_are_mapped_and_not_read(small_index: SmallIndex) -> None:
    """What is larger than a header stays on disk until it is touched, and cannot be written."""
    index = small_index.open()
    run = index._parts[0].audiences["admin"].run
    assert type(run._remainders.obj).__name__ == "memmap"
    assert run._remainders.readonly


# --- texts that are allowed while answers are read -------------------------------------------------

MAIL = "kilian.brandauer@example.org"


def knowing(path: Path, *, parts: int) -> StoredIndex:
    """An index that knows an address and a passage, and both again in a part that was added."""

    def values(document: Document) -> list[Value]:
        return [Value("email", MAIL)]

    first = [Document("a:1", (f"{MAIL} {ADMIN}",), "admin")]
    build_index(first, path, BuildOptions(MEMORY_KEY), values=values)
    if parts == 2:
        more = [Document("b:1", (f"Or {MAIL}, any day.",), "admin")]
        add_documents(more, path, AddOptions(MEMORY_KEY, {}, 32), values=values)
    return open_index(path, MEMORY_KEY)


def everything_in(index: StoredIndex) -> AllowedTexts:
    """The address and the passage, as texts that are allowed."""
    node: ValueNode | None = index.values().root
    for letter in MAIL.replace(".", "").replace("@", ""):
        assert node is not None
        node = node[letter]
    names: list[int] = list(getattr(node, "names", ()))
    return AllowedTexts([hashes_of([ADMIN], index.key, 20, names)], index.key, 20)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("read", [0, 3, 20, 40, 100, 230])
def test_a_scanner_keeps_to_the_list_it_began_with(tmp_path: Path, read: int, parts: int) -> None:
    """What is allowed, or allowed no more, in the middle of an answer counts for the next one alone."""
    index = knowing(tmp_path / "x.idx", parts=parts)
    nothing, everything = AllowedTexts([], index.key, 20), everything_in(index)
    detectors = KnownValuesDetector(index.values), MemorisedDetector(index)
    text = f"Ask {MAIL} about this: {ADMIN} Or write to {MAIL}."

    def found(then: AllowedTexts | None = None) -> list[tuple[str, int, int]]:
        scanners = [detector.scanner(view()) for detector in detectors]
        findings = [each for scanner in scanners for each in scanner.feed(text[:read]).findings]
        if then is not None:
            index.allow(then)
        for scanner in scanners:
            findings += [*scanner.feed(text[read:]).findings, *scanner.finish()]
        return sorted((each.detector, each.span.start, each.span.end) for each in findings)

    shut = found()
    assert {detector for detector, _, _ in shut} == {"known_values", "memorised"}
    assert sum(detector == "known_values" for detector, _, _ in shut) >= 2
    assert found(then=everything) == shut
    assert found() == []
    assert found(then=nothing) == []
    assert found() == shut


# --- what does not fit ------------------------------------------------------------------------------


@pytest.fixture
def copied(small_index: SmallIndex, tmp_path: Path) -> SmallIndex:
    """An index of its own, to be spoilt."""
    return SmallIndex(Path(shutil.copytree(small_index.path, tmp_path / "copy.idx")), small_index.key)


def fault(index: SmallIndex, key: str | None = None) -> str:
    with pytest.raises(IndexFormatError) as error:
        open_index(index.path, key or index.key)
    return str(error.value)


def test_another_key_is_recognised(small_index: SmallIndex) -> None:
    """The message names both keys by their ids and shows neither."""
    told = fault(small_index, "some other key, long enough")
    assert "was built with another key" in told
    assert small_index.open().manifest.key_id in told
    assert "other key, long" not in told


def test_a_missing_or_cut_file_is_named(copied: SmallIndex) -> None:
    """Every file that is missing, cut short or too long is named in one message."""
    files = sorted(copied.path.glob("*.npy"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-4])
    files[2].write_bytes(files[2].read_bytes() + b"\0")
    told = fault(copied)
    assert [name in told for name in (files[0].name, files[1].name, files[2].name, files[3].name)] == [
        True,
        True,
        True,
        False,
    ]


def test_an_array_of_another_type_is_refused(copied: SmallIndex) -> None:
    """A header that says something else than it did is no array of ours, though the size is the same."""
    path = copied.path / "a0.seed.npy"
    data = path.read_bytes()
    assert b"<u8" in data[:128]
    for spoilt in (data.replace(b"<u8", b"<i8", 1), data.replace(b"(", b"[", 1), b"\0" * len(data)):
        path.write_bytes(spoilt)
        assert f"{path}: its header is not the manifest's" in fault(copied)
    path.write_bytes(data)
    assert isinstance(open_index(copied.path, copied.key), StoredIndex)


def test_arrays_that_do_not_fit_each_other(copied: SmallIndex) -> None:
    """A manifest that leaves out an array is an index that cannot be opened."""
    manifest = read_manifest(copied.path)
    (copied.path / "a3.seed.npy").unlink()
    files = {name: entry for name, entry in manifest.files.items() if name != "a3.seed.npy"}
    write_manifest(copied.path, replace(manifest, files=files).signed(GramKey(copied.key)))
    assert "not readable as an array" in fault(copied)
