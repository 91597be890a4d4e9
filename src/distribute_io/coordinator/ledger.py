"""What a session reports of bytes, booked: usage of downloaders, fills of donors, receipts.

Figures are cumulative per session and file, so a lost message costs nothing; only growth is booked. Usage and fills are
claims that nobody can check, so they are bounded by the file's size; receipts carry the downloader's MAC, and
`core/credit.py` says what they count.
"""

from __future__ import annotations

import hmac
from typing import Final

from distribute_io.coordinator.books import Books
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.session import FILES_COUNTED_MAX, Session
from distribute_io.coordinator.shapes import Shapes
from distribute_io.coordinator.tallies import Tallies
from distribute_io.core.credit import bound_by_rate
from distribute_io.errors import RefusedError, RemoteProtocolError
from distribute_io.ids import FileId, MatchId
from distribute_io.manifest.base64_text import decode_base64
from distribute_io.stores.catalogue import Totals
from distribute_io.stores.state import FileShape, MatchRecord, State
from distribute_io.wire.proofs import receipt_mac
from distribute_io.wire.session import Credited, Filled, Receipt, Usage

CLAIMED_SIZES_MAX: Final = 4
"""A session's claims for one file count up to this many times its size: retries and refills happen, more is a lie."""


class Ledger:
    """Books what sessions report."""

    def __init__(self, state: State, shapes: Shapes, books: Books, demand: DemandDesk, tallies: Tallies) -> None:
        self._state = state
        self._shapes = shapes
        self._books = books
        self._demand = demand
        self._tallies = tallies

    def usage(self, session: Session, message: Usage) -> None:
        """A downloader's figures of one file."""
        shape = self._shape(FileId(message.file_id))
        before = session.used.get(shape.file_id)
        if before is None and len(session.used) >= FILES_COUNTED_MAX:
            raise RefusedError("full", "This session has reported on too many files.")
        most = shape.size_bytes * CLAIMED_SIZES_MAX
        mirrors = min(message.mirror_bytes, most)
        rejected = min(message.rejected_bytes, most)
        if before is not None:
            mirrors, rejected = max(mirrors, before.mirror_bytes), max(rejected, before.rejected_bytes)
        session.used[shape.file_id] = Usage(
            file_id=shape.file_id, mirror_bytes=mirrors, donor_bytes=0, rejected_bytes=rejected
        )
        from_mirrors = mirrors - (before.mirror_bytes if before is not None else 0)
        if from_mirrors > 0:
            self._demand.fell_through(session, shape.file_id, min(1.0, from_mirrors / shape.size_bytes))
        if message.mirror_bytes + message.donor_bytes >= shape.size_bytes:
            self._demand.downloaded(session, shape.file_id, shape.size_bytes)
        amounts = Totals(
            mirrors_bytes=from_mirrors,
            rejected_bytes=rejected - (before.rejected_bytes if before is not None else 0),
        )
        self._books.book(shape.cause, shape.file_id, amounts)
        self._demand.regions.booked(session.region, amounts)

    def filled(self, session: Session, message: Filled) -> None:
        """A donor's figures of what was pushed to it of one file."""
        shape = self._shape(FileId(message.file_id))
        if shape.file_id not in session.filled and len(session.filled) >= FILES_COUNTED_MAX:
            raise RefusedError("full", "This session has reported on too many files.")
        most = shape.size_bytes * CLAIMED_SIZES_MAX
        before = session.filled.get(shape.file_id, (0, 0))
        now = (max(before[0], min(message.mirror_bytes, most)), max(before[1], min(message.donor_bytes, most)))
        session.filled[shape.file_id] = now
        amounts = Totals(pushed_mirrors_bytes=now[0] - before[0], pushed_donors_bytes=now[1] - before[1])
        self._books.book(shape.cause, shape.file_id, amounts)
        self._demand.regions.booked(session.region, amounts)

    async def receipt(self, session: Session, message: Receipt, now_us: int) -> None:
        """A downloader's receipt, brought by the donor.

        Raises:
            RemoteProtocolError: `match_unknown` or `receipt_invalid`.
        """
        match = await self._state.match(MatchId(message.match_id))
        if match is None or not await self._is_giver(session, match):
            raise RemoteProtocolError("match_unknown", "The receipt is of no match of this donor's, or comes too late.")
        expected = receipt_mac(
            match.receipt_secret, match_id=bytes.fromhex(message.match_id), bytes_total=message.bytes_total
        )
        if not hmac.compare_digest(expected, decode_base64(message.mac) or b""):
            raise RemoteProtocolError("receipt_invalid", "The receipt's MAC is wrong.")
        sendable = await self._sendable(match, now_us)
        grown = await self._state.credit(match.match_id, message.bytes_total, now_us, sendable_bytes=sendable)
        if not grown or match.fill:  # what donors give to each other helped nobody yet, and pairs of them could farm it
            return
        self._books.book(match.shape.cause, match.file_id, Totals(donors_bytes=grown))
        self._demand.regions.served(match.region, session.region, grown)
        if not match.neighbours:
            self._tallies.credited(session, match.country, grown)
        session.credited_bytes += grown
        session.credited_countries.add(
            match.country, grown, is_new=match.downloader not in session.credited_downloaders
        )
        session.credited_downloaders.add(match.downloader)
        session.credit_is_news = True

    async def _is_giver(self, session: Session, match: MatchRecord) -> bool:
        """Whether the session is the donor of a match, or may be what came after the donor's.

        A downloader has the secret, so it could thank any session that it likes: one of its own.
        """
        if session.session_id == match.donor:
            return True
        is_gone = await self._state.donor(match.donor) is None
        return is_gone and session.session_id != match.downloader and session.network == match.donor_network

    async def _sendable(self, match: MatchRecord, now_us: int) -> int:
        """What the donor of a match could have sent by now, at the rate that it told."""
        donor = await self._state.donor(match.donor)
        rate = max(match.up_bytes_per_s, donor.up_bytes_per_s if donor is not None else 0)
        return bound_by_rate(rate_bytes_per_s=rate, took_us=now_us - match.made_at_us)

    def tell_credit(self, session: Session) -> None:
        """Tell a donor what it was credited since the last time."""
        if session.credit_is_news:
            session.credit_is_news = False
            session.send(
                Credited(
                    bytes_total=session.credited_bytes,
                    downloaders=len(session.credited_downloaders),
                    countries=session.credited_countries.told(),
                )
            )

    def _shape(self, file_id: FileId) -> FileShape:
        shape = self._shapes.get(file_id)
        if shape is None:
            raise RefusedError("unknown_file", "The coordinator knows no such file.")
        return shape
