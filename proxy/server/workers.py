"""Several workers behind one port: started, watched, replaced when they die, told to reload and to end.

All share the socket that their parent listens on, so the kernel hands each connection to one that is free.

May import: this door and ``proxy.metrics``. The rules that must stay true: a worker opens everything that
guards before it takes its first request; no worker outlives its parent.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from proxy.errors import ConfigError, ProxyError
from proxy.index.key_sources import VARIABLE
from proxy.metrics import worker_ended
from proxy.secrecy import Secret, forbid_dumps
from proxy.server.logs import catch_the_rest, configure
from proxy.server.settings import Settings

_log = logging.getLogger("sluicegate")
_SOON = 10.0
"""A worker that ends so many seconds after its start has failed to start."""

_PAUSE = 1.0
_MORE = 5.0
"""Seconds beyond its grace that a worker has to end."""

_TRIES = 3


class Workers:
    """The workers of one server. :meth:`run` ends when it is told to, or none can be kept alive.

    SIGTERM and SIGINT end it: new connections are refused, running answers are finished. A second SIGINT ends
    it at once. SIGHUP is passed on: each worker reads policy and index anew.
    """

    def __init__(self, settings: Settings, listener: socket.socket, environment: Mapping[str, str]) -> None:
        """``environment``: what :func:`take_index_key` made of this process's."""
        self._listener = listener
        # The key travels in the pipe that ``spawn`` makes, in no argument and no environment.
        self._arguments = (settings.to_json(), listener, Secret(environment.get(VARIABLE, "")))
        self._number = settings.workers
        self._patience = settings.grace + _MORE
        self._processes: dict[SpawnProcess, float] = {}
        self._failed = 0
        self._told: list[int] = []
        """The signals that ask it to end, in the order in which they came."""
        self._wake, self._waker = os.pipe()

    def run(self) -> None:
        """Keep the workers alive. Raises ConfigError where they end as soon as they start, and
        KeyboardInterrupt after a SIGINT."""
        with self._signals():
            try:
                for _ in range(self._number):
                    self._start()
                while not self._told:
                    self._wait(_PAUSE)
                    if not self._told:
                        self._look_after()
            finally:
                self._end()
        if signal.SIGINT in self._told:
            raise KeyboardInterrupt

    def pids(self) -> list[int]:
        """Return the pids of the workers that run."""
        return [each.pid for each in list(self._processes) if each.pid is not None]

    def _wait(self, seconds: float) -> None:
        """Wait until a worker ends or a signal comes, at most for so long."""
        ready = wait([self._wake, *(each.sentinel for each in self._processes)], timeout=seconds)
        if self._wake in ready:
            os.read(self._wake, 1024)

    def _start(self) -> None:
        process = multiprocessing.get_context("spawn").Process(target=work, args=self._arguments)
        process.start()
        self._processes[process] = time.monotonic()

    def _look_after(self) -> None:
        """Replace those that have ended; wait a little where one ended as soon as it began."""
        ended = [each for each in self._processes if not each.is_alive()]
        soon = False
        for process in ended:
            soon = soon or time.monotonic() - self._processes.pop(process) < _SOON
            if process.pid is not None:
                worker_ended(process.pid)
            code = process.exitcode
            _log.warning("a worker has ended (%s); starting another", _how(code))
        if not ended:
            self._failed = 0 if self._all_settled() else self._failed
            return
        self._failed = self._failed + 1 if soon else 0
        if self._failed >= _TRIES and not self._processes:
            raise ConfigError("every worker ends as soon as it starts; what each has said stands above")
        if soon:
            time.sleep(_PAUSE)
        while len(self._processes) < self._number:
            self._start()

    def _all_settled(self) -> bool:
        return all(time.monotonic() - began > _SOON for began in self._processes.values())

    def _end(self) -> None:
        """Refuse new connections, and wait for the workers."""
        # Each worker closes its own copy of the listener. While one is open anywhere the kernel takes
        # connections, and nobody would answer them.
        self._listener.close()
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + self._patience
        while any(process.is_alive() for process in self._processes):
            left = deadline - time.monotonic()
            if left <= 0 or self._told.count(signal.SIGINT) > 1:
                break
            self._wait(left)
            self._processes = {each: at for each, at in self._processes.items() if each.is_alive()}
        for process in self._processes:
            process.kill()
            process.join()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def forward(_number: int, _frame: object) -> None:
            for process in list(self._processes) if not self._told else ():
                if process.pid is not None and process.is_alive():
                    os.kill(process.pid, signal.SIGHUP)

        def told(number: int, _frame: object) -> None:
            self._told.append(number)
            os.write(self._waker, b".")

        heeded = {signal.SIGHUP: forward, signal.SIGTERM: told, signal.SIGINT: told}
        before = {number: signal.signal(number, heed) for number, heed in heeded.items()}
        try:
            yield
        finally:
            for number, heed in before.items():
                signal.signal(number, heed)


def work(settings: str, listener: socket.socket, index_key: Secret) -> None:
    """What a worker does, in a process of its own. ``index_key``: "" where it is in a file."""
    import uvicorn

    forbid_dumps()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be heeded, it must not kill
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group; the parent decides
    from proxy.server.app import create_app, open_house, spare_collector
    from proxy.server.draining import DrainingServer
    from proxy.server.listen import server_options

    given = Settings.from_json(settings)
    configure(given.log_format, given.log_level)
    catch_the_rest()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        house = open_house(given, {**os.environ, VARIABLE: index_key})
    except ProxyError as error:
        for line in str(error).splitlines():
            _log.error("%s", line)
        raise SystemExit(2) from None
    except Exception:  # multiprocessing would print a traceback, with the message
        _log.exception("a worker failed to start")
        raise SystemExit(1) from None
    app = create_app(house)
    spare_collector()
    options = server_options(house.settings, house.metrics)
    try:
        DrainingServer(uvicorn.Config(app, **options), heeds_interrupts=False).run([listener])
    except Exception:
        _log.exception("a worker failed")
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """A worker whose parent was killed ends as if it had been asked to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"code {code}"
