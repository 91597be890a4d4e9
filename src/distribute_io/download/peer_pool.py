"""The donors of one download: asks for introductions, connects, and hands connected donors to the driver as sources.

Which and how many is decided by `core.peer_roster`. Rules:

1. A few gathered offers lie at the coordinator, so that an introduction costs one trip. They are made anew when they
   are older than `_OFFER_LIFE_S`: address bindings of NATs do not live much longer.
2. A session that is lost changes nothing for open channels. After the next welcome the want and all unused offers are
   said again.
3. A connection that does not come about in `_CONNECT_S` is given up, and told.
4. Towards a browser donor the donor offers: a native engine cannot negotiate channel ids.
5. Donors are numbered in the order in which they came; nobody else learns who they are.
6. What the match says of a donor is asked of it as soon as its channel is open; what it says itself corrects that.
7. Who delivers is settled soon after something was kept or a donor went: one that holds 1 MiB gives for a tenth of a
   second.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Final, Literal

import msgspec

from distribute_io.core import runs as run_sets
from distribute_io.core.peer_roster import RosterPeer, plan_roster
from distribute_io.core.runs import Runs, to_wire
from distribute_io.download.driver import Driver
from distribute_io.download.mirror import SegmentWriter
from distribute_io.download.peer_source import PeerSource
from distribute_io.download.rate_limit import RateLimit
from distribute_io.errors import RemoteProtocolError
from distribute_io.ids import FileId, SourceId
from distribute_io.manifest.base64_text import decode_base64
from distribute_io.transport.peer_link import PeerLink, Proofs
from distribute_io.transport.session_client import SessionClient
from distribute_io.transport.webrtc import WebRtcEngine
from distribute_io.wire.frames import ROLE_DOWNLOADER, Frame
from distribute_io.wire.session import (
    AnySignal,
    CoordinatorMessage,
    Match,
    MatchEnded,
    MatchReport,
    MirrorReport,
    Offer,
    OfferSignal,
    SignalDown,
    SignalUp,
    Unmatched,
    Unwant,
    Usage,
    Want,
    Welcome,
)

SLOTS: Final = 2
"""Requests open to one donor at once: one that delivers, one that follows without a pause."""

_OFFERS_KEPT: Final = 4
_OFFER_LIFE_S: Final = 90.0
_CONNECT_S: Final = 10.0
_SETTLE_EVERY_S: Final = 0.25
_SETTLE_SOON_S: Final = 0.02
_WANT_AGAIN_S: Final = 30.0
_USAGE_EVERY_S: Final = 2.0
_DRAIN_S: Final = 1.0


class _Peer:
    """One introduction, or an offer that waits for one."""

    def __init__(self, pool: PeerPool, peer_id: int) -> None:
        self._pool = pool
        self.peer_id = peer_id
        self.made_at = time.monotonic()
        self.deposited = False
        self.state: Literal["offered", "pending", "ready", "active", "closed"] = "offered"
        self.match: Match | None = None
        self.link: PeerLink | None = None
        self.source: PeerSource | None = None
        self.source_id = SourceId("")
        self.holdings: Runs = run_sets.EMPTY
        self.connect_by: asyncio.TimerHandle | None = None
        self.is_met = False
        """It has proved itself: what it sends from then on is its own doing."""
        self.told_open = False
        """The coordinator knows that."""

    # --- LinkEvents ---

    def on_offered(self, sdp: str) -> None:
        """See `LinkEvents`."""
        if self.match is not None and self.match.make_offer:
            self._pool.signal(self, OfferSignal(sdp))
        else:
            self._pool.settle()

    def on_signal(self, payload: AnySignal) -> None:
        """See `LinkEvents`."""
        self._pool.signal(self, payload)

    def on_proven(self, proofs: Proofs) -> None:
        """See `LinkEvents`."""
        self.source = self._pool.new_source(self, proofs)

    def on_opened(self) -> None:
        """See `LinkEvents`."""
        if self.source is not None:
            self.source.opened()
            self._pool.expect(self)

    def on_frame(self, frame: Frame) -> None:
        """See `LinkEvents`."""
        if self.source is not None:
            self.source.frame(frame)

    def on_writable(self) -> None:
        """A downloader's frames are small: it never waits for room."""

    def on_link_closed(self, code: str) -> None:
        """See `LinkEvents`."""
        if self.source is not None:
            self.source.link_closed(code)
        else:
            self._pool.gone(self, code)

    # --- PeerSourceEvents ---

    def on_greeted(self) -> None:
        """See `PeerSourceEvents`."""
        self.is_met = True
        if self.connect_by is not None:
            self.connect_by.cancel()

    def on_holdings(self, holdings: Runs) -> None:
        """See `PeerSourceEvents`."""
        self._pool.holds(self, holdings)

    def on_source_closed(self, code: str) -> None:
        """See `PeerSourceEvents`."""
        self._pool.gone(self, code)

    def on_accused(self) -> None:
        """See `PeerSourceEvents`."""
        self._pool.say_open(self)
        self._pool.report(self, "lied", "segment_mismatch")


