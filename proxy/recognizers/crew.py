"""Who reads: this process, or several that share the texts between them.

May import: ``proxy.errors`` and this room. The rule that must stay true: what is found does not depend on
how many processes read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context

from proxy.errors import ConfigError
from proxy.recognizers.presidio import Frame, Hit
from proxy.recognizers.recognize import Recognizers, open_recognizers
from proxy.secrecy import forbid_dumps

_SHARE = 16_000
"""Characters that a process is given at a time."""
_STEP = 4_000
"""Characters that networks read in this process between two reports: a second or two."""

Done = Callable[[int], None]
"""Is told how many more characters were read."""


class Readers:
    """Patterns and networks, opened ahead or when they are first asked for. Not shared by threads."""

    def __init__(self, ner: bool, threads: int, gpu: bool | None) -> None:
        self._ner = ner
        self._threads = threads
        self._gpu = gpu
        self._frame: Frame | None = None
        self._networks: Recognizers | None = None

    def open(self) -> None:
        """Open everything now. Raises ``ConfigError`` where the networks cannot be opened."""
        self._opened_frame()
        self._opened_networks()

    def _opened_frame(self) -> Frame:
        if self._frame is None:
            self._frame = Frame()
        return self._frame

    def _opened_networks(self) -> Recognizers | None:
        if self._ner and self._networks is None:
            self._networks = open_recognizers(threads=self._threads, gpu=self._gpu)
        return self._networks

    def patterns(self, texts: Sequence[str]) -> list[list[Hit]]:
        return self._opened_frame().read(texts)

    def names(self, texts: Sequence[str]) -> list[list[Hit]]:
        networks = self._opened_networks()
        if networks is None:
            return [[] for _ in texts]
        return [[Hit(e.kind, e.start, e.end) for e in found] for found in networks.recognize(texts)]


_PATIENCE = 5.0
"""Seconds that the thread of a broken pool gets to end by itself."""


class Crew:
    """Reads with ``workers`` processes; with one, in this process."""

    def __init__(self, workers: int, *, ner: bool, gpu: bool | None = None) -> None:
        threads = max(1, (os.cpu_count() or 1) // workers)
        self._pool: ProcessPoolExecutor | None = None
        self._readers = Readers(ner, threads, gpu)
        self._broken = False
        if workers < 2:
            self._readers.open()
            return
        # "spawn": this process may have threads (a progress bar), which a fork would not survive.
        self._pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_start_worker, initargs=(ner, threads, gpu)
        )

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            if self._broken:
                _unblock(self._pool)
            self._pool.shutdown(cancel_futures=True)

    def patterns(self, texts: Sequence[str], done: Done | None = None) -> list[list[Hit]]:
        """The values that patterns find in each text."""
        return self._shared("patterns", texts, done, _SHARE)

    def names(self, texts: Sequence[str], done: Done | None = None) -> list[list[Hit]]:
        """The names that networks find in each text."""
        return self._shared("names", texts, done, _STEP)

    def _shared(self, what: str, texts: Sequence[str], done: Done | None, step: int) -> list[list[Hit]]:
        found: list[list[Hit]] = []
        if self._pool is None:
            read = getattr(self._readers, what)
            for share in [texts] if done is None else _shares(texts, step):
                found += read(share)
                _tell(done, share)
            return found
        try:
            shares = _shares(texts, _SHARE)
            waiting = [self._pool.submit(_read, what, share) for share in shares]
            for share, result in zip(shares, waiting, strict=True):
                found += result.result()
                _tell(done, share)
            return found
        except BrokenProcessPool:
            self._broken = True
            raise ConfigError(
                "a worker process ended by itself: too little memory? Try fewer --workers"
            ) from None


def _unblock(pool: ProcessPoolExecutor) -> None:
    """Let a pool end of which a process has died while it was handing out work.

    A process that started at that moment may wait for ever on a lock that the dead one held, so all are
    killed. Then the pool's own thread ends, which closes the pipe (CPython issue 94777). Closing it here as
    well at the same time would fail in one of the two, so it is closed here only where the thread hangs, as
    in releases before the fix.
    """
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()
    thread = getattr(pool, "_executor_manager_thread", None)
    if thread is not None:
        thread.join(_PATIENCE)
        if not thread.is_alive():
            return
    queue = getattr(pool, "_call_queue", None)
    reader = getattr(queue, "_reader", None)
    if reader is not None:
        with suppress(OSError):  # mended there: it is closed already
            reader.close()


def _tell(done: Done | None, share: Sequence[str]) -> None:
    if done is not None:
        done(sum(map(len, share)))


def _shares(texts: Sequence[str], most: int) -> list[list[str]]:
    shares: list[list[str]] = []
    size = most
    for text in texts:
        if size >= most:
            shares.append([])
            size = 0
        shares[-1].append(text)
        size += len(text)
    return shares


class _Worker:
    """What a worker process keeps; made by its initializer, in that process alone."""

    readers: Readers


def _start_worker(ner: bool, threads: int, gpu: bool | None) -> None:
    forbid_dumps()
    _Worker.readers = Readers(ner, threads, gpu)


def _read(what: str, texts: list[str]) -> list[list[Hit]]:
    return getattr(_Worker.readers, what)(texts)  # type: ignore[no-any-return]
