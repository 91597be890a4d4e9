"""The rules that only show in the whole scheduler, one by one. Whole downloads are in test_simulated_downloads.py."""

from __future__ import annotations

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.ids import SourceId

SEGMENT = 1 << 20
BLOCK = 65_536
SECOND = 1_000_000
A, B, C = SourceId("a"), SourceId("b"), SourceId("c")


class Play:
    """A scheduler and its time."""

    def __init__(self, segments: int, **settings: int) -> None:
        config = m.SchedulerConfig(size_bytes=segments * SEGMENT, segment_size_bytes=SEGMENT)
        self.scheduler = Scheduler(
            m.SchedulerConfig(
                size_bytes=config.size_bytes,
                segment_size_bytes=SEGMENT,
                max_in_flight_bytes=settings.get("memory_segments", 32) * SEGMENT,
                max_open_requests=settings.get("max_open_requests", 16),
            ),
            0,
        )
        self.now_us = 0

    def tell(self, event: m.Event, *, after_us: int = 1_000) -> tuple[m.Action, ...]:
        self.now_us += after_us
        return self.scheduler.handle(event, self.now_us)

    def add(self, source_id: SourceId, *, slots: int = 1, after_us: int = 1_000) -> tuple[m.Action, ...]:
        return self.tell(m.SourceAdded(source_id=source_id, kind="mirror", slots=slots), after_us=after_us)

    def receive(self, request_id: int, received_bytes: int, *, after_us: int = 1_000) -> tuple[m.Action, ...]:
        return self.tell(m.BytesReceived(request_id=request_id, received_bytes=received_bytes), after_us=after_us)

    def fail(
        self, request_id: int, reason: str = "mirror_unreachable", *, after_us: int = 1_000
    ) -> tuple[m.Action, ...]:
        return self.tell(m.RequestFailed(request_id=request_id, reason=reason), after_us=after_us)

    def finish(self, request_id: int) -> tuple[m.Action, ...]:
        return self.tell(m.RequestFinished(request_id=request_id))

    def wait(self, time_us: int) -> tuple[m.Action, ...]:
        return self.tell(m.DeadlineReached(), after_us=time_us)

    def status(self, source_id: SourceId) -> m.SourceStatus:
        return {status.source_id: status for status in self.scheduler.sources()}[source_id]


def started(actions: tuple[m.Action, ...]) -> list[tuple[str, int, int]]:
    return [(a.source_id, a.start_byte, a.end_byte) for a in actions if isinstance(a, m.StartRequest)]


def kinds(actions: tuple[m.Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_http_starts_at_once() -> None:
    assert started(Play(8).add(A)) == [(A, 0, SEGMENT)]


def test_a_break_in_a_block_is_fetched_again_from_the_blocks_start() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, BLOCK + 100)
    play.fail(1)
    actions = play.add(B)
    assert actions == (
        m.DiscardBytes(start_byte=BLOCK, end_byte=BLOCK + 100),
        m.StartRequest(request_id=2, source_id=B, start_byte=BLOCK, end_byte=SEGMENT),
    )


def test_the_reason_of_a_failure_stands_in_the_table_until_the_next_success() -> None:
    play = Play(8)
    play.add(A)
    assert kinds(play.fail(1, "mirror_status")) == ["ProbateSource"]
    assert (play.status(A).state, play.status(A).reason, play.status(A).failures) == ("probation", "mirror_status", 1)
    assert started(play.wait(500_000)) == [(A, 0, SEGMENT)]
    play.receive(2, SEGMENT)
    play.finish(2)
    assert (play.status(A).state, play.status(A).reason, play.status(A).failures) == ("ready", None, 0)


def test_a_request_that_finished_short_has_failed() -> None:
    play = Play(8)
    play.add(A)
    play.receive(1, 10)
    assert kinds(play.finish(1)) == ["ProbateSource"]
    assert play.status(A).reason == "mirror_truncated"


def test_finishing_while_on_probation_does_not_end_it() -> None:
    play = Play(8)
    play.add(A, slots=3)
    play.receive(1, SEGMENT)
    play.finish(1)
    first, second = 2, 3
    play.receive(second, 4 * SEGMENT)
    play.fail(first)
    assert play.status(A).state == "probation"
    play.receive(second, 8 * SEGMENT)
    play.finish(second)
    assert (play.status(A).state, play.status(A).reason) == ("probation", "mirror_unreachable")


def test_long_progress_before_a_failure_resets_the_row() -> None:
    play = Play(8)
    play.add(A)
    for request_id in (1, 2):
        play.fail(request_id)
        play.wait(SECOND)
    assert play.status(A).failures == 2
    play.receive(3, SEGMENT)
    play.fail(3)
    assert play.status(A).failures == 1


def test_a_permanent_failure_cancels_the_other_requests_of_the_source() -> None:
    play = Play(8)
    play.add(A, slots=3)
    play.receive(1, SEGMENT)
    play.finish(1)
    first, second = 2, 3
    actions = play.tell(m.RequestFailed(request_id=first, reason="mirror_ignores_range", permanent=True))
    assert actions == (
        m.CancelRequest(request_id=second),
        m.ExcludeSource(source_id=A, reason="mirror_ignores_range"),
    )
    assert play.status(A).state == "excluded"


def test_a_stall_gives_the_rest_away_and_bytes_wake_it() -> None:
    play = Play(8)
    play.add(A)
    play.receive(1, SEGMENT)
    (long,) = [a for a in play.finish(1) if isinstance(a, m.StartRequest)]
    play.receive(long.request_id, SEGMENT + BLOCK)
    actions = play.wait(2 * SECOND)
    assert actions == (m.ShortenRequest(request_id=long.request_id, end_byte=3 * SEGMENT),)
    assert play.status(A).reason == "stalled"
    (hedge,) = [a for a in play.add(B) if isinstance(a, m.StartRequest)]
    assert (hedge.start_byte, hedge.end_byte) == (2 * SEGMENT + BLOCK, 3 * SEGMENT)
    assert play.receive(long.request_id, SEGMENT + 2 * BLOCK) == ()
    assert kinds(play.receive(long.request_id, 2 * SEGMENT)) == ["CancelRequest", "StartRequest"]
    assert play.status(B).state == "ready", "who lost to one that woke is not to blame"


def test_who_stalled_and_lost_its_race_goes_on_probation() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, BLOCK)
    play.wait(2 * SECOND)
    play.add(B)
    actions = play.receive(2, SEGMENT - BLOCK)
    assert actions[0] == m.CancelRequest(request_id=1)
    assert play.status(A).state == "probation"


