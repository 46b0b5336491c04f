"""Codes among plain text: percent, entities, backslashes, quoted-printable."""

from __future__ import annotations

import html
import json
import quopri
import re
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders.backslash import Backslash, BackslashText
from proxy.detectors.decoders.entities import Entities, EntityText
from proxy.detectors.decoders.percent import Percent, PercentText
from proxy.detectors.decoders.quoted_printable import QuotedPrintable, QuotedText
from proxy.detectors.decoders.substitution import LINGER, Substitution
from proxy.detectors.decoders.transducer import Decoder
from tests.detectors.decoders.reading import openings, read, text

PARTS = st.lists(
    st.sampled_from(
        ["a", "7", " ", "%", "%4", "%41", "%e4%bd%a0", "%E4", "%u4F60", "&", "&a", "&amp;", "&#", "&#x4f60;",
         "&#20320", "\\", "\\n", "\\u4f60", "\\ud83d\\ude00", "\\ud83d", "\\x41", "\\xe4", "\\344\\275\\240",
         "\\1", "\\u{1F600}", "=", "=\n", "=\r\n", "=41", "=E4=BD=A0", ";", "你"]
    ),
    max_size=14,
).map("".join)  # fmt: skip
READERS = [PercentText, EntityText, BackslashText, QuotedText]


@pytest.mark.parametrize("make", READERS)
@given(raw=PARTS)
def test_no_character_is_lost_or_read_twice(make: Callable[[], Substitution], raw: str) -> None:
    """Plain characters come out as they are, in order, each once; places never go back."""
    decoded, end = read(make(), raw)
    assert end == len(raw)
    starts = [start for _, start, _ in decoded]
    assert starts == sorted(starts)
    plain = [start for _, start, encoded in decoded if not encoded]
    assert len(plain) == len(set(plain))
    assert all(raw[start] == character for character, start, encoded in decoded if not encoded)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_what_python_quotes_is_read_back(writing: str) -> None:
    """The quoting functions of the standard library are undone."""
    assert text(read(PercentText(), urllib.parse.quote(writing))[0]) == writing
    assert text(read(EntityText(), html.escape(writing.replace("&", "")))[0]) == writing.replace("&", "")
    assert text(read(BackslashText(), json.dumps(writing)[1:-1])[0]) == writing
    lines = writing.replace("\r", "").encode()
    assert text(read(QuotedText(), quopri.encodestring(lines, quotetabs=True).decode())[0]) == lines.decode()


@pytest.mark.parametrize(
    ("make", "raw", "meant"),
    [
        (PercentText, "100% of %zz and %2", "100% of %zz and %2"),
        (PercentText, "%e4%bd%a0%ff!", "你ÿ!"),
        (PercentText, "%u4f60%U597d", "你好"),
        (
            EntityText,
            "R&D &lt;b&gt; &hellip; &nosuchname; &#65;&#x42;&#67 &#0;",
            "R&D <b> … &nosuchname; ABC \ufffd",
        ),
        (EntityText, "a && b &", "a && b &"),
        (BackslashText, r"C:\new\table \d \101\x42 \u00e9 \U0001F600 \u{48}", "C:\new\table \\d AB é 😀 H"),
        (BackslashText, "\\ud83dx \\", "\ufffdx \\"),
        (QuotedText, "a =3D b=\nc = d =ZZ", "a = bc = d =ZZ"),
    ],
)
def test_escapes_and_what_only_looks_like_them(
    make: Callable[[], Substitution], raw: str, meant: str
) -> None:
    """An escape gives what it stands for; what is none stays as it is."""
    assert text(read(make(), raw)[0]) == meant


@pytest.mark.parametrize(
    ("decoder", "yes", "no"),
    [
        (Percent(), "a%20b", "100% sure, 5%"),
        (Entities(), "a&nbsp;b", "R&D, AT&T & Co; x && y"),
        (Backslash(), "a\\nb", "C:\\ d"),
        (QuotedPrintable(), "a=20b", "a = b, x=y"),
    ],
)
def test_only_a_whole_escape_opens(decoder: Decoder, yes: str, no: str) -> None:
    """The lead character alone opens nothing."""
    assert openings(decoder, yes)
    assert not openings(decoder, no)


def test_a_reading_ends_a_while_after_the_last_escape() -> None:
    """It goes on for as long as the next escape may belong to the same text."""
    reader = PercentText()
    read(reader, "a%20b")
    assert not reader.expired("", LINGER, False)
    assert reader.expired("", LINGER + 5, False)


def test_entity_names_are_those_of_html() -> None:
    """Every named reference that ends in a semicolon is known."""
    names = [name for name in html.entities.html5 if name.endswith(";")]
    assert all(re.fullmatch("[A-Za-z0-9]+;", name) for name in names)
    assert text(read(EntityText(), "".join("&" + name for name in names))[0]) == "".join(
        html.entities.html5[name] for name in names
    )
