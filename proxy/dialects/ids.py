"""The ids of an answer, sealed: the caller reads nothing in them, the model's server gets its own back.

A server makes ids as it likes. Some let the model write them (``functions.NAME:0`` of Kimi K2), and those
with rules of their own (that one, or nine letters and digits) answer badly when other ids come back. So an id
goes out encrypted under a key of this house, and where a request brings it again it is opened: nothing is
kept between requests. An id that the server left out is made here.

The seal is a synthetic-IV encryption (Rogaway and Shrimpton 2006; RFC 5297) over the 64 letters of base64url,
made of SHAKE-256 with the key in front: ten letters that are a keyed hash of the id, and the nonce, then its
form and the id itself, hidden. It is deterministic, so one id has one seal, and it hides all but the length.
An id of OpenAI's (``call_`` and 24 letters) becomes one of 40, the most that its own chat endpoint takes.

May import: the ground floor and this room. The rule that must stay true: no letter of an id of the upstream
reaches a caller but through :meth:`Seal.sealed`.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import shake_256
from hmac import compare_digest
from typing import Any

LONGEST = 1024
"""Characters of an id that is kept; servers that write their state into ids need hundreds."""

PREFIXES = ("call_", "resp_", "msg_", "rs_", "fc_", "ctc_", "audio_", "file-", "cntr_")
"""What our ids begin with, by their place; clients look at it."""

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_NUMBERS = bytes.maketrans(_LETTERS, bytes(range(64)))
_TO_LETTERS = _LETTERS * 4  # of any byte its last six bits
_PLAIN = re.compile(r"[A-Za-z0-9_-]*")
_TAG = 10
_MADE = 24
_SEALED = re.compile(rf"({'|'.join(PREFIXES)})([A-Za-z0-9_-]{{{_TAG + 1},{_TAG + 8 * LONGEST}}})")
_AFTER_PREFIX, _WHOLE, _ENCODED = "P", "W", "E"
"""Forms of a sealed id: what follows the prefix of its place, the whole, the whole in base64url."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals ids under ``key``, 32 secret bytes. Who has the same key opens them."""

    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Seal:
        """One that nobody opens."""
        return cls(secrets.token_bytes(32))

    def sealed(self, given: str, prefix: str) -> str:
        """An id as the caller gets it. ``prefix``: one of ``PREFIXES``."""
        rest = given.removeprefix(prefix)
        form = _WHOLE if len(rest) == len(given) else _AFTER_PREFIX
        if not _PLAIN.fullmatch(rest):
            form, rest = _ENCODED, base64.urlsafe_b64encode(given.encode()).rstrip(b"=").decode()
        said = (form + rest).encode()
        tag = self._letters(b"tag", said, _TAG)
        return f"{prefix}{tag.decode()}{self._hidden(said, tag).decode()}"

    def opened(self, given: str) -> str:
        """The upstream's id, where ``given`` is one that was sealed with this key; else ``given``."""
        found = _SEALED.fullmatch(given)
        if found is None:
            return given
        prefix, body = found[1], found[2].encode()
        tag = body[:_TAG]
        said = self._hidden(body[_TAG:], tag)
        if not compare_digest(self._letters(b"tag", said, _TAG), tag):
            return given
        form, rest = chr(said[0]), said[1:].decode()
        if form == _ENCODED:
            return base64.urlsafe_b64decode(rest + "=" * (-len(rest) % 4)).decode()
        return prefix + rest if form == _AFTER_PREFIX else rest

    def fingerprint(self, given: str) -> str:
        """A ``system_fingerprint``: another one where the server's is another, and no more than that."""
        return f"fp_{self._digest(b'fp_', given.encode(), 5).hex()}"

    def made(self, about: str) -> str:
        """Letters for an id of ours; the same for the same ``about``."""
        return self._letters(b"own", about.encode(), _MADE).decode()

    def _hidden(self, letters: bytes, tag: bytes) -> bytes:
        """Each letter shifted by a stream that the tag begins; the same again gives the letters back."""
        stream = int.from_bytes(self._digest(b"hid", tag, len(letters)))
        numbers = int.from_bytes(letters.translate(_TO_NUMBERS))
        return (numbers ^ stream).to_bytes(len(letters)).translate(_TO_LETTERS)

    def _letters(self, use: bytes, text: bytes, length: int) -> bytes:
        return self._digest(use, text, length).translate(_TO_LETTERS)

    def _digest(self, use: bytes, text: bytes, length: int) -> bytes:
        # Key and use are of one length each, so no two inputs run into each other.
        return shake_256(self.key + use + text).digest(length)


@dataclass(frozen=True, slots=True)
class AnswerIds:
    """The ids of one answer. ``answer``: its own, which is ours."""

    seal: Seal
    answer: str

    def of(self, given: object, prefix: str, place: object, name: str, dropped: list[str]) -> str:
        """The id for a place of the answer: ``given``, sealed, or one of ours where it is none.

        ``place`` tells the ids of ours apart; ``name`` is what an unusable one is counted as.
        """
        if isinstance(given, str) and 0 < len(given) <= LONGEST:
            return self.seal.sealed(given, prefix)
        if given:
            dropped.append(name)
        return prefix + self.seal.made(f"{self.answer} {prefix} {place}")


# --- the way back ----------------------------------------------------------------------------------


def opened(body: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """A request with the upstream's own ids where a caller sends back what it was given.

    Only the places of ids are looked at, in ``messages`` and ``input``, and ``previous_response_id``; a
    sealed id in a text stays as it is.
    """
    made = _with(body, ("previous_response_id",), seal)
    for name in ("messages", "input"):
        if isinstance(body.get(name), list):
            made[name] = [_item(each, seal) if isinstance(each, dict) else each for each in body[name]]
    return made


def _item(item: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """A message of chat, or an item of responses."""
    made = _with(item, ("id", "call_id", "tool_call_id"), seal)
    _replace(made, "tool_calls", ("id",), seal)
    if isinstance(audio := made.get("audio"), dict):
        made["audio"] = _with(audio, ("id",), seal)
    if isinstance(content := made.get("content"), list):
        made["content"] = [dict(part) if isinstance(part, dict) else part for part in content]
        for part in made["content"]:
            if isinstance(part, dict):
                _replace(part, "annotations", ("file_id", "container_id"), seal)
    return made


def _replace(holder: dict[str, Any], name: str, ids: Sequence[str], seal: Seal) -> None:
    if isinstance(members := holder.get(name), list):
        holder[name] = [_with(each, ids, seal) if isinstance(each, dict) else each for each in members]


def _with(holder: Mapping[str, Any], names: Sequence[str], seal: Seal) -> dict[str, Any]:
    """A copy with these ids opened."""
    return {
        name: seal.opened(value) if name in names and isinstance(value, str) else value
        for name, value in holder.items()
    }
