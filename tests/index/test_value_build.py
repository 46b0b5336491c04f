"""Building: what is counted, what is free, what is cut, and where values also stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from proxy.grams import GramKey
from proxy.index.value_build import WIDE_RECORD, ValueBuilder, hash_forms
from proxy.index.values import END, Hashes
from proxy.types import Value
from proxy.values import ACTS
from tests.columns import writer
from tests.value_index import KEY, opened


def built(builder: ValueBuilder, folder: Path, **counts: int) -> dict[str, object]:
    bases, base = {}, 0
    for name, count in counts.items():
        bases[name], base = base, base + count
    return builder.write(writer(folder, KEY), bases)


def seeds(key: GramKey, text: str) -> np.ndarray:  # type: ignore[type-arg]
    found = key.seed_array(key.codes(text))
    found.sort()
    return found


def test_the_manifest_counts(tmp_path: Path) -> None:
    """How many values of each kind, forms, weak ones, and what was cut or not kept."""
    builder = ValueBuilder(KEY)
    builder.add(
        [Value("person", "Noah Brown"), Value("person", "noah brown"), Value("person", "the")], "admin", 0
    )
    builder.add(
        [Value("person", "Ann Li"), Value("email", "a.b@example.org"), Value("key", "q" * 9000)], "admin", 1
    )
    about = built(builder, tmp_path, admin=2)
    assert about["entities"] == {"person": 2, "email": 1, "key": 1}
    assert (about["values"], about["weak"], about["skipped"], about["cut"]) == (4, 1, 1, 1)
    assert about["audience_sets"] == [["admin"]]
    assert about["forms"] == 2 + 2 + 4 + 4096 // ACTS


def test_nothing_at_all(tmp_path: Path) -> None:
    """Without values the arrays are empty, and can be opened and asked."""
    about = built(ValueBuilder(KEY), tmp_path, admin=3)
    trie = opened(tmp_path, about, {"admin": 3})
    assert len(trie) == 0
    assert trie.root["a"] is None


def test_a_document_of_many_values_ties_no_weak_one_to_the_others(tmp_path: Path) -> None:
    """A list of a thousand people is no record of one of them; strong values keep it."""
    builder = ValueBuilder(KEY)
    weak, strong = Value("employee", "10293"), Value("account", "88112233445")
    many = [Value("account", str(7_000_000_000 + number * 17)) for number in range(WIDE_RECORD)]
    builder.add([weak, strong, *many], "admin", 0)
    builder.add([weak, strong], "admin", 1)
    about = built(builder, tmp_path, admin=2)
    trie = opened(tmp_path, about, {"admin": 2})
    assert about["wide_records"] == 1
    assert [list(trie.value(number).records) for number in (0, 1)] == [[1], [0, 1]]
    assert trie.value(0).audiences == ("admin",)


def test_a_value_also_stands_where_its_text_does(tmp_path: Path) -> None:
    """An audience whose texts hold a value of 12 units or more may read it, though nobody found it there."""
    builder = ValueBuilder(KEY)
    long, short = Value("person", "Alexander Humboldt"), Value("person", "Ann Perkins")
    builder.add([long, short], "admin", 0)
    builder.stands("admin", seeds(KEY, "Alexander Humboldt and Ann Perkins"))
    builder.stands("public", seeds(KEY, "On ALEXANDER HUMBOLDT, and Ann Perkins"))
    builder.stands("staff", seeds(KEY, "On Alexander von Humboldt, his travels and more"))
    about = built(builder, tmp_path, admin=1, public=1, staff=1)
    trie = opened(tmp_path, about, {"admin": 1, "public": 1, "staff": 1})
    assert trie.value(0).audiences == ("admin", "public")
    assert trie.value(1).audiences == ("admin",)
    assert trie.document(trie.value(0), "public") == ""


def test_values_of_free_text_end_nowhere(tmp_path: Path) -> None:
    """Those that were found there, and those whose text stands there."""
    builder = ValueBuilder(KEY)
    builder.add(
        [
            Value("person", "Alexander Humboldt"),
            Value("person", "Ann Perkins"),
            Value("person", "Bo Derekson"),
        ],
        "a",
        0,
    )
    builder.add_free([Value("person", "Ann Perkins"), Value("person", "Someone Else")])
    builder.stands(None, seeds(KEY, "A text about Alexander Humboldt."))
    about = built(builder, tmp_path, a=1)
    trie = opened(tmp_path, about, {"a": 1})
    assert about["free"] == 2
    ends = []
    for letters in ("alexanderhumboldt", "annperkins", "boderekson"):
        node = trie.root
        for letter in letters:
            node = node[letter]  # type: ignore[assignment]
        ends.append(bool(node.ends))
    assert ends == [False, False, True]


def test_many_audiences(tmp_path: Path) -> None:
    """Sets of audiences are numbered, however many audiences there are."""
    builder = ValueBuilder(KEY)
    names = [f"team{number:03}" for number in range(100)]
    for number, name in enumerate(names):
        builder.add([Value("account", "7000000001"), Value("account", str(8_000_000_000 + number))], name, 0)
    about = built(builder, tmp_path, **dict.fromkeys(names, 1))
    trie = opened(tmp_path, about, dict.fromkeys(names, 1))
    assert trie.value(0).audiences == tuple(names)
    assert trie.value(50).audiences == (names[49],)


def test_forms_are_hashed_letter_by_letter() -> None:
    """The arrays hold what stepping through the letters one by one gives; long forms end every 64 letters."""
    hashes = Hashes(KEY)
    mix = hashes.mixer()
    forms = ["abc", "ab", "王小明", "x" * 150]
    inner, ends, numbers = hash_forms(hashes, forms)
    expected_inner, expected_ends = set(), []
    for number, form in enumerate(forms):
        place = hashes.root
        for depth, letter in enumerate(form, 1):
            place = mix(place, ord(letter))
            if depth < len(form):
                expected_inner.add(place)
            if depth == len(form) or (depth % ACTS == 0):
                expected_ends.append((place, number))
    assert set(inner.tolist()) == expected_inner
    assert sorted(zip(ends.tolist(), numbers.tolist(), strict=True)) == sorted(expected_ends)
    assert END > 0x10FFFF
