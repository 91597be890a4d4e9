"""Politeness towards hosts: how many checks run at once, and how long a host is left alone between two of them.

Rules:

1. At most `checks_max` checks run at once, and at most one per host.
2. After a check its host rests for `rest_us`. Checks that cannot wait (a mirror that was never looked at, or that its
   publisher names again) do not wait for the rest, but still for the check that runs.

Pure, but for what it remembers; a host is forgotten when it has rested.
"""

from __future__ import annotations


class HostRounds:
    """Caller's duties: pick a host that is neither in `busy` nor, if it can wait, in `resting`; `begin`, `end`."""

    def __init__(self, *, checks_max: int, rest_us: int) -> None:
        self._checks_max = checks_max
        self._rest_us = rest_us
        self._busy: set[str] = set()
        self._rested_at_us: dict[str, int] = {}

    @property
    def room(self) -> int:
        """How many more checks may begin now."""
        return self._checks_max - len(self._busy)

    def busy(self) -> frozenset[str]:
        """Hosts that are being checked."""
        return frozenset(self._busy)

    def resting(self, now_us: int) -> frozenset[str]:
        """Hosts that only what cannot wait may ask."""
        self._rested_at_us = {host: at_us for host, at_us in self._rested_at_us.items() if at_us > now_us}
        return frozenset(self._rested_at_us)

    def begin(self, host: str) -> None:
        """A check of a host begins."""
        if host in self._busy or self.room <= 0:
            raise ValueError("a check that may not begin")
        self._busy.add(host)

    def end(self, host: str, now_us: int) -> None:
        """It has ended, however."""
        self._busy.remove(host)
        self._rested_at_us[host] = now_us + self._rest_us
