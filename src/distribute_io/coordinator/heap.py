"""What a large coordinator remembers is kept from the garbage collector, which would look through all of it.

Rules:

1. From `LARGE_FROM_SESSIONS` on, what was made since the last turn is looked through and then set aside (`gc.freeze`):
   the interpreter looks through all that it has whenever that grew by a quarter, and with 100,000 donors that stops the
   loop for a second (`python -m bench heap_pauses`). What is set aside is freed as ever when nobody refers to it.
2. Only garbage in cycles that was set aside while it was in use stays. So all is looked through once when there is
   `GROWN_TIMES` as much as after the last time, and when half of the sessions of then have gone.
3. A coordinator that is small again has nothing set aside.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

LARGE_FROM_SESSIONS: Final = 2_000
"""Below, all is looked through in some milliseconds."""

TURN_EVERY_S: Final = 1.0
GROWN_TIMES: Final = 2
GROWN_FROM: Final = 250_000
"""Objects, of about a hundred bytes: so much garbage is some tens of megabytes. What 2,000 sessions are is less."""


class Heap:
    """Caller's duties: `run`, once in a process, as long as there are sessions."""

    def __init__(self, sessions: Callable[[], int]) -> None:
        """Keep how to learn the number of sessions."""
        self._sessions = sessions
        self._kept = 0
        """Objects set aside after all was looked through."""
        self._most = 0
        """Sessions at most since then."""
        self._is_large = False

    async def run(self) -> None:
        """A turn each `TURN_EVERY_S`, until cancelled."""
        try:
            while True:
                await asyncio.sleep(TURN_EVERY_S)
                self.turn()
        finally:
            if self._is_large:
                gc.unfreeze()

    def turn(self) -> None:
        """Look through what is new, or through all (rule 2), and set it aside."""
        sessions = self._sessions()
        if sessions < LARGE_FROM_SESSIONS:
            if self._is_large:
                gc.unfreeze()
            self._is_large = False
            return
        self._most = max(self._most, sessions)
        looks_at_all = not self._is_large or 2 * sessions < self._most
        looks_at_all |= gc.get_freeze_count() > GROWN_TIMES * max(GROWN_FROM, self._kept)
        if looks_at_all:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        if looks_at_all:
            self._kept, self._most = gc.get_freeze_count(), sessions
        self._is_large = True
