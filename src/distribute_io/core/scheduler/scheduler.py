"""The download scheduler: events and time in, actions and the next deadline out (spec/scheduler.md).

It decides which source gets which range next, what is done about stalls, failures and wrong bytes, and when a download
is complete or has failed. It moves no byte, has no clock and no chance: the same events at the same times give the same
actions, here and in `client/src/core/scheduler/scheduler.ts`.

The parts: `ledger` knows where every byte stands, `sources` and `rates` what is known of a source, `choice` and
`endgame` decide who gets what next, and this module turns events into changes of these and decisions into actions.
"""

from __future__ import annotations

from typing import assert_never

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.blame import NOBODY, Blame
from distribute_io.core.scheduler.choice import Drop, Hedge, Outlook, Pick, Steal, can_take_more
from distribute_io.core.scheduler.clocks import Clocks
from distribute_io.core.scheduler.endgame import choose
from distribute_io.core.scheduler.ledger import Ledger
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Host, Source
from distribute_io.core.scheduler.tuning import FIRST_FAILURES_MAX, REVIEW_US, STALL_CANCEL_FACTOR
from distribute_io.ids import SourceId


class Scheduler:
    """Decides one download. The caller's duties, in order:

    1. Call `handle` for each thing that happened, with a time that never goes back.
    2. Perform all actions that it returned, in order, before the next event.
    3. Ask for `next_deadline_us`, and hand in `DeadlineReached` then, unless another event comes first.
    4. After `Complete` or `Fail` stop: nothing more comes.

    Bytes that come for a place which is filled already are dropped by the driver as they are here: the first to
    deliver a byte is its sender.

    Args:
        config: the download's settings.
        now_us: when it begins.

    >>> scheduler = Scheduler(m.SchedulerConfig(size_bytes=3 << 20, segment_size_bytes=1 << 20), now_us=0)
    >>> scheduler.handle(m.SourceAdded(source_id=SourceId("a"), kind="mirror"), 0)
    (StartRequest(request_id=1, source_id='a', start_byte=0, end_byte=1048576),)
    """

    def __init__(self, config: m.SchedulerConfig, now_us: int) -> None:
        self._config = config
        self._ledger = Ledger(config)
        self._blame = Blame()
        self._sources: dict[SourceId, Source] = {}
        self._hosts: dict[str, Host] = {}
        self._clocks = Clocks(config, now_us)
        self._started_us = now_us
        self._next_request_id = 1
        self._paused = False
        self._over = False
        self._any_byte = False
        self._there_bytes = 0
        self._there_bytes_max = 0
        self._actions: list[m.Action] = []

    def handle(self, event: m.Event, now_us: int) -> tuple[m.Action, ...]:
        """Take one event, which happened at `now_us`, and decide. Events of unknown sources or requests are ignored."""
        if self._over:
            return ()
        now_us = self._clocks.advance(now_us, self.next_deadline_us(), self._ledger.requests.values())
        if self._ledger.is_held_up():
            self._clocks.held_up(now_us)
        if self._ledger.is_sink_awaited():
            self._clocks.progressed(now_us)
        self._actions = []
        changed = self._take(event, now_us)
        if not self._ledger.missing:
            self._end(m.Complete(), now_us)
        elif not self._paused:
            due = self._run_clocks(now_us)
            if changed or due or self._clocks.review_is_due(now_us):
                self._plan(now_us)
            self._give_up_if_due(now_us)
        return tuple(self._actions)

    def next_deadline_us(self) -> int | None:
        """When `DeadlineReached` is due; None: never."""
        if self._over or self._paused:
            return None
        return self._clocks.next_deadline_us(
            self._ledger.requests.values(), self._sources.values(), held_up=self._ledger.is_held_up()
        )

    def sources(self) -> tuple[m.SourceStatus, ...]:
        """The source table, in the order of `SourceAdded`."""
        return tuple(source.status(self._clocks.now_us) for source in self._sources.values())

    # Events

    def _take(self, event: m.Event, now_us: int) -> bool:
        """Note an event. Returns whether the choice must be made anew."""
        match event:
            case m.BytesReceived():
                return self._take_bytes(event, now_us)
            case m.RequestFinished():
                self._take_finished(event.request_id, now_us)
            case m.RequestFailed():
                self._take_failed(event, now_us)
            case m.SegmentVerified():
                self._take_verified(event.segment_index, now_us)
            case m.SegmentRejected():
                self._take_rejected(event.segment_index, now_us)
            case m.PartsCompared():
                for liar in self._blame.compared(event.segment_index, event.wrong_source_ids):
                    self._ban(liar, now_us)
            case m.SourceAdded():
                self._take_added(event)
            case m.HoldingsChanged():
                if event.source_id in self._sources:
                    self._sources[event.source_id].say_holdings(event.holdings, now_us)
            case m.SourceRemoved():
                self._take_removed(event, now_us)
            case m.Paused():
                self._paused = True
                for request in list(self._ledger.requests.values()):
                    self._cancel(request, now_us)
            case m.Resumed():
                self._paused = False
                self._clocks.restart(now_us)
            case m.DeadlineReached():
                return False
            case _:
                assert_never(event)
        return True

    def _take_added(self, event: m.SourceAdded) -> None:
        if event.source_id not in self._sources:
            host = None
            if event.host is not None:
                host = self._hosts.setdefault(event.host, Host(self._config.max_host_requests))
            source = Source(event.source_id, len(self._sources), event.kind, event.slots, host)
            source.hold(event.holdings)
            self._sources[event.source_id] = source

    def _take_removed(self, event: m.SourceRemoved, now_us: int) -> None:
        source = self._sources.get(event.source_id)
        if source is None or not source.usable:
            return
        source.leave("removed", event.reason)
        for request in list(source.requests):
            self._close(request, now_us)

    def _take_bytes(self, event: m.BytesReceived, now_us: int) -> bool:
        request = self._ledger.requests.get(event.request_id)
        if request is None:
            return False
        received = self._ledger.receive(request, event.received_bytes)
        source = request.source
        count = received.fresh_bytes + received.duplicate_bytes
        if count == 0:
            return False
        if not request.delivered_any and request.started_alone:
            source.rate.first_byte_came(now_us - request.started_us)
        woken = request.stalled
        request.delivered_any = True
        request.stalled = False
        request.last_byte_us = now_us
        source.rate.bytes_came(count, now_us)
        source.received_bytes += received.fresh_bytes
        source.duplicate_bytes += received.duplicate_bytes
        self._any_byte = True
        self._there_bytes += received.fresh_bytes
        if self._there_bytes > self._there_bytes_max:  # what is discarded and comes again is no progress
            self._there_bytes_max = self._there_bytes
            self._clocks.progressed(now_us)
        return self._settle_race(request, now_us) or self._end_came_near(request, now_us) or woken

    def _settle_race(self, request: Request, now_us: int) -> bool:
        """Cancel whichever of two rivals has nothing left that is not there (S11, S12)."""
        rival = request.rival
        if rival is None:
            return False
        settled = False
        for loser in (rival, request):
            if loser.remaining_bytes and self._ledger.is_there(loser.position, loser.end):
                self._cancel(loser, now_us)
                if loser.stalled or loser.slow:
                    self._probate(loser.source, "stalled" if loser.stalled else "slow", now_us, None)
                settled = True
        return settled

    def _end_came_near(self, request: Request, now_us: int) -> bool:
        if request.overlapped or not request.is_ending(now_us):
            return False
        request.overlapped = True
        return True

    def _take_finished(self, request_id: int, now_us: int) -> None:
        request = self._ledger.requests.get(request_id)
        if request is None:
            return
        if request.remaining_bytes:
            self._fail_request(request, "mirror_truncated", now_us, None)
            return
        self._close(request, now_us)
        source = request.source
        source.failures = 0
        source.finished_in_a_row += 1
        if source.state == "ready":
            source.reason = None

    def _take_failed(self, event: m.RequestFailed, now_us: int) -> None:
        request = self._ledger.requests.get(event.request_id)
        if request is None:
            return
        if not event.permanent:
            self._fail_request(request, event.reason, now_us, event.retry_after_us)
            return
        source = request.source
        self._close(request, now_us)
        for other in list(source.requests):
            self._cancel(other, now_us)
        source.leave("excluded", event.reason)
        self._actions.append(m.ExcludeSource(source_id=source.source_id, reason=event.reason))

    def _fail_request(self, request: Request, reason: str, now_us: int, retry_after_us: int | None) -> None:
        if request.position - request.start >= self._config.segment_size_bytes:
            request.source.failures = 0
        one_too_many = reason == "mirror_busy" and not request.delivered_any and request.source.host.refused_another()
        by_hearsay = reason == "not_held" and self._is_asked_by_hearsay(request)
        self._close(request, now_us)
        if not (one_too_many or by_hearsay):
            self._probate(request.source, reason, now_us, retry_after_us)

    def _is_asked_by_hearsay(self, request: Request) -> bool:
        """Was it made before the source said a word, which then was another than what was said of it (S14)?"""
        source, segments = request.source, self._ledger.segments_of(request.start, request.end)
        return (
            source.first_word_us is not None
            and request.started_us < source.first_word_us
            and not source.holds(*segments)
        )

    def _take_verified(self, index: int, now_us: int) -> None:
        if not self._ledger.missing.holds(index, index + 1):
            return
        parts = self._ledger.verify(index)
        for part in parts:
            part.source.verified_bytes += part.end - part.start
        senders = {part.source.source_id: part.source for part in parts}
        if len(senders) == 1:
            parts[0].source.delivered_whole_segment()
        self._clocks.progressed(now_us)

    def _take_rejected(self, index: int, now_us: int) -> None:
        partial = self._ledger.partials.get(index)
        if partial is None:
            return
        # What is not complete here crossed with a `DiscardBytes`: the driver has dropped it, and it proves nothing.
        verdict = NOBODY if partial.missing_bytes else self._blame.judge(index, partial)
        for part in self._ledger.reject(index, solo=bool(verdict.suspects)):
            part.source.rejected_bytes += part.end - part.start
            self._there_bytes -= part.end - part.start
        self._there_bytes_max = self._there_bytes  # bounded by S13, so this cannot go on for ever
        if verdict.suspects:
            parts = tuple(
                m.Part(source_id=part.source.source_id, start_byte=part.start, end_byte=part.end)
                for part in partial.parts
            )
            self._actions.append(m.DigestParts(segment_index=index, parts=parts))
        if verdict.liar is not None:
            self._ban(verdict.liar, now_us)

    # Clocks

    def _run_clocks(self, now_us: int) -> bool:
        """Do what is due by time alone. Returns whether anything was."""
        due = False
        for source in self._sources.values():
            if source.probation_until_us is not None and source.probation_until_us <= now_us:
                source.return_from_probation()
                due = True
        if self._ledger.is_held_up():
            return due
        outlook = self._outlook(now_us)
        for request in list(self._ledger.requests.values()):
            silent_us = now_us - self._clocks.silent_since_us(request)
            if request.remaining_bytes == 0 or silent_us < self._config.stall_us:
                continue
            unmixable = not self._ledger.may_mix(request)
            if silent_us >= STALL_CANCEL_FACTOR * self._config.stall_us or (
                unmixable and not outlook.is_sole(request.source)
            ):
                self._cancel(request, now_us)
                self._probate(request.source, "stalled", now_us, None)
                due = True
            elif not request.stalled:
                request.stalled = True
                request.source.reason = "stalled"
                stop = self._ledger.end_of(self._ledger.current_segment(request))
                if request.end > stop:
                    self._shorten(request, stop)
                due = True
        return due

    def _give_up_if_due(self, now_us: int) -> None:
        """Fail if the download cannot go on (S15)."""
        sources = self._sources.values()
        usable = [source for source in sources if source.usable]
        self._clocks.note_usable(bool(usable), now_us)
        hopeless = (
            not self._any_byte
            and not self._clocks.is_patient(now_us)
            and bool(usable)
            and all(source.state == "probation" and source.failures >= FIRST_FAILURES_MAX for source in usable)
        )
        if not hopeless and not self._clocks.is_time_up(now_us):
            return
        if any(source.state == "banned" for source in sources):
            self._end(m.Fail(reason="integrity", code="all_sources_bad"), now_us)
        elif all(source.state == "removed" for source in sources):
            self._end(m.Fail(reason="availability", code="no_sources"), now_us)
        elif all(source.state != "ready" for source in sources):
            self._end(m.Fail(reason="availability", code="all_sources_failed"), now_us)
        else:
            self._end(m.Fail(reason="availability", code="no_progress"), now_us)

    def _end(self, last: m.Complete | m.Fail, now_us: int) -> None:
        for request in list(self._ledger.requests.values()):
            self._cancel(request, now_us)
        self._over = True
        self._actions.append(last)

    # Decisions into actions

    def _outlook(self, now_us: int) -> Outlook:
        held_up_us = now_us if self._ledger.is_held_up() else self._clocks.held_up_us
        sources = tuple(self._sources.values())
        return Outlook(self._config, self._ledger, sources, now_us, started_us=self._started_us, held_up_us=held_up_us)

    def _plan(self, now_us: int) -> None:
        """Give work to every source that can take more, until nobody can (S6)."""
        while self._plan_once(now_us) or self._unblock(now_us):
            pass
        idle = any(source.state == "ready" and not source.requests for source in self._sources.values())
        self._clocks.planned(now_us, review_in_us=REVIEW_US if idle and self._ledger.left_bytes else None)

    def _plan_once(self, now_us: int) -> bool:
        outlook = self._outlook(now_us)
        done = False
        for source in outlook.in_order_of_choice():
            while source.state == "ready" and can_take_more(outlook, source):
                pick = choose(outlook, source)
                if pick is None:
                    break
                done = True
                self._perform(pick, source, now_us)
                if isinstance(pick, Drop):
                    return True  # a source went on probation: look anew
        return done

    def _perform(self, pick: Pick, source: Source, now_us: int) -> None:
        if isinstance(pick, Drop):
            index = self._ledger.current_segment(pick.victim)
            self._cancel(pick.victim, now_us)
            self._discard(self._ledger.start_of(index), self._ledger.end_of(index), None)
            self._probate(pick.victim.source, "stalled" if pick.victim.stalled else "slow", now_us, None)
            return
        if isinstance(pick, Steal):
            self._shorten(pick.victim, pick.start)
        if isinstance(pick, Hedge):
            if pick.end < pick.rival.end:
                self._shorten(pick.rival, pick.end)
        else:
            segment_end = self._ledger.end_of(self._ledger.segment_at(pick.start))
            self._discard(pick.start, min(pick.end, segment_end), None)
        request = Request(self._next_request_id, source, pick.start, pick.end, now_us)
        self._next_request_id += 1
        if isinstance(pick, Hedge):
            request.rival = pick.rival
            pick.rival.rival = request
            pick.rival.slow = pick.for_slowness
        self._ledger.start(request)
        self._actions.append(
            m.StartRequest(
                request_id=request.request_id,
                source_id=source.source_id,
                start_byte=request.start,
                end_byte=request.end,
            )
        )

    def _unblock(self, now_us: int) -> bool:
        """Where pieces of segments that no ready source holds fill all memory, drop them (S4)."""
        outlook = self._outlook(now_us)
        if self._ledger.requests or not self._ledger.unfetched_bytes or not outlook.ready:
            return False
        if self._ledger.is_awaiting() or not self._ledger.is_memory_full():
            return False
        begun = sorted((partial.start, partial.end) for partial in self._ledger.partials.values())
        for start, end in begun:
            self._discard(start, end, None)
        return bool(begun)

    def _shorten(self, request: Request, end: int) -> None:
        self._ledger.shorten(request, end)
        self._actions.append(m.ShortenRequest(request_id=request.request_id, end_byte=end))

    def _cancel(self, request: Request, now_us: int) -> None:
        self._actions.append(m.CancelRequest(request_id=request.request_id))
        self._close(request, now_us)

    def _close(self, request: Request, now_us: int) -> None:
        """A request is over. An unfinished segment that must come from one source alone is dropped (S13)."""
        source = request.source
        unmixable = not self._ledger.may_mix(request)
        index = self._ledger.current_segment(request)
        self._ledger.finish(request)
        if not source.requests:
            source.rate.fell_idle(now_us, request.position - request.start, now_us - request.started_us)
        partial = self._ledger.partials.get(index)
        if unmixable and partial is not None and partial.missing_bytes:
            self._discard(partial.start, partial.end, source)

    def _discard(self, start: int, end: int, sender: Source | None) -> None:
        for part in self._ledger.drop(start, end, sender):
            part.source.rejected_bytes += part.end - part.start
            self._there_bytes -= part.end - part.start
            self._actions.append(m.DiscardBytes(start_byte=part.start, end_byte=part.end))

    def _probate(self, source: Source, reason: str, now_us: int, retry_after_us: int | None) -> None:
        if source.put_on_probation(reason, now_us, retry_after_us) and source.probation_until_us is not None:
            self._clocks.retry_promised(retry_after_us, now_us)
            self._actions.append(
                m.ProbateSource(source_id=source.source_id, reason=reason, until_us=source.probation_until_us)
            )

    def _ban(self, source: Source, now_us: int) -> None:
        """It sent wrong bytes: nothing more of it counts (S13)."""
        for request in list(source.requests):
            self._cancel(request, now_us)
        source.leave("banned", "segment_mismatch")
        self._actions.append(m.BanSource(source_id=source.source_id, reason="segment_mismatch"))
        for partial in [partial for partial in self._ledger.partials.values() if partial.missing_bytes]:
            self._discard(partial.start, partial.end, source)
