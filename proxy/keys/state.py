"""What workers and replicas share: keys, allowed texts, requests to reload, and what each worker serves.

May import: ``proxy.errors``, ``proxy.types`` and this room. The rule that must stay true: nothing here is
text of an answer or of the training set: of an allowed text only keyed hashes are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from proxy.errors import ConfigError
from proxy.keys.key import Key, NewKey
from proxy.types import Caller

ALIVE_SECONDS = 20.0
"""A worker that has not reported for so long has gone."""

FORGOTTEN_SECONDS = 120.0
"""And after so long what it reported is taken away."""

_ALLOWED_ID = re.compile(r"alw_[0-9a-f]{4,12}")


@dataclass(frozen=True, slots=True)
class Allowed:
    """A text that is free for everyone, as hashes under the key of an index (see ``index/allowed.py``).

    ``hashes``: what the index makes of the text. ``about``: the incident it answers, or "".
    """

    id: str
    name: str
    created: float
    index_key: str
    hashes: bytes
    about: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """Counters that rise: when the list of allowed texts was changed, and when somebody asked to reload."""

    allowed: int = 0
    reload: int = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker says of itself. ``seen``: seconds since the epoch. ``reload``: the last request it has
    answered. ``fault``: why it did not take what is new; "" where all is taken."""

    id: str
    seen: float
    host: str = ""
    pid: int = 0
    policy: str = ""
    index: str = ""
    allowed: int = 0
    reload: int = 0
    fault: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Keys(Protocol):
    """Where keys are kept. All raise ``ConfigError`` where the store cannot be used."""

    def create(self, role: str, name: str = "", owner: str = "") -> NewKey: ...

    def list(self) -> Sequence[Key]: ...

    def revoke(self, which: str) -> Key: ...

    def authenticate(self, presented: str) -> Caller | None: ...

    def close(self) -> None: ...


class State(Keys, Protocol):
    """All that is shared. All raise ``ConfigError`` where it cannot be used."""

    @property
    def where(self) -> str:
        """What people know it by; no password is in it."""
        ...

    @property
    def stale_seconds(self) -> float:
        """For how long what is known has not been compared with the store; 0 where that never happens."""
        ...

    @property
    def unread(self) -> Sequence[str]:
        """A line for each record that could not be read when its kind was last asked for."""
        ...

    def check(self) -> None:
        """Raises ConfigError where nobody could be let in."""
        ...

    def allow(self, text: Allowed) -> None: ...

    def allowed(self) -> Sequence[Allowed]: ...

    def disallow(self, which: str) -> Allowed: ...

    def ask_to_reload(self) -> int:
        """Ask every worker to read policy and index anew; gives the number of the request."""
        ...

    def signals(self) -> Signals: ...

    def report(self, worker: Worker) -> None: ...

    def workers(self) -> Sequence[Worker]:
        """The workers that have reported lately, in the order of their ids."""
        ...

    def gone(self, worker: str) -> None:
        """A worker has ended."""
        ...

    def serial(self, index_key: str, name: str) -> int:
        """Return the highest build number served of the indexes of this name and key id; 0 for none."""
        ...

    def raise_serial(self, index_key: str, name: str, serial: int) -> None:
        """Keep the number of a build that is served, unless a higher one is kept."""
        ...

    def lower_serial(self, index_key: str, name: str, serial: int) -> None:
        """Keep this number, whatever was kept: the operator accepts an older build."""
        ...


def chosen_text(which: str, texts: Sequence[Allowed]) -> Allowed:
    """The one allowed text of this id, beginning of an id, or name. Raises ConfigError."""
    if _ALLOWED_ID.fullmatch(which):
        found = [text for text in texts if text.id.startswith(which)]
    else:
        found = [text for text in texts if text.name == which and which]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(text.id for text in found)
        raise ConfigError(f"{len(found)} allowed texts are meant by that: {ids}; give one id")
    raise ConfigError("no allowed text has that id or name; `sluicegate allow list` shows them")
