"""The standard streams of the process: closed, full, of another encoding, or without a reader."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import proxy
from proxy.cli.parsing import Fault

_PACKAGE = Path(proxy.__file__).parent


def prepare() -> None:
    """Make the standard streams safe to write to.

    A descriptor that is closed is opened on the null device: else the next file that is opened, such as the
    state, would become the standard output. What an encoding lacks is written as an escape.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def check(*, needed: bool) -> None:
    """Raise Fault where a command whose results are printed has no standard output."""
    if sys.stdout is None:
        if needed:
            raise Fault("the standard output is closed, and the results are printed there; nothing was done")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives


def flush() -> None:
    """Write out what was printed, while errors of it can still be reported."""
    sys.stdout.flush()


def drop_output() -> None:
    """Give up what was printed and not written, so that the interpreter does not fail on it at its end."""
    try:
        number = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
    except (OSError, ValueError):  # no file is behind it
        return


def end() -> None:
    """Write out what is left. What cannot be written is dropped: its error was reported before."""
    try:
        if sys.stdout is not None:
            flush()
    except (OSError, ValueError):
        drop_output()


def places(error: BaseException) -> list[str]:
    """Return where an error passed through this package, outermost first, without any values."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        path = Path(code.co_filename)
        name = path.relative_to(_PACKAGE.parent) if path.is_relative_to(_PACKAGE.parent) else path.name
        found.append(f"  {name}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return found[-12:]
