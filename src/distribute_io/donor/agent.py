"""The headless donor: one session, a store, a filler, an upload; wires them together.

Rules:

1. After each welcome it says what it gives and what it holds, completely; only then it is assigned anything. So a
   coordinator that restarts pushes nothing twice.
2. What became durable is told once a second, file by file.
3. A file that is withdrawn is erased at once, and its takers are left.
4. While its allowance says pause (spec/allowance.md) it goes on holding and gives nothing; it is filled on only where
   a used budget is all that rests it (A8).
5. Everything ends with `run`: takers hear goodbye, what was given is written down exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from distribute_io.core import runs as run_sets
from distribute_io.core.allowance import Pause
from distribute_io.core.peer_giver import BYE_BUSY, BYE_OVER_BUDGET
from distribute_io.core.runs import Runs
from distribute_io.donor import events as e
from distribute_io.donor.fill_peers import FillPeers
from distribute_io.donor.filling import Filler, Gap, Target, next_gap
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.donor.serving import Taker, Upload
from distribute_io.donor.statements import Statements
from distribute_io.donor.store import SegmentStore, usable_bytes
from distribute_io.errors import DistributeError, RefusedError, RemoteProtocolError, StoreError
from distribute_io.ids import FileId
from distribute_io.transport.peer_link import PeerLink
from distribute_io.transport.session_client import SessionClient
from distribute_io.transport.webrtc import WebRtcEngine
from distribute_io.wire.frames import ROLE_DONOR
from distribute_io.wire.session import (
    AnySignal,
    Assign,
    CoordinatorMessage,
    Credited,
    Donate,
    ErrorMessage,
    Match,
    MatchEnded,
    MatchReport,
    SignalDown,
    SignalUp,
    StopDonating,
    Tallied,
    Tally,
    Unmatched,
    Welcome,
    Withdrawn,
)

_CONNECT_S: Final = 15.0
_TELL_EVERY_S: Final = 1.0
_SKIP_S: Final = 15.0
"""A file that could not be fetched is tried again after this."""

_ASK_DONORS_S: Final = 30.0
"""Other donors of a file are asked again after this; until then what is still lacking comes from mirrors."""

_DRAIN_S: Final = 1.0
_MATCHES_REMEMBERED: Final = 4096
_SEGMENT_INDEX_MAX: Final = 2**32


class DonorConfig(Struct, frozen=True, kw_only=True):
    """What the donor gives."""

    session_url: str
    agent: str
    causes: tuple[str, ...]
    """Empty: all."""
    storage_bytes: int
    up_bytes_per_s: int
    takers_max: int = 8
    tally_secret: bytes = b""
    """16 bytes: under these the credit of all of a person's donors is added up. Empty: it is not."""


