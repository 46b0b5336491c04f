"""Keys, and what else workers and replicas share: in an SQLite file on one machine, in Redis for many.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: a key is shown once,
when it is made, and stands nowhere else; when the state cannot be read nobody new is let in.
"""

from __future__ import annotations

from proxy.keys.key import PREFIX, Key, NewKey
from proxy.keys.opening import open_served_state, open_state, redis_password
from proxy.keys.sqlite import KeyStore
from proxy.keys.state import Allowed, Keys, Signals, State, Worker

__all__ = [
    "PREFIX",
    "Allowed",
    "Key",
    "KeyStore",
    "Keys",
    "NewKey",
    "Signals",
    "State",
    "Worker",
    "open_served_state",
    "open_state",
    "redis_password",
]