def test_after_eight_silent_seconds_a_request_is_cancelled() -> None:
    play = Play(1)
    play.add(A)
    play.wait(2 * SECOND)
    assert kinds(play.wait(6 * SECOND)) == ["CancelRequest", "ProbateSource"]


def test_peer_and_mirror_of_one_name_are_one_source() -> None:
    play = Play(8)
    play.add(A)
    assert play.tell(m.SourceAdded(source_id=A, kind="peer")) == ()
    assert len(play.scheduler.sources()) == 1


def test_the_number_of_open_requests_is_bounded() -> None:
    play = Play(8, max_open_requests=2)
    assert started(play.add(A))
    assert started(play.add(B))
    assert not started(play.add(C))


def test_a_removed_source_is_not_removed_twice() -> None:
    play = Play(8)
    play.add(A)
    play.tell(m.SourceRemoved(source_id=A, reason="grant_exceeded"))
    assert (play.status(A).state, play.status(A).reason) == ("removed", "grant_exceeded")
    assert play.tell(m.SourceRemoved(source_id=A)) == ()
    assert play.wait(5 * SECOND - 1_001) == ()
    assert play.wait(1) == (m.Fail(reason="availability", code="no_sources"),)


def reject_mixed_segment(play: Play) -> tuple[m.Action, ...]:
    """Two sources send one half of segment 0 each; it is wrong."""
    play.add(A)
    play.receive(1, 8 * BLOCK)
    play.fail(1)
    play.add(B)
    play.receive(2, 8 * BLOCK)
    return play.tell(m.SegmentRejected(segment_index=0))


def test_a_rejection_that_crossed_with_a_discard_blames_nobody() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, BLOCK)
    play.fail(1)
    assert play.tell(m.SegmentRejected(segment_index=0)) == ()
    assert play.status(A).rejected_bytes == BLOCK
    assert started(play.add(B)) == [(B, 0, SEGMENT)]


def test_the_parts_of_a_mixed_segment_are_digested_and_its_senders_suspected() -> None:
    play = Play(1)
    actions = reject_mixed_segment(play)
    assert actions[0] == m.DigestParts(
        segment_index=0,
        parts=(
            m.Part(source_id=A, start_byte=0, end_byte=8 * BLOCK),
            m.Part(source_id=B, start_byte=8 * BLOCK, end_byte=SEGMENT),
        ),
    )
    assert play.status(A).suspected
    assert play.status(B).suspected
    play.finish(2)
    assert started(play.add(C)) == []
    assert play.status(B).open_requests == 1, "both had a part: the one that is ready fetches it alone"


