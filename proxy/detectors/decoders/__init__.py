"""The decoders, one small file each, and the table that says when each is asked.

May import: its own files. The rule that must stay true: a decoder that is not in a table here is never
used, and each stands in exactly one.
"""

from __future__ import annotations

from proxy.detectors.decoders.backslash import Backslash
from proxy.detectors.decoders.base32 import Base32
from proxy.detectors.decoders.base64 import Base64
from proxy.detectors.decoders.base85 import Base85
from proxy.detectors.decoders.binary import Binary
from proxy.detectors.decoders.braille import Braille
from proxy.detectors.decoders.codepoints import CodePoints
from proxy.detectors.decoders.entities import Entities
from proxy.detectors.decoders.hexadecimal import Hexadecimal
from proxy.detectors.decoders.hidden import Hidden
from proxy.detectors.decoders.morse import Morse
from proxy.detectors.decoders.nato import Nato
from proxy.detectors.decoders.percent import Percent
from proxy.detectors.decoders.quoted_printable import QuotedPrintable
from proxy.detectors.decoders.rotation import Rot47, Rotation
from proxy.detectors.decoders.transducer import Decoder

STRANGE: tuple[Decoder, ...] = (
    Base64(),
    Base32(),
    Hexadecimal(),
    Binary(),
    CodePoints(),
    Base85(),
    Morse(),
    Rot47(),
)
"""Asked where the last characters look like no language."""

SCRAMBLED: tuple[Decoder, ...] = (Rotation(),)
"""Asked where the last letters look like no English."""

MARKED: tuple[Decoder, ...] = (Percent(), Entities(), Backslash(), QuotedPrintable(), Hidden(), Braille())
"""Asked where a character was read that escapes or hidden channels are made with."""

SPELT: tuple[Decoder, ...] = (Nato(),)
"""Asked where a word of a spelling alphabet was read."""

__all__ = ["MARKED", "SCRAMBLED", "SPELT", "STRANGE"]
