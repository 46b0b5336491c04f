"""Text in the codes that the decoders read, made with the standard library: the other side of each decoder.

The rule that must stay true: nothing here comes from ``proxy.detectors``.
"""

from __future__ import annotations

import base64
import codecs
import quopri
import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_lowercase
from urllib.parse import quote

_MORSE_SIGNS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- "
    "-.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789", _MORSE_SIGNS.split(), strict=True))
_NATO_WORDS = (
    "Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa "
    "Quebec Romeo Sierra Tango Uniform Victor Whiskey Xray Yankee Zulu"
)
_NATO = {word[0]: word for word in _NATO_WORDS.split()}
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\n": "&NewLine;"}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8")


def in_base64(text: str) -> str:
    return base64.b64encode(_bytes(text)).decode("ascii")


def in_base64_lines(text: str) -> str:
    """Lines of 76 characters, as in mail."""
    return base64.encodebytes(_bytes(text)).decode("ascii")


def in_base32(text: str) -> str:
    return base64.b32encode(_bytes(text)).decode("ascii")


def in_ascii85(text: str) -> str:
    return base64.a85encode(_bytes(text)).decode("ascii")


def in_hex(text: str) -> str:
    return _bytes(text).hex()


def in_spaced_hex(text: str) -> str:
    return _bytes(text).hex(" ")


def in_binary(text: str) -> str:
    return " ".join(f"{byte:08b}" for byte in _bytes(text))


def in_numbers(text: str) -> str:
    """The code point of each character, decimal."""
    return " ".join(str(ord(character)) for character in text)


def in_url(text: str) -> str:
    """What a form would send: what is no letter or digit, escaped."""
    return quote(text, safe="")


def in_url_whole(text: str) -> str:
    """Every byte escaped."""
    return "".join(f"%{byte:02X}" for byte in _bytes(text))


def in_entities(text: str) -> str:
    """Every character as a decimal or, where it has one, a named reference."""
    return "".join(_NAMED.get(character, f"&#{ord(character)};") for character in text)


def in_escapes(text: str) -> str:
    r"""Every UTF-16 unit as \uhhhh."""
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))


def in_quoted_printable(text: str) -> str:
    """As in mail: what is not ASCII escaped, lines of 76 characters."""
    return quopri.encodestring(_bytes(text), quotetabs=True).decode("ascii")


def in_quoted_printable_whole(text: str) -> str:
    """Every byte escaped, 24 in a line."""
    escaped = [f"={byte:02X}" for byte in _bytes(text)]
    return "=\n".join("".join(escaped[at : at + 24]) for at in range(0, len(escaped), 24))


def in_tags(text: str) -> str:
    """Invisible tag characters (ASCII only; the rest is left out)."""
    return "".join(chr(0xE0000 + ord(character)) for character in text if " " <= character <= "~")


def in_selectors(text: str) -> str:
    """A byte a variation selector, after a visible letter."""
    return "x" + "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in _bytes(text))


def in_morse(text: str) -> str:
    """Letters and digits; words are parted by a stroke."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return " / ".join(" ".join(_MORSE[letter] for letter in word) for word in words)


def in_nato(text: str) -> str:
    return " ".join(_NATO.get(character, character) for character in text.upper() if character.isalnum())


def in_braille(text: str) -> str:
    """Uncontracted; digits after the number sign."""
    cells = dict(zip(ascii_lowercase, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", strict=True))
    digits = {digit: "⠼" + cells[letter] for digit, letter in zip("1234567890", "abcdefghij", strict=True)}
    return "".join({**cells, **digits}.get(character, "⠀") for character in text.lower())


def shifted(steps: int) -> Callable[[str], str]:
    """Each letter that many places on in the alphabet."""
    return lambda text: text.translate(_alphabet(ascii_lowercase[steps:] + ascii_lowercase[:steps]))


def in_rot13(text: str) -> str:
    return str(codecs.encode(text, "rot13"))


def in_atbash(text: str) -> str:
    return text.translate(_alphabet(ascii_lowercase[::-1]))


def in_rot47(text: str) -> str:
    return "".join(chr(33 + (ord(c) + 14) % 94) if "!" <= c <= "~" else c for c in text)


def _alphabet(letters: str) -> Mapping[int, int]:
    return str.maketrans(ascii_lowercase + ascii_lowercase.upper(), letters + letters.upper())


def reversed_text(text: str) -> str:
    return text[::-1]


def reversed_words(text: str) -> str:
    return " ".join(reversed(text.split()))


def in_base64_of_hex(text: str) -> str:
    return in_base64(in_hex(text))


EITHER: Sequence[tuple[str, Callable[[str], str]]] = (
    ("base64", in_base64),
    ("base64 over lines", in_base64_lines),
    ("base32", in_base32),
    ("hex", in_hex),
    ("hex, spaced", in_spaced_hex),
    ("binary", in_binary),
    ("code points", in_numbers),
    ("Ascii85", in_ascii85),
    ("URL", in_url),
    ("URL, every byte", in_url_whole),
    ("HTML entities", in_entities),
    (r"\u escapes", in_escapes),
    ("quoted-printable", in_quoted_printable),
    ("quoted-printable, every byte", in_quoted_printable_whole),
    ("variation selectors as bytes", in_selectors),
    ("base64 of hex", in_base64_of_hex),
    ("reversed text", reversed_text),
)
"""Codes of any text."""

LATIN: Sequence[tuple[str, Callable[[str], str]]] = (
    ("rot13", in_rot13),
    ("Caesar 7", shifted(7)),
    ("atbash", in_atbash),
    ("rot47", in_rot47),
    ("reversed words", reversed_words),
    ("tag characters", in_tags),
    ("Morse", in_morse),
    ("spelling alphabet", in_nato),
    ("Braille", in_braille),
)
"""Codes of letters, or of words with blanks between."""
