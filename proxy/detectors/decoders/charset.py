"""Bytes to characters, one byte at a time, for the decoders whose codes carry bytes.

May import: ``transducer``. The rule that must stay true: bytes that are not text end the run; nothing
is replaced or skipped in the middle of it.
"""

from __future__ import annotations

import codecs

from proxy.detectors.decoders.transducer import Decoded, is_text

UTF8 = "utf-8"
WIDE_CHARSETS = ("utf-16-le", "utf-16-be")
_BEGUN = -3
"""Three continuation bytes at most may stand before the first whole character."""
_STRICT = 4
"""Characters of UTF-16 at the start that must be common ones: two bytes of noise are often some letter."""


class ByteText:
    """Decodes bytes that arrive one by one; each comes with the offset of the raw character it begins in."""

    __slots__ = ("_decoder", "_strict", "_utf8", "pending")

    def __init__(self, charset: str = UTF8) -> None:
        self._decoder = codecs.getincrementaldecoder(charset)("strict")
        self._utf8 = charset == UTF8
        self._strict = 0 if self._utf8 else _STRICT
        self.pending: int | None = None
        """Where the first byte of an unfinished character begins."""

    def push(self, byte: int, start: int) -> tuple[Decoded, ...] | None:
        """The character that this byte completes, if any; None when the bytes are not text.

        Continuation bytes at the very start are passed over: the run may begin within a character.
        """
        if self._utf8 and self._strict > _BEGUN:
            if 0x80 <= byte < 0xC0 and self.pending is None:
                self._strict -= 1
                return ()
            self._strict = _BEGUN
        try:
            text = self._decoder.decode(bytes((byte,)))
        except UnicodeDecodeError:
            return None
        if self.pending is None:
            self.pending = start
        if not text:
            return ()
        first, self.pending = self.pending, None
        if not is_text(text) or (self._strict > 0 and not _is_common(text)):
            return None
        self._strict -= 1 if self._strict > 0 else 0
        return ((text, first, True),)


def _is_common(character: str) -> bool:
    """ASCII, Chinese punctuation, or one of the 6,763 Han characters of GB 2312."""
    if character < "\x7f" or "\u3000" <= character <= "\u303f" or "\uff00" <= character <= "\uff5e":
        return True
    if not "\u4e00" <= character <= "\u9fff":
        return False
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
