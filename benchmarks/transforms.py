"""What a model or an attacker may make of a passage: the rows of the detection table.

The rule that must stay true: the same passage, row and seed give the same text.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import ascii_letters, ascii_lowercase

from benchmarks import encodings, material
from benchmarks.material import Answer

Make = Callable[[str, random.Random, "Words"], str]

FORM, CODE, NEAR = "form", "code", "near"
"""Forms that the skeleton removes, codes that decoders read, and near-verbatim text."""

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_WORDS = re.compile(r"\S+\s*|\s+")
_HAN_WORDS = re.compile(r"[一-鿿]{1,2}|\w+?(?=[一-鿿]|\b)\s*|.", re.DOTALL)
"""Two characters stand for a word of Chinese, which is written without blanks; a sign is a word."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its group, how the text is made, and in pieces of how many characters at most it comes."""

    name: str
    group: str
    make: Make
    piece: int = 4096


class Words:
    """The words of ordinary text, to put in place of others; how a text falls into words, and is put back."""

    def __init__(self, answers: Iterable[Answer], *, han: bool) -> None:
        self.han = han
        text = "\n".join(answer.text for answer in answers)
        found = re.findall(r"[一-鿿]{2}" if han else r"[A-Za-z]{2,}", text)
        self._vocabulary: list[str] = sorted(set(found))
        self._letters: list[str] = sorted(set("".join(found))) if han else list(ascii_lowercase)

    def word(self, dice: random.Random) -> str:
        return dice.choice(self._vocabulary)

    def letter(self, dice: random.Random) -> str:
        return dice.choice(self._letters)

    def split(self, text: str) -> list[str]:
        """Words, each with the blanks after it (Chinese: two characters, or what is written in letters)."""
        return (_HAN_WORDS if self.han else _WORDS).findall(text)

    def sentences(self, text: str) -> list[str]:
        """Sentences, list items and lines; parts of sentences where there is but one."""
        for pattern in (r"(?<=[。！？；\n])|(?<=[.!?;:]\s)", r"(?<=[，、,])"):
            parts = [part for part in re.split(pattern, text) if part]
            if len(parts) > 1:
                return parts
        return [text]


# --- forms that the skeleton removes ----------------------------------------------------------------------


def _verbatim(text: str, dice: random.Random, words: Words) -> str:
    return text


def _whitespace(text: str, dice: random.Random, words: Words) -> str:
    """Other blanks between words, and line breaks within."""
    if words.han:
        return "".join(c + dice.choice(("", "", "", " ", "\n", "　")) for c in text)
    return "".join(
        w.rstrip() + dice.choice(("  ", "\n", "\t", " \n\n", "\u00a0", "   ")) for w in words.split(text)
    )


def _stripped(text: str, dice: random.Random, words: Words) -> str:
    return _PUNCTUATION.sub("", text)


def _markdown(text: str, dice: random.Random, words: Words) -> str:
    """Words in bold, italics, code; quotes, headings and list items at line starts."""
    marks = ("**", "*", "`", "__", "~~")

    def dressed(word: str) -> str:
        mark = dice.choice(marks) if dice.random() < 0.3 else ""
        bare = word.rstrip()
        return f"{mark}{bare}{mark}{word[len(bare) :]}" if bare else word

    lines = re.split(r"(?<=[.!?。！？])\s*|\n", "".join(map(dressed, words.split(text))))
    return "\n".join(dice.choice(("# ", "> ", "- ", "* ", "### ")) + line for line in lines)


_LOOKALIKES = dict(zip("aceopxyijsABCEHIKMOPTX", "асеорхуіјѕАВСЕНІКМОРТХ", strict=True))


def _radicals() -> dict[str, str]:
    """Han characters to Kangxi radicals that look the same."""
    return {unicodedata.normalize("NFKD", chr(code)): chr(code) for code in range(0x2F00, 0x2FD6)}


_HOMOGLYPHS = _LOOKALIKES | _radicals()


def _homoglyph(text: str, dice: random.Random, words: Words) -> str:
    return "".join(_HOMOGLYPHS.get(character, character) for character in text)


def _after_each(signs: Sequence[str]) -> Make:
    return lambda text, dice, words: "".join(c + dice.choice(signs) for c in text)


def _each_mapped(first: int, capital: int) -> Make:
    """Letters in another alphabet of Unicode, given where its a and A stand."""
    table = {c: chr((first if c.islower() else capital) + ord(c.lower()) - 97) for c in ascii_letters}
    return lambda text, dice, words: "".join(table.get(c, c) for c in text)


_LEET = str.maketrans("aeiostblAEIOSTBL", "4310576143105761")


