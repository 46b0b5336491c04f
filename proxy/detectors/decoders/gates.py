"""The gates: which of the last characters are worth a closer look, and by whom.

Strategy: at look-out points, every ``STRIDE`` characters from the start of the text, the last two and
three blocks of so many pairs are weighed (``gauge``); every few blocks the last words and letters are looked
at as well.

May import: the tables of decoders, ``gauge``, ``order``, ``nato``, ``transducer``. The rule that must stay
true: what is told at a look-out point depends on the characters before it alone.
"""

from __future__ import annotations

from functools import lru_cache

from proxy.detectors.decoders import MARKED, SCRAMBLED, SPELT, STRANGE, gauge
from proxy.detectors.decoders.gauge import AGAIN, BACKWARD, CLEAR, EXCESS, FORWARD, LETTERS, Gauge
from proxy.detectors.decoders.nato import TELLING
from proxy.detectors.decoders.order import Probe, letters_begin, words_begin, words_gate
from proxy.detectors.decoders.transducer import KEEP, STRIDE, Decoder

_TWO, _THREE = 2 * STRIDE, 3 * STRIDE
_STRANGE_TWO = -16
"""Points of the last 16 pairs below which they look like no language."""
_SCRAMBLED_TWO, _SCRAMBLED_THREE = 25, 45
"""Points of the letters of the last 16 and 24 pairs below which they look like no English."""
_ADD, _ALL = gauge.limits(
    (
        (FORWARD, _TWO, _STRANGE_TWO),
        (LETTERS, _TWO, _SCRAMBLED_TWO),
        (AGAIN, _THREE, _SCRAMBLED_THREE),
        (EXCESS, _THREE, 0),
        (CLEAR, _THREE, _THREE),
    )
)
_OLD = gauge.lanes((AGAIN, BACKWARD, EXCESS, CLEAR))
"""The lanes in which the last block but two counts too."""
_STRANGE, _SCRAMBLED = gauge.bit(FORWARD), gauge.bit(LETTERS) | gauge.bit(AGAIN)
_MARKED, _REVERSED = gauge.bit(CLEAR), gauge.bit(EXCESS)
"""The bits of :attr:`Gates.open`."""
_LEAST = 30
"""Points that the last 24 pairs must have backwards: noise has none either way."""
_WORDS_EVERY = 8 * STRIDE
"""Characters between two looks at whole words."""
_WORDS = 9 * STRIDE
_BEGINS_EVERY = 4 * STRIDE
"""Characters between two looks whether the last words say something protected in the opposite order."""
_BLOCK = STRIDE + 1
"""Characters of so many pairs."""


class Gates:
    """Watches one channel, look-out point by look-out point.

    What the other attributes tell holds at the look-out point that :meth:`find` returned, until :meth:`shut`.
    """

    __slots__ = (
        "_block",
        "_due",
        "_new",
        "_old",
        "_probe",
        "_sum",
        "_threes",
        "mirrored",
        "open",
        "reordered",
        "spelt",
    )

    def __init__(self, weights: Gauge, probe: Probe | None) -> None:
        self._threes = weights.threes
        self._block = weights.block
        self._probe = probe
        self._old = self._new = gauge.plain(STRIDE)
        """Packed weights of the last but one and the last block."""
        self._due = _BEGINS_EVERY
        """The next look-out point at which words are looked at."""
        self._sum = 0
        self.open = 0
        """What looks odd: a set of bits."""
        self.mirrored = False
        """Whether the last letters say something protected backwards."""
        self.reordered = False
        """Whether words may stand in the opposite order."""
        self.spelt = False
        """Whether one of the words is of a spelling alphabet."""

    @property
    def backwards(self) -> bool:
        """Whether the last characters say something protected, or look more like language, backwards."""
        if self.mirrored:
            return True
        return bool(self.open & _REVERSED) and gauge.points(self._sum, BACKWARD, _THREE) > _LEAST

    def asked(self) -> tuple[Decoder, ...]:
        """The decoders that may be able to read the last characters."""
        return _asked(self.open & ~_REVERSED, self.spelt)

    def find(self, tail: str, look: int, end: int) -> int:
        """The first look-out point from ``look`` to ``end``, where ``tail`` ends, at which a gate is open.

        0 if there is none. Each look-out point is to be asked for once, in order.
        """
        threes, old, new = self._threes, self._old, self._new
        shift = end - len(tail)
        if look == STRIDE:  # the first block has a blank before it
            tail, shift = " " + tail, shift - 1
        due = self._due - shift
        for at in range(look - shift, end - shift + 1, STRIDE):
            block = tail[at - _BLOCK : at]
            if block.isascii():
                try:
                    last = threes[block[:3]] + threes[block[2:5]] + threes[block[4:7]] + threes[block[6:]]
                except KeyError:
                    last = self._block(block)
            else:
                last = self._block(block)
            total = (old & _OLD) + new + last + _ADD
            old, new = new, last
            if at == due:
                self._due = (due := due + _BEGINS_EVERY) + shift
                self._words(tail[max(0, at - KEEP) : at], at + shift)
            elif total & _ALL == _ALL:
                continue
            self.open = total & _ALL ^ _ALL
            if self.open or self.mirrored or self.reordered or self.spelt:
                self._old, self._new, self._sum = old, new, total - _ADD
                return at + shift
        self._old, self._new = old, new
        return 0

    def shut(self) -> None:
        """The look-out point that was returned has been seen to."""
        self.open = 0
        self.mirrored = self.reordered = self.spelt = False

    def _words(self, text: str, look: int) -> None:
        """Look at letters and at whole words."""
        probe = self._probe
        self.mirrored = probe is not None and letters_begin(text, probe)
        text = text[-_WORDS:]
        self.reordered = probe is not None and words_begin(text, probe)
        self.spelt = False
        if not look % _WORDS_EVERY:
            words = text.lower().split()
            self.reordered = self.reordered or words_gate(text, words)
            self.spelt = not TELLING.isdisjoint(words)


@lru_cache(maxsize=1 << 5)
def _asked(odd: int, spelt: bool) -> tuple[Decoder, ...]:
    tables = (
        (odd & _STRANGE, STRANGE),
        (odd & _SCRAMBLED, SCRAMBLED),
        (odd & _MARKED, MARKED),
        (spelt, SPELT),
    )
    return tuple(decoder for wanted, decoders in tables if wanted for decoder in decoders)
