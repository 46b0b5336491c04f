"""Which encoding a text file is in: told by its bytes alone, or not told at all.

A file that is not UTF-8 is decoded in every likely encoding, and each result judged as writing: the letters
beyond ASCII must belong together to one language, be in words of their own script, and, in Chinese, Japanese
and Korean, be those that such text is full of. A result is taken if it is plausible while every different one
is not. Otherwise an error names ``--encoding``: text in the wrong letters would match nothing.
"""

from __future__ import annotations

import codecs
import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from proxy.datasets.letters import COMMON, LATIN, OFTEN, OTHER, SAME
from proxy.errors import ConfigError

UTF8 = "utf-8"
_READ = 1 << 20
_SAMPLE = 200_000
"""Bytes that are judged: of lines that are not ASCII, from the whole file."""
_MOSTLY = 20
"""A file with so many whole UTF-8 characters for each bad one is UTF-8 with faults in it."""
_PLAUSIBLE = 0.9
_MARGIN = 0.25
_COMMON = 0.12
"""Share of the most common characters that Chinese, Japanese or Korean text has at least."""
_FEW = 6
"""Characters that tell something: of such a script, or against an encoding."""
_SHORT = 12
"""Letters that a text has at least, where its encoding is to be told."""
_SIGNS = re.compile(r"(?=([^\w\s\x00-\x7f])([^\w\s\x00-\x7f])([^\w\s\x00-\x7f]))(?!(.)\4)")
"""Three signs beyond ASCII, one after the other and the first two different: no writing has them."""
_TIMES = 3
"""How much more must speak for one encoding than for another."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)

_COMMON_IN = {**COMMON, "euc_jp": COMMON["cp932"]}
_UTF16 = ("utf_16_le", "utf_16_be")
_WIDE = frozenset(_COMMON_IN) | frozenset(_UTF16)
_PUNCTUATION = frozenset("“”‘’„‚‹›«»–—…·•°§€£¥©®™×÷±½¼¾²³´`¨¿¡ªº¶†‡№ \u00ad\u00a0")
_INSIDE = frozenset("’'-\u00ad·")


@dataclass(frozen=True, slots=True)
class Judged:
    """A sample decoded in one encoding. ``score``: how much of it is plausible, 0 to 1.

    ``fits``, ``misfits``: characters that speak for it and against it.
    """

    encoding: str
    text: str
    score: float
    fits: int = 0
    misfits: int = 0

    def rules_out(self, other: Judged) -> bool:
        """Whether the other one is too unlikely beside this one."""
        if other.text == self.text or other.score <= self.score - _MARGIN:
            return True
        if _alike(self.encoding, other.encoding):
            return self.fits - other.fits >= _FEW and self.fits >= 1.5 * other.fits
        return other.misfits - self.misfits >= max(_FEW, _TIMES * self.misfits)


def _alike(one: str, other: str) -> bool:
    """Whether what speaks for two encodings is counted alike: common characters of a script of its own."""
    return any(one in group and other in group for group in (_WIDE, OFTEN))


def encoding_of(path: Path, label: str, given: str | None = None) -> str:
    """Return the encoding of a text file, gzip or not, as Python's codecs call it.

    ``given``: that of files that are not UTF-8. Raises ConfigError, which names ``--encoding``, where the
    bytes do not tell; OSError, EOFError and zlib.error as reading does.
    """
    try:
        with _opened(path) as stream:
            head = stream.read(4)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return UTF8  # reading reports it
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    seen = _look(_pieces(path))
    if seen.nul_share < 0.02 and not seen.bad:
        return UTF8
    if given is not None:
        return given
    if seen.nul_share < 0.02 and seen.good >= _MOSTLY * seen.bad:
        return UTF8  # with faults in it; what is damaged is reported record by record
    wide = seen.nul_share >= 0.02
    sample = _sample(path, utf16=wide or seen.bad > seen.good)
    return chosen(sample, label, _UTF16 if wide else None)


def chosen(sample: bytes, label: str, only: Iterable[str] | None = None) -> str:
    """Return the one encoding in which a sample is plausible writing. Raises ConfigError."""
    names = only or (*LATIN, *SAME, *OTHER, *_COMMON_IN, *_UTF16)
    every = [judge(sample, name) for name in names] if sample else []
    plausible = [each for each in every if each is not None and each.score >= _PLAUSIBLE]
    if not plausible:
        raise ConfigError(
            f"{label}: not UTF-8, and in no encoding that is recognised; name it with --encoding, such as "
            "--encoding gb18030, or leave the file out"
        )
    for one in plausible:
        if all(one.rules_out(other) for other in plausible):
            return one.encoding
    fitting = ", ".join(each.encoding for each in plausible)
    raise ConfigError(
        f"{label}: not UTF-8, and its text is too short or too plain to tell its encoding ({fitting} fit); "
        "name it with --encoding"
    )


def judge(sample: bytes, encoding: str) -> Judged | None:
    """Judge a sample in one encoding; None where it cannot be decoded, or holds what no text has."""
    text = _decoded(sample, encoding)
    if text is None or any(_is_no_text(each) for each in set(text)):
        return None
    letters = [each for each in text if ord(each) > 0x7F and each not in _PUNCTUATION]
    if encoding in _WIDE:
        return _wide(text, letters, encoding)
    return _narrow(text, letters, encoding)


def _decoded(sample: bytes, encoding: str) -> str | None:
    """Decode; the end of a sample that is not the whole file may be the middle of a character."""
    for cut in range(4 if len(sample) >= _SAMPLE else 1):
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                return None
    return None


@lru_cache(maxsize=8192)
def _is_no_text(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cn", "Co", "Cs") or (kind == "Cc" and character not in "\t\n\r\f\v\x1a")


def _wide(text: str, letters: list[str], encoding: str) -> Judged:
    """Judge by the characters that Chinese, Japanese or Korean text is full of."""
    wide = [each for each in letters if each >= "\u1100" and each.isalpha() and not _is_half(each)]
    if encoding in _UTF16 and not wide:
        ascii_share = sum(each.isascii() for each in text) / max(len(text), 1)
        every = [each.lower() for each in letters]
        score = 1.0 if ascii_share > 0.5 else _best_share(every, "".join(OTHER.values()))
        return Judged(encoding, text, score, len(text) if score == 1.0 else 0)
    if len(wide) < _SHORT - 2 or len(wide) < 0.8 * len(letters):
        return Judged(encoding, text, 0.0)
    sets = _COMMON_IN.values() if encoding in _UTF16 else (_COMMON_IN[encoding],)
    common = max(sum(map(set(each).__contains__, wide)) for each in sets)
    if encoding in ("cp932", "euc_jp"):
        common += sum("\u3041" <= each <= "\u3096" for each in wide)  # no other writing has so many
    least = max(_FEW, 2 * _COMMON * len(wide)) if encoding in _UTF16 else _COMMON * len(wide)
    return Judged(encoding, text, 1.0 if common >= least else 0.0, common)


def _narrow(text: str, letters: list[str], encoding: str) -> Judged:
    """Judge by the letters of one language, and by where in words they are."""
    plain = [each for each in text if each.isascii() and each.isalpha()]
    if len(letters if encoding in OTHER else plain) < _SHORT or _SIGNS.search(text):
        return Judged(encoding, text, 0.0)
    if not letters:
        return Judged(encoding, text, 1.0 if _in_words(text) == 1.0 else 0.0)
    small = [each.lower() for each in letters]
    if encoding in OTHER:
        known = OTHER[encoding]
        share = _best_share(small, known)
        score = share * _own_words(text, known) * _case(letters) * _in_words(text)
        fits = sum(map(set(OFTEN[encoding]).__contains__, small))
        return Judged(encoding, text, score, fits, round((1 - score) * len(letters)))
    share = max(_best_share(small, each) for each in LATIN[SAME.get(encoding, encoding)])
    score = share * _in_words(text) * _among_ascii(text, letters)
    score *= 1.0 if len(letters) < 2 or _case(plain) < 1.0 else _case(letters)
    misfits = round((1 - score) * len(letters))
    return Judged(encoding, text, score, len(letters) - misfits, misfits)


def _best_share(letters: list[str], alphabet: str) -> float:
    known = set(alphabet)
    return sum(each in known for each in letters) / len(letters) if letters else 1.0


def _is_half(character: str) -> bool:
    """Whether a character is of the half width, which no writing consists of."""
    return "\uff61" <= character <= "\uffdc"


def _among_ascii(text: str, letters: list[str]) -> float:
    """Letters with marks are a part of those of Latin writing; where they are most, it is none."""
    plain = sum(each.isascii() and each.isalpha() for each in text)
    return 1.0 if 2 * len(letters) <= plain else 0.0


def _own_words(text: str, known: str) -> float:
    """Share of the letters of a script whose neighbours are not of the Latin script."""
    mixed = total = 0
    for before, each, after in _neighbours(text):
        if each.lower() in known:
            total += 1
            mixed += (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
    return 1.0 - mixed / total if total else 0.0


def _in_words(text: str) -> float:
    """Share of the signs beyond ASCII that are where writing has them: letters in words, others beside."""
    wrong = total = signs = 0
    for before, each, after in _neighbours(text):
        if each.isascii():
            continue
        total += 1
        if each.isalpha():
            wrong += each.isupper() and before.isalpha() and before.islower()
        else:
            signs += 1
            wrong += before.isalpha() and after.isalpha() and each not in _INSIDE
    if signs > 3 and 2 * signs > sum(map(str.isalpha, text)):
        return 0.0
    return 1.0 - wrong / total if total else 1.0


def _case(letters: list[str]) -> float:
    """Text is mostly in small letters; read in the wrong one of two encodings, its case is turned."""
    cased = [each for each in letters if each.lower() != each.upper()]
    return 1.0 if not cased or sum(each.islower() for each in cased) >= 0.5 * len(cased) else 0.5


def _neighbours(text: str) -> Iterator[tuple[str, str, str]]:
    return zip(" " + text, text, text[1:] + " ", strict=False)


@dataclass(slots=True)
class _Seen:
    good: int = 0
    """Whole characters of more than one byte."""
    bad: int = 0
    nuls: int = 0
    size: int = 0

    @property
    def nul_share(self) -> float:
        return self.nuls / self.size if self.size else 0.0


def _look(pieces: Iterable[bytes]) -> _Seen:
    """Count what of a file is UTF-8 and what is not."""
    seen = _Seen()
    rest = b""
    for piece in pieces:
        seen.size += len(piece)
        seen.nuls += piece.count(0)
        rest = _count(rest + piece, seen, last=False)
    _count(rest, seen, last=True)
    return seen


def _count(data: bytes, seen: _Seen, *, last: bool) -> bytes:
    """Count characters; return the beginning of one that is not whole yet."""
    start = 0
    while start < len(data):
        try:
            text = data[start:].decode()
        except UnicodeDecodeError as error:
            seen.good += _beyond_ascii(data[start : start + error.start].decode())
            if not last and error.end == len(data) - start and error.reason == "unexpected end of data":
                return data[start + error.start :]
            seen.bad += 1
            start += error.end
            if seen.bad > 100_000:
                return b""
        else:
            seen.good += _beyond_ascii(text)
            break
    return b""


def _beyond_ascii(text: str) -> int:
    return 0 if text.isascii() else sum(not each.isascii() for each in text)


def _sample(path: Path, *, utf16: bool) -> bytes:
    """The beginning of a file that may be UTF-16, else lines of the whole file that are not ASCII."""
    with _opened(path) as stream:
        if utf16:
            head = stream.read(_SAMPLE)
            if any(judged and judged.score >= _PLAUSIBLE for judged in (judge(head, e) for e in _UTF16)):
                return head
    lines: list[bytes] = []
    size = 0
    with _opened(path) as stream:
        try:
            while size < _SAMPLE and (line := stream.readline(_SAMPLE)):
                if not line.isascii():
                    lines.append(line)
                    size += len(line)
        except (OSError, EOFError, zlib.error):
            pass  # as above
    return b"".join(lines)


def _pieces(path: Path) -> Iterator[bytes]:
    with _opened(path) as stream:
        while True:
            try:
                piece = stream.read(_READ)
            except (OSError, EOFError, zlib.error):
                return  # reading reports it, after what can be read
            if not piece:
                return
            yield piece


def _opened(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")
