"""How many bytes a downloader lets a donor have on the way: the window of spec/peer-frames.md section 5.

Decides the size only; `peer_taker` turns it into grants. `client/src/core/window.ts` is the same in TypeScript. Rules:

1. It starts at 64 KiB. More overruns the UDP buffer of a fresh association and halves the rate.
2. A *round* is a window's worth of processed bytes without a pause of the requests. After each the window doubles, up
   to 2 x rate x round trip, and at most 4 MiB. The rate is that of the round.
3. After 1 MiB without a stall the line is *warm*: the association's slow start is over, and the round trip counts as at
   least 50 ms. On a short line it is that of the two ends' threads, which the least time seen is far below: with 64 KiB
   they wait for each other, and each packet costs more (`python -m bench peers_one_donor`).
4. The round trip is the smallest time seen between our hello and the donor's holdings, which answer it, between a grant
   and a byte that needed it, or between a request on a quiet line and its first byte. All include more than the line
   (proofs, what is queued, the donor's disk), so the smallest is the best.
5. A stall (2 s without a byte of what was asked) halves it, not below 64 KiB.

Integer microseconds and bytes throughout; products stay below 2^53 by the two clamps.
"""

from __future__ import annotations

from typing import Final

from distribute_io.wire.limits import WINDOW_BYTES_MAX, WINDOW_BYTES_START

_ROUND_TRIP_US_WARM: Final = 50_000
_WARM_AFTER_BYTES: Final = 1_048_576
_RATE_BYTES_PER_S_MAX: Final = 2**29
_ROUND_TRIP_US_MIN: Final = 1_000
_ROUND_TRIP_US_MAX: Final = 2_000_000
_US_PER_S: Final = 1_000_000


class Window:
    """The size of one channel's window."""

    def __init__(self) -> None:
        self._bytes = WINDOW_BYTES_START
        self._round_trip_us = 0  # not measured yet, so the line is taken for a short one
        self._round_bytes = 0
        self._round_start_us: int | None = None
        self._clean_bytes = 0  # processed since the beginning or the last stall

    @property
    def bytes(self) -> int:
        """The present size in bytes of payload."""
        return self._bytes

    def start(self, now_us: int) -> None:
        """Bytes are awaited from now on: a round starts unless one is under way."""
        if self._round_start_us is None:
            self._round_start_us = now_us

    def pause(self) -> None:
        """Nothing is awaited any more: what passes until the next request says nothing about the line."""
        self._round_start_us = None
        self._round_bytes = 0

    @property
    def round_trip_us(self) -> int:
        """The shortest round trip that was measured; 0 before any was."""
        return self._round_trip_us

    def measured(self, round_trip_us: int) -> None:
        """A round trip took at most this long."""
        clamped = min(_ROUND_TRIP_US_MAX, max(_ROUND_TRIP_US_MIN, round_trip_us))
        self._round_trip_us = clamped if self._round_trip_us == 0 else min(self._round_trip_us, clamped)

    def processed(self, size_bytes: int, now_us: int) -> None:
        """So many bytes of payload were processed."""
        self._clean_bytes += size_bytes
        if self._round_start_us is None:
            return
        self._round_bytes += size_bytes
        if self._round_bytes < self._bytes:
            return
        elapsed_us = max(1, now_us - self._round_start_us)
        rate_bytes_per_s = min(_RATE_BYTES_PER_S_MAX, self._round_bytes * _US_PER_S // elapsed_us)
        warm = self._clean_bytes >= _WARM_AFTER_BYTES
        round_trip_us = max(_ROUND_TRIP_US_WARM, self._round_trip_us) if warm else self._round_trip_us
        useful = 2 * rate_bytes_per_s * round_trip_us // _US_PER_S
        self._bytes = max(self._bytes, min(2 * self._bytes, useful, WINDOW_BYTES_MAX))
        self._round_bytes = 0
        self._round_start_us = now_us

    def stalled(self, now_us: int) -> None:
        """Nothing came for too long."""
        self._bytes = max(WINDOW_BYTES_START, self._bytes // 2)
        self._clean_bytes = 0
        self._round_bytes = 0
        self._round_start_us = now_us