def test_after_completion_nothing_comes() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, SEGMENT)
    assert kinds(play.tell(m.SegmentVerified(segment_index=0))) == ["CancelRequest", "Complete"]
    assert play.add(B) == ()
    assert play.scheduler.next_deadline_us() is None


def test_comparing_bans_the_liar_and_clears_the_other() -> None:
    play = Play(4)
    reject_mixed_segment(play)
    play.add(C)
    actions = play.tell(m.PartsCompared(segment_index=0, wrong_source_ids=(A,)))
    assert m.BanSource(source_id=A, reason="segment_mismatch") in actions
    assert not play.status(B).suspected


def test_a_banned_source_loses_its_requests_and_its_parts() -> None:
    play = Play(4)
    play.add(A, slots=3)
    play.receive(1, SEGMENT)
    play.finish(1)
    first, second = 2, 3
    play.receive(second, 100)
    actions = play.tell(m.SegmentRejected(segment_index=0))
    assert kinds(actions) == ["CancelRequest", "CancelRequest", "BanSource", "DiscardBytes"]
    assert {a.request_id for a in actions if isinstance(a, m.CancelRequest)} == {first, second}
    assert play.status(A).rejected_bytes == SEGMENT + 100


def test_pieces_that_only_suspects_could_finish_are_dropped() -> None:
    play = Play(2)
    play.add(C)
    play.add(A)
    play.receive(2, 8 * BLOCK)
    play.fail(2)
    play.add(B)
    play.receive(3, 8 * BLOCK)
    play.finish(3)
    assert started(play.tell(m.SegmentRejected(segment_index=1))) == [(B, SEGMENT, 2 * SEGMENT)]
    play.receive(1, BLOCK)
    play.tell(m.SourceRemoved(source_id=C))
    play.receive(4, SEGMENT)
    play.tell(m.SourceRemoved(source_id=B))
    play.tell(m.SegmentVerified(segment_index=1))
    assert play.status(A).suspected
    assert play.wait(SECOND) == (
        m.DiscardBytes(start_byte=0, end_byte=BLOCK),
        m.StartRequest(request_id=5, source_id=A, start_byte=0, end_byte=SEGMENT),
    )


def test_memory_full_of_pieces_that_nobody_holds_is_freed() -> None:
    play = Play(4, memory_segments=1)
    play.tell(m.SourceAdded(source_id=A, kind="peer", holdings=((0, 1),)))
    play.receive(1, BLOCK)
    assert play.tell(m.SourceRemoved(source_id=A)) == ()
    actions = play.tell(m.SourceAdded(source_id=B, kind="peer", holdings=((2, 3),)))
    assert actions == (
        m.DiscardBytes(start_byte=0, end_byte=BLOCK),
        m.StartRequest(request_id=2, source_id=B, start_byte=2 * SEGMENT, end_byte=3 * SEGMENT),
    )


def test_a_pause_ends_requests_and_clocks_and_resuming_starts_anew() -> None:
    play = Play(4)
    play.add(A)
    play.receive(1, BLOCK)
    assert play.tell(m.Paused()) == (m.CancelRequest(request_id=1),)
    assert play.scheduler.next_deadline_us() is None
    assert play.wait(1_000 * SECOND) == ()
    assert started(play.tell(m.Resumed())) == [(A, BLOCK, SEGMENT)]


def test_a_pause_does_not_delay_completion() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, SEGMENT)
    play.tell(m.Paused())
    assert play.tell(m.SegmentVerified(segment_index=0)) == (m.Complete(),)


def test_without_any_source_the_download_fails_soon() -> None:
    play = Play(1)
    assert play.wait(5 * SECOND) == (m.Fail(reason="availability", code="no_sources"),)


def test_completion_counts_though_time_is_up() -> None:
    play = Play(1)
    play.add(A)
    play.receive(1, SEGMENT)
    play.tell(m.SourceRemoved(source_id=A))
    assert play.tell(m.SegmentVerified(segment_index=0), after_us=6 * SECOND) == (m.Complete(),)


def test_a_silent_world_is_given_up_after_a_minute() -> None:
    play = Play(4)
    play.tell(m.SourceAdded(source_id=A, kind="peer", holdings=((0, 1),)))
    play.receive(1, SEGMENT)
    play.finish(1)
    play.tell(m.SegmentVerified(segment_index=0))
    while True:
        deadline_us = play.scheduler.next_deadline_us()
        assert deadline_us is not None
        actions = play.wait(deadline_us - play.now_us)
        if actions:
            break
    assert actions == (m.Fail(reason="availability", code="no_progress"),)
    assert play.now_us == 63 * SECOND + 4_000 - 3 * SECOND
