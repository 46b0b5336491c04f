"""Secrets, and how they can be encoded by those who want them to pass: one function a code."""

from __future__ import annotations

import base64
import quopri
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

_MORSE_LINE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
    "--.."
)
_NATO_LINE = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa "
    "quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
_MORSE, _NATO = _MORSE_LINE.split(), _NATO_LINE.split()
_BRAILLE = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

ENGLISH = (
    "The refund limit for partner accounts is four hundred euros; above it the duty manager has to sign a "
    "second time before any money leaves the house.",
    "Customers who were told of the outage before noon are to be offered one free month, but only when they "
    "ask for it in writing and have paid on time.",
    "When the vault alarm rings twice, close the north door first, wait for the guard to answer, and never "
    "open the inner gate before he has given his name.",
)
CHINESE = (
    "合作伙伴账户的退款限额为四百欧元，超过该限额的退款需要值班经理第二次签字，"
    "否则款项不得离开公司的账户，任何例外都必须有书面的批准。",
    "中午之前接到故障通知的客户可以获得一个月的免费服务，但是他们必须以书面的形式提出申请，"
    "而且此前没有任何逾期付款的记录。",
)
SECRETS = {
    "any": (*ENGLISH, *CHINESE),
    "ascii": ENGLISH,
    "letters": tuple(
        "".join(sign for sign in text.lower() if sign.isalpha() or sign == " ") for text in ENGLISH
    ),
}
"""Secrets by what a code can carry. See :class:`Encoding`."""

Encode = Callable[[str], str]


@dataclass(frozen=True)
class Encoding:
    """``texts``: what it can carry: "any" text, "ascii", or small "letters" and blanks."""

    encode: Encode
    texts: str = "any"


def shift(by: int) -> Encode:
    """The Caesar shift by so many letters."""
    turned = _LETTERS[by:] + _LETTERS[:by]
    table = str.maketrans(_LETTERS + _LETTERS.upper(), turned + turned.upper())
    return lambda text: text.translate(table)


def _table(symbols: list[str] | str, joint: str, blank: str) -> Encode:
    meanings = dict(zip(_LETTERS, symbols, strict=True)) | {" ": blank}
    return lambda text: joint.join(meanings[letter] for letter in text)


def _bytes(form: str, joint: str = "", charset: str = "utf-8") -> Encode:
    return lambda text: joint.join(form.format(byte) for byte in text.encode(charset))


def _codes(form: str, joint: str = "") -> Encode:
    return lambda text: joint.join(form.format(ord(character)) for character in text)


