"""Encrypt the columns of an index by position, so that reading one entry decrypts one block.

Construction: a stream cipher. Block ``n`` of a column is XORed with 256 bytes of
SHAKE128(pad(K) || nonce || name || 0 || n), a keyed sponge (Bertoni et al. 2011; FIPS 202; the key is
padded to the rate as in KMAC, SP 800-185). K is derived from the index key for this purpose alone. The
nonce is random and belongs to one part of one build, the name is the column's own inside that part: no two
columns ever share a stream, so the XOR of any two ciphertexts tells nothing.

The cipher hides contents, not integrity: the manifest carries the sums of all files under a MAC.

Measured with CPython 3.11: 1.0 us for a block, 250 MB/s in bulk. BLAKE2b in counter mode takes 0.6 us for
its 64 bytes, 130 MB/s in bulk.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from proxy.grams import GramKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 256
"""Bytes that are decrypted together."""

NONCE_BYTES = 16
_RATE = 168
_PAD = 4096
_CANARIES = 8
_CANARY_BYTES = 64


def new_nonce() -> str:
    """Return the random nonce of a new part, in hexadecimal."""
    return secrets.token_hex(NONCE_BYTES)


class Cipher:
    """The streams of one part of an index. Immutable."""

    def __init__(self, key: GramKey, nonce: str) -> None:
        """``nonce``: ``NONCE_BYTES`` in hexadecimal. Raises ValueError for anything else."""
        raw = bytes.fromhex(nonce)
        if len(raw) != NONCE_BYTES:
            raise ValueError("a nonce has 16 bytes")
        self._root = key.derived(b"sluicegate-col").ljust(_RATE, b"\0") + raw

    def __repr__(self) -> str:
        return "Cipher()"

    def stream(self, name: str) -> Stream:
        """Return the stream of one column, by its name inside the part."""
        return Stream(self._root + name.encode("ascii") + b"\0")


class Stream:
    """The keystream of one column."""

    __slots__ = ("_state",)

    def __init__(self, prefix: bytes) -> None:
        self._state = hashlib.shake_128(prefix)

    def block(self, number: int) -> bytes:
        """Return the ``BLOCK`` bytes that block ``number`` is XORed with."""
        state = self._state.copy()
        state.update(number.to_bytes(8, "little"))
        return state.digest(BLOCK)

    def blocks(self, first: int, end: int) -> bytes:
        """Return the streams of blocks ``first`` to ``end`` - 1, one after the other."""
        return b"".join(map(self.block, range(first, end)))

    def apply(self, data: bytes) -> bytes:
        """Encrypt or decrypt a whole column from its first byte."""
        import numpy as np

        out = np.frombuffer(data, dtype=np.uint8).copy()
        step = 1 << 12
        for first in range(0, -(-len(data) // BLOCK), step):
            part = out[first * BLOCK : (first + step) * BLOCK]
            part ^= np.frombuffer(self.blocks(first, first + -(-len(part) // BLOCK)), np.uint8)[: len(part)]
        return out.tobytes()


class Column:
    """One encrypted array, memory-mapped: ``column[i]``, ``column.part(a, b)``, ``column.whole()``."""

    __slots__ = ("_bytes", "_dtype", "_length", "_size", "_stream", "shape")

    def __init__(self, array: NDArray[Any], stream: Stream) -> None:
        """``array``: the ciphertext in the shape and type of the plaintext; usually memory-mapped."""
        import numpy as np

        self.shape = array.shape
        self._bytes = array.reshape(-1).view(np.uint8).data
        self._dtype = array.dtype
        self._size = array.dtype.itemsize
        self._length = len(array)
        self._stream = stream

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        """Return one entry of a one-dimensional column. Raises IndexError outside of it."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        start = index * self._size
        inside = start % BLOCK
        stream = self._stream.block(start // BLOCK)[inside : inside + self._size]
        return int.from_bytes(self._bytes[start : start + self._size], "little") ^ int.from_bytes(
            stream, "little"
        )

    def part(self, start: int, end: int) -> NDArray[Any]:
        """Return the entries from ``start`` to ``end`` - 1, of a one-dimensional column."""
        import numpy as np

        start, end = max(0, start), min(end, self._length)
        if end <= start:
            return np.zeros(0, self._dtype)
        low, high = start * self._size, end * self._size
        first = low // BLOCK
        stream = self._stream.blocks(first, -(-high // BLOCK))[low - first * BLOCK :][: high - low]
        plain = np.frombuffer(self._bytes[low:high], np.uint8) ^ np.frombuffer(stream, np.uint8)
        return plain.view(self._dtype)

    def whole(self) -> NDArray[Any]:
        """Return the whole array, decrypted into memory."""
        import numpy as np

        plain = self._stream.apply(bytes(self._bytes))
        return np.frombuffer(plain, self._dtype).reshape(self.shape)


def encrypted(array: NDArray[Any], stream: Stream) -> NDArray[Any]:
    """Return the ciphertext of an array, in its shape and type."""
    import numpy as np

    data = stream.apply(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(data, array.dtype).reshape(array.shape)


def sealed(content: Mapping[str, object], stream: Stream) -> bytes:
    """Return a JSON object, encrypted and padded so that its length tells little."""
    data = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return stream.apply(data + b" " * (-len(data) % _PAD))


def unsealed(data: bytes, stream: Stream) -> dict[str, Any]:
    """Return what :func:`sealed` encrypted. Raises ValueError where it is no JSON object."""
    content = json.loads(stream.apply(data).decode("utf-8", "surrogatepass"))
    if not isinstance(content, dict):
        raise ValueError("not an object")
    return content


def mac(key: GramKey, text: str) -> str:
    """Return the MAC of a manifest: HMAC-SHA256 under a key of its own, in hexadecimal."""
    return hmac.new(key.derived(b"sluicegate-mac"), text.encode("utf-8"), hashlib.sha256).hexdigest()


def canary(key: GramKey, nonce: str, name: str, data: memoryview) -> str:
    """Return a keyed hash of a few places of a file, its first and last bytes among them.

    Only the holder of the key knows the places, so a file that was swapped or damaged is recognised without
    being read to its end.
    """
    secret = key.derived(b"sluicegate-can")
    digest = hashlib.blake2b(key=secret, digest_size=8)
    digest.update(f"{nonce}\0{name}\0{len(data)}\0".encode())
    places = hashlib.blake2b(f"{nonce}\0{name}".encode(), key=secret, digest_size=8 * _CANARIES).digest()
    last = max(0, len(data) - _CANARY_BYTES)
    chosen = [int.from_bytes(places[i : i + 8], "little") % (last + 1) for i in range(0, len(places), 8)]
    for place in (0, *chosen, last):
        digest.update(data[place : place + _CANARY_BYTES])
    return digest.hexdigest()
