"""Read records of the state as any release may have written them.

A record may have fields that this release does not know (they are ignored) and may lack fields that are newer
than the release that wrote it (they have defaults). A record that is broken in itself is left out and
reported; the rest of the state stays in use. The invariant: a broken key record lets nobody in.

A field that narrows what a key may do must not be ignored by a release that does not know it. Whoever adds
such a field lists its name in the record's ``must``: a release that does not know every name there refuses
the key.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import TypeVar

from proxy.keys.key import Key
from proxy.keys.state import Allowed, Worker
from proxy.types import Caller

_T = TypeVar("_T")
_LONGEST = 200
_HASH_BYTES = 32
_KEY_FIELDS = frozenset(field.name for field in fields(Key)) | {"hash", "must"}
_WORKER_FIELDS = frozenset(field.name for field in fields(Worker))

Record = Mapping[str, object]


class Broken(ValueError):
    """Why a record cannot be read. The message repeats nothing of the record but names of fields."""


def readable(
    kind: str, records: Iterable[tuple[object, Callable[[], _T]]]
) -> tuple[list[_T], tuple[str, ...]]:
    """Read each record; return those that can be read, and a line for each that cannot.

    ``kind`` names the records for people; each comes with its name and what reads it.
    """
    good: list[_T] = []
    bad: list[str] = []
    for name, read in records:
        try:
            good.append(read())
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            reason = str(error) if isinstance(error, Broken) else "not in the form of a record"
            bad.append(f"{kind} {_shown(name)}: {reason}")
    return good, tuple(bad)


def from_json(text: bytes | str) -> Record:
    """Parse a record. Raises ValueError."""
    record = json.loads(text)
    if not isinstance(record, dict):
        raise Broken("not a JSON object")
    return record


def key(record: Record) -> tuple[bytes, Key]:
    """The hash of a key and what is known of it. Raises Broken.

    ``name`` and ``owner`` may be missing; nothing else may, ``revoked`` least of all.
    """
    kept = record.get("hash")
    try:
        known = bytes.fromhex(kept) if isinstance(kept, str) else kept
    except ValueError:
        known = None
    if not isinstance(known, bytes) or len(known) != _HASH_BYTES:
        raise Broken("'hash' is not a SHA-256 digest")
    if "revoked" not in record:
        raise Broken("'revoked' is missing")
    _understood(record.get("must"))
    revoked = record["revoked"]
    return known, Key(
        id=_text(record, "id", needed=True),
        name=_text(record, "name"),
        role=_text(record, "role", needed=True),
        created=_seconds(record["created"], "created") if "created" in record else _missing("created"),
        revoked=None if revoked is None else _seconds(revoked, "revoked"),
        owner=_text(record, "owner"),
    )


def _understood(must: object) -> None:
    """Raise Broken where a key has limits that this release does not know.

    ``must``: names of fields, as a list or as one text with blanks between them; None and nothing: no limits.
    """
    names = must.split() if isinstance(must, str) else must
    if names is None:
        return
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise Broken("'must' is not a list of names")
    unknown = sorted(name for name in names if name not in _KEY_FIELDS)
    if unknown:
        shown = ", ".join(name[:40] for name in unknown[:3] if name[:40].isidentifier()) or "a field"
        raise Broken(f"it is limited by {shown}, which this release does not know; update the release")


def callers(found: Iterable[tuple[bytes, Key]]) -> tuple[dict[bytes, Caller], tuple[str, ...]]:
    """Who is let in by which hash, and a line for each hash that two records claim: it lets nobody in."""
    let_in: dict[bytes, Caller] = {}
    claimed: set[bytes] = set()
    twice: dict[bytes, str] = {}
    for known, each in found:
        if known in claimed:
            twice[known] = f"key {_shown(each.id)}: another record holds the same hash; neither is used"
        claimed.add(known)
        if each.revoked is None:
            let_in[known] = Caller(each.id, each.role, owner_subject(each.owner))
    for known in twice:
        let_in.pop(known, None)
    return let_in, tuple(twice.values())


def owner_subject(owner: str) -> str:
    """The subject that all keys of an owner share; "" for no owner."""
    return f"own_{sha256(owner.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}" if owner else ""


def worker(record: Record) -> Worker:
    """What a worker reported. Raises ValueError or TypeError."""
    known = {name: value for name, value in record.items() if name in _WORKER_FIELDS}
    for name in ("host", "policy", "index", "fault"):
        if not isinstance(known.get(name, ""), str):
            raise Broken(f"{name!r} is not text")
    for name in ("pid", "allowed", "reload"):
        if type(known.get(name, 0)) is not int:
            raise Broken(f"{name!r} is not a whole number")
    if not isinstance(known.get("extra", {}), dict):
        raise Broken("'extra' is not an object")
    _text(known, "id", needed=True)
    known["seen"] = _seconds(known["seen"], "seen") if "seen" in known else _missing("seen")
    return Worker(**known)  # type: ignore[arg-type]  # each field has just been checked


def allowed(record: Record) -> Allowed:
    """An allowed text; ``hashes`` are bytes, or base64 where the record is JSON. Raises ValueError."""
    hashes = record.get("hashes")
    if isinstance(hashes, str):
        hashes = base64.b64decode(hashes, validate=True)
    if not isinstance(hashes, bytes):
        raise Broken("'hashes' is not base64")
    return Allowed(
        id=_text(record, "id", needed=True),
        name=_text(record, "name"),
        created=_seconds(record["created"], "created") if "created" in record else _missing("created"),
        index_key=_text(record, "index_key", needed=True),
        hashes=hashes,
        about=_text(record, "about"),
    )


def _text(record: Record, name: str, *, needed: bool = False) -> str:
    value = record.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable() or needed > bool(value):
        raise Broken(f"{name!r} is not one line of text")
    return value


def _seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Broken(f"{name!r} is not a time")
    return float(value)


def _missing(name: str) -> float:
    raise Broken(f"{name!r} is missing")


def _shown(name: object) -> str:
    """A record's name for people: one short line, whatever the store holds."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return "".join(each if each.isprintable() else "?" for each in text[:40]) or "(no name)"
