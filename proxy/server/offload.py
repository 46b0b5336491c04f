"""Work that goes through a large request runs in a thread, so that the answers of others go on.

One thread prepares requests and one runs the guards of their answers: the event loop shares the interpreter
with at most two others, and waits for each no longer than the interpreter's switch interval, or one call of a
library that does not give way. Small requests are worked on directly: handing over would cost more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

LARGE = 131_072
"""Bytes from which the body of a request is large."""

PREPARING: Executor = ThreadPoolExecutor(1, "prepare")
STEPS: Executor = ThreadPoolExecutor(1, "steps")


async def prepared(large: bool, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """Do work for a request: in the thread that prepares where it is ``large``, directly where not."""
    if not large:
        return work(*arguments, **named)
    return await in_thread(PREPARING, work, *arguments, **named)


async def in_thread(
    executor: Executor, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs
) -> _T:
    """Do work in a thread of ``executor``.

    When cancelled, wait for work that has begun: nobody may use what it works on before it ends.
    """
    submitted = executor.submit(partial(work, *arguments, **named))
    future = asyncio.wrap_future(submitted)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not submitted.cancel():
            await asyncio.wait({future})
            future.exception()  # nobody else asks for it
        raise
