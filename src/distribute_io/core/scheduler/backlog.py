"""How much of what peers hold they will not have delivered when everything else is done (S8).

A mirror helps where that is most, and with no more than that: what it takes beyond leaves a peer with nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from distribute_io.core.scheduler.coverage import Piece
from distribute_io.core.scheduler.ledger import Ledger
from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import BACKLOG_RUNS_MAX, MICROS_PER_S, UNKNOWN_BYTES_PER_S_MAX


def open_bytes(ledger: Ledger, piece: Piece) -> int:
    """Open bytes of a piece, in its first runs: enough to compare pieces by, and bounded work."""
    start, end = ledger.start_of(piece.first), ledger.end_of(piece.end - 1)
    return sum(high - low for low, high in islice(ledger.open.within(start, end), BACKLOG_RUNS_MAX))


class Backlog:
    """The peers' work at one moment.

    Args:
        ledger: where every byte stands.
        ready: all ready sources.
        peers: those of them that are peers and deliver.
        covered: the pieces that peers hold.
        now_us: the time.
    """

    def __init__(
        self, ledger: Ledger, ready: Sequence[Source], peers: Sequence[Source], covered: Sequence[Piece], now_us: int
    ) -> None:
        known = [rate for rate in (source.rate.at(now_us) for source in ready) if rate is not None]
        # A source that has only begun counts like the slowest: better to help a little later than to take its work.
        unknown = min(UNKNOWN_BYTES_PER_S_MAX, *known) if known else 1
        rates = {source.ordinal: source.rate.at(now_us) or unknown for source in ready}
        end_us = ledger.left_bytes * MICROS_PER_S // max(1, sum(rates.values()))
        self._open = {piece: open_bytes(ledger, piece) for piece in covered}
        self._holders = {piece: [peer for peer in peers if peer.holds(piece.first, piece.end)] for piece in covered}
        self._asked = dict.fromkeys((peer.ordinal for peer in peers), 0)
        for piece in covered:
            for peer in self._holders[piece]:
                self._asked[peer.ordinal] += self._open[piece]
        self._manages = {
            peer.ordinal: max(
                0,
                rates[peer.ordinal] * end_us // MICROS_PER_S
                - sum(request.remaining_bytes for request in peer.requests),
            )
            for peer in peers
        }

    def excess_bytes(self, piece: Piece) -> int:
        """What of the open bytes of a covered piece its holders do not manage until the end."""
        bytes_open = self._open[piece]
        managed = 0
        for peer in self._holders[piece]:
            asked = self._asked[peer.ordinal]
            if asked:
                managed += bytes_open * min(self._manages[peer.ordinal], asked) // asked
        return max(0, bytes_open - managed)

    def bytes_per_holder(self, piece: Piece) -> int:
        """Open bytes of a covered piece for each of its holders."""
        return self._open[piece] // piece.holders
