"""Documents to hashes: the same from one process as from several."""

from __future__ import annotations

from proxy.grams import SpacedTable
from proxy.index.hashing import SEPARATOR, hash_batch, hash_documents
from proxy.text import count_units
from proxy.types import Document
from tests.memory_index import KEY, encode

SECRET = "the key of the tests, long enough"


def test_a_documents_texts_are_one_run() -> None:
    """The seeds are those of the texts joined; units, bytes and words are counted."""
    texts = ("The first message.", "退款 and the second one.")
    hashes = hash_batch(KEY, [texts], SpacedTable())[0]
    joined = SEPARATOR.join(texts)
    assert hashes.seeds.tolist() == KEY.seeds(encode(joined))
    assert hashes.units == count_units(joined) == int(hashes.word_lengths.sum())
    assert hashes.size == len(joined.encode())
    assert len(hashes.words) == 9


def test_a_batch_changes_nothing() -> None:
    """Documents hashed together, long, short and empty ones, hash as each one alone."""
    texts = [
        ("",),
        ("Abc",),
        ("one two three four five six",) * 40,
        ("…", "值班表" * 9),
        ("x" * 900,),
        ("!",),
    ]
    together = hash_batch(KEY, texts, SpacedTable())
    for own, found in zip(texts, together, strict=True):
        alone = hash_batch(KEY, [own], SpacedTable())[0]
        assert found.seeds.tolist() == alone.seeds.tolist() == KEY.seeds(encode(SEPARATOR.join(own)))
        assert found.words.tolist() == alone.words.tolist()
        assert found.word_lengths.tolist() == alone.word_lengths.tolist()
        assert (found.units, found.size) == (alone.units, alone.size)


def test_workers_change_nothing() -> None:
    """Two processes give the same documents, in the same order, with the same hashes."""
    documents = [Document(f"set:{n}", (f"record number {n} has a text of its own" * 3,)) for n in range(50)]
    one = list(hash_documents(iter(documents), KEY, SECRET, 1))
    two = list(hash_documents(iter(documents), KEY, SECRET, 2))
    assert [document for document, _ in two] == documents
    for (_, first), (_, second) in zip(one, two, strict=True):
        assert first.seeds.tolist() == second.seeds.tolist()
        assert first.words.tolist() == second.words.tolist()


def test_an_empty_document_has_no_hashes() -> None:
    """Nothing to hash is no error."""
    hashes = hash_batch(KEY, [("…",)], SpacedTable())[0]
    assert (hashes.units, len(hashes.seeds), len(hashes.words)) == (0, 0, 0)
