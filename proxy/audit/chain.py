"""A chain of lines: each carries a hash over itself and the hash of the line before it.

A line is one JSON object in ASCII: ``{"v":2,"chain":ID,"n":NUMBER,"kind":KIND, ... ,"mac":HASH}``. The hash
is BLAKE2b (RFC 7693) of 128 bits over the hash before and the line up to its own; the first one follows the
chain's id. With a key it is a message authentication code, and only who has the key can write a chain;
without one it shows what was changed by somebody who did not work it out anew.

May import: ``proxy.errors``. The rule that must stay true: a line that was changed, removed or put
elsewhere does not fit the hash of its own or the next one.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from proxy.errors import ConfigError

FORMAT = 2
"""The version of a line's fields; lines of version 1 had no chain."""

BEGIN = b'{"v":'
"""How every line begins, and nothing within one."""

KEY_VARIABLE = "SLUICEGATE_TRAIL_KEY"

_LEAST = 16
_MAC = b',"mac":"'
_SIZE = 16
_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_PLAIN = re.compile(rb"[ -~]+")
_LINE = re.compile(rb'([^\n]+),"mac":"([0-9a-f]{32})"\}\n?')


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a chain: its number, from 0, and its hash."""

    chain: str
    n: int
    mac: str


class Chain:
    """The end of a chain that is being written. Not shared: its owner writes one line after the other."""

    def __init__(self, key: bytes = b"") -> None:
        """``key``: at most 64 bytes; none for a plain hash."""
        self.id = secrets.token_hex(6)
        self.n = 0
        self.keyed = bool(key)
        self._key = key
        self._mac = ""

    def line(self, kind: str, fields: Mapping[str, Any]) -> tuple[bytes, Place]:
        """The next line, ended by a newline, and its place; it is the next until :meth:`written` is told."""
        head = {"v": FORMAT, "chain": self.id, "n": self.n, "kind": kind}
        body = _encoded({**head, **fields})[:-1]
        mac = link(self._key, self.id, self._mac, body)
        return body + _MAC + mac.encode("ascii") + b'"}\n', Place(self.id, self.n, mac)

    def written(self, place: Place) -> None:
        """The line of this place is in the file: the next one follows it."""
        self.n, self._mac = place.n + 1, place.mac


def _encoded(fields: Mapping[str, Any]) -> bytes:
    """A JSON object in ASCII without blanks or control characters.

    The quicker writer escapes no other character, and takes no surrogates and no number of more than 64 bits.
    """
    try:
        quick = orjson.dumps(fields)
    except orjson.JSONEncodeError:
        quick = b""
    return quick if _PLAIN.fullmatch(quick) else _JSON.encode(fields).encode("ascii")


def link(key: bytes, chain: str, before: str, body: bytes) -> str:
    """The hash of a line: ``before`` is that of the line before it, "" for the first."""
    digest = blake2b(key=key, digest_size=_SIZE, person=b"sluicegate-trl")
    digest.update((before or chain).encode("ascii"))
    digest.update(b"\n")
    digest.update(body)
    return digest.hexdigest()


def split(line: bytes) -> tuple[bytes, str] | None:
    """A whole line's body, which its hash is over, and the hash; None for anything else."""
    found = _LINE.fullmatch(line)
    return None if found is None else (found[1], found[2].decode("ascii"))


def trail_key(environment: Mapping[str, str]) -> bytes:
    """The key of the chains from ``SLUICEGATE_TRAIL_KEY``; b"" where there is none. Raises ConfigError."""
    given = environment.get(KEY_VARIABLE, "").strip()
    if given and len(given) < _LEAST:
        raise ConfigError(f"{KEY_VARIABLE}: has {len(given)} characters; {_LEAST} or more are needed")
    return blake2b(given.encode(), person=b"sluicegate-trk").digest() if given else b""
