"""Which range a source gets next, while there is work that nobody does (S4, S6 to S9, S13).

Pure: reads the ledger and the sources, changes nothing. What happens when nothing is open is in endgame.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from distribute_io.core.scheduler.backlog import Backlog, open_bytes
from distribute_io.core.scheduler.coverage import Piece, coverage, cut
from distribute_io.core.scheduler.ledger import Ledger, align_down, align_up
from distribute_io.core.scheduler.messages import SchedulerConfig
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import BALANCED_PATIENCE, MICROS_PER_S, STEAL_AFTER_US

_AN_AGE_US: Final = 2**52
"""Longer than any patience."""


class Fetch(NamedTuple):
    """Start a request for `[start, end)`, which is open."""

    start: int
    end: int


class Steal(NamedTuple):
    """Shorten `victim` to `start`, then start a request for `[start, end)`."""

    start: int
    end: int
    victim: Request


class Hedge(NamedTuple):
    """Shorten `rival` to `end` if it is longer, then start a request for `[start, end)` that races it."""

    start: int
    end: int
    rival: Request
    for_slowness: bool
    """Is `rival` so slow that its source is put on probation when it loses?"""


class Drop(NamedTuple):
    """Cancel a stalled or slow request and forget what is there of its segment; nothing is started."""

    victim: Request


Pick: TypeAlias = Fetch | Steal | Hedge | Drop
"""A decision: what a source does next."""


class Outlook:
    """What a choice looks at, at one moment.

    Args:
        config: the download's settings.
        ledger: where every byte stands.
        sources: all sources in the order of `SourceAdded`.
        now_us: the time.
        started_us: when the download began.
        held_up_us: until when our own memory held the sources up, last.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        ledger: Ledger,
        sources: Sequence[Source],
        now_us: int,
        *,
        started_us: int,
        held_up_us: int,
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.now_us = now_us
        self.ready = [source for source in sources if source.state == "ready"]
        self._elapsed_us = now_us - started_us
        self._held_up_us = held_up_us

    @cached_property
    def peers(self) -> list[Source]:
        """Ready peers that deliver."""
        return [
            source
            for source in self.ready
            if source.kind == "peer" and not any(request.stalled for request in source.requests)
        ]

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """How many of them hold what."""
        return coverage(self.ledger.segments, [peer.holdings for peer in self.peers])

    def in_order_of_choice(self) -> list[Source]:
        """Ready sources: peers before mirrors, those that hold little first (S8)."""
        segments = self.ledger.segments
        return sorted(
            self.ready,
            key=lambda source: (
                source.kind == "mirror",
                segments if source.holdings is None else source.holdings.total,
                source.ordinal,
            ),
        )

    def is_sole(self, source: Source) -> bool:
        """Is no other source ready?"""
        return all(other is source for other in self.ready)

    def can_be_mixed_by_others(self, index: int, *besides: Source) -> bool:
        """Is there a ready source that may deliver a piece of segment `index` (S13)?"""
        return any(
            other not in besides and not other.suspected and other.holds(index, index + 1) for other in self.ready
        )

    def silent_us(self, request: Request) -> int:
        """How long it has brought no byte, though it could; 0 while that tells nothing (S10)."""
        silent_us = self.now_us - max(request.last_byte_us, self._held_up_us)
        return silent_us if silent_us >= STEAL_AFTER_US else 0

    def peers_need_us(self) -> int:
        """How long the ready peers need for all that they hold; an age where nobody knows."""
        rate = sum(peer.rate.at(self.now_us) or 0 for peer in self.peers)
        covered = sum(request.remaining_bytes for peer in self.peers for request in peer.requests)
        covered += sum(open_bytes(self.ledger, piece) for piece in self.pieces if piece.holders)
        return covered * MICROS_PER_S // rate if rate else _AN_AGE_US

    def is_patience_over(self, needed_us: int) -> bool:
        """May mirrors fetch what peers hold that need so long for it (S9)?"""
        if self.config.policy == "fast" or not self.peers:
            return True
        return self.config.policy != "spare-mirrors" and needed_us * BALANCED_PATIENCE > self._elapsed_us


def can_take_more(outlook: Outlook, source: Source) -> bool:
    """Has this ready source a slot for one more request now (S6)?"""
    requests, host = source.requests, source.host
    if len(requests) >= source.slots or len(outlook.ledger.requests) >= outlook.config.max_open_requests:
        return False
    if len(host.requests) >= host.connections_max:
        return False
    if any(request.stalled for request in requests):
        return outlook.is_sole(source)
    return _free_lanes(outlook, source) > 0


