"""Server-sent events, both ways, without I/O.

The format is that of the WHATWG HTML standard, section 9.2 ("Parsing an event stream"): lines end in
CR, LF or CRLF, an empty line ends an event, ``data`` lines are joined with LF, a line that begins
with a colon is a comment. We differ in three points, and say so:

* bytes that are not UTF-8 are an error (the standard would put U+FFFD): what cannot be read is not
  passed on;
* an event that is longer than the limit is an error, so that the buffer is bounded;
* an event that the end of the stream completes (no empty line after it) is given out: many servers
  leave that line away after ``[DONE]``. Half a JSON document is no JSON document, so whoever reads
  the data finds a cut event out.

May import: ``proxy.errors``. The rule that must stay true: what comes out depends on the bytes alone,
never on how they were cut, and each byte is looked at a bounded number of times.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.errors import UpstreamError

LIMIT = 16 * 1024 * 1024
"""Bytes that one event may have, its lines taken together."""

DONE = b"data: [DONE]\n\n"
"""The event with which OpenAI ends a stream of chat or text completions."""

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its type (``message`` where the stream names none) and its data."""

    event: str
    data: str


class SseParser:
    """Bytes in, events out. One parser reads one stream."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._line: list[bytes] = []  # the pieces of the line that has not ended yet
        self._data: list[bytes] = []  # the data lines of the event that has not ended yet
        self._event = b""
        self._size = 0  # bytes held in the three above
        self._after_cr = False  # the last byte was a CR: an LF that follows belongs to it
        self._at_start = True
        self._fault = ""

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, in order.

        Raises ``UpstreamError`` for bytes that are not UTF-8 and for an event above the limit. The
        events before the fault are returned first: the next call raises then. After a fault
        every call raises.
        """
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and not (self._line or self._data or self._event):
            events = self._whole(data)
            if events is not None:
                return events
        self._check()
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._end_line(line, events)
            if self._fault:
                break
        else:
            self._hold(rest)
        if self._fault and not events:
            self._check()
        return events

    def _whole(self, data: bytes) -> list[Event] | None:
        """The events of one line each that ``data`` is, as most pieces are; None: to be read as any other."""
        lines = data[6:-2].split(b"\n\ndata: ")
        if self._fault or data.count(b"\n") != 2 * len(lines) or b"\r" in data or len(data) - 2 > self._limit:
            return None
        try:
            events = [Event("message", line.decode()) for line in lines]
        except UnicodeDecodeError:
            return None
        self._after_cr = self._at_start = False
        return events

    def finish(self) -> list[Event]:
        """The stream has ended: the event that was still open, where there is one. Raises as ``feed``."""
        self._check()
        events: list[Event] = []
        self._end_line(b"", events)
        self._check()
        if self._data:
            self._end_line(b"", events)
            self._check()
        return events

    def _check(self) -> None:
        if self._fault:
            raise UpstreamError(self._fault)

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._grow(len(piece))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            self._fault = f"The model server sent an event of more than {self._limit} bytes."
            self._line, self._data = [], []

    def _end_line(self, line: bytes, events: list[Event]) -> None:
        if self._line:
            self._size -= sum(map(len, self._line))
            self._line.append(line)
            line = b"".join(self._line)
            self._line = []
        if self._size + len(line) > self._limit:
            self._grow(len(line))
            return
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(events)
        elif line.startswith(b"data:"):
            # One space after the colon belongs to the format; a second one to the data.
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._grow(len(line))
        elif not line.startswith(b":"):
            self._field(line)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":  # a line without a colon: data that is empty
            self._data.append(b"")
            self._grow(len(line))
        elif name == b"event":
            self._size -= len(self._event)
            self._event = value.removeprefix(b" ")
            self._grow(len(self._event))
        # ``id`` and ``retry`` serve reconnection, which a completion has not; the rest is ignored.

    def _dispatch(self, events: list[Event]) -> None:
        data, event = self._data, self._event
        if not data and not event:
            return
        self._data, self._event, self._size = [], b"", 0
        if not data:
            return
        try:
            text = data[0].decode() if len(data) == 1 else b"\n".join(data).decode()
            name = event.decode() if event else "message"
        except UnicodeDecodeError:
            self._fault = "The model server sent bytes that are not UTF-8."
        else:
            events.append(Event(name, text))


def encode(data: bytes, event: str | None = None) -> bytes:
    """One event on the wire. Data of several lines takes several ``data`` lines.

    Raises ``ValueError`` when ``event`` holds a line end: it would begin a field of its own.
    """
    if event is None:
        head = b""
    elif "\n" in event or "\r" in event:
        raise ValueError("the name of an event is one line")
    else:
        head = b"event: " + event.encode() + b"\n"
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return head + b"data: " + data + b"\n\n"


def comment(text: bytes = b"keep-alive") -> bytes:
    """A comment of one line, which every reader ignores: it keeps an idle connection open."""
    if b"\n" in text or b"\r" in text:
        raise ValueError("a comment is one line")
    return b": " + text + b"\n\n"
