"""What the files tell to somebody without the key who knows half of the documents, and the whole format.

Before format 3 a table of the known words decoded the hidden ones: on the set below 2,667 of 2,667 words, all
of them right. The same attack runs here, and a table for every encrypted array.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from proxy.grams import GramKey
from proxy.index import BuildOptions, build_index, open_index, parts_of, read_manifest
from proxy.index.files import is_bare, load_array
from proxy.types import Document, Value

KEY = "the key of the crib tests, long enough"
DOCS = Path(__file__).parents[2] / "docs" / "security.md"

STARTS = ("ba", "bere", "bi", "bolo", "bumi", "da", "delu", "di", "do", "duru")
ENDS = ("lt", "rning", "sk", "mpel", "ff")
WORDS = [start + end for start in STARTS for end in ENDS]


def texts(seed: int, count: int = 60) -> list[str]:
    """Return documents of the same words in other orders."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choice(WORDS) for _ in range(chosen.randint(30, 60))) for _ in range(count)]


def documents(hidden: int) -> list[Document]:
    """Return a set whose first half the attacker knows, and whose second half ``hidden`` chooses."""
    known = texts(1)
    every = [*known, *texts(hidden)]
    made = [Document(f"in.jsonl:{n}", (text,), "admin") for n, text in enumerate(every, 1)]
    fields = '{"a_%d": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}'
    made += [Document(f"rec.jsonl:{n}", (fields % (n % 7),), "admin") for n in range(1, 15)]
    made += [Document(f"chat.jsonl:{n}", (text,), "nobody") for n, text in enumerate(texts(7), 1)]
    return made


def values(document: Document) -> Sequence[Value]:
    """Every second word of a document is a value."""
    return [Value("person", f"{word} Example") for word in document.texts[0].split()[:8:2]]


def built(folder: Path, hidden: int = 2) -> Path:
    background = [Document("free:1", (texts(9)[0],))]
    build_index(documents(hidden), folder, BuildOptions(key=KEY), background=background, values=values)
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("crib") / "x.idx")


