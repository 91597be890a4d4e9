"""Runs a blocking look at a stranger's server beside the event loop, without the process ever waiting for it to end.

An executor's threads are joined when the interpreter ends, so one look-up of a name that hangs would hold up Ctrl-C.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T], *, abort: Callable[[], None], name: str) -> T:
    """Await `function()`, run in a thread of its own.

    Args:
        abort: called when the wait is cancelled; should make `function` return soon, from another thread.
        name: of the thread, for people.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        def once() -> None:
            if not done.done():
                act()

        try:
            loop.call_soon_threadsafe(once)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits gets it
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        abort()
        raise
