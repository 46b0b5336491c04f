"""Text that no reader sees: tag characters, variation selectors, and bits in zero-width characters.

Tags U+E0020 to U+E007E carry ASCII (Unicode 17, section 23.9); the 256 variation selectors carry bytes;
U+200B and U+200C, or U+2062 and U+2064, carry bits. They may stand anywhere between visible letters.

Budget: 24 raw characters, and in practice eight. A reading goes on until 256 raw characters have
brought none of its characters. Limit: zero-width bits are read in one order of digits and from the
first one on.

May import: ``transducer``, ``charset``, ``bits``. The rule that must stay true: visible characters neither
add to the hidden text nor break it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from proxy.detectors.decoders.bits import BitRun, Code
from proxy.detectors.decoders.charset import ByteText
from proxy.detectors.decoders.transducer import Decoded, Glance, Opening, Transducer

_IDLE = 256


class _Idle:
    """Ends when none of its characters has come for a while."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return read - self._last > _IDLE

    def finish(self) -> tuple[Decoded, ...]:
        return ()


class TagText(_Idle):
    __slots__ = ()
    pending = None

    def push(self, character: str, offset: int) -> tuple[Decoded, ...]:
        if not is_tag(character):
            return ()
        self._last = offset
        return ((chr(ord(character) - 0xE0000), offset, True),)


class SelectorText(_Idle):
    """Variation selectors as bytes. Bytes that are no text (as after an emoji) begin it anew."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        super().__init__()
        self._text = ByteText()

    @property
    def pending(self) -> int | None:
        return self._text.pending

    def push(self, character: str, offset: int) -> tuple[Decoded, ...]:
        if not is_selector(character):
            return ()
        self._last = offset
        code = ord(character)
        out = self._text.push(code - 0xFE00 if code < 0x10000 else code - 0xE0100 + 16, offset)
        if out is None:
            self._text = ByteText()
            return ()
        return out


class ZeroWidthText(BitRun):
    """Two zero-width characters as bits; the others mean nothing."""

    __slots__ = ("_last",)

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self._code = code
        self._last = 0

    def push(self, character: str, offset: int) -> tuple[Decoded, ...] | None:
        if character in self._code.values:
            self._last = offset
        return super().push(character, offset)

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return read - self._last > _IDLE


def is_tag(character: str) -> bool:
    return "\U000e0020" <= character <= "\U000e007e"


def is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _zero_width(zero: str, one: str) -> Callable[[], Transducer]:
    code = Code(name="zero-width", values={zero: 0, one: 1}, bits=1, cycle=8, least=1, gaps="", lenient=True)
    return partial(ZeroWidthText, code)


_CHANNELS: tuple[tuple[str, Callable[[str], bool], Callable[[], Transducer]], ...] = (
    ("tags", is_tag, TagText),
    ("selectors", is_selector, SelectorText),
    ("joiners", "\u200b\u200c".__contains__, _zero_width("\u200b", "\u200c")),
    ("operators", "\u2062\u2064".__contains__, _zero_width("\u2062", "\u2064")),
)


class Hidden:
    name = "hidden"
    alone = False
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        first = max(0, len(glance.tail) - 24)
        recent = glance.tail[first:]
        if recent.isascii():
            return
        for name, belongs, make in _CHANNELS:
            index = next((number for number, character in enumerate(recent, first) if belongs(character)), -1)
            if index >= 0:
                yield Opening(name, make, glance.offset(index))