def _traditional(text: str, dice: random.Random, words: Words) -> str:
    return text.translate(material.traditional_table())


# --- near-verbatim ----------------------------------------------------------------------------------------


def _swapped(share: float) -> Make:
    def make(text: str, dice: random.Random, words: Words) -> str:
        return "".join(_other(w, dice, words) if dice.random() < share else w for w in words.split(text))

    return make


def _other(word: str, dice: random.Random, words: Words) -> str:
    bare = word.rstrip()
    return words.word(dice) + word[len(bare) :] if _is_word(bare) else word


def _is_word(text: str) -> bool:
    return any(map(str.isalnum, text))


def _dropped(share: float) -> Make:
    return lambda text, dice, words: "".join(w for w in words.split(text) if dice.random() >= share)


def _mistyped(share: float) -> Make:
    """A character is replaced, left out, doubled or preceded by a wrong one."""

    def make(text: str, dice: random.Random, words: Words) -> str:
        out = []
        for character in text:
            if character.isspace() or dice.random() >= share:
                out.append(character)
                continue
            wrong = words.letter(dice)
            out.append(dice.choice((wrong, "", character * 2, wrong + character)))
        return "".join(out)

    return make


def _reordered(text: str, dice: random.Random, words: Words) -> str:
    """Sentences in another order."""
    return " ".join(_shuffled([part.strip() for part in words.sentences(text)], dice))


def _eights(text: str, dice: random.Random, words: Words) -> str:
    """Runs of eight words in another order."""
    runs, count = [""], 0
    for part in words.split(text):
        if _is_word(part):
            if count and count % 8 == 0:
                runs.append("")
            count += 1
        runs[-1] += part
    return ("" if words.han else " ").join(_shuffled([run.strip() for run in runs], dice))


def _shuffled(parts: list[str], dice: random.Random) -> list[str]:
    """Another order than the one given, where there is one."""
    order = parts[:]
    for _ in range(20):
        dice.shuffle(order)
        if order != parts:
            break
    return order


# --- the tables -------------------------------------------------------------------------------------------


def _code(make: Callable[[str], str]) -> Make:
    return lambda text, dice, words: make(text)


_BOTH: tuple[Row, ...] = (
    Row("whitespace", FORM, _whitespace),
    Row("punctuation stripped", FORM, _stripped),
    Row("markdown", FORM, _markdown),
    Row("homoglyphs", FORM, _homoglyph),
    Row("zero-width characters", FORM, _after_each(("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", ""))),
    Row("variation selectors", FORM, _after_each(("\ufe0e", "\ufe0f", ""))),
    Row("bidi controls", FORM, _after_each(("\u200e", "\u202a", "\u202c", "\u2066", "\u2069", "", ""))),
    Row("combining marks", FORM, _after_each(("\u0301", "\u0336", "\u0308\u0320", ""))),
    Row("spaced letters", FORM, _after_each((" ",))),
    Row("starred letters", FORM, _after_each(("*",))),
    Row("hyphenated letters", FORM, _after_each(("-",))),
    Row("a letter a line", FORM, _after_each(("\n",))),
)
_ENGLISH: tuple[Row, ...] = (
    Row("capitals", FORM, lambda text, dice, words: text.upper()),
    Row("leet", FORM, lambda text, dice, words: text.translate(_LEET)),
    Row("full-width letters", FORM, _each_mapped(0xFF41, 0xFF21)),
    Row("mathematical letters", FORM, _each_mapped(0x1D41A, 0x1D400)),
)
_CHINESE: tuple[Row, ...] = (Row("traditional script", FORM, _traditional),)
_NEAR: tuple[Row, ...] = (
    *(Row(f"words swapped {share} %", NEAR, _swapped(share / 100)) for share in (5, 10, 20, 30)),
    *(Row(f"typos {share} %", NEAR, _mistyped(share / 100)) for share in (2, 5)),
    Row("words dropped 10 %", NEAR, _dropped(0.1)),
    Row("sentences reordered", NEAR, _reordered),
    Row("eight words shuffled", NEAR, _eights),
)


def rows(*, han: bool) -> list[Row]:
    """The rows of one language, verbatim first."""
    codes = encodings.EITHER if han else (*encodings.EITHER, *encodings.LATIN)
    return [
        Row("verbatim", FORM, _verbatim),
        Row("chunks of one character", FORM, _verbatim, piece=1),
        *(_CHINESE if han else _ENGLISH),
        *_BOTH,
        *(Row(name, CODE, _code(make)) for name, make in codes),
        *_NEAR,
    ]
