"""Keep secrets of this process out of core dumps, of other processes, of its environment and of reprs.

Linux: ``prctl(PR_SET_DUMPABLE, 0)`` forbids core dumps, debuggers of the same user, and their reading of
``/proc/PID/environ``, ``mem`` and ``fd``. A program that is started by ``exec`` begins dumpable again, so
each worker calls :func:`forbid_dumps` for itself. Elsewhere the calls do nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4


class Secret(str):
    """A text whose repr shows nothing of it: for tracebacks, logs and reprs of what holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret()"


def forbid_dumps() -> None:
    """Forbid core dumps of this process and reading of its memory by others. Does nothing where it cannot."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def forget_variable(name: str) -> None:
    """Remove a variable from this process's environment, so that no child inherits it.

    On Linux its value is also overwritten where the kernel shows it, in ``/proc/PID/environ``. The process
    that set it (a shell, a container's configuration) still has it.
    """
    if name not in os.environ:
        return
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            getenv = ctypes.CDLL(None).getenv
            getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
            address = getenv(os.fsencode(name))
            if address:
                ctypes.memset(address, ord("x"), len(ctypes.string_at(address)))
    del os.environ[name]
