"""The trie of known values: exact, the same in numpy and in Python, and without a letter on disk."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.grams import GramKey
from proxy.index import values as trie_module
from proxy.index.value_build import ValueBuilder
from proxy.index.values import Hashes, ValueTrie
from proxy.types import Value
from proxy.values import ValueNode, forms_of
from tests.columns import writer
from tests.value_index import KEY, opened, trie_of


def walk(trie: ValueTrie, letters: str) -> ValueNode | None:
    node: ValueNode | None = trie.root
    for letter in letters:
        node = node[letter] if node is not None else None
    return node


@given(st.integers(0, 2**64 - 1), st.integers(0, 1 << 21))
def test_numpy_and_python_mix_alike(place: int, code: int) -> None:
    """What a build writes is what a stream looks for."""
    hashes = Hashes(KEY)
    arrays = hashes.mix_arrays(np.array([place], np.uint64), np.array([code], np.uint64))
    assert arrays.tolist() == [hashes.mixer()(place, code)]


def test_another_key_gives_other_hashes() -> None:
    """Nothing of one index fits another."""
    other = Hashes(GramKey("another key of sufficient length"))
    assert Hashes(KEY).root != other.root
    assert Hashes(KEY).mixer()(1, 97) != other.mixer()(1, 97)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab王1", min_size=2, max_size=20), min_size=1, max_size=12), st.integers(0, 9999))
def test_places_are_the_beginnings_of_values(texts: list[str], seed: int) -> None:
    """Every beginning of a form leads on, nothing else does; a form ends at its last letter alone."""
    kept = {text: forms for text in texts if (forms := forms_of(Value("code", text))) is not None}
    trie = trie_of({"admin": [[("code", text) for text in texts]]})
    letters = {form for forms in kept.values() for form in forms.letters}
    beginnings = {form[:end] for form in letters for end in range(len(form) + 1)}
    dice = random.Random(seed)
    others = {"".join(dice.choice("ab王1") for _ in range(dice.randrange(1, 12))) for _ in range(50)}
    for each in beginnings | others:
        node = walk(trie, each)
        assert (node is not None) == (each in beginnings)
        if node is not None:
            assert node.depth == len(each)
            assert bool(node.ends) == (each in letters)
            if each in letters:
                assert node.last == (not any(form != each and form.startswith(each) for form in letters))


def test_a_value_knows_its_kind_audiences_and_records() -> None:
    """Records are numbered over all audiences in the order of their names."""
    trie = trie_of(
        {
            "admin": [[("person", "Noah Brown")], [], [("person", "Brown, Noah"), ("account", "noahbrown")]],
            "staff": [[("person", "Ann Li")], [("person", "NOAH BROWN")]],
        }
    )
    node = walk(trie, "noahbrown")
    assert node is not None
    person, account = sorted(map(trie.value, node.ends), key=lambda value: value.number)
    assert (person.entity, account.entity) == ("person", "account")
    assert (person.weak, person.common, person.long) == (False, False, False)
    assert (person.audiences, account.audiences) == (("admin", "staff"), ("admin",))
    assert list(person.records) == [0, 2, 4]
    assert [trie.document(person, name) for name in ("admin", "staff")] == ["admin:1", "staff:2"]
    assert trie.document(account, "staff") == ""
    assert set(trie.entities) == {"person", "account"}
    short = walk(trie, "annli")
    assert short is not None and trie.value(short.ends[0]).weak
    with pytest.raises(IndexError):
        trie.value(99)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile text makes the trie forget, not grow; paths that are under way go on."""
    monkeypatch.setattr(trie_module, "_REMEMBERED", 200)
    trie = trie_of({"admin": [[("code", "abcdefghij"), ("code", "abcdefghik")]]})
    top = trie.root
    half = walk(trie, "abcde")
    for code in range(0x4E00, 0x4E00 + 500):
        trie.root[chr(code)]
    assert trie.root is not top
    assert len(trie.root) < 300
    assert half is not None and half["f"] is not None
    assert walk(trie, "abcdefghij") is not None


def test_no_file_holds_a_letter(tmp_path: Path) -> None:
    """Neither the letters nor the text of a value stands in any array, in any usual encoding."""
    texts = ["Noah Brown", "noah.brown7922@example.com", "王小明先生", "#W7678072"]
    builder = ValueBuilder(KEY)
    builder.add([Value("person", text) for text in texts], "admin", 0)
    about = builder.write(writer(tmp_path, KEY), {"admin": 0})
    data = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir())) + repr(about).encode()
    for text in [*texts, "noahbrown", "w7678072", "王小明"]:
        for part in (text, text[:4]):
            for encoding in ("utf-8", "utf-16-le", "utf-32-le"):
                assert part.encode(encoding) not in data


def test_strangers_are_rare_at_size(tmp_path: Path) -> None:
    """Of 5,000 values none is missed, and of as many numbers like them no stranger is taken for one."""
    dice = random.Random(3)
    numbers = dice.sample(range(10**10, 10**11), 5_000)
    builder = ValueBuilder(KEY)
    builder.add([Value("account", str(number)) for number in numbers], "admin", 0)
    about = builder.write(writer(tmp_path, KEY), {"admin": 0})
    trie = opened(tmp_path, about, {"admin": 1})
    assert len(trie) == about["values"] == 5_000
    known = set(numbers)

    def ends(number: int) -> Sequence[int]:
        node = walk(trie, str(number))
        return () if node is None else node.ends

    assert all(len(ends(number)) == 1 for number in numbers)
    near = (number + step for number in numbers for step in (1,))
    assert not any(ends(number) for number in near if number not in known)
