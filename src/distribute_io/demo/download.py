"""The demo's download: the engine of `dio get`, and what its figures look like as a picture."""

from __future__ import annotations

import time
from collections.abc import Callable

from distribute_io.demo.swarm import Swarm
from distribute_io.demo.view import Moment, SourceShare
from distribute_io.download.fetch import FetchResult, Snapshot, SourceFigures


class Sketcher:
    """Turns the engine's snapshots into moments: who is who, and who is giving right now."""

    def __init__(self, swarm: Swarm, on_moment: Callable[[Moment], None], *, now_s: float) -> None:
        self._swarm = swarm
        self._on_moment = on_moment
        self._started_s = now_s
        self._before: dict[str, int] = {}
        self._before_s = now_s
        self._before_bytes = 0

    def take(self, snapshot: Snapshot) -> None:
        """Draw one snapshot; to be given to the engine."""
        now_s = time.monotonic()
        elapsed_s = max(1e-3, now_s - self._started_s)
        moment = Moment(
            file_name=snapshot.name,
            size_bytes=snapshot.size_bytes,
            received_bytes=snapshot.held_bytes,
            rate_bytes_per_s=snapshot.held_bytes / elapsed_s,
            elapsed_s=elapsed_s,
            sources=self._shares(snapshot.sources),
        )
        self._before = {row.source: row.received_bytes for row in snapshot.sources}
        self._on_moment(moment)

    def last(self, result: FetchResult, size_bytes: int) -> Moment:
        """The picture of the finished download: what each gave, and the average rate."""
        return Moment(
            file_name=result.path.name,
            size_bytes=size_bytes,
            received_bytes=size_bytes,
            rate_bytes_per_s=size_bytes / max(1e-3, result.seconds),
            elapsed_s=result.seconds,
            sources=self._shares(result.sources, over=True),
        )

    def _shares(self, rows: tuple[SourceFigures, ...], *, over: bool = False) -> tuple[SourceShare, ...]:
        mirrors = list(self._swarm.mirror_limits)
        shares = []
        for row in rows:
            is_giving = not over and row.received_bytes > self._before.get(row.source, 0)
            number, limit = None, self._swarm.donor_limit
            for place, url in enumerate(mirrors, 1):
                if row.source.startswith(url + "/"):
                    number, limit = place, self._swarm.mirror_limits[url]
            share = SourceShare(
                name=row.source if number is None else f"mirror {number}",
                kind=row.kind,
                limit=limit,
                size_bytes=row.bytes,
                rate_bytes_per_s=float(row.rate_bytes_per_s or 0) if is_giving else 0.0,
            )
            shares.append(share)
        return tuple(sorted(shares, key=lambda share: (share.kind, share.name)))