class DonorAgent:
    """One donor. Caller's duties: `run` it, cancel that to stop; close the store after."""

    def __init__(
        self,
        config: DonorConfig,
        *,
        store: SegmentStore,
        allowance: KeptAllowance,
        filler: Filler,
        engine: WebRtcEngine,
        rng: Random,
        tell: Callable[[e.DonorEvent], None],
    ) -> None:
        self._config = config
        self._store = store
        self._allowance = allowance
        self._filler = filler
        self._engine = engine
        self._tell = tell
        self._session = SessionClient(config.session_url, agent=config.agent, events=self, rng=rng)
        self._fill_peers = FillPeers(engine, store, say=self._session.send, place=self)
        self._statements = Statements(store, say=self._session.send)
        self._upload = Upload(store, allowance, rate_bytes_per_s=config.up_bytes_per_s)
        self._stun: list[str] = []
        self._target: Target = ()
        self._incoming: list[tuple[FileId, Runs]] = []
        self._takers: dict[str, Taker] = {}
        self._connect_by: dict[str, asyncio.TimerHandle] = {}
        self._used_matches: dict[str, None] = {}
        self._retargeted = asyncio.Event()
        self._may_fill = asyncio.Event()
        self._welcomed = False
        self._said_lost = False
        self._pause: Pause | None = None
        self._told_trouble: StoreError | None = None
        self._withdrawn: set[FileId] = set()
        self._ask_donors_after: dict[FileId, float] = {}

    async def run(self) -> None:
        """Donate until cancelled.

        Raises:
            StoreError: our own disk failed.
        """
        # The session outlives the others by a moment, so that goodbyes and last receipts still go out over it.
        session = asyncio.ensure_future(self._session.run())
        try:
            self._heed_allowance()  # before anybody is told of us
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_failed(session))
                tasks.create_task(self._upload.run())
                tasks.create_task(self._fill())
                tasks.create_task(self._report())
        finally:
            self._filler.abort()
            for taker in list(self._takers.values()):
                taker.leave()
            self._tell_changes()
            self._session.send(StopDonating())
            await self._session.drain(_DRAIN_S)
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
            self._allowance.close()
            self._tell(e.Stopped(bytes=self._upload.sent_bytes))

    # --- SessionEvents ---

    def on_welcome(self, welcome: Welcome) -> None:
        """See `SessionEvents`."""
        self._welcomed = True
        self._said_lost = False
        self._stun = welcome.stun
        self._fill_peers.configure(welcome.stun)
        self._incoming = []
        self._tell(e.Connected())
        if self._config.tally_secret:
            self._session.send(Tally(self._config.tally_secret.hex()))
        self._donate()
        self._statements.begin()

    def on_lost(self, reason: str) -> None:
        """See `SessionEvents`. Takers that are connected stay."""
        if self._welcomed or not self._said_lost:
            self._said_lost = True  # said once, not at each attempt
            self._tell(e.Disconnected(reason=reason))
        self._welcomed = False
        self._statements.lost()

    def on_message(self, message: CoordinatorMessage) -> None:
        """See `SessionEvents`."""
        match message:
            case Assign():
                self._assigned(message)
            case Match(role="donor"):
                self._introduced(message)
            case Match(role="downloader"):
                self._fill_peers.introduced(message)
            case Unmatched(file_id):
                self._fill_peers.unmatched(FileId(file_id))
            case SignalDown(match_id, payload):
                taker = self._takers.get(match_id)
                if taker is not None and taker.link is not None:
                    taker.link.heed(payload)
                self._fill_peers.heed(match_id, payload)
            case MatchEnded(match_id):
                taker = self._takers.get(match_id)
                if taker is not None and not taker.is_greeted:
                    taker.leave()
                self._fill_peers.match_ended(match_id)
            case Withdrawn(file_id):
                self._withdraw(FileId(file_id))
            case Credited(bytes_total, downloaders, countries):
                self._tell(e.Credited(bytes=bytes_total, downloaders=downloaders, countries=countries))
            case Tallied(bytes_total, bytes_today, countries):
                by_country = {each.country: each.bytes for each in countries}
                self._tell(e.Tallied(bytes=bytes_total, bytes_today=bytes_today, countries=by_country))
            case ErrorMessage(code="match_unknown"):
                return  # the match ended while our word of it was under way
            case ErrorMessage(code=code, message=text):
                self._tell(e.Trouble(code=code, message=text))
            case _:
                return  # for downloaders

    # --- TakerEvents ---

    def signal(self, match_id: str, payload: AnySignal) -> None:
        """See `TakerEvents`."""
        self._session.send(SignalUp(match_id, msgspec.Raw(msgspec.json.encode(payload))))

    def on_greeted(self, taker: Taker) -> None:
        """See `TakerEvents`."""
        timer = self._connect_by.pop(taker.match.match_id, None)
        if timer is not None:
            timer.cancel()
        self._upload.add(taker)
        self._session.send(MatchReport(taker.match.match_id, "open"))
        self._tell(e.TakerCame(takers=self._greeted_takers()))

    def on_receipt(self, match_id: str, bytes_total: int, mac: bytes) -> None:
        """See `TakerEvents`. The coordinator takes it until ten minutes after the transfer: none is dropped."""
        self._statements.receipt(match_id, bytes_total, mac)

    def on_taker_gone(self, taker: Taker, code: str) -> None:
        """See `TakerEvents`."""
        match_id = taker.match.match_id
        self._takers.pop(match_id, None)
        timer = self._connect_by.pop(match_id, None)
        if timer is not None:
            timer.cancel()
        self._upload.remove(taker)
        # Before the report: who left because a budget is used up would be introduced again at once.
        self._heed_allowance()
        self._statements.forward_receipts()
        self._session.send(MatchReport(match_id, "closed" if taker.is_greeted else "failed", code))
        if taker.is_greeted:
            served = taker.giver.sent_bytes if taker.giver is not None else 0
            self._tell(e.TakerLeft(takers=self._greeted_takers(), bytes=served))

    # --- what we give and hold ---

    def _donate(self) -> None:
        self._session.send(
            Donate(
                causes=list(self._config.causes),
                storage_bytes=usable_bytes(self._config.storage_bytes),
                up_bytes_per_s=self._config.up_bytes_per_s if self._pause is None else 0,
                takers_max=self._config.takers_max if self._pause is None else 0,
            )
        )

    def _tell_changes(self) -> None:
        changed = self._statements.tell_changes()
        for file_id in changed:
            for taker in [each for each in self._takers.values() if each.file_id == file_id]:
                taker.set_holdings(self._store.holdings(file_id))
        if changed:
            self._tell(e.Holding(bytes=self._store.held_bytes, files=len(self._store.files())))

    async def _report(self) -> None:
        told: e.Served | None = None
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self._tell_changes()
            self._statements.forward_receipts()
            self._heed_allowance()
            self._tell_trouble()
            used = self._allowance.used
            served = e.Served(
                bytes=self._upload.sent_bytes,
                bytes_today=used.day_bytes,
                bytes_this_month=used.month_bytes,
                bytes_ever=self._allowance.served_bytes,
                takers=self._greeted_takers(),
                people_today=self._allowance.people_today,
                people_ever=self._allowance.people,
            )
            if served != told:
                told = served
                self._tell(served)

    def _tell_trouble(self) -> None:
        """A disk so full that what is given cannot be written down, once each time it becomes so."""
        trouble = self._allowance.trouble
        if trouble is not None and self._told_trouble is None:
            self._tell(e.Trouble(code=trouble.code, message=trouble.message))
        self._told_trouble = trouble

    def _heed_allowance(self) -> None:
        """Begins or ends a pause, when it is time: takers are let go, and the coordinator sends no more."""
        self._heed_fill_allowance()
        pause = self._allowance.pause()
        if pause == self._pause:
            return
        toggles = (pause is None) != (self._pause is None)
        self._pause = pause
        self._tell(e.Resumed() if pause is None else e.Paused(reason=pause))
        if not toggles:
            return
        if pause is not None:
            for taker in list(self._takers.values()):
                taker.leave(BYE_OVER_BUDGET)
        if self._welcomed:
            self._donate()

    def _heed_fill_allowance(self) -> None:
        may_fill = self._allowance.may_fill()
        if may_fill == self._may_fill.is_set():
            return
        if may_fill:
            self._may_fill.set()
        else:
            self._may_fill.clear()
        self._filler.rest(rests=not may_fill)
        self._fill_peers.rest(rests=not may_fill)

    # --- filling ---

    def _assigned(self, message: Assign) -> None:
        for each in message.files:
            try:
                runs = run_sets.from_wire(each.runs, _SEGMENT_INDEX_MAX)
            except RemoteProtocolError as error:
                self._tell(e.Trouble(code=error.code, message=error.message))
                continue
            self._incoming.append((FileId(each.file_id), runs))
        if message.more:
            return
        self._target, self._incoming = tuple(self._incoming), []
        self._withdrawn -= {file_id for file_id, _ in self._target}
        wanted = sum(run_sets.count(runs) for _, runs in self._target)
        self._tell(e.Assigned(files=len(self._target), segments=wanted))
        self._retargeted.set()

    async def _fill(self) -> None:
        skipped: dict[FileId, float] = {}
        while True:
            await self._may_fill.wait()
            now = time.monotonic()
            skipped = {file_id: until for file_id, until in skipped.items() if until > now}
            gap = next_gap(self._target, self._store.holdings, frozenset(skipped))
            if gap is None:
                self._retargeted.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SKIP_S / 4 if skipped else None):
                        await self._retargeted.wait()
                continue
            try:
                stored_all = await self._fill_gap(gap)
            except DistributeError as error:
                if isinstance(error, StoreError) and error.code != "disk_full":
                    raise
                # A full disk is others' doing as a rule: what is held is served on, and room may come back.
                self._tell(e.Trouble(code=error.code, message=error.message))
                if isinstance(error, RefusedError) and error.code in ("unknown_file", "taken_down"):
                    self._withdraw(gap.file_id)
                self._filler.forget(gap.file_id)
                skipped[gap.file_id] = time.monotonic() + _SKIP_S
            else:
                if not stored_all:
                    skipped[gap.file_id] = time.monotonic() + _SKIP_S

    async def _fill_gap(self, gap: Gap) -> bool:
        """Fetch a gap, and what else is lacking of that file from other donors; False when there is no room for it."""
        known = await asyncio.to_thread(self._filler.describe, gap.file_id)
        lacking = run_sets.intersection(self._lacking(gap.file_id), run_sets.whole(len(known.segment_list)))
        now = time.monotonic()
        is_time = self._welcomed and self._may_fill.is_set()  # it may rest since: a description takes seconds
        if is_time and lacking and self._ask_donors_after.get(gap.file_id, 0.0) <= now:
            self._ask_donors_after = {each: at for each, at in self._ask_donors_after.items() if at > now}
            await self._fill_peers.fill(known, lacking)
            self._ask_donors_after[gap.file_id] = time.monotonic() + _ASK_DONORS_S
        left = run_sets.intersection(self._lacking(gap.file_id), ((gap.start, gap.end),))
        if not left:
            return True
        loop = asyncio.get_running_loop()

        def on_segment(file_id: FileId, size_bytes: int) -> None:
            loop.call_soon_threadsafe(self._segment_stored, file_id, size_bytes, 0)

        return await asyncio.to_thread(
            self._filler.fetch,
            Gap(gap.file_id, *left[0]),
            still_wanted=self.is_wanted,
            make_room=self.make_room,
            on_segment=on_segment,
        )

    def _lacking(self, file_id: FileId) -> Runs:
        wanted = dict(self._target).get(file_id, run_sets.EMPTY)
        return run_sets.difference(wanted, self._store.holdings(file_id))

    def _segment_stored(self, file_id: FileId, mirror_bytes: int, donor_bytes: int) -> None:
        if file_id in self._withdrawn:
            self._store.erase_file(file_id)  # it was withdrawn while this segment was on its way
            return
        self._statements.filled(file_id, mirror_bytes, donor_bytes)

    # --- FillPlace ---

    def is_wanted(self, file_id: FileId, index: int) -> bool:
        """See `FillPlace`. Called in the filler's thread, too; the target is replaced whole, never changed."""
        return any(each == file_id and run_sets.contains(runs, index) for each, runs in self._target)

    def make_room(self, file_id: FileId, size_bytes: int) -> bool:
        """See `FillPlace`. What the target does not name makes room for what it does."""
        return self._store.make_room(size_bytes, file_id, self._target)

    def on_segment(self, file_id: FileId, size_bytes: int) -> None:
        """See `FillPlace`: it came from another donor."""
        self._segment_stored(file_id, 0, size_bytes)

    def _withdraw(self, file_id: FileId) -> None:
        was_known = bool(self._store.holdings(file_id)) or any(each == file_id for each, _ in self._target)
        self._withdrawn.add(file_id)
        self._target = tuple((each, runs) for each, runs in self._target if each != file_id)
        self._filler.forget(file_id)
        self._fill_peers.withdraw(file_id)
        self._store.erase_file(file_id)
        for taker in [each for each in self._takers.values() if each.file_id == file_id]:
            taker.leave()
        if was_known:  # a withdrawal may be said again
            self._tell(e.Erased(file_id=file_id))

    # --- serving ---

    def _introduced(self, match: Match) -> None:
        refusal = self._reason_to_refuse(match)
        if refusal is not None:
            self._session.send(MatchReport(match.match_id, "failed", refusal))
            return
        self._used_matches[match.match_id] = None
        while len(self._used_matches) > _MATCHES_REMEMBERED:
            del self._used_matches[next(iter(self._used_matches))]
        taker = Taker(match, self._store, self._upload, self)
        self._takers[match.match_id] = taker
        loop = asyncio.get_running_loop()
        self._connect_by[match.match_id] = loop.call_later(_CONNECT_S, taker.leave)
        taker.link = PeerLink(self._engine, ROLE_DONOR, taker, stun=self._stun)
        taker.link.bind(match)
        if match.offer is not None:
            taker.link.answer(match.offer)
        elif match.make_offer:
            taker.link.offer()

    def _reason_to_refuse(self, match: Match) -> str | None:
        if match.match_id in self._used_matches:
            return "ticket_used"
        if self._pause is not None:
            return "over_budget"
        if len(self._takers) >= self._config.takers_max and not self._let_a_fill_go(match):
            return "busy"
        return None if self._store.holdings(FileId(match.file_id)) else "not_held"

    def _let_a_fill_go(self, match: Match) -> bool:
        """A donor that fills itself makes room for a download."""
        fill = next((taker for taker in self._takers.values() if taker.match.fill), None)
        if match.fill or fill is None:
            return False
        fill.leave(BYE_BUSY)
        return True

    def _greeted_takers(self) -> int:
        return sum(taker.is_greeted for taker in self._takers.values())


async def _until_failed(session: asyncio.Future[None]) -> None:
    """Takes the failure of a task that is not the group's own into the group."""
    await asyncio.shield(session)
