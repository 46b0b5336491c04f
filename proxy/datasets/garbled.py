"""Records that hold no readable text: characters that were lost, or bytes that never were text.

A record with a few such characters is read: what is around them can still be recognised. Of one that is full
of them an index would hold what no model ever says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_SHARE = 0.05
"""Share of lost characters from which a text is garbled."""
_LOST = "\ufffd"
_TWICE = "\u951f\u65a4\u62f7"
"""Two lost characters in UTF-8, read as GBK."""


def garbled(texts: Sequence[str]) -> int:
    """Return how many characters are no text, where they are too many for the record to be of use; else 0."""
    size = lost = 0
    for text in texts:
        size += len(text)
        if not text.isascii() or not text.isprintable():
            lost += sum(map(_is_lost, text)) + 3 * text.count(_TWICE)
    return lost if lost and lost >= _SHARE * size else 0


def _is_lost(character: str) -> bool:
    if character == _LOST:
        return True
    if character in "\t\n\r\f\v\x1a\x85":
        return False
    return unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")
