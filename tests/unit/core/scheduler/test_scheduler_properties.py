"""What holds in every download, whatever happens: against a slow and obvious oracle of where every byte stands."""

from __future__ import annotations

from hypothesis import given, settings

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from tests.unit.core.scheduler.random_download import SEGMENT, Move, RandomDownload, configs, moves


def _check_ledger(scheduler: Scheduler) -> None:
    ledger = scheduler._ledger
    size = ledger.size_bytes
    missing = {index for first, end in ledger.missing for index in range(first, end)}
    expected = {block for block in range(-(-size // 4096)) if block * 4096 // SEGMENT in missing}
    opened = _blocks(list(ledger.open))
    opened_alone = _blocks([(ledger.start_of(index), ledger.end_of(index)) for index in ledger.solo_open])
    assert not opened & opened_alone
    fetched: set[int] = set()
    for request in ledger.requests.values():
        ahead = _whole_blocks(request.position, request.end)
        if request.rival is None:
            assert not ahead & fetched, "two requests fetch the same bytes, and neither hedges the other"
            fetched |= ahead
        assert ahead.isdisjoint(opened | opened_alone), "what a request fetches is open"
    there = set()
    for partial in ledger.partials.values():
        there |= _blocks([(part.start, part.end) for part in partial.parts])
    assert not _inner(ledger.open) & _inner_parts(scheduler), "what is there is open"
    for request in ledger.requests.values():
        fetched |= _blocks([(request.position, request.end)])
    assert expected <= opened | opened_alone | fetched | there, "a missing byte is in no state"
    assert len(ledger.requests) <= scheduler._config.max_open_requests
    for source in scheduler._sources.values():
        assert len(source.requests) <= source.slots
    deadline_us = scheduler.next_deadline_us()
    assert deadline_us is None or deadline_us > scheduler._clocks.now_us or scheduler._paused


def _blocks(spans: list[tuple[int, int]]) -> set[int]:
    """The blocks of 4 KiB that the spans touch."""
    return {block for start, end in spans if start < end for block in range(start // 4096, -(-end // 4096))}


def _whole_blocks(start: int, end: int) -> set[int]:
    return set(range(-(-start // 4096), end // 4096))


def _inner(spans: object) -> set[int]:
    assert hasattr(spans, "__iter__")
    return {block for start, end in spans for block in _whole_blocks(start, end)}


def _inner_parts(scheduler: Scheduler) -> set[int]:
    return {
        block
        for partial in scheduler._ledger.partials.values()
        for part in partial.parts
        for block in _whole_blocks(part.start, part.end)
    }


@settings(max_examples=150, deadline=None)
@given(configs, moves)
def test_every_byte_is_in_one_state_and_every_bound_holds(config: m.SchedulerConfig, random_moves: list[Move]) -> None:
    RandomDownload(config, _check_ledger).play(random_moves)


@settings(max_examples=150, deadline=None)
@given(configs, moves)
def test_with_one_good_mirror_every_download_ends_complete(config: m.SchedulerConfig, random_moves: list[Move]) -> None:
    download = RandomDownload(config)
    download.play(random_moves)
    failed_before = isinstance(download.last, m.Fail)
    download.deliver_all()
    assert failed_before or isinstance(download.last, m.Complete)
