"""uvicorn's server, which logs why it ends, and when its running answers have ended.

Handlers of signals do not log: they may interrupt a line that is being written.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

_log = logging.getLogger("sluicegate")


class DrainingServer(uvicorn.Server):
    """``heeds_interrupts``: whether SIGINT ends it; a worker leaves that to its parent.

    ``interrupted`` is true after a SIGINT: uvicorn raises the signal again at its end, but on some loops that
    is lost.
    """

    def __init__(self, config: uvicorn.Config, *, heeds_interrupts: bool = True) -> None:
        super().__init__(config)
        self._heeds_interrupts = heeds_interrupts
        self._why = ""
        self.interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            if not self._heeds_interrupts:
                return
            self.interrupted = True
        self._why = self._why or signal.Signals(sig).name
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        began, running = time.monotonic(), len(self.server_state.tasks)
        grace = self.config.timeout_graceful_shutdown
        _log.info(
            "%s: draining: no new connections; %d requests in progress have %s s to finish",
            self._why or "ending",
            running,
            grace,
            extra={"fields": {"event": "drain_begun", "signal": self._why, "requests": running}},
        )
        await super().shutdown(sockets)
        cut = len(self.server_state.tasks)
        if self.force_exit:  # a second interrupt: cut what runs, and close everything as usual
            for task in self.server_state.tasks:
                task.cancel()
            await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
            await self.lifespan.shutdown()
        seconds = time.monotonic() - began
        _log.info(
            "drained in %.1f s; %d requests were cut off",
            seconds,
            cut,
            extra={"fields": {"event": "drain_ended", "seconds": round(seconds, 3), "requests": cut}},
        )
