"""Keyed hashes of runs of units (*grams*): the only form in which training text is stored or compared.

Strategy: a *seed*, the shortest gram, is XXH3 of its encoded units under a secret seed, one call in
C. A longer gram of k units is put together from two shorter, overlapping ones, which between them determine
it, by a keyed, non-linear mixer with constants of its own for each k. So a stream hashes each unit once
and works out longer grams only where a match begins, and numpy does the same for whole documents.
What is stored with 32 bits or more has gone through the mixer.

Index plus key equals text: with the key anyone can test guesses of runs. Without it a stored hash is a
random number.

May import: ``proxy.text``, ``proxy.xxh3``, the standard library and xxhash (numpy only inside functions). The
rule that must stay true: :meth:`GramKey.gram`, :meth:`GramKey.composer` and :meth:`GramKey.arrays`
give the same hashes, and so do :meth:`GramKey.word` and :meth:`GramKey.word_array`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from proxy import xxh3
from proxy.text import UNIT_BYTES, WIDE, FoldTable, UnitTable, fold
from proxy.types import Select

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MASK = (1 << 64) - 1

KEY_LENGTH = 16
"""The fewest characters of a key."""

SEED = 12
"""Units of a seed. A match shorter than this is not seen; with a leak budget of 11 or more it need not be."""

SEED_BYTES = SEED * UNIT_BYTES


_CACHE_LIMIT = 1 << 16

_TOKEN = 16
"""Characters of a piece up to which its units are kept."""

_EDGE = "\1"
"""Between the folded texts of :meth:`GramKey.texts_codes`; no character folds to it."""

_WORDS_AT_ONCE = 1 << 15
"""Words whose units are laid side by side together: a few megabytes."""

_FEW = 400
"""Units up to which a call of the library for each is quicker than numpy."""


class GramKey:
    """Everything derived from the index key. Immutable but for its caches: of folds, and of secrets."""

    def __init__(self, secret: str) -> None:
        self._root = blake2b(secret.encode("utf-8"), digest_size=64, person=b"sluicegate-gram").digest()
        self.seed = int.from_bytes(self._root[:8], "little")
        """The secret seed of XXH3."""
        self._word_seed = int.from_bytes(self._root[8:16], "little")
        self.id = blake2b(self._root, digest_size=8, person=b"sluicegate-kid").hexdigest()
        """Names the key without telling it, so that a wrong one is recognised."""
        self._mixers: dict[int, Callable[[int, int], int]] = {}
        self._secrets: dict[int, tuple[int, int, int, int, int]] = {}
        self.table = UnitTable()
        """Raw character to its encoded units."""

        self.pieces = PieceTable(self.table)
        """The same for whole pieces of a stream, those that come again and again kept."""

    def __repr__(self) -> str:
        return f"GramKey(id={self.id!r})"

    def __reduce__(self) -> Any:
        raise TypeError("a key is secret and is not to be pickled")

    def derived(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for another purpose, of at most 16 bytes; the two tell nothing of each other."""
        return blake2b(key=self._root, digest_size=32, person=purpose).digest()

    def _constants(self, length: int) -> tuple[int, int, int, int, int]:
        """The mixer's secrets for grams of this length: two masks and three odd multipliers."""
        known = self._secrets.get(length)
        if known is None:
            known = self._secrets[length] = self._drawn(length)
        return known

    def _drawn(self, length: int) -> tuple[int, int, int, int, int]:
        digest = blake2b(
            length.to_bytes(4, "little"), key=self._root, digest_size=40, person=b"sluicegate-mix"
        ).digest()
        one, two, first, second, third = (
            int.from_bytes(digest[i : i + 8], "little") for i in range(0, 40, 8)
        )
        return one, two, first | 1, second | 1, third | 1

    def composer(self, length: int) -> Callable[[Sequence[int], int], int]:
        """A function (seeds, last) -> the gram of ``length`` units whose last seed is ``seeds[last]``.

        ``seeds[j]`` are the seeds of neighbouring windows; ``seeds[last - (length - SEED)]`` is the first
        it needs. For ``length == SEED`` it is the mixed form of the seed, as postings keep it.
        """
        mix = self.mixer(length)
        part = shorter(length)
        step = length - part
        if part == SEED:

            def pair(seeds: Sequence[int], last: int) -> int:
                return mix(seeds[last - step], seeds[last])

            return pair
        inner = self.composer(part)

        def nested(seeds: Sequence[int], last: int) -> int:
            return mix(inner(seeds, last - step), inner(seeds, last))

        return nested

    def mixed(self, seeds: Sequence[int]) -> list[int]:
        """Return seeds in their mixed form, that of grams of ``SEED`` units: the form that is stored."""
        one, two, first, second, third = self._constants(SEED)
        return [
            (y := (((x := ((s ^ one) * first + (s ^ two) * second) & MASK) ^ (x >> 32)) * third) & MASK)
            ^ (y >> 29)
            for s in seeds
        ]

    def mixed_select(self, select: Select) -> Select:
        """Return a look-up of seeds over one of their mixed form."""
        mixed = self.mixed
        return lambda seeds: select(mixed(seeds))

    def mixer(self, length: int) -> Callable[[int, int], int]:
        """A function that makes the gram of ``length`` units of its first and its last part, each of
        :func:`shorter` units, or of a seed twice for ``length == SEED``."""
        known = self._mixers.get(length)
        if known is not None:
            return known
        one, two, first, second, third = self._constants(length)

        def mix(a: int, b: int) -> int:
            x = ((a ^ one) * first + (b ^ two) * second) & MASK
            x = ((x ^ (x >> 32)) * third) & MASK
            return x ^ (x >> 29)

        self._mixers[length] = mix
        return mix

    def word(self, encoded: bytes) -> int:
        """A keyed hash of one word's encoded units, 32 bits: of its first and its last ``SEED`` units."""
        first = xxh3_64_intdigest(encoded[:SEED_BYTES].ljust(SEED_BYTES, b"\0"), self._word_seed)
        if len(encoded) > SEED_BYTES:
            first += 3 * xxh3_64_intdigest(encoded[-SEED_BYTES:], self._word_seed)
        return (first & MASK) >> 32

    def seeds(self, encoded: bytes) -> list[int]:
        """The seeds of all windows of encoded units, in order; [] where there are too few units."""
        digest, secret = xxh3_64_intdigest, self.seed
        return [
            digest(encoded[i : i + SEED_BYTES], secret)
            for i in range(0, len(encoded) - SEED_BYTES + 1, UNIT_BYTES)
        ]

    def gram(self, text: str) -> int:
        """The gram of a whole text of ``SEED`` units or more (ValueError for less)."""
        encoded = self.table.encoded(text)
        seeds = self.seeds(encoded)
        if not seeds:
            raise ValueError("the text has fewer units than a seed")
        return self.composer(len(encoded) // UNIT_BYTES)(seeds, len(seeds) - 1)

    # --- whole texts, with numpy ---------------------------------------------------------------------

    def codes(self, text: str, table: FoldTable | None = None) -> NDArray[np.uint32]:
        """The unit codes of a text, shape (units,)."""
        return _widened(_letters(fold(text, table)))

    def spaced_codes(
        self, text: str, table: SpacedTable | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The unit codes of a text, and for each a place: neighbours in one word differ by 0 or 1."""
        codes, places, _ = self.texts_codes([text], table)
        return codes, places

    def texts_codes(
        self, texts: Sequence[str], table: SpacedTable | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
        """The unit codes of several texts, their places, and where each text begins and the last ends.

        Shapes (units,), (units,) and (texts + 1,). No word goes on from one text to the next.
        """
        import numpy as np

        folds = SpacedTable() if table is None else table
        spaced = _widened(_letters(_EDGE.join(text.translate(folds) for text in texts)))
        places = np.flatnonzero(spaced > ord(_EDGE))
        edges = np.flatnonzero(spaced == ord(_EDGE))
        starts = np.concatenate([[0], np.searchsorted(places, edges), [len(places)]])
        return spaced[places], places, starts

    def seed_array(self, codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """The seeds of all windows of unit codes, shape (max(0, units - SEED + 1),)."""
        import numpy as np

        if len(codes) > _FEW:
            return xxh3.windows(codes, self.seed)
        return np.array(self.seeds(codes.astype("<u4", copy=False).tobytes()), dtype=np.uint64)

    def text_seeds(self, text: str) -> NDArray[np.uint64]:
        """The seeds of all windows of one text, shape (max(0, units - SEED + 1),); folds are kept."""
        import numpy as np

        encoded = self.table.encoded(text)
        return self.seed_array(np.frombuffer(encoded, dtype="<u4"))

    def word_array(self, codes: NDArray[np.uint32], edges: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The hashes of words, shape (words,); ``edges`` as :func:`cut_words` gives them."""
        import numpy as np

        padded = np.append(codes, np.zeros(SEED, np.uint32))
        across = np.arange(SEED)
        out = np.empty(max(0, len(edges) - 1), dtype=np.uint32)
        for first in range(0, len(out), _WORDS_AT_ONCE):
            part = edges[first : first + _WORDS_AT_ONCE + 1]
            lengths = np.diff(part)
            heads = padded[part[:-1, None] + across] * (across < lengths[:, None])
            made = xxh3.rows(heads, self._word_seed)
            long = np.flatnonzero(lengths > SEED)
            tails = padded[(part[1:][long] - SEED)[:, None] + across]
            made[long] += np.uint64(3) * xxh3.rows(tails, self._word_seed)
            out[first : first + len(lengths)] = made >> np.uint64(32)
        return out

    def arrays(self, seeds: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
        """The grams of ``length`` units from the seeds of a text: element i begins at unit i."""
        if length == SEED:
            return self._mix_arrays(seeds, seeds, length)
        part = shorter(length)
        step = length - part
        grams = seeds if part == SEED else self.arrays(seeds, part)
        return self._mix_arrays(grams[: max(0, len(grams) - step)], grams[step:], length)

    def _mix_arrays(self, a: NDArray[np.uint64], b: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
        import numpy as np

        one, two, first, second, third = (np.uint64(value) for value in self._constants(length))
        x = (a ^ one) * first + (b ^ two) * second
        x = (x ^ (x >> np.uint64(32))) * third
        mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(29))
        return mixed


def shorter(length: int) -> int:
    """Of what shorter grams one of ``length`` units is made: seeds up to 24 units, halves beyond."""
    return SEED if length <= 2 * SEED else (length + 1) // 2


class PieceTable(dict[str, bytes]):
    """A piece of text to its encoded units; short ones are kept, for a model has but so many tokens."""

    def __init__(self, table: UnitTable) -> None:
        self._table = table

    def __missing__(self, piece: str) -> bytes:
        encoded = self._table.encoded(piece)
        if len(piece) <= _TOKEN:
            if len(self) >= _CACHE_LIMIT:
                self.clear()
            self[piece] = encoded
        return encoded


class SpacedTable(dict[int, str]):
    """Code point to folded text, or to a NUL where the skeleton drops it: so that words stay apart."""

    def __init__(self) -> None:
        super().__init__()
        self._folds = FoldTable()

    def __missing__(self, code: int) -> str:
        folded = self._folds[code] or "\0"
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[code] = folded
        return folded


def _letters(folded: str) -> NDArray[np.uint32]:
    import numpy as np

    return np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _widened(letters: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Folded letters to unit codes: a wide letter (``text.is_wide``) becomes two."""
    import numpy as np

    wide = (letters >= 0x3005) & (
        ((letters >= 0x3400) & (letters <= 0x9FFF))
        | ((letters >= 0x3040) & (letters <= 0x30FF))
        | ((letters >= 0x20000) & (letters <= 0x3FFFF))
        | (letters <= 0x3007)
        | ((letters >= 0x31F0) & (letters <= 0x31FF))
        | ((letters >= 0xF900) & (letters <= 0xFAFF))
    )
    if not wide.any():
        return letters
    copies = wide.astype(np.int64) + 1
    out = np.repeat(letters, copies)
    out[np.cumsum(copies)[wide] - 1] += np.uint32(WIDE)
    return out


LONGEST_WORD = 255
"""Units of a word at most: its length is kept in a byte."""


def cut_words(codes: NDArray[np.uint32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where words begin, and the number of units at the end: shape (words + 1,).

    A word is a run of units whose ``places`` differ by 0 or 1; a wide letter is a word of its own, and
    what is longer than :data:`LONGEST_WORD` is cut at that length.
    """
    import numpy as np

    if not len(codes):
        return np.zeros(1, np.int64)
    second = codes >= WIDE
    begins = np.ones(len(codes), dtype=bool)
    begins[1:] = (np.diff(places) > 1) | second[:-1]
    begins[:-1] |= second[1:]
    begins[second] = False
    edges = np.append(np.flatnonzero(begins), len(codes))
    endless = np.flatnonzero(np.diff(edges) > LONGEST_WORD).tolist()
    if endless:
        more = [np.arange(edges[i] + LONGEST_WORD, edges[i + 1], LONGEST_WORD) for i in endless]
        edges = np.sort(np.concatenate([edges, *more]))
    return edges
