"""Where the state is: a path, or the address of a Redis.

May import: this room; redis only where it is asked for. The rule that must stay true: what looks like an
address is never taken for a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.keys.served import ServedKeyStore
from proxy.keys.sqlite import KeyStore
from proxy.keys.state import State


def redis_password(environment: Mapping[str, str]) -> str:
    """The password for Redis where the address holds none; "" for none."""
    return environment.get("SLUICEGATE_REDIS_PASSWORD", "").strip()


def open_state(state: str | Path, environment: Mapping[str, str], *, create: bool = True) -> State:
    """Open the state. Raises ConfigError, also for a file that does not exist and that ``create`` forbids."""
    if isinstance(state, str) and "://" in state:
        from proxy.keys.redis import RedisStore  # the client is an extra

        return RedisStore(state, password=redis_password(environment))
    return KeyStore(Path(state), create=create)


def open_served_state(state: str | Path, environment: Mapping[str, str]) -> State:
    """Open the state for a server, whose requests never wait for it. Raises ConfigError."""
    if isinstance(state, str) and "://" in state:
        return open_state(state, environment)
    return ServedKeyStore(Path(state))
