"""Reads a whole run with one transducer, as the tests of the decoders do."""

from __future__ import annotations

from proxy.detectors.decoders.transducer import Decoded, Decoder, Glance, Opening, Transducer


def read(transducer: Transducer, raw: str, offset: int = 0) -> tuple[list[Decoded], int]:
    """(What a run decodes to, the characters read before one that ended it)."""
    out: list[Decoded] = []
    for at, character in enumerate(raw, offset):
        decoded = transducer.push(character, at)
        if decoded is None:
            return [*out, *transducer.finish()], at - offset
        out += decoded
    return [*out, *transducer.finish()], len(raw)


def text(decoded: list[Decoded]) -> str:
    return "".join(character for character, _, _ in decoded)


def openings(decoder: Decoder, tail: str) -> list[Opening]:
    """What a decoder wants to read of a text that ends here, at a look-out point."""
    return list(decoder.open(Glance(tail, len(tail))))


def readings(decoder: Decoder, raw: str, after: str = "") -> list[str]:
    """All that a decoder makes of a run it sees the whole of, going on into ``after``."""
    found = []
    for opening in openings(decoder, raw):
        decoded, _ = read(opening.make(), (raw + after)[opening.start :], opening.start)
        found.append(text(decoded))
    return found
