"""The gates: which of the last characters are worth a closer look, and by whom.

Strategy: at look-out points, every ``STRIDE`` characters from the start of the text, the last two and
three blocks of so many pairs are weighed (``gauge``); every few blocks the last words and letters are looked
at as well. A long stretch is weighed at once, and only those look-out points are visited that this tells.

May import: the tables of decoders, ``gauge``, ``stretch``, ``order``, ``nato``, ``transducer``. The rule that
must stay true: what is told at a look-out point depends on the characters before it alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache

from proxy.detectors.decoders import MARKED, SCRAMBLED, SPELT, STRANGE, gauge, stretch
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
_LIMITS = stretch.Limits(
    {stretch.FORWARD: _STRANGE_TWO, stretch.LETTERS: _SCRAMBLED_TWO},
    {stretch.LETTERS: _SCRAMBLED_THREE, stretch.EXCESS: 0, stretch.CLEAR: _THREE},
)
"""The same for long stretches."""
_LONG = 20 * STRIDE
"""Characters from which on weighing them at once is quicker."""
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
        "_told",
        "_weighed",
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
        self._told: Sequence[int] = ()
        """Those look-out points up to ``_weighed`` at which a stretch may open a gate."""
        self._weighed = 0
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
        if look > self._weighed:
            if end - look < _LONG or look <= _THREE:
                return self._find(tail, look, end)
            self._weigh(tail, look, end)
        shift = end - len(tail)
        last = min(end - end % STRIDE, self._weighed)
        told = self._told[bisect_left(self._told, look) : bisect_right(self._told, last)]
        visited: list[int] = sorted({*told, *range(self._due, last + 1, _BEGINS_EVERY)})
        for at in visited:
            text = tail[max(0, at - shift - KEEP) : at - shift]
            if at not in told:
                self._due = at + _BEGINS_EVERY
                if not self._words(text, at):
                    continue
                self._due = at
            self._behind(text, len(text) - STRIDE)
            if self._find(text, at, at):
                return at
        self._behind(tail, last - shift)
        return self.find(tail, last + STRIDE, end) if last + STRIDE <= end else 0

    def _weigh(self, tail: str, look: int, end: int) -> None:
        """Weigh at once what lies before the look-out points from ``look`` to ``end``."""
        shift, self._weighed = end - len(tail), end - end % STRIDE
        missed = _LIMITS.missed(tail[look - _THREE - 1 - shift : self._weighed - shift])
        self._told = [look + (number - 2) * STRIDE for number in missed]

    def _behind(self, tail: str, at: int) -> None:
        """The last blocks are those that end before ``tail[at]``."""
        self._old = self._block(tail[at - STRIDE - _BLOCK : at - STRIDE])
        self._new = self._block(tail[at - _BLOCK : at])

    def _find(self, tail: str, look: int, end: int) -> int:
        """The same, look-out point by look-out point."""
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

    def _words(self, text: str, look: int) -> bool:
        """Look at letters and at whole words: whether one of the gates for them is open."""
        probe = self._probe
        self.mirrored = probe is not None and letters_begin(text, probe)
        text = text[-_WORDS:]
        self.reordered = probe is not None and words_begin(text, probe)
        self.spelt = False
        if not look % _WORDS_EVERY:
            words = text.lower().split()
            self.reordered = self.reordered or words_gate(text, words)
            self.spelt = not TELLING.isdisjoint(words)
        return self.mirrored or self.reordered or self.spelt


@lru_cache(maxsize=1 << 5)
def _asked(odd: int, spelt: bool) -> tuple[Decoder, ...]:
    tables = (
        (odd & _STRANGE, STRANGE),
        (odd & _SCRAMBLED, SCRAMBLED),
        (odd & _MARKED, MARKED),
        (spelt, SPELT),
    )
    return tuple(decoder for wanted, decoders in tables if wanted for decoder in decoders)