class PeerPool:
    """The donors of one download. Caller's duty: `attach` it to a driver; leaving the exit stack ends it."""

    def __init__(
        self,
        engine: WebRtcEngine,
        *,
        session_url: str,
        agent: str,
        file_id: FileId,
        segments: int,
        limit: RateLimit | None,
        rng: random.Random,
    ) -> None:
        self._engine = engine
        self._file_id = file_id
        self._segments = segments
        self._limit = limit
        self._session = SessionClient(session_url, agent=agent, events=self, rng=rng)
        self._helper = _new_helper()
        self._stun: list[str] = []
        self._reported: set[SourceId] = set()
        self._welcomed = False
        self._offers: dict[str, _Peer] = {}
        self._peers: dict[str, _Peer] = {}
        self._last_id = 0
        self._named = 0
        # Introductions that the last want asked for and that have not come.
        self._asked = 0
        self._wanted_at = 0.0
        self._not_before = 0.0
        self._closed = False
        self._settling: asyncio.TimerHandle | None = None
        self._driver: Driver | None = None
        self._writer: SegmentWriter | None = None

    async def attach(self, driver: Driver, writer: SegmentWriter, exits: AsyncExitStack) -> None:
        """Begin to look for donors. On leaving `exits` all are let go, with their receipts; then again, if need be."""
        self._driver, self._writer = driver, writer
        driver.notify_kept(self._settle_soon)
        if self._closed:  # a round that a spoilt disk ended was before; its donors are gone
            self._closed = False
            self._helper = _new_helper()
        session = asyncio.ensure_future(self._session.run())
        ticker = asyncio.ensure_future(self._tick())

        async def leave() -> None:
            self._leave()
            await self._session.drain(_DRAIN_S)
            session.cancel()
            ticker.cancel()
            ended = await asyncio.gather(session, ticker, return_exceptions=True)
            self._helper.shutdown(wait=True, cancel_futures=True)
            self._welcomed, self._asked, self._not_before = False, 0, 0.0
            for error in ended:
                # Both run until they are cancelled: anything else is a mistake of ours, not a lack of donors.
                if isinstance(error, Exception):
                    raise error

        exits.push_async_callback(leave)

    # --- SessionEvents ---

    def on_welcome(self, welcome: Welcome) -> None:
        """See `SessionEvents`."""
        self._welcomed = True
        self._asked = 0
        self._stun = welcome.stun
        for offer in self._offers.values():
            offer.deposited = False
        self._say_usage()
        self.settle()

    def on_lost(self, reason: str) -> None:
        """See `SessionEvents`. The download does not need it: mirrors and open channels go on."""
        self._welcomed = False

    def on_message(self, message: CoordinatorMessage) -> None:
        """See `SessionEvents`."""
        match message:
            case Match(role="downloader", file_id=file_id):
                if file_id == self._file_id:
                    self._introduced(message)
            case SignalDown(match_id, payload):
                peer = self._peers.get(match_id)
                if peer is not None and peer.link is not None:
                    peer.link.heed(payload)
            case MatchEnded(match_id):
                peer = self._peers.get(match_id)
                if peer is not None and not peer.is_met:
                    self._give_up(peer, "peer_closed")
            case Unmatched(file_id, code, retry_after_ms):
                if file_id == self._file_id and code == "full":
                    self._asked = 0
                    self._not_before = time.monotonic() + retry_after_ms / 1000
            case _:
                return  # for donors only

    # --- for the peers ---

    def new_source(self, peer: _Peer, proofs: Proofs) -> PeerSource | None:
        """The source of a link whose ends are known."""
        match, link = peer.match, peer.link
        secret = decode_base64(match.receipt_secret or "") if match is not None else None
        if link is None or secret is None or self._driver is None or self._writer is None:
            return None
        return PeerSource(
            link,
            proofs,
            receipt_secret=secret,
            writer=self._writer,
            sink=self._driver,
            helper=self._helper,
            limit=self._limit,
            events=peer,
        )

    def signal(self, peer: _Peer, payload: AnySignal) -> None:
        """Relay something to the other end."""
        if peer.match is not None:
            self._session.send(SignalUp(peer.match.match_id, msgspec.Raw(msgspec.json.encode(payload))))

    def report(
        self, peer: _Peer, outcome: Literal["open", "failed", "closed", "lied"], code: str | None = None
    ) -> None:
        """Tell the coordinator what became of a match."""
        if peer.match is not None:
            took_ms = peer.source.round_trip_ms if outcome == "open" and peer.source is not None else None
            self._session.send(MatchReport(peer.match.match_id, outcome, code, took_ms))

    def expect(self, peer: _Peer) -> None:
        """Its channel is open: what it is believed to hold is asked for before it has said so."""
        if peer.state != "pending" or peer.match is None:
            return
        try:
            peer.holdings = run_sets.from_wire(peer.match.runs, self._segments)
        except RemoteProtocolError:
            return  # the donor will say it
        if peer.holdings:
            self._ready(peer)

    def holds(self, peer: _Peer, holdings: Runs) -> None:
        """A donor told what it holds. What lies beyond the file is left out."""
        peer.holdings = run_sets.intersection(holdings, run_sets.whole(self._segments))
        self.say_open(peer)
        if peer.state == "pending":
            self._ready(peer)
            return
        if peer.state == "active" and self._driver is not None:
            self._driver.change_holdings(peer.source_id, peer.holdings)
        self._settle_soon()

    def say_open(self, peer: _Peer) -> None:
        """Tell that they have met: with the holdings, when the round trip is known, or before worse is told of it."""
        if peer.is_met and not peer.told_open:
            peer.told_open = True
            self.report(peer, "open")

    def gone(self, peer: _Peer, code: str) -> None:
        """A connection is over, or never came about."""
        state, peer.state = peer.state, "closed"
        if state == "closed":
            return
        if peer.connect_by is not None:
            peer.connect_by.cancel()
        self._offers.pop(str(peer.peer_id), None)
        if peer.match is not None:
            self._peers.pop(peer.match.match_id, None)
            self.say_open(peer)
            self.report(peer, "closed" if peer.is_met else "failed", code)
        if state == "active" and self._driver is not None:
            self._driver.remove_source(peer.source_id, code)
        self._settle_soon()

    def settle(self) -> None:
        """Bring the donors in line with the plan, and say what is wanted."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._closed or self._driver is None:
            return
        missing = self._driver.missing()
        introduced = list(self._peers.values())
        plan = plan_roster(
            [
                RosterPeer(
                    peer_id=peer.peer_id,
                    # What an unmet one is believed to hold may be there already: what it holds will be known soon.
                    state=peer.state if peer.is_met or run_sets.intersection(peer.holdings, missing) else "pending",
                    useful=bool(run_sets.intersection(peer.holdings, missing)),
                    busy=peer.source is not None and peer.source.open_ranges > 0,
                )
                for peer in introduced
                if peer.state in ("pending", "ready", "active")
            ],
            anything_missing=bool(missing),
        )
        for peer in introduced:
            if peer.peer_id in plan.leave and peer.source is not None:
                peer.source.close()
            elif peer.peer_id in plan.promote and peer.source is not None:
                peer.state = "active"
                # Only now: numbers of spares that are never asked would be missing where people read them.
                self._named += 1
                peer.source_id = SourceId(f"donor {self._named}")
                self._driver.add_source(peer.source_id, peer.source, kind="peer", holdings=peer.holdings, slots=SLOTS)
        self._want(plan.wanted, missing)

    # ---

    def _ready(self, peer: _Peer) -> None:
        peer.state = "ready"
        self.settle()

    def _settle_soon(self) -> None:
        if self._settling is None and not self._closed:
            self._settling = asyncio.get_running_loop().call_later(_SETTLE_SOON_S, self.settle)

    async def _tick(self) -> None:
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(_SETTLE_EVERY_S)
            self.settle()
            if time.monotonic() - said_at >= _USAGE_EVERY_S:
                said_at = time.monotonic()
                self._say_usage()

    def _want(self, wanted: int, missing: Runs) -> None:
        now = time.monotonic()
        if not self._welcomed or now < self._not_before:
            return
        if wanted == 0:
            if self._asked > 0:
                self._say_want(0, missing)
            return
        self._renew_offers(now)
        for _ in range(min(_OFFERS_KEPT, wanted) - len(self._offers)):
            self._make_offer()
        gathered = all(offer.link is not None and offer.link.local_sdp for offer in self._offers.values())
        news = any(not offer.deposited for offer in self._offers.values())
        # An introduction with an offer in stock is a trip shorter, and making one takes milliseconds: wait for it.
        if gathered and (wanted > self._asked or news or now - self._wanted_at >= _WANT_AGAIN_S):
            self._say_want(wanted, missing)

    def _say_want(self, wanted: int, missing: Runs) -> None:
        offers: list[Offer] = []
        for offer_id, offer in self._offers.items():
            if wanted and not offer.deposited and offer.link is not None:
                offer.deposited = True
                offers.append(Offer(offer_id, offer.link.local_sdp))
        self._session.send(Want(self._file_id, to_wire(missing), wanted, offers))
        self._asked, self._wanted_at = wanted, time.monotonic()

    def _renew_offers(self, now: float) -> None:
        """Old offers are void at both ends, and made anew."""
        if all(now < offer.made_at + _OFFER_LIFE_S for offer in self._offers.values()):
            return
        self._session.send(Unwant(self._file_id))
        self._asked = 0
        for offer in list(self._offers.values()):
            self._give_up(offer, "peer_unreachable")

    def _make_offer(self) -> _Peer:
        self._last_id += 1
        peer = _Peer(self, self._last_id)
        peer.link = PeerLink(self._engine, ROLE_DOWNLOADER, peer, stun=self._stun)
        self._offers[str(peer.peer_id)] = peer
        peer.link.offer()
        return peer

    def _introduced(self, match: Match) -> None:
        self._asked = max(0, self._asked - 1)
        if self._closed:
            return
        peer = self._peer_for(match)
        if peer is None or peer.link is None:
            self._session.send(MatchReport(match.match_id, "failed", "peer_unreachable"))
            return
        peer.match = match
        peer.state = "pending"
        peer.connect_by = asyncio.get_running_loop().call_later(_CONNECT_S, self._give_up, peer, "no_channel")
        self._peers[match.match_id] = peer
        if match.make_offer and peer.link.local_sdp:
            self.signal(peer, OfferSignal(peer.link.local_sdp))
        peer.link.bind(match)

    def _peer_for(self, match: Match) -> _Peer | None:
        """The offer that the match uses up; a fresh connection when the donor is to offer (rule 4)."""
        if match.offer_id is not None:
            return self._offers.pop(match.offer_id, None)
        if match.make_offer:
            # One that the coordinator has not: what lies there may be on its way to another donor.
            spare = next((offer for offer in self._offers.values() if not offer.deposited), None)
            return self._take(spare or self._make_offer())
        self._last_id += 1
        peer = _Peer(self, self._last_id)
        peer.link = PeerLink(self._engine, ROLE_DOWNLOADER, peer, stun=self._stun)
        return peer

    def _take(self, peer: _Peer) -> _Peer:
        self._offers.pop(str(peer.peer_id), None)
        return peer

    def _give_up(self, peer: _Peer, code: str) -> None:
        if peer.link is not None:
            peer.link.close()
        self.gone(peer, code)

    def _say_usage(self) -> None:
        if self._driver is None:
            return
        verified = {"mirror": 0, "peer": 0}
        rejected = 0
        for row in self._driver.source_table():
            verified[row.kind] += row.verified_bytes
            rejected += row.rejected_bytes
            if row.kind == "mirror" and row.state in ("banned", "excluded") and row.source_id not in self._reported:
                self._reported.add(row.source_id)
                self._session.send(MirrorReport(self._file_id, row.source_id, row.reason or "mirror_unreachable"))
        if sum(verified.values()) or rejected:
            self._session.send(Usage(self._file_id, verified["mirror"], verified["peer"], rejected))

    def _leave(self) -> None:
        self._say_usage()
        self._closed = True
        self._session.send(Unwant(self._file_id))
        for offer in list(self._offers.values()):
            self._give_up(offer, "cancelled")
        for peer in list(self._peers.values()):
            if peer.source is not None:
                peer.source.close()
            else:
                self._give_up(peer, "cancelled")


def _new_helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="peer-hash")
