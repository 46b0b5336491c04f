"""Similar documents by MinHash: found by whoever is like them, none left out, strangers not told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxy.grams import GramKey
from proxy.index.build import BuildOptions, build_index
from proxy.index.format import read_manifest
from proxy.index.lsh import DocumentLsh, similar
from proxy.index.minhash import BANDS, PERMUTATIONS, bands, signatures
from proxy.types import Document

SECRET = "the key of the tests, long enough"
NOTE = (
    "The depot opens at six. Every van is checked, fuelled and washed before it leaves for the north of "
    "the county. Parcels for the islands go by the early ferry, those for the mines by rail, and what is "
    "left over waits in the dry shed until Thursday, when a lorry takes it along with the empty crates. "
)
RANDOM = np.random.default_rng(5)


def test_it_tells_what_a_plain_loop_tells() -> None:
    """Every pair that agrees in a band and is similar enough, and no other, in order."""
    base = RANDOM.integers(0, 2**32 - 1, (40, PERMUTATIONS), dtype=np.uint32)
    base[20:] = base[:20]
    changed = RANDOM.random(base.shape) < np.linspace(0, 0.4, 40)[:, None]
    base[changed] = RANDOM.integers(0, 2**32 - 1, int(changed.sum()), dtype=np.uint32)
    asked = base[::3].copy()
    expected = [
        (i, j)
        for i, one in enumerate(asked)
        for j, other in enumerate(base)
        if (bands(one[None]) == bands(other[None])).any() and (one == other).mean() >= 0.5
    ]
    texts, documents, found = DocumentLsh(base).query(asked)
    assert list(zip(texts.tolist(), documents.tolist(), strict=True)) == expected
    assert len(expected) > len(asked), "some are like others than themselves"
    assert found.tolist() == [(asked[i] == base[j]).mean() for i, j in expected]


def test_a_band_that_many_share_hides_none() -> None:
    """A thousand equal documents are all told."""
    same = np.repeat(RANDOM.integers(0, 2**32, (1, PERMUTATIONS), dtype=np.uint32), 1000, axis=0)
    _, documents, found = DocumentLsh(same).query(same[:1])
    assert documents.tolist() == list(range(1000))
    assert (found == 1).all()


def test_its_size_is_what_it_says() -> None:
    """192 bytes a document beside its signature."""
    signature = RANDOM.integers(0, 2**32, (500, PERMUTATIONS), dtype=np.uint32)
    assert DocumentLsh(signature).nbytes == 500 * (4 * PERMUTATIONS + 12 * BANDS)


def test_nothing_is_like_nothing() -> None:
    """No documents, or no texts, give no pairs."""
    none = signatures([])
    some = RANDOM.integers(0, 2**32, (3, PERMUTATIONS), dtype=np.uint32)
    for documents, texts in ((none, some), (some, none)):
        assert [len(each) for each in DocumentLsh(documents).query(texts)] == [0, 0, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of three notices, two of them alike."""
    texts = (
        NOTE + "Drivers sign the sheet in the office.",
        NOTE + "Drivers sign the book in the office.",
        "Invoices go out on the last working day of the month, reminders two weeks after that.",
    )
    out = tmp_path_factory.mktemp("lsh") / "notices.idx"
    names = ("staff", "admin", "staff")
    documents = [
        Document(f"notices.jsonl:{number}", (text,), audience)
        for number, (text, audience) in enumerate(zip(texts, names, strict=True), 1)
    ]
    build_index(documents, out, BuildOptions(SECRET))
    return out


def test_a_text_finds_the_documents_it_is_like(folder: Path) -> None:
    """The nearest document first, with its name and audience; disguises of the letters do not matter."""
    text = (NOTE + "Drivers sign the sheet in the office.").upper()
    found = similar(folder, read_manifest(folder), GramKey(SECRET), text)
    assert [(one.document, one.audience) for one in found] == [
        ("notices.jsonl:1", "staff"),
        ("notices.jsonl:2", "admin"),
    ]
    assert found[0].similarity == 1
    assert 0.5 < found[1].similarity < 1


def test_ordinary_text_is_like_none(folder: Path) -> None:
    """Neither other text, nor one too short to say anything, is like a document."""
    manifest, key = read_manifest(folder), GramKey(SECRET)
    assert (
        similar(folder, manifest, key, "A recipe for soup needs onions, stock, butter and some patience.")
        == []
    )
    assert similar(folder, manifest, key, "…") == []
