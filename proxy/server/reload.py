"""Taking up what changed while serving: policy, index and allowed texts, all or nothing.

Once a second a worker looks at the files and at the state; SIGHUP and ``sluicegate reload`` make it look
at once. What is new is opened beside what serves, and takes its place as a whole: an answer goes on with
the firewall that it began with. What cannot be opened is refused: counted, told in the log, in the trail and
to ``sluicegate reload``, and tried again; the old one serves on.

May import: every room and this door. The rule that must stay true: a firewall is never changed; it is
replaced by one that was opened whole.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.errors import ConfigError, IndexFormatError, ProxyError
from proxy.index import AllowedTexts, Hashes, StoredIndex, read_manifest
from proxy.keys import Allowed, Signals, Worker
from proxy.policy import load_policy
from proxy.server.audiences import warn_of_unnamed
from proxy.server.firewall import Firewall
from proxy.server.opening import Opened, name_of, open_newer
from proxy.server.verifying import LaterCheck

if TYPE_CHECKING:
    from proxy.server.state import House

LOOK_SECONDS = 1.0
REPORT_SECONDS = 5.0
LONGEST_PAUSE = 15.0
"""Seconds between two attempts to read what was refused and has not changed."""

_log = logging.getLogger("sluicegate")
_Stamp = tuple[int, int, int, int] | None


class Reloader:
    """Keeps the firewall of one worker up to date. :meth:`look` may run in any thread, one at a time."""

    def __init__(self, house: House, environment: Mapping[str, str]) -> None:
        self._house = house
        self._environment = environment
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._texts: tuple[Allowed, ...] = ()
        self._strange = 0
        self._signals = Signals()
        self._forced = False
        self._count_again = 0.0
        self._unread: frozenset[str] = frozenset()
        self._suspect = ""
        self._refused = ""
        self._reported: Worker | None = None
        self._reached = True  # the state could be read, and took what it was told
        self._stamps = self._look_at_files()
        self._tried: tuple[_Stamp, _Stamp] = self._stamps
        self._pause = LOOK_SECONDS
        self._again = 0.0

    def start(self) -> None:
        """Put in force what the state says, before the first request. Raises ConfigError."""
        if self._was_replaced():
            self._stamps = (self._stamps[0], None)
        self._signals = self._house.keys.signals()
        self._allow(self._signals.allowed, first=True)
        self._tell()
        self._house.metrics.state_seen(self._reached)

    def force(self) -> None:
        """Read everything anew with the next look, whether it seems to have changed or not."""
        self._forced = True

    def look(self) -> None:
        """Take up what has changed. What goes wrong is told, never raised."""
        self._house.metrics.probed(self._house.probing.most())
        before, self._reached = self._reached, True
        signals = self._ask()
        try:
            if signals.allowed != self._signals.allowed:
                self._allow(signals.allowed)
            forced = self._forced or signals.reload != self._signals.reload
            self._forced = False
            stamps = self._look_at_files()
            self._refused = self._refused or self._house.firewall.trust.fault
            if forced or self._is_due(stamps):
                self._take(stamps, forced)
            self._signals = signals
            self._tell()
        except ProxyError as error:
            _log.error("not taken up: %s", error)
        except Exception as error:  # a watch that ends in silence would serve what is old for ever
            _log.error("not taken up: %s in the watch", type(error).__name__)
            self._house.metrics.fault("policy")
        finally:
            self._house.metrics.state_seen(self._reached)
            if before and not self._reached:
                _log.error("the state cannot be read or written to; what is in force stays")

    def serves(self) -> dict[str, object]:
        """The versions that this worker serves, for people."""
        firewall = self._house.firewall
        return {
            "worker": self._id,
            "policy": firewall.policy.version,
            "index": firewall.index.version,
            "allowed": len(self._texts),
            "refused": bool(self._refused),
            "verified": self._house.check is None or self._house.check.verified,
            "state": "last known" if self._house.keys.stale_seconds else "current",
        }

    def close(self) -> None:
        """Say that this worker has ended."""
        try:
            self._house.keys.gone(self._id)
        except ProxyError as error:
            _log.warning("%s", error)

    # --- policy and index

    def _look_at_files(self) -> tuple[_Stamp, _Stamp]:
        return (
            _stamp(Path(self._house.firewall.policy.source)),
            _stamp(self._house.settings.index / "manifest.json"),
        )

    def _was_replaced(self) -> bool:
        """Return whether the folder holds another index than the one that was opened a moment ago."""
        try:
            return read_manifest(self._house.settings.index).version != self._house.firewall.index.version
        except IndexFormatError:
            return True

    def _take(self, stamps: tuple[_Stamp, _Stamp], forced: bool) -> None:
        """Open what is new, and put it in force as a whole."""
        old, settings = self._house.firewall, self._house.settings
        distrusted = bool(old.trust.fault)
        what = "policy"
        try:
            policy = load_policy(settings.policy)
            what = "index"
            served = Opened(old.index)
            if forced or self._refused or stamps[1] != self._stamps[1]:
                # An index that was found to be damaged is opened again with all sums checked.
                later = settings.verify == "later" and not distrusted
                served = open_newer(settings, self._environment, self._house.keys, old.index, later=later)
            with ExitStack() as opened:
                opened.callback(served.close)
                if self._look_at_files() != stamps:
                    return  # it changed while it was read: look again
                index = served.index
                if index.version == old.index.version and not distrusted:
                    index = old.index
                what = "policy"
                if index is not old.index:
                    index.allow(self._texts_for(index))
                    self._replace(Firewall.assemble(policy, index), served.check)
                    opened.pop_all()
                elif policy.version != old.policy.version:
                    self._replace(Firewall.assemble(policy, index, old.trust))
        except (ProxyError, OSError) as error:
            said = str(error) if isinstance(error, ProxyError) else f"{error.filename}: {error.strerror}"
            self._refuse("index" if isinstance(error, IndexFormatError) else what, said, forced)
            # Opening may mean to read gigabytes: ever more seldom while nothing changes.
            self._pause = LOOK_SECONDS if stamps != self._tried else min(2 * self._pause, LONGEST_PAUSE)
            self._tried, self._again = stamps, time.monotonic() + self._pause
            return
        if self._refused:
            _log.info("what was refused can be read again")
        self._stamps = stamps
        self._suspect = self._refused = ""
        self._pause = LOOK_SECONDS

    def _is_due(self, stamps: tuple[_Stamp, _Stamp]) -> bool:
        """Return whether to read the files now: they have changed, or were refused and some time has gone by.

        What was refused is tried again also where the files are those in force: a folder may be put back, and
        a key, an array or the state may be mended without a trace in the manifest.
        """
        if stamps == self._stamps and not self._refused:
            self._suspect = ""  # seen once, and gone again
            return False
        if stamps == self._tried and self._refused:
            return time.monotonic() >= self._again
        return True

    def _replace(self, new: Firewall, check: LaterCheck | None = None) -> None:
        """The new firewall takes the old one's place; raises where that cannot be written down.

        ``check``: of the new index, where its sums are yet to be checked.
        """
        house, old = self._house, self._house.firewall
        manifest = new.index.manifest
        if new.index is not old.index:
            house.keys.raise_serial(manifest.key_id, name_of(house.settings), manifest.serial)
            house.trail.note("index", version=new.index.version, documents=manifest.documents)
        if new.policy.version != old.policy.version:
            house.trail.note("policy", version=new.policy.version, name=new.policy.name)
        if new.index is not old.index and house.check is not None:
            house.check.close()  # before its folder goes
        house.firewall = new
        if new.index is not old.index:
            house.check = check
            house.check_index()
            house.index_in_force()
            house.metrics.reloaded("index", "taken")
        if new.policy.version != old.policy.version:
            house.policy_in_force()
            house.metrics.reloaded("policy", "taken")
        _log.info("policy %s, index %s in force", new.policy.version, new.index.version)
        warn_of_unnamed(new.policy, new.index.audiences)

    def _refuse(self, what: str, said: str, forced: bool) -> None:
        """The old one serves on. A fault must be there twice, so that files may be copied in peace."""
        if not forced and said != self._suspect:
            self._suspect = said
            return
        if forced or said != self._refused:
            self._house.metrics.reloaded(what, "refused")
            serving = not self._house.firewall.trust.fault
            meanwhile = f"the old {what} serves on" if serving else "nothing is answered meanwhile"
            _log.error("refused, %s: %s", meanwhile, said)
            self._house.trail.note("refused", part=what)
        self._suspect = self._refused = said

    # --- allowed texts

    def _allow(self, number: int, *, first: bool = False) -> None:
        """Put the list of allowed texts in force; ``number`` is the state's counter of its changes."""
        house = self._house
        texts = tuple(house.keys.allowed())
        before, after = {text.id for text in self._texts}, {text.id for text in texts}
        for text in texts:
            if text.id not in before and not first:
                house.trail.note("allowed", id=text.id, incident=text.about or None)
        for gone in sorted(before - after):
            house.trail.note("disallowed", id=gone)
        self._texts = texts  # only what is written down comes into force
        index = house.firewall.index
        index.allow(self._texts_for(index))
        house.metrics.texts_allowed(len(texts) - self._strange)
        if not first:
            house.metrics.reloaded("allowed", "taken")
        self._signals = replace(self._signals, allowed=number)

    def _texts_for(self, index: StoredIndex) -> AllowedTexts:
        """The allowed texts that were hashed under this index's key."""
        fitting = []
        for text in self._texts:
            try:
                hashes = Hashes.from_bytes(text.hashes)
            except ValueError:
                continue
            if text.index_key == index.key.id and hashes.run == index.exempt_run:
                fitting.append(hashes)
        self._strange = len(self._texts) - len(fitting)
        if self._strange:
            _log.warning(
                "%d allowed texts are for another key of the index or another exempt_run: allow them anew",
                self._strange,
            )
        return AllowedTexts(fitting, index.key, index.exempt_run)

    # --- the state

    def _ask(self) -> Signals:
        """What the state signals; while it cannot be reached, what it signalled last."""
        house = self._house
        try:
            signals = house.keys.signals()
            if time.monotonic() >= self._count_again:
                keys = house.keys.list()
                house.metrics.keys_counted(Counter(key.role for key in keys if key.revoked is None))
                self._count_again = time.monotonic() + REPORT_SECONDS
                self._report_unread(house.keys.unread)
        except ConfigError:
            self._reached = False
            self._count_again = 0.0
            return self._signals
        return signals

    def _report_unread(self, unread: Sequence[str]) -> None:
        """Count and log the records that are left out; log each once for as long as it is there."""
        for line in unread:
            if line not in self._unread:
                _log.warning("state: %s; the record is not used", line)
        self._unread = frozenset(unread)
        self._house.metrics.records_unread(len(unread))

    def _tell(self) -> None:
        """Report what is served: when it changes, and every few seconds."""
        firewall, now = self._house.firewall, time.time()
        told = Worker(
            id=self._id,
            seen=now,
            host=socket.gethostname(),
            pid=os.getpid(),
            policy=firewall.policy.version,
            index=firewall.index.version,
            allowed=self._signals.allowed,
            reload=self._signals.reload,
            fault=self._refused,
            extra={"faults": ["index"]} if firewall.trust.fault else {},
        )
        last = self._reported
        if last is not None and now - last.seen < REPORT_SECONDS and replace(told, seen=last.seen) == last:
            return
        try:
            self._house.keys.report(told)
        except ConfigError:
            self._reached = False  # told by the metrics; told to the state with the next look
            return
        self._reported = told


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is replaced or written to; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
