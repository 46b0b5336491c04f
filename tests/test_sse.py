"""Server-sent events: the standard's cases, each read whole and one byte at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamError
from proxy.sse import DONE, Event, SseParser, comment, encode

CASES: dict[str, tuple[bytes, list[Event]]] = {
    "LF": (b"data: a\n\ndata: b\n\n", [Event("message", "a"), Event("message", "b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event("message", "a"), Event("message", "b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [Event("message", "a"), Event("message", "b")]),
    "mixed line ends": (b"data: a\r\n\ndata: b\n\rdata: c\r\r\n", [Event("message", c) for c in "abc"]),
    "several data lines": (b"data: a\ndata: b\ndata:\n\n", [Event("message", "a\nb\n")]),
    "one space is taken off": (b"data:  a\n\ndata:b\n\n", [Event("message", " a"), Event("message", "b")]),
    "data without a colon": (b"data\n\n", [Event("message", "")]),
    "comments": (b": keep-alive\n\ndata: a\n: x\n\n:\n\n", [Event("message", "a")]),
    "event names": (b"event: ping\ndata: a\n\ndata: b\n\n", [Event("ping", "a"), Event("message", "b")]),
    "the last event line counts": (b"event: x\nevent:y\ndata: a\n\n", [Event("y", "a")]),
    "an event without data is none": (b"event: ping\n\ndata: a\n\n", [Event("message", "a")]),
    "other fields": (b"id: 7\nretry: 9\nnonsense: 1\nnonsense\ndata: a\n\n", [Event("message", "a")]),
    "a leading space is no field": (b" data: a\n\ndata: b\n\n", [Event("message", "b")]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [Event("message", "a")]),
    "a second BOM is no BOM": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [Event("message", "b")]),
    "colons in the data": (b'data: {"a": "b: c"}\n\n', [Event("message", '{"a": "b: c"}')]),
    "UTF-8": ("data: 中文 😀 é\n\n".encode(), [Event("message", "中文 😀 é")]),
    "NEL and LS are no line ends": ("data: a\x85b\u2028c\n\n".encode(), [Event("message", "a\x85b\u2028c")]),
    "no blank line at the end": (
        b"data: a\n\ndata: [DONE]",
        [Event("message", "a"), Event("message", "[DONE]")],
    ),
    "no blank line but a line end": (b"data: [DONE]\n", [Event("message", "[DONE]")]),
    "a CR at the end": (b"data: a\r", [Event("message", "a")]),
    "nothing": (b"", []),
    "only blank lines": (b"\n\r\n\r", []),
}


def read(pieces: list[bytes], limit: int = 1 << 20) -> list[Event]:
    """All events of a stream that comes in ``pieces``."""
    parser = SseParser(limit)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


def read_until_fault(pieces: list[bytes], limit: int = 1 << 20) -> tuple[list[Event], str]:
    """The events before the fault, and the fault."""
    parser, events = SseParser(limit), []
    try:
        for piece in pieces:
            events += parser.feed(piece)
        events += parser.finish()
    except UpstreamError as error:
        return events, str(error)
    return events, ""


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("name", CASES)
def test_case_read_whole(name: str) -> None:
    """Each case of the standard gives its events when the stream comes in one piece."""
    data, expected = CASES[name]
    assert read([data]) == expected


@pytest.mark.parametrize("name", CASES)
def test_case_read_byte_by_byte(name: str) -> None:
    """Each case gives the same events when it comes one byte at a time."""
    data, expected = CASES[name]
    assert read(single_bytes(data)) == expected


@given(st.data())
@settings(deadline=None)
def test_cutting_changes_nothing(data: st.DataObject) -> None:
    """Any bytes in any cutting give the same events and the same fault as in one piece."""
    alphabet = [b"data:", b"data", b"event:", b" ", b":", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xe4\xb8"]
    alphabet += [b"\xad", b"\xff", b"a", b"0123456789"]
    stream = b"".join(data.draw(st.lists(st.sampled_from(alphabet), max_size=60)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = read_until_fault([stream], limit=24)
    assert read_until_fault(pieces, limit=24) == whole
    assert read_until_fault(single_bytes(stream), limit=24) == whole


@given(
    st.lists(
        st.tuples(
            st.text(),
            st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1),
        )
    )
)
@settings(deadline=None)
def test_what_is_encoded_is_read_again(events: list[tuple[str, str | None]]) -> None:
    """Encoding and reading gives the data back, with its line ends as LF."""
    stream = b"".join(encode(data.encode(), name) + comment() for data, name in events)
    lines = [(data.replace("\r\n", "\n").replace("\r", "\n"), name) for data, name in events]
    assert read([stream]) == [Event(name or "message", data) for data, name in lines]


def test_bytes_that_are_not_utf8_are_an_error() -> None:
    """A stream that is not UTF-8 stops with an error in our words, after the events before it."""
    for pieces in ([b"data: a\n\ndata: \xff\n\n"], single_bytes(b"data: a\n\ndata: \xff\n\n")):
        events, fault = read_until_fault(pieces)
        assert events == [Event("message", "a")]
        assert "UTF-8" in fault


def test_a_character_that_the_end_cuts_is_an_error() -> None:
    """Half a character at the end of the stream is an error, not a replacement character."""
    assert read_until_fault([b"data: \xe4\xb8"]) == ([], "The model server sent bytes that are not UTF-8.")


def test_after_a_fault_every_call_raises() -> None:
    """A parser that has met a fault gives nothing any more."""
    parser = SseParser()
    assert parser.feed(b"data: a\n\ndata: \xff\n\ndata: b\n\n") == [Event("message", "a")]
    with pytest.raises(UpstreamError):
        parser.feed(b"data: c\n\n")
    with pytest.raises(UpstreamError):
        parser.finish()


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 200 + b"\n\n",
        b"data: " + b"x" * 200,
        b"data: x\n" * 40,
        b"event: " + b"x" * 200,
        b": " + b"x" * 200 + b"\n\ndata: a\n\n",
    ],
    ids=["one line", "a line without an end", "many lines", "a name", "a comment"],
)
def test_an_event_above_the_limit_is_an_error(stream: bytes) -> None:
    """The buffer is bounded: an event above the limit stops the stream, however it is made and cut."""
    for pieces in ([stream], single_bytes(stream)):
        events, fault = read_until_fault(pieces, limit=100)
        assert (events, "more than 100 bytes" in fault) == ([], True)


def test_the_limit_is_for_one_event() -> None:
    """A long stream of short events passes, and an event of exactly the limit does."""
    assert len(read([b"data: 1234\n\n" * 1000], limit=10)) == 1000
    assert len(read(single_bytes(b": 34567890\n\n" * 10 + b"data: 1234\n\n"), limit=10)) == 1


def test_a_long_line_in_small_reads_is_looked_at_once() -> None:
    """Ten megabytes on one line in reads of a kilobyte: the pieces are joined once, at the line's end."""
    parser = SseParser(limit=1 << 24)
    piece = b"x" * 1024
    assert parser.feed(b"data: ") == []
    for _ in range(10_000):
        assert parser.feed(piece) == []
    assert len(parser._line) == 10_001, "pieces wait as they came: joining each time would be quadratic"
    (event,) = parser.feed(b"\n\n")
    assert event.data == "x" * 10_240_000


def test_done_is_an_event() -> None:
    """The constant that ends a stream is what clients look for."""
    assert read([DONE]) == [Event("message", "[DONE]")]


def test_a_name_or_comment_of_two_lines_is_refused() -> None:
    """What would begin a field of its own cannot be put into a name or a comment."""
    with pytest.raises(ValueError, match="one line"):
        encode(b"{}", "a\ndata: b")
    with pytest.raises(ValueError, match="one line"):
        comment(b"a\r\ndata: b")
