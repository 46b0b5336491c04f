"""What others do about memorised text, each as it is usually set up, over the same passages.

Each gets a passage alone, without the ordinary answer around it and with all of it at hand, which is the best
case for it: a proxy would have to decide while the text streams by.

The rule that must stay true: nothing here uses the index or the detectors of ``proxy``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil, log
from typing import Any

Finds = Callable[[str, int], bool]
"""Whether a text is found to be memorised; the number is that of the document it was made from."""

RAW = 50
GRAM = 10
SHINGLE = 5
WINDOW, DOCUMENT_STRIDE, TEXT_STRIDE = 160, 80, 40
PERMUTATIONS, SIMILAR = 128, 0.5
RATIO = 85
SURE = 0.5
_LEAST = 20
"""Characters that must be left of a text to be compared: of less, any ratio is chance."""

_WORD = re.compile(r"[㐀-鿿]|[^\s㐀-鿿]+")


@dataclass(frozen=True, slots=True)
class Baseline:
    """``short``: the column's name. ``most``: passages a cell, fewer where it is slow.

    ``searches``: whether it looks for the document itself.
    """

    short: str
    about: str
    finds: Finds
    most: int
    searches: bool = True


def raw_run(texts: Sequence[str]) -> Finds:
    """A run of 50 characters, as they are."""
    known = {run for text in texts for run in _runs(text, RAW)}
    return lambda text, source: any(run in known for run in _runs(text, RAW))


def _runs(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


class Bloom:
    """A Bloom filter of strings (Bloom 1970), with ``error`` for strangers when ``count`` are in."""

    def __init__(self, count: int, error: float) -> None:
        self._bits = ceil(-count * log(error) / log(2) ** 2) | 1
        self._hashes = max(1, round(self._bits / count * log(2)))
        self._field = bytearray(self._bits // 8 + 1)

    def _places(self, item: str) -> Iterator[int]:
        digest = blake2b(item.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        first, step = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little") | 1
        return ((first + number * step) % self._bits for number in range(self._hashes))

    def add(self, item: str) -> None:
        for place in self._places(item):
            self._field[place >> 3] |= 1 << (place & 7)

    def __contains__(self, item: str) -> bool:
        return all(self._field[place >> 3] >> (place & 7) & 1 for place in self._places(item))


def word_grams(texts: Sequence[str]) -> Finds:
    """A run of ten words, as MemFree decoding refuses them (Ippolito et al. 2023), with fewer chance hits."""
    known = {gram for text in texts for gram in _word_grams(text)}
    bloom = Bloom(max(1, len(known)), 1e-6)
    for gram in known:
        bloom.add(gram)
    return lambda text, source: any(gram in bloom for gram in _word_grams(text))


def _word_grams(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    return (" ".join(words[at : at + GRAM]) for at in range(len(words) - GRAM + 1))


def document_lsh(texts: Sequence[str]) -> Finds:
    """MinHash LSH of whole documents."""
    return _lsh(texts, lambda text: [text])


def window_lsh(texts: Sequence[str]) -> Finds:
    """MinHash LSH of windows of documents, asked for windows of the text."""
    pieces = [piece for text in texts for piece in _windows(text, DOCUMENT_STRIDE)]
    return _lsh(pieces, lambda text: _windows(text, TEXT_STRIDE))


def _windows(text: str, stride: int) -> Iterator[str]:
    """The last one reaches to the end."""
    last = max(0, len(text) - WINDOW)
    yield from (text[at : at + WINDOW] for at in range(0, last, stride))
    yield text[last:]


def _lsh(pieces: Iterable[str], parts: Callable[[str], Iterable[str]]) -> Finds:
    from datasketch import MinHash, MinHashLSH

    empty = MinHash(num_perm=PERMUTATIONS, seed=1)

    def signature(text: str) -> Any:
        # As such text is usually prepared: small letters, one blank between words.
        plain = " ".join(text.lower().split())
        made = empty.copy()
        made.update_batch(
            [shingle.encode("utf-8", "surrogatepass") for shingle in set(_runs(plain, SHINGLE))]
        )
        return made

    lsh = MinHashLSH(threshold=SIMILAR, num_perm=PERMUTATIONS)
    for number, piece in enumerate(pieces):
        if len(piece) >= SHINGLE:
            lsh.insert(number, signature(piece))
    return lambda text, source: any(
        len(part) >= SHINGLE and bool(lsh.query(signature(part))) for part in parts(text)
    )


def fuzzy(texts: Sequence[str]) -> Finds:
    """rapidfuzz against the document the passage is from: no search could give it a better candidate."""
    from rapidfuzz import fuzz, utils

    plain = [utils.default_process(text) for text in texts]

    def finds(text: str, source: int) -> bool:
        part = utils.default_process(text)
        return len(part) >= _LEAST and bool(fuzz.partial_ratio(part, plain[source], score_cutoff=RATIO))

    return finds


def presidio() -> Finds:
    """Personal data by Presidio's patterns for English, over a pipeline without a model."""
    import spacy
    import tldextract.tldextract as suffixes
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # The e-mail pattern asks for the list of public suffixes: the packaged one, not one from the network.
    suffixes.TLD_EXTRACTOR = suffixes.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    return lambda text, source: bool(analyzer.analyze(text, language="en", score_threshold=SURE))


def baselines(texts: Sequence[str], passages: int) -> list[Baseline]:
    """All of them, for these protected texts; ``passages``: how many a cell has."""
    some, few = max(1, passages // 2), max(1, passages // 10)
    return [
        Baseline("raw50", f"a run of {RAW} raw characters", raw_run(texts), passages),
        Baseline("10-gram", f"a run of {GRAM} words in a Bloom filter", word_grams(texts), passages),
        Baseline("docLSH", "MinHashLSH(0.5, 128), whole documents", document_lsh(texts), some),
        Baseline("winLSH", f"the same, windows of {WINDOW} characters", window_lsh(texts), some),
        Baseline("fuzz", f"rapidfuzz partial_ratio >= {RATIO}", fuzzy(texts), passages, False),
        Baseline("presidio", "Presidio, patterns only", presidio(), few),
    ]
