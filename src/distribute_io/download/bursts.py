"""Carries what threads report to the loop, a burst at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_BURST_S: Final = 0.008
"""While threads post without a pause, the loop looks after them this often. Waking it for each segment of a mirror of
1 GB/s would take the interpreter's lock from those who read and hash a thousand times a second."""


class Bursts:
    """Runs on the loop what is posted from any thread, in order. Construct it on the loop.

    Args:
        on_over: called on the loop at the end of each burst.
    """

    def __init__(self, *, on_over: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_over = on_over
        self._posted: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._closed = False
        self.running = False
        """Whether a burst is being looked after: more of it may follow at once."""

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` on the loop; from any thread. The first one wakes the loop, a burst waits for `_BURST_S`."""
        self._posted.append(function)
        if not self._scheduled:
            self._scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._run_posted)
            except RuntimeError:
                return  # the loop is closed: a thread outlived the download, and nobody listens any more

    def close(self) -> None:
        """Look after no further burst by itself."""
        self._closed = True

    def _run_posted(self) -> None:
        if not self._posted:
            self._scheduled = False
            # What was posted between the look and this line woke nobody, so look again.
            if not self._posted or self._scheduled:
                return
            self._scheduled = True
        self.running = True
        try:
            while self._posted:
                self._posted.popleft()()
        finally:
            self.running = False
        self._on_over()
        if not self._closed:
            self._loop.call_later(_BURST_S, self._run_posted)
