"""Taking work over: from requests that stall or crawl, and at the end from the slowest (S10 to S12).

Pure: reads the ledger and the sources, changes nothing.
"""

from __future__ import annotations

from distribute_io.core.scheduler.choice import Drop, Hedge, Outlook, Pick, Steal, choose_open_work, request_segments
from distribute_io.core.scheduler.ledger import align_down, align_up
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import (
    ALIGN_BYTES,
    MICROS_PER_S,
    SLOW_AFTER_US,
    SLOW_FACTOR,
    SLOW_SEGMENT_US,
    STEAL_AFTER_US,
    STEAL_GAIN_US_MIN,
)


def choose(outlook: Outlook, source: Source) -> Pick | None:
    """The next thing that a source with a free slot should do; None: nothing."""
    pick = _choose_rescue(outlook, source)
    if pick is not None or any(request.stalled for request in source.requests):
        return pick
    pick = choose_open_work(outlook, source)
    if pick is not None or source.requests:
        return pick
    return _choose_steal(outlook, source)


def _choose_rescue(outlook: Outlook, source: Source) -> Pick | None:
    """A hedge for the segment that a stalled or slow request fills, or its end where nobody may mix (S12)."""
    ledger = outlook.ledger
    for request in ledger.requests.values():
        if request.rival is not None or request.remaining_bytes == 0:
            continue
        if not request.stalled and not _is_slow(outlook, request, source):
            continue
        if request.source is source and not outlook.is_sole(source):
            continue
        index = ledger.current_segment(request)
        if not source.holds(index, index + 1):
            continue
        if ledger.may_mix(request) and not source.suspected:
            end = min(request.end, ledger.end_of(index))
            return Hedge(align_down(request.position), end, request, for_slowness=not request.stalled)
        if request.source is source:
            continue
        if not ledger.may_mix(request) or not outlook.can_be_mixed_by_others(index, source, request.source):
            return Drop(request)
    return None


def _is_slow(outlook: Outlook, request: Request, rescuer: Source) -> bool:
    """Does `rescuer` finish much earlier what `request` still needs long for?"""
    if outlook.now_us - request.started_us < SLOW_AFTER_US or request.source is rescuer:
        return False
    rate = request.source.request_rate(outlook.now_us)
    rescuer_rate = rescuer.rate.at(outlook.now_us)
    if rate is None or rescuer_rate is None or rescuer_rate < SLOW_FACTOR * rate:
        return False
    index = outlook.ledger.current_segment(request)
    rest = min(request.end, outlook.ledger.end_of(index)) - request.position
    return rest * MICROS_PER_S // rate > SLOW_SEGMENT_US


def _choose_steal(outlook: Outlook, source: Source) -> Pick | None:
    """The far part of the request that would end last, or all that is left of it (S10, S11)."""
    victims: list[tuple[int, Request, int, int]] = []
    own_rate = source.rate.at(outlook.now_us)
    spares = source.kind == "mirror"
    peers_need_us = outlook.peers_need_us() if spares else 0
    for request in outlook.ledger.requests.values():
        if request.source is source or request.rival is not None or request.stalled or request.remaining_bytes == 0:
            continue
        silent_us = outlook.silent_us(request)
        patience_us = max(peers_need_us, silent_us)
        if spares and request.source.kind == "peer" and not outlook.is_patience_over(patience_us):
            continue
        rate = request.source.request_rate(outlook.now_us)
        if rate is None and outlook.now_us - request.started_us < STEAL_AFTER_US:
            continue
        if rate is None:
            so_far = _rate_so_far(request, outlook.now_us)
            rate = so_far if own_rate is None else min(own_rate, so_far)
        if silent_us:
            rate = min(rate, request.remaining_bytes * MICROS_PER_S // silent_us or 1)
        victims.append((-(request.remaining_bytes * MICROS_PER_S // rate), request, rate, own_rate or rate))
    for _, request, rate, thief_rate in sorted(victims, key=lambda entry: (entry[0], entry[1].request_id)):
        pick = _hedge(outlook, source, request, rate) or _split(outlook, source, request, rate, thief_rate)
        if pick is not None:
            return pick
    return None


def _rate_so_far(request: Request, now_us: int) -> int:
    """What a request of unknown rate comes to if its next block comes now (S10)."""
    delivered = request.position - request.start + ALIGN_BYTES
    return max(1, delivered * MICROS_PER_S // (now_us - request.started_us))


def _split(outlook: Outlook, source: Source, request: Request, rate: int, thief_rate: int) -> Pick | None:
    """The far part of `request`, so large that both end together (S10)."""
    ledger = outlook.ledger
    if ledger.current_segment(request) in ledger.solo:
        return None
    mixing = not source.suspected and not request.source.suspected
    guard = rate * source.rate.latency_us // MICROS_PER_S
    low = align_up(request.position + guard)
    if not mixing:
        low = _segment_up(outlook, low)
    if low >= request.end:
        return None
    high = request.end
    if source.holdings is not None:
        held = list(source.holdings.within(*ledger.segments_of(low, request.end)))
        if not held:
            return None
        first, end = held[-1]
        low, high = max(low, ledger.start_of(first)), min(high, ledger.end_of(end - 1))
    part = thief_rate * (request.remaining_bytes - guard) // (rate + thief_rate)
    part = min(part, high - low)
    if part <= 0:
        return None
    start = align_up(high - part)
    on_segment = _segment_up(outlook, start)
    if on_segment < high and (not mixing or 2 * (high - on_segment) >= part):
        start = on_segment
    elif not mixing:
        return None
    if start >= high or (high - start) * MICROS_PER_S // rate < STEAL_GAIN_US_MIN:
        return None
    if not ledger.has_room(ledger.segment_at(start)):
        return None
    wanted = request_segments(outlook, source) * ledger.segment_size_bytes
    end = high
    if high - start > wanted:
        end = (start + wanted) // ledger.segment_size_bytes * ledger.segment_size_bytes
    return Steal(start, end, request)


def _hedge(outlook: Outlook, source: Source, request: Request, rate: int) -> Pick | None:
    """All that is left of `request`, when that is in one segment and we are much faster (S11)."""
    ledger = outlook.ledger
    index = ledger.current_segment(request)
    own_rate = source.rate.at(outlook.now_us)
    if own_rate is None or request.end > ledger.end_of(index) or not source.holds(index, index + 1):
        return None
    if source.suspected or not ledger.may_mix(request):
        return None
    start = align_down(request.position)
    own_us = source.rate.latency_us + (request.end - start) * MICROS_PER_S // own_rate
    left_us = request.remaining_bytes * MICROS_PER_S // rate
    if 2 * left_us <= 3 * own_us + 2 * STEAL_GAIN_US_MIN:
        return None
    # A split is better where the part that stays with the victim does not take it longer than we need for all.
    stays = rate * source.rate.latency_us // MICROS_PER_S + ALIGN_BYTES
    if stays * MICROS_PER_S // rate <= own_us:
        return None
    return Hedge(start, request.end, request, for_slowness=False)


def _segment_up(outlook: Outlook, byte: int) -> int:
    size = outlook.ledger.segment_size_bytes
    return -(-byte // size) * size
