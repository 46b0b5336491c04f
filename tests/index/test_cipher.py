"""Columns that are encrypted by position: read back in any way, no stream twice, nothing to be seen."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.grams import GramKey
from proxy.index import cipher
from proxy.index.cipher import BLOCK, Cipher, Column, encrypted
from tests.columns import NONCE, column
from tests.memory_index import KEY

TYPES = ("uint8", "uint16", "uint32", "uint64")


@given(st.sampled_from(TYPES), st.integers(0, 700), st.data())
def test_every_entry_and_every_part_come_back(kind: str, size: int, data: st.DataObject) -> None:
    """One by one, in parts that begin and end anywhere, and whole."""
    rng = np.random.default_rng(size)
    array = rng.integers(0, np.iinfo(kind).max, size, dtype=kind, endpoint=True)
    made = column(array, KEY)
    low, high = data.draw(st.integers(0, size)), data.draw(st.integers(0, size))
    assert len(made) == size
    assert made.part(low, high).tolist() == array[low:high].tolist()
    assert made.whole().tolist() == array.tolist()
    for index in {0, low, high, size - 1} & set(range(size)):
        assert made[index] == array[index]
    with pytest.raises(IndexError):
        made[size]
    with pytest.raises(IndexError):
        made[-1]


def test_the_stream_is_the_documented_one() -> None:
    """A reader that knows the construction alone, and the key, decrypts it."""
    array = np.arange(1000, dtype=np.uint32)
    stream = Cipher(KEY, NONCE).stream("a0.words.hashes")
    secret = KEY.derived(b"sluicegate-col").ljust(168, b"\0") + bytes.fromhex(NONCE)
    blocks = b"".join(
        hashlib.shake_128(secret + b"a0.words.hashes\0" + n.to_bytes(8, "little")).digest(BLOCK)
        for n in range(16)
    )
    data = encrypted(array, stream).tobytes()
    assert bytes(a ^ b for a, b in zip(data, blocks, strict=False)) == array.tobytes()


def test_no_two_columns_share_a_stream() -> None:
    """Keys, nonces, names and blocks each give another stream, also where names run into each other."""
    other = GramKey("another key of the tests, long enough")
    streams = [
        Cipher(key, nonce).stream(name).block(number)
        for key in (KEY, other)
        for nonce in (NONCE, NONCE[::-1])
        for name in ("a0.words.hashes", "a1.words.hashes", "a", "aa")
        for number in (0, 1, 256, 1 << 40)
    ]
    assert len(set(streams)) == len(streams)
    assert not {part for part in streams if part == bytes(BLOCK)}


@pytest.mark.parametrize("nonce", ["", "00", "g" * 32, NONCE + "00"])
def test_a_nonce_has_its_length(nonce: str) -> None:
    """Anything else is no nonce."""
    with pytest.raises(ValueError):
        Cipher(KEY, nonce)


def test_a_cipher_does_not_show_its_key() -> None:
    """Not in a traceback with values, nor in a log."""
    made = Cipher(KEY, NONCE)
    assert repr(made) == "Cipher()"
    assert not hasattr(made, "key")


def test_tables_keep_their_shape() -> None:
    """Signatures are rows of many numbers."""
    array = np.arange(60, dtype=np.uint32).reshape(5, 12)
    made = column(array, KEY)
    assert (made.shape, len(made)) == ((5, 12), 5)
    assert (made.whole() == array).all()


def test_a_canary_changes_with_what_it_is_of() -> None:
    """With the key, the nonce, the name, the length and the first and last bytes."""
    data = bytes(range(256)) * 40
    one = cipher.canary(KEY, NONCE, "x.npy", memoryview(data))
    others = [
        cipher.canary(GramKey("another key, long enough"), NONCE, "x.npy", memoryview(data)),
        cipher.canary(KEY, NONCE[::-1], "x.npy", memoryview(data)),
        cipher.canary(KEY, NONCE, "y.npy", memoryview(data)),
        cipher.canary(KEY, NONCE, "x.npy", memoryview(data + b"\0")),
        cipher.canary(KEY, NONCE, "x.npy", memoryview(b"\1" + data[1:])),
        cipher.canary(KEY, NONCE, "x.npy", memoryview(data[:-1] + b"\0")),
    ]
    assert one not in others
    assert one == cipher.canary(KEY, NONCE, "x.npy", memoryview(data))


def test_columns_of_one_array_look_random() -> None:
    """Of an array of zeros half of the bits are set, and no 16 bytes come twice."""
    stream = Cipher(KEY, NONCE).stream("zeros")
    data = encrypted(np.zeros(40_000, np.uint32), stream).tobytes()
    ones = int(np.unpackbits(np.frombuffer(data, np.uint8)).sum())
    assert abs(ones - 4 * len(data)) < 6 * (2 * len(data)) ** 0.5
    blocks = [data[i : i + 16] for i in range(0, len(data), 16)]
    assert len(set(blocks)) == len(blocks)
    assert isinstance(Column(np.zeros(0, np.uint8), stream).whole(), np.ndarray)