def choose_open_work(outlook: Outlook, source: Source) -> Pick | None:
    """Work that nobody does: solo segments, then pieces of segments, then runs of whole ones."""
    return _choose_solo(outlook, source) or _choose_fragment(outlook, source) or _choose_run(outlook, source)


def request_segments(outlook: Outlook, source: Source) -> int:
    """How many segments a request to this source should have, 1 or more (S7)."""
    config = outlook.config
    size = config.segment_size_bytes
    rate = source.rate.at(outlook.now_us)
    if rate is None:
        return -(-config.first_request_bytes // size)
    total = sum(other.rate.at(outlook.now_us) or 0 for other in outlook.ready)
    share = outlook.ledger.window_left_bytes * rate // total
    return max(1, min(rate * source.horizon_us() // MICROS_PER_S, share) // (_lanes(source) * size))


def _lanes(source: Source) -> int:
    return max(1, min(source.slots, source.host.connections_max) - 1)


def _free_lanes(outlook: Outlook, source: Source) -> int:
    return _lanes(source) - sum(1 for request in source.requests if not request.is_ending(outlook.now_us))


def _choose_solo(outlook: Outlook, source: Source) -> Pick | None:
    ledger = outlook.ledger
    for index in sorted(ledger.solo_open):
        if not source.holds(index, index + 1) or not outlook.ledger.has_room(index):
            continue
        senders = ledger.solo[index]
        if source.source_id in senders and any(
            other.source_id not in senders and other.holds(index, index + 1) and can_take_more(outlook, other)
            for other in outlook.ready
        ):
            continue
        return Fetch(ledger.start_of(index), ledger.end_of(index))
    return None


def _choose_fragment(outlook: Outlook, source: Source) -> Pick | None:
    """An open piece of a segment; for a suspect, who must not mix, all of it if nobody else can go on with it."""
    ledger = outlook.ledger
    for low, high in ledger.fragments():
        index = ledger.segment_at(low)
        start, end = align_down(low), min(align_up(high), ledger.end_of(index))
        if source.suspected:
            if outlook.can_be_mixed_by_others(index, source):
                continue
            start, end = ledger.start_of(index), ledger.end_of(index)
        if source.holds(index, index + 1) and ledger.has_room(index) and not ledger.is_fetched(start, end):
            return Fetch(start, end)
    return None


def _choose_run(outlook: Outlook, source: Source) -> Pick | None:
    ledger = outlook.ledger
    for piece, segments_max in _pieces_for(outlook, source):
        for first, end in cut(piece, source.holdings):
            run = ledger.whole_run(first, end)
            if run is None:
                continue
            if not ledger.has_room(run[0]):
                return None
            if _is_sole_and_at_work(outlook, source):
                count = _sole_segments(outlook, source, run[1] - run[0])
            else:
                count = request_segments(outlook, source)
            count = min(count, segments_max)
            return Fetch(ledger.start_of(run[0]), ledger.end_of(min(run[1], run[0] + count) - 1))
    return None


def _is_sole_and_at_work(outlook: Outlook, source: Source) -> bool:
    """Does everything hang on this source, and has it shown that it delivers? Then it gets long requests (S7)."""
    return outlook.is_sole(source) and source.received_bytes > 0 and source.finished_in_a_row + len(source.requests) > 0


def _sole_segments(outlook: Outlook, source: Source, run: int) -> int:
    """How many segments of a run of `run` a request to such a source should have (S7)."""
    lanes = _lanes(source)
    if lanes == 1:
        return run
    config = outlook.config
    return min(-(-run // lanes), max(1, config.max_in_flight_bytes // (lanes * config.segment_size_bytes)))


def _pieces_for(outlook: Outlook, source: Source) -> Iterable[tuple[Piece, int]]:
    """The pieces in the order in which `source` looks for work, and how many segments it may take of each (S8)."""
    ledger = outlook.ledger
    if source.kind == "peer":
        return ((piece, ledger.segments) for piece in outlook.pieces)
    if outlook.config.policy == "fast":
        return ((Piece(0, 0, ledger.segments), ledger.segments),)
    bare = [piece for piece in outlook.pieces if piece.holders == 0]
    covered = [piece for piece in outlook.pieces if piece.holders]
    if not covered or any(ledger.whole_run(piece.first, piece.end) for piece in bare):
        return ((piece, ledger.segments) for piece in bare)
    if not outlook.is_patience_over(outlook.peers_need_us()):
        return ()
    backlog = Backlog(ledger, outlook.ready, outlook.peers, covered, outlook.now_us)
    excess = {piece: backlog.excess_bytes(piece) for piece in covered}
    covered.sort(key=lambda piece: (-excess[piece], -backlog.bytes_per_holder(piece), piece.first))
    return ((piece, max(1, excess[piece] // ledger.segment_size_bytes)) for piece in covered)
