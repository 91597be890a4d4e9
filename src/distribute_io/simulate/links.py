"""Connections as columns: who sends to whom, how fast in this step, and what is left.

Rates of a step: a donor's uplink evenly over its busy connections, cut to the downloader's downlink, and what is cut
off shared once more. Mirrors send what is missing to the downlink. Slots are used again; a free one has rate 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from distribute_io.simulate.parties import Donor, Download

Floats = NDArray[np.float64]

_FULL = 0.9
"""A download is full when donors give so much of its downlink."""


class Links:
    """All connections, donors' uplinks and downloads' downlinks, by slot."""

    def __init__(self) -> None:
        self._free_links: list[int] = []
        self._free_donors: list[int] = []
        self._free_downloads: list[int] = []
        self.donor: list[Donor | None] = []
        self.download: list[Download | None] = []
        self.downloads: list[Download | None] = []
        self.bit: list[int] = []
        self.number: list[int] = []
        """In the order in which connections were opened."""
        self._opened = 0
        self._donor_of = np.zeros(0, dtype=np.int64)
        self._download_of = np.zeros(0, dtype=np.int64)
        self.left = np.zeros(0)
        self.mirrored = np.zeros(0)
        self.useful = np.zeros(0)
        self.rate = np.zeros(0)
        self.fetching = np.zeros(0, dtype=bool)
        self._ready_s = np.zeros(0)
        self._cap = np.zeros(0)
        self._up = np.zeros(0)
        self._down = np.zeros(0)
        self.mirror_due = np.zeros(0)
        self._from_donors = np.zeros(0)
        self.mirrors_wanted = 0.0
        """What downloads asked of mirrors in the last step, in segments per second."""

    def add_donor(self, up: float) -> int:
        """A slot for an uplink, in segments per second."""
        if not self._free_donors:
            size = len(self._up)
            self._up = np.concatenate([self._up, np.zeros(max(32, size))])
            self._free_donors = list(range(len(self._up) - 1, size - 1, -1))
        slot = self._free_donors.pop()
        self._up[slot] = up
        return slot

    def remove_donor(self, slot: int) -> None:
        """The slot is free; its connections are closed already."""
        self._up[slot] = 0.0
        self._free_donors.append(slot)

    def add_download(self, down: float) -> int:
        """A slot for a download with its downlink."""
        if not self._free_downloads:
            size = len(self._down)
            more = np.zeros(max(32, size))
            self._down = np.concatenate([self._down, more])
            self.mirror_due = np.concatenate([self.mirror_due, more])
            self._from_donors = np.concatenate([self._from_donors, more])
            self.downloads += [None] * len(more)
            self._free_downloads = list(range(len(self._down) - 1, size - 1, -1))
        slot = self._free_downloads.pop()
        self._down[slot] = down
        self.mirror_due[slot] = 0.0
        self._from_donors[slot] = 0.0
        return slot

    def remove_download(self, slot: int) -> None:
        """The slot is free."""
        self._down[slot] = 0.0
        self.mirror_due[slot] = 0.0
        self.downloads[slot] = None
        self._free_downloads.append(slot)

    def is_full(self, slot: int) -> bool:
        """Whether donors alone filled the downlink in the last step, nearly."""
        return bool(self._from_donors[slot] >= _FULL * self._down[slot])

    def open(self, donor: Donor, download: Download, ready_s: float, cap: float) -> int:
        """A connection that can be used from `ready_s` on, at most at `cap` segments per second."""
        if not self._free_links:
            self._grow()
        link = self._free_links.pop()
        self._opened += 1
        self.number[link] = self._opened
        self.donor[link] = donor
        self.download[link] = download
        self._donor_of[link] = donor.slot
        self._download_of[link] = download.slot
        self._ready_s[link] = ready_s
        self._cap[link] = cap
        self.left[link] = 0.0
        self.mirrored[link] = 0.0
        self.useful[link] = 0.0
        self.fetching[link] = False
        return link

    def begin(self, link: int, bit: int, left: float) -> None:
        """Fetch a segment."""
        self.bit[link] = bit
        self.left[link] = left
        self.mirrored[link] = 0.0
        self.fetching[link] = True

    def close(self, link: int) -> None:
        """The slot is free."""
        self.donor[link] = None
        self.download[link] = None
        self.fetching[link] = False
        self._ready_s[link] = np.inf
        self._free_links.append(link)

    def ready(self, by_s: float) -> list[int]:
        """Connections that are idle and can be used at that moment."""
        return [int(link) for link in np.flatnonzero(~self.fetching & (self._ready_s <= by_s))]

    def advance(self, step_s: float, mirrors: float, mirror_limit: float | None) -> tuple[list[int], list[int]]:
        """Send for one step; returns connections whose segment is whole, and downloads that got from mirrors."""
        down = self._down
        if len(self.rate):
            busy = self.fetching
            self.rate = self._share(busy.astype(np.float64))
            from_donors = _sums(self._download_of, self.rate, len(down))
            self.left -= self.rate * step_s
            finished = [int(link) for link in np.flatnonzero(busy & (self.left <= 0))]
        else:
            from_donors = np.zeros(len(down))
            finished = []
        self._from_donors = from_donors
        wanted = np.maximum(0.0, down - from_donors) * mirrors
        self.mirrors_wanted = float(wanted.sum())
        if mirror_limit is not None:
            wanted *= min(1.0, mirror_limit / max(1e-12, self.mirrors_wanted))
        self.mirror_due += wanted * step_s
        grown = [int(slot) for slot in np.flatnonzero((self.mirror_due > 0) & (down > 0))]
        return finished, grown

    def _share(self, weight: Floats) -> Floats:
        donors, downloads = self._donor_of, self._download_of
        up, down = self._up, self._down
        users = _sums(donors, weight, len(up))
        rate: Floats = weight * np.minimum(self._cap, (up / np.maximum(users, 1.0))[donors])
        total = _sums(downloads, rate, len(down))
        rate *= np.minimum(1.0, down / np.maximum(total, 1e-12))[downloads]
        # What full downloaders and slow paths left of the uplinks goes to those that can take more.
        spare = up - _sums(donors, rate, len(up))
        room = down - _sums(downloads, rate, len(down))
        hungry: Floats = weight * (room[downloads] > 1e-9) * (rate < self._cap)
        sharers = _sums(donors, hungry, len(up))
        more: Floats = hungry * np.minimum(self._cap - rate, (spare / np.maximum(sharers, 1.0))[donors])
        total = _sums(downloads, more, len(down))
        rate += more * np.minimum(1.0, room / np.maximum(total, 1e-12))[downloads]
        return rate

    def _grow(self) -> None:
        size = len(self.rate)
        more = max(64, size)
        self.donor += [None] * more
        self.download += [None] * more
        self.bit += [0] * more
        self.number += [0] * more
        for name in ("_donor_of", "_download_of"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, dtype=np.int64)]))
        for name in ("left", "mirrored", "useful", "rate", "_cap"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more)]))
        self._ready_s = np.concatenate([self._ready_s, np.full(more, np.inf)])
        self.fetching = np.concatenate([self.fetching, np.zeros(more, dtype=bool)])
        self._free_links = list(range(size + more - 1, size - 1, -1))


def _sums(place: NDArray[np.int64], value: Floats, size: int) -> Floats:
    """The values at each place, added up."""
    return np.asarray(np.bincount(place, value, size), dtype=np.float64)
