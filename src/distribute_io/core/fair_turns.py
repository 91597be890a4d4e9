"""Whose turn it is: start-time fair queueing over bytes (Goyal, Vin, Cheng 1996), all with the same weight.

- Whoever has been sent the fewest bytes goes first; on a tie, who came first.
- Who comes, or had nothing to send for a while, starts where the one who goes next stands: nobody saves up turns.

`client/src/core/fair-turns.ts` is the same; vectors: `spec/vectors/fair-turns.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class FairTurns(Generic[_Key]):
    """Caller's duties: `add` and `remove` who comes and goes; tell what was `sent`."""

    def __init__(self) -> None:
        # Virtual bytes of each, in the order of their coming.
        self._sent: dict[_Key, int] = {}
        self._virtual = 0

    def add(self, key: _Key) -> None:
        """Somebody comes."""
        self._sent[key] = self._virtual

    def remove(self, key: _Key) -> None:
        """Somebody is gone, if it was here."""
        self._sent.pop(key, None)

    def __contains__(self, key: _Key) -> bool:
        return key in self._sent

    def next(self, ready: Callable[[_Key], bool]) -> _Key | None:
        """The next of those that are ready; None when none is."""
        best: _Key | None = None
        least = 0
        for key, sent in self._sent.items():
            start = max(sent, self._virtual)
            if (best is None or start < least) and ready(key):
                best, least = key, start
        return best

    def sent(self, key: _Key, size_bytes: int) -> None:
        """So many bytes were sent to one. Nothing when it has gone."""
        before = self._sent.get(key)
        if before is None:
            return
        self._virtual = max(before, self._virtual)
        self._sent[key] = self._virtual + size_bytes