def encrypted_arrays(folder: Path) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Yield name, ciphertext and plaintext of every encrypted array."""
    manifest = read_manifest(folder)
    (files,) = parts_of(folder, manifest, GramKey(KEY))
    for name in manifest.files:
        array = name.removesuffix(".npy")
        if name.endswith(".npy") and not is_bare(array):
            yield array, load_array(folder, array).reshape(-1), files.column(array).whole().reshape(-1)


def decoded(cipher: NDArray[Any], plain: NDArray[Any]) -> tuple[int, int, int]:
    """Attack: a table from the known half says what each stored value stands for.

    Returns how many entries of the hidden half are guessed right so, how many by the most common value of
    the known half, and how many there are.
    """
    half = len(cipher) // 2
    table: dict[int, Counter[int]] = defaultdict(Counter)
    for stored, meant in zip(cipher[:half].tolist(), plain[:half].tolist(), strict=True):
        table[stored][meant] += 1
    usual = Counter(plain[:half].tolist()).most_common(1)
    common = usual[0][0] if usual else 0
    right = by_guess = 0
    for stored, meant in zip(cipher[half:].tolist(), plain[half:].tolist(), strict=True):
        guess = table[stored].most_common(1)[0][0] if stored in table else common
        right += guess == meant
        by_guess += common == meant
    return right, by_guess, len(cipher) - half


def test_a_table_of_known_words_decodes_no_hidden_word(index: Path) -> None:
    """The attacker knows which word each of the first entries is, since it knows the documents in order."""
    stored = load_array(index, "a0.words.hashes").tolist()
    known, hidden = ([word for text in texts(seed) for word in text.split()] for seed in (1, 2))
    table = dict(zip(stored, known, strict=False))
    rest = stored[len(known) : len(known) + len(hidden)]
    assert len(rest) == 2667
    assert [value for value in rest if value in table] == []


def test_known_documents_do_not_decode_hidden_ones(index: Path) -> None:
    """For each array a table from the known half guesses no better than its most common value does."""
    arrays = 0
    for name, cipher, plain in encrypted_arrays(index):
        right, by_guess, count = decoded(cipher, plain)
        spread = 5 * (count * 0.25) ** 0.5
        assert right <= by_guess + spread, name
        arrays += 1
    assert arrays >= 20


def test_the_attack_works_where_nothing_is_encrypted(index: Path) -> None:
    """The same table over the plain arrays reads most of the hidden words: the test above can fail."""
    plain = {name: array for name, _, array in encrypted_arrays(index)}
    for name in ("a0.words.hashes", "a0.words.lengths"):
        right, by_guess, count = decoded(plain[name], plain[name])
        assert right > 0.9 * count
        assert by_guess < 0.6 * count


def test_two_builds_share_no_block(index: Path, tmp_path: Path) -> None:
    """Of the same documents under the same key, no aligned 16 bytes of an encrypted array come again."""
    other = built(tmp_path / "y.idx")
    first = dict((name, cipher.tobytes()) for name, cipher, _ in encrypted_arrays(index))
    seen = {data[i : i + 16] for data in first.values() for i in range(0, len(data) - 15, 16)}
    for name, cipher, plain in encrypted_arrays(other):
        data = cipher.tobytes()
        assert not seen & {data[i : i + 16] for i in range(0, len(data) - 15, 16)}, name
        assert len(data) == len(first[name])
        assert plain.nbytes == cipher.nbytes


def test_the_difference_of_two_builds_tells_nothing(index: Path, tmp_path: Path) -> None:
    """Two sets that differ in their hidden half: the XOR of their arrays has no more bits in common with the
    XOR of what they hold than random bits have."""
    other = built(tmp_path / "y.idx", hidden=3)
    one = {name: (cipher, plain) for name, cipher, plain in encrypted_arrays(index)}
    for name, cipher, plain in encrypted_arrays(other):
        size = min(cipher.nbytes, one[name][0].nbytes)
        bits = [
            np.unpackbits(np.frombuffer(array.tobytes()[:size], np.uint8))
            for array in (cipher, one[name][0], plain, one[name][1])
        ]
        stored, meant = bits[0] ^ bits[1], bits[2] ^ bits[3]
        agree = int((stored == meant).sum())
        assert abs(agree - 4 * size) <= 5 * (2 * size) ** 0.5 + 1, name


def test_no_name_of_a_source_is_in_a_file(index: Path) -> None:
    """Nor that of an entity's value or of a key path."""
    for path in index.rglob("*"):
        data = path.read_bytes()
        for text in (b"in.jsonl", b"rec.jsonl", b"chat.jsonl", b"Example", b"a_1"):
            assert text not in data, path.name


def listed() -> set[str]:
    """The files that docs/security.md lists."""
    return {name for row in rows() for name in re.findall(r"`([\w.]+)`", row.split("|")[1])}


def rows() -> list[str]:
    """The rows of its list."""
    text = DOCS.read_text("utf-8")
    section = text[text.index("## The index without its key") : text.index("## The index with its key")]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_every_file_is_listed_with_what_it_tells(index: Path) -> None:
    """An array that a build writes is in the list, and none is listed that it does not write."""
    names = {path.name.removesuffix(".npy") for path in index.iterdir()}
    assert {re.sub(r"^a\d+\.", "aN.", name) for name in names} == listed()


def test_the_list_says_which_arrays_are_encrypted() -> None:
    """The kind in the list is the kind on disk."""
    for line in rows():
        if "manifest" not in line and "private" not in line:
            _, names, kind, _, _ = (cell.strip() for cell in line.split("|"))
            for name in re.findall(r"`([\w.]+)`", names):
                assert is_bare(name.replace("aN.", "a0.")) == kind.startswith("bare set"), name


def test_the_index_still_knows_the_hidden_half(index: Path) -> None:
    """With the key, values and documents of the hidden half are found as before."""
    opened = open_index(index, KEY)
    assert len(opened.values()) > 50
    assert opened.document_at("admin", opened.start_of("admin", 3000)).startswith("in.jsonl:")
