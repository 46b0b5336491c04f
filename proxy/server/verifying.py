"""Check the sums of an index while it serves (``serve --verify later``), and stop serving where one is wrong.

A thread of each worker reads every file once, slowly, from the folder that was opened, also where another one
has taken its name. Invariant: an index whose check has failed decides nothing any more. Its answers end as
faults, new requests get 503, until a reload has opened an index with all sums checked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from proxy.index import Manifest

BYTES_PER_SECOND = 256 * 1024 * 1024
"""Read by all workers together: the check must leave the disk to the look-ups."""

GONE_SECONDS = 30.0
"""How long a reload may take after the folder was replaced and its files removed."""

_CHUNK = 1 << 22
_log = logging.getLogger("sluicegate")


class Trust:
    """Whether an index may decide. ``fault``: why it may not, for the operator; "" while it may."""

    __slots__ = ("fault",)

    def __init__(self) -> None:
        self.fault = ""


class LaterCheck:
    """The check of one opened index. The folder is held open from the start on, so renames do not matter."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._where = folder
        self._sums = {name: str(entry["sha256"]) for name, entry in manifest.files.items()}
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.verified = False

    def start(self, failed: Callable[[str], None], *, share: int = 1) -> None:
        """Begin to read. ``failed``: called once, in the thread, with what is wrong. ``share``: the number of
        processes that read at the same time."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, args=(failed, BYTES_PER_SECOND / share), name="verify", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop reading. Nothing is reported afterwards."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _run(self, failed: Callable[[str], None], rate: float) -> None:
        fault = ""
        try:
            fault = next((each for name in self._sums if (each := self._fault_of(name, rate))), "")
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                # A build has replaced the folder and removed this one: the reload is about to end this check.
                self._end.wait(GONE_SECONDS)
            fault = f"{self._where}: cannot be verified: {error.strerror or type(error).__name__}"
        except Exception as error:  # fail closed: what was not checked is not trusted
            fault = f"{self._where}: cannot be verified: {type(error).__name__}"
        if self._end.is_set():
            return
        if fault:
            failed(fault)
            return
        self.verified = True
        _log.info("index %s: every file has the sum of its manifest", self._where)

    def _fault_of(self, name: str, rate: float) -> str:
        """What is wrong with one file; "" for nothing, and where the check has ended."""
        digest = hashlib.sha256()
        with open(name, "rb", opener=self._opener) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if self._end.wait(len(chunk) / rate):
                    return ""
        if digest.hexdigest() == self._sums[name]:
            return ""
        return f"{self._where / name}: its sha256 is not the manifest's; rebuild the index"

    def _opener(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CLOEXEC, dir_fd=self._folder)
