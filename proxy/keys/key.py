"""What a key is: how it is made and named, and what is kept of it.

May import: ``proxy.errors``. The rule that must stay true: a key is shown once, when it is made, and stands
nowhere else.

Why sha256 and no slow hash: a slow hash protects secrets that people choose, because these can be
guessed. A key has 256 random bits; guessing is hopeless at any speed, and a slow hash on each
request would only help those who send many wrong keys.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from proxy.errors import ConfigError

PREFIX = "sk-sg-"

_KEY = re.compile(r"sk-sg-[A-Za-z0-9_-]{43}")
_ID_PREFIX = re.compile(r"key_[0-9a-f]{4,12}")


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: everything but the key. Times are seconds since the epoch, UTC.

    ``owner``: the person or service that holds the key; limits count all keys of one owner together.
    """

    id: str
    name: str
    role: str
    created: float
    revoked: float | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; ``secret`` is the only copy of it."""

    key: Key
    secret: str = field(repr=False)


def new_key(role: str, name: str, now: float, owner: str = "") -> NewKey:
    """Make a key for a role. Raises ConfigError for a bad name or owner."""
    if not role:
        raise ConfigError("a key needs a role")
    if len(name) > 100 or not name.isprintable() or name.startswith(("key_", PREFIX)):
        raise ConfigError(
            f"a key's name has at most 100 plain characters and does not begin with key_ or {PREFIX}"
        )
    if len(owner) > 100 or not owner.isprintable() or owner != owner.strip() or PREFIX in owner:
        raise ConfigError(
            "a key's owner has at most 100 plain characters, no blanks around them, and is not a key"
        )
    made = Key(f"key_{secrets.token_hex(6)}", name, role, now, owner=owner)
    return NewKey(made, PREFIX + secrets.token_urlsafe(32))


def looks_like_a_key(presented: str) -> bool:
    """Whether it has a key's form; nothing else is worth hashing."""
    return _KEY.fullmatch(presented) is not None


def digest(secret: str) -> bytes:
    """What is kept of a key."""
    return sha256(secret.encode("ascii")).digest()


def chosen(which: str, keys: Sequence[Key]) -> Key:
    """The one active key meant by an id, a name, or the beginning of an id (``key_`` and 4 digits)."""
    active = [key for key in keys if key.revoked is None]
    if _ID_PREFIX.fullmatch(which):
        found = [key for key in active if key.id.startswith(which)]
    else:
        found = [key for key in active if key.name == which and which]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(key.id for key in found)
        raise ConfigError(f"{len(found)} active keys are meant by that name or id: {ids}; give one id")
    gone = [key for key in keys if key.revoked is not None and which and which in (key.id, key.name)]
    if gone:
        when = datetime.fromtimestamp(gone[-1].revoked or 0.0, UTC).isoformat(timespec="seconds")
        raise ConfigError(f"{gone[-1].id} was revoked already, at {when}")
    raise ConfigError("no active key has that id or name; `sluicegate keys list` shows them")