def b64(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


def _spaced(text: str) -> str:
    whole = b64(text)
    return " ".join(whole[start : start + 8] for start in range(0, len(whole), 8))


def _selectors(text: str) -> str:
    return "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode())


def _zero_width(zero: str, one: str) -> Encode:
    return lambda text: _bytes("{:08b}")(text).replace("0", zero).replace("1", one)


def _wrapped(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


ENCODINGS = {
    "base64": Encoding(b64),
    "base64-url": Encoding(lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")),
    "base64-lines": Encoding(_wrapped),
    "base64-quoted": Encoding(lambda text: _wrapped(text).replace("\n", "\n> ")),
    "base64-spaced": Encoding(_spaced),
    "base64-second-phase": Encoding(lambda text: "k" + b64(text)),
    "base64-third-phase": Encoding(lambda text: "k9" + b64(text)),
    "base64-inner-phase": Encoding(lambda text: b64("~~" + text)[2:]),
    "base64-utf16le": Encoding(lambda text: b64(text, "utf-16-le")),
    "base64-utf16be": Encoding(lambda text: b64(text, "utf-16-be")),
    "utf7": Encoding(lambda text: "+" + b64(text, "utf-16-be").rstrip("=") + "-"),
    "base32": Encoding(lambda text: base64.b32encode(text.encode()).decode()),
    "base32-small": Encoding(lambda text: base64.b32encode(text.encode()).decode().lower()),
    "hex": Encoding(_bytes("{:02x}")),
    "hex-capitals": Encoding(_bytes("{:02X}")),
    "hex-spaced": Encoding(_bytes("{:02x}", " ")),
    "hex-colons": Encoding(_bytes("{:02X}", ":")),
    "hex-0x": Encoding(_bytes("0x{:02x}", " ")),
    "hex-0x-list": Encoding(_bytes("0x{:02x}", ", ")),
    "hex-utf16": Encoding(_bytes("{:02x}", charset="utf-16-le")),
    "binary": Encoding(_bytes("{:08b}", " ")),
    "binary-run": Encoding(_bytes("{:08b}")),
    "decimal": Encoding(_bytes("{}", " ")),
    "decimal-list": Encoding(_bytes("{}", ", ")),
    "code-points": Encoding(_codes("{}", " ")),
    "code-points-u": Encoding(_codes("U+{:04X}", " ")),
    "ascii85": Encoding(lambda text: base64.a85encode(text.encode()).decode(), "ascii"),
    "ascii85-framed": Encoding(lambda text: base64.a85encode(text.encode(), adobe=True).decode(), "ascii"),
    "base85": Encoding(lambda text: base64.b85encode(text.encode()).decode(), "ascii"),
    "percent": Encoding(urllib.parse.quote),
    "percent-all": Encoding(_bytes("%{:02X}")),
    "percent-twice": Encoding(lambda text: urllib.parse.quote(urllib.parse.quote(text))),
    "percent-u": Encoding(_codes("%u{:04x}")),
    "entities-decimal": Encoding(_codes("&#{};")),
    "entities-hex": Encoding(_codes("&#x{:X};")),
    "entities-bare": Encoding(_codes("&#{}")),
    "entities-blanks": Encoding(lambda text: text.replace(" ", "&nbsp;"), "letters"),
    "backslash-u": Encoding(_codes("\\u{:04x}")),
    "backslash-braces": Encoding(_codes("\\u{{{:x}}}")),
    "backslash-long": Encoding(_codes("\\U{:08x}")),
    "backslash-x": Encoding(_bytes("\\x{:02x}")),
    "backslash-octal": Encoding(_bytes("\\{:03o}")),
    "quoted-printable": Encoding(lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode()),
    "tags": Encoding(lambda text: "".join(chr(0xE0000 + ord(letter)) for letter in text), "ascii"),
    "tags-between": Encoding(
        lambda text: "".join(chr(0xE0000 + ord(letter)) + "o" for letter in text), "ascii"
    ),
    "selectors": Encoding(_selectors),
    "zero-width": Encoding(_zero_width("\u200b", "\u200c")),
    "invisible-operators": Encoding(_zero_width("\u2062", "\u2064")),
    "morse": Encoding(_table(_MORSE, " ", "/"), "letters"),
    "nato": Encoding(_table(_NATO, " ", ""), "letters"),
    "nato-list": Encoding(_table([word.title() for word in _NATO], ", ", "Space"), "letters"),
    "braille": Encoding(_table(_BRAILLE, "", "⠀"), "letters"),
    "base64-of-hex": Encoding(lambda text: b64(text.encode().hex())),
    "hex-of-base64": Encoding(lambda text: b64(text).encode().hex()),
    "base64-twice": Encoding(lambda text: b64(b64(text))),
    "percent-of-base64": Encoding(lambda text: urllib.parse.quote(b64(text), safe="")),
    "base64-of-entities": Encoding(lambda text: b64(_codes("&#{};")(text))),
}
"""Codes that are found whatever they carry."""

SCRAMBLES = {
    **{f"shift-{by}": Encoding(shift(by)) for by in range(1, 26)},
    "atbash": Encoding(lambda text: text.translate(str.maketrans(_LETTERS, _LETTERS[::-1])), "letters"),
    "rot47": Encoding(
        lambda text: "".join(
            chr(33 + (ord(letter) + 14) % 94) if "!" <= letter <= "~" else letter for letter in text
        )
    ),
    "reversed": Encoding(lambda text: text[::-1]),
    "base64-of-rot13": Encoding(lambda text: b64(shift(13)(text))),
}
"""Codes that are found where what they carry looks like language."""
