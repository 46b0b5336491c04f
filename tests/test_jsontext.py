"""JSON text as cells: what is read, what is delivered, and what stands in place of a redaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.jsontext import Cells, JsonCells, PlainCells

MASK = '[RED"\\ACTED]'
"""A mask that JSON must escape."""

READ = {
    "plain": ('{"a": "b"}', '{"a": "b"}'),
    "short escapes": (r'"\n\t\"\\\/\b\f\r"', '"\n\t"\\/\b\f\r"'),
    "unicode escapes": (r'"\u4e2d\u6587 \u0041"', '"中文 A"'),
    "a surrogate pair": (r'"\ud83d\ude00\uD83D\uDE00"', '"😀😀"'),
    "half a pair": (r'"\ud83d \ude00"', '"\ufffd \ufffd"'),
    "half a pair before another escape": (
        r'"\ud83d\n\ud83d\u0041\ud83d\ud83d\ude00"',
        '"\ufffd\n\ufffdA\ufffd😀"',
    ),
    "an escaped quote does not end a string": (r'"a\"b", "c"', '"a"b", "c"'),
    "an escape outside a string is none": (r"{\n}", r"{\n}"),
    "an escape that JSON has not": (r'"\x41\u12g4\u"', '"x41u12g4u"'),
    "raw line ends in a string": ('"a\nb"', '"a\nb"'),
    "plain text": ('He said "no\\n" (twice).', 'He said "no\n" (twice).'),
    "an escape that the end cuts": (r'"a\u4e', r'"a\u4e'),
    "a backslash at the end": ('"a\\', '"a\\'),
    "half a pair at the end": (r'"\ud83d', '"\ufffd'),
    "half a pair and a piece at the end": (r'"\ud83d\ude', '"\ufffd\\ude'),
    "nothing": ("", ""),
}


def feed_all(cells: Cells, pieces: Sequence[str]) -> str:
    return "".join(map(cells.feed, pieces)) + cells.finish()


def cut(text: str, cuts: Sequence[int]) -> list[str]:
    marks = sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)})
    return [text[a:b] for a, b in pairwise(marks)]


def render(cells: Cells, ranges: Sequence[tuple[int, int]], *, step: int = 1 << 30) -> str:
    """All cells: those of ``ranges`` dropped, the others taken, at most ``step`` in a call."""
    out, at = [], 0
    for begin, end in [*ranges, (at + cells.held, at + cells.held)]:
        while at < begin:
            out.append(cells.take(n := min(step, begin - at)))
            at += n
        mask: str | None = MASK
        while at < end:
            out.append(cells.drop(n := min(step, end - at), mask))
            mask = None
            at += n
    assert cells.held == 0
    return "".join(out)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_reading(name: str, size: int) -> None:
    """Each text is decoded the same in pieces of any size, and leaves as it came."""
    raw, decoded = READ[name]
    cells = JsonCells()
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert feed_all(cells, pieces) == decoded
    assert cells.held == len(decoded)
    assert cells.take(len(decoded)) == raw


def test_an_open_escape_waits() -> None:
    """The characters of an escape come out when it is complete, not before."""
    cells = JsonCells()
    assert cells.feed(r'"a\u4e') == '"a'
    assert cells.held == 2
    assert cells.feed("2d") == "中"
    assert cells.feed(r"\ud83d") == ""
    assert cells.feed(r"\ude00b") == "😀b"
    assert cells.take(5) == r'"a\u4e2d\ud83d\ude00b'


DROPS: dict[str, tuple[str, str]] = {
    # the text (what is dropped stands between ⟦ and ⟧) and what becomes of it, with the mask M
    "within a string": ('{"a": "one ⟦two⟧ three"}', '{"a": "one M three"}'),
    "a whole string": ('{"a": "⟦one⟧"}', '{"a": "M"}'),
    "from the structure before": ('{"a": 1⟦, "b": "one⟧"}', '{"a": 1, "M": ""}'),
    "over several strings": ('["a⟦b", "c", "d⟧e"]', '["aM", "", "e"]'),
    "a key": ('{"⟦john⟧": 1, "⟦mary⟧": 2}', '{"M": 1, "M": 2}'),
    "a number": ("[⟦4111⟧, 1]", '["M", 1]'),
    "a number after the mask": ('["⟦x", 4111, true⟧]', '["M", null, null]'),
    "a literal": ('{"a": ⟦true⟧}', '{"a": "M"}'),
    "the tail of a number": ("[41⟦11⟧, 1]", "[41, 1]"),
    "the head of a number": ("[⟦41⟧11, 1]", '["M", 1]'),
    "the middle of a number": ("[1⟦234⟧5, 1]", "[1, 1]"),
    "after a minus": ("[-⟦12⟧]", "[-0]"),
    "after a point": ("[1.⟦25⟧, 1]", "[1.0, 1]"),
    "after an exponent": ("[1e⟦9⟧, 1E+⟦9⟧, 2e-⟦1⟧]", "[1e0, 1E+0, 2e-0]"),
    "the tail of a literal": ("[t⟦rue⟧, fal⟦se⟧, nul⟦l⟧, true⟦⟧]", "[true, false, null, true]"),
    "only structure": ('{"a"⟦: ⟧"b"}', '{"a": "b"}'),
    "an escape is one character": (r'"a⟦\u4e2d\n⟧\n"', r'"aM\n"'),
    "a surrogate pair is one character": (r'"\ud83d\ude00⟦\ud83d\ude00⟧"', r'"\ud83d\ude00M"'),
    "text that is no JSON": ("Call ⟦John Smith⟧ please", 'Call "M"  please'),
    "everything": ('⟦{"a": ["b", 1, {"c": null}], "d": {}}⟧', '{"M": ["", null, {"": null}], "": {}}'),
}


@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_dropping(name: str, step: int) -> None:
    """Each redaction leaves what the table says, whether it is asked for at once or by the character."""
    marked, expected = DROPS[name]
    raw = marked.replace("⟦", "").replace("⟧", "")
    offsets, probe = [], JsonCells()
    for number, piece in enumerate(marked.replace("⟧", "⟦").split("⟦")):
        begin = probe.held
        probe.feed(piece)
        if number % 2:
            offsets.append((begin, probe.held))
    cells = JsonCells()
    feed_all(cells, [raw])
    escaped = json.dumps(MASK)[1:-1]
    assert render(cells, offsets, step=step) == expected.replace("M", escaped)


def test_a_mask_is_put_once_for_a_redaction_that_goes_on() -> None:
    """A redaction that grows with the stream puts its mask at its first string, and no second one."""
    cells = JsonCells()
    cells.feed('["a", "sec')
    assert cells.take(5) == '["a",'
    assert cells.drop(2, "[X]") == ' "'
    assert cells.drop(3, None) == "[X]"
    cells.feed('ret", "b"]')
    assert cells.drop(6, None) == '", '
    assert cells.drop(2, "[Y]") == '"[Y]'
    assert cells.take(2) == '"]'


def test_more_than_is_held_is_refused() -> None:
    """Asking for cells that are not there is a fault of the asker, for taking and dropping."""
    for cells in (JsonCells(), PlainCells()):
        cells.feed("ab")
        for n in (3, -1):
            with pytest.raises(ValueError, match="2 held"):
                cells.take(n)
            with pytest.raises(ValueError, match="2 held"):
                cells.drop(n, "M")
        assert cells.take(2) == "ab"


def test_plain_text_is_its_own_raw_text() -> None:
    """Plain text is read as it is; a redaction is its mask, once, and nothing else."""
    cells = PlainCells()
    assert cells.feed(r'a "\n" b') == r'a "\n" b'
    assert cells.take(2) == "a "
    assert cells.drop(2, MASK) == MASK
    assert cells.drop(1, None) == ""
    assert cells.drop(0, "[Y]") == ""
    assert cells.drop(1, None) == "[Y]", "the mask of a redaction that began with nothing"
    assert cells.take(2) == " b"
    assert cells.finish() == ""


def test_cells_that_have_gone_take_no_room() -> None:
    """What has been delivered or dropped is forgotten."""
    cells = JsonCells()
    cells.feed('"')
    for _ in range(1000):
        cells.feed(r"abc\n中\u4e2d")
        cells.take(3)
        cells.drop(3, "M")
    assert cells.held == 1
    assert len(cells._row._runs) == 1


# --- properties -----------------------------------------------------------------------------------

TEXT = st.text(max_size=12) | st.text('ab"\\/\n\x00é中😀', max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def dumped(draw: st.DrawFn) -> str:
    """A JSON document, written in any of the ways in which ``json`` writes it."""
    return json.dumps(
        draw(DOCUMENTS),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    )


@st.composite
def ranges_of(draw: st.DrawFn, length: int) -> list[tuple[int, int]]:
    """Disjoint ranges, some of them side by side."""
    marks = sorted(draw(st.sets(st.integers(0, length), max_size=10)))
    return [pair for pair in pairwise(marks) if draw(st.booleans())]


class Pairs(list[tuple[str, Any]]):
    """The members of an object, equal names kept apart."""


def shape(text: str) -> Any:
    """The nesting of arrays and objects, without names and values."""

    def strip(value: Any) -> Any:
        if isinstance(value, Pairs):
            return {number: strip(member) for number, (_, member) in enumerate(value)}
        if isinstance(value, list):
            return [strip(member) for member in value]
        return None

    return strip(json.loads(text, object_pairs_hook=Pairs))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_redacted_json_is_json_of_the_same_shape(data: st.DataObject) -> None:
    """Whatever is dropped of a document, however it is cut: it parses and keeps nesting and members."""
    raw = data.draw(dumped())
    cells = JsonCells()
    decoded = feed_all(cells, cut(raw, data.draw(st.lists(st.integers(0, 1 << 16), max_size=8))))
    result = render(cells, data.draw(ranges_of(len(decoded))))
    assert shape(result) == shape(raw)


@given(st.data())
@settings(deadline=None)
def test_dropping_by_the_character_is_dropping_at_once(data: st.DataObject) -> None:
    """The cutting of the text and the size of the steps change nothing, for any text at all."""
    raw = data.draw(dumped() | st.text('{}[]:, "\\u4dD8c0true-1.e\n', max_size=60))
    whole, pieces = JsonCells(), JsonCells()
    decoded = feed_all(whole, [raw])
    assert feed_all(pieces, list(raw)) == decoded
    ranges = data.draw(ranges_of(len(decoded)))
    assert render(pieces, ranges, step=data.draw(st.integers(1, 5))) == render(whole, ranges)


SECRET = "".join(map(chr, [*range(0x4E00, 0x4E20), *range(0x1F600, 0x1F620)])) + '"\\\n'


@given(st.data())
@settings(deadline=None)
def test_no_dropped_character_of_a_string_remains(data: st.DataObject) -> None:
    """A dropped string character is in what leaves neither plainly nor as an escape."""
    words = st.text(st.sampled_from(SECRET[:-3]), min_size=1, max_size=8)
    document = data.draw(st.lists(st.dictionaries(words, words | st.lists(words), max_size=3), max_size=3))
    raw = json.dumps(document, ensure_ascii=data.draw(st.booleans()))
    cells = JsonCells()
    decoded = feed_all(cells, cut(raw, data.draw(st.lists(st.integers(0, 1 << 16), max_size=8))))
    ranges = data.draw(ranges_of(len(decoded)))
    kept = list(decoded)
    for begin, end in ranges:
        for at in range(begin, end):
            kept[at] = ""
    result = render(cells, ranges)
    said = JsonCells().feed(result)
    assert sorted(c for c in said if c in SECRET[:-3]) == sorted(c for c in kept if c and c in SECRET[:-3])


@given(st.text(), st.lists(st.integers(0, 1 << 16), max_size=6))
@example('{"a": "\\ud83d', [])
@settings(deadline=None)
def test_any_text_leaves_as_it_came(raw: str, cuts: list[int]) -> None:
    """Text that is no JSON is read without complaint, and what is not redacted is not changed."""
    for cells in (JsonCells(), PlainCells()):
        assert len(feed_all(cells, cut(raw, cuts))) == cells.held
        assert cells.take(cells.held) == raw


@given(dumped())
@settings(deadline=None)
def test_decoding_is_that_of_json(raw: str) -> None:
    """The decoded characters of a string are those that a JSON reader finds in it."""
    cells = JsonCells()
    decoded = feed_all(cells, [json.dumps(raw)])
    assert decoded == f'"{raw}"'
