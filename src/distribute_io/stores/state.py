"""The contract of the soft state: who is here, what they hold, what they were assigned, whom they were introduced to.

Rules that every back end keeps (`tests/stores/state_suite.py` checks them):

1. All of it may be lost at any time: peers come back and tell it again. Nothing here is the only copy of anything but
   the last second of credits.
2. A session's departure takes its donor record, holdings, lease and wants with it; its matches end.
3. `copies` counts each donor once for each segment that it holds or is assigned, and is right after every call.
4. A pair of sessions has at most one standing match of one file. A receipt is taken until `RECEIPTS_TAKEN_US` after
   the match's end and counts as `core/credit.py` says; while the match stands, what its donor holds or is assigned of
   what the taker lacked is added to what was offered.
5. Of a taker's ended matches the newest `ENDED_PER_TAKER_MAX` are remembered.
6. Times are integer microseconds of the caller's clock, given as arguments: implementations have no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from distribute_io.core import runs
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, MatchId, SessionId
from distribute_io.wire.session import NatClass

ENDED_PER_TAKER_MAX: Final = 256
"""Some times what a download from many small donors ends in ten minutes; each takes less than a kilobyte."""

RECEIPTS_TAKEN_US: Final = 600 * 1_000_000
"""A donor that lost its connection at the end of a transfer may still bring the receipt."""


class FileShape(Struct, frozen=True, gc=False):
    """What the state must know of a file to count its copies and bytes."""

    file_id: FileId
    cause: CauseId
    segments: int
    size_bytes: int
    segment_size_bytes: int

    def bytes_of(self, held: Runs) -> int:
        """Bytes that some segments of the file have."""
        return runs.size_bytes(held, file_bytes=self.size_bytes, segment_bytes=self.segment_size_bytes)


class Donor(Struct, frozen=True, gc=False):
    """A session that gives."""

    session_id: SessionId
    causes: frozenset[CauseId]
    """Empty: all."""
    storage_bytes: int
    up_bytes_per_s: int
    takers_max: int
    native: bool
    nat: NatClass
    region: str
    """From coarse to fine, parts separated by `/`; empty when unknown."""
    joined_at_us: int
    ready: bool = False
    """Whether its holdings were told completely; only then it is assigned anything."""

    def gives_to(self, cause: CauseId) -> bool:
        """Whether the donor chose the cause."""
        return not self.causes or cause in self.causes


class Holder(Struct, frozen=True):
    """A donor that holds some of a file."""

    donor: Donor
    runs: Runs
    takers: int
    """Standing matches in which it gives."""
    fills: int = 0
    """Those of them in which a donor fills itself."""


class Want(Struct, frozen=True):
    """A downloader that would like more donors of a file."""

    session_id: SessionId
    file_id: FileId
    missing: Runs
    peers_max: int
    """How many more."""
    since_us: int
    fill: bool = False
    """From a donor that fills itself: it is no downloader."""


class MatchRecord(Struct, frozen=True):
    """One introduction."""

    match_id: MatchId
    shape: FileShape
    downloader: SessionId
    donor: SessionId
    receipt_secret: bytes
    lacked: Runs
    """What the taker lacked when the match was made. The state forgets the runs at the match's end, not the bytes."""
    lacked_bytes: int
    made_at_us: int
    offered: Runs = ()
    """Of that, what the donor held or was assigned, then or while the match stood; the state fills it in, and forgets
    the runs at the end."""
    offered_bytes: int = 0
    phase: Literal["pending", "open", "ended"] = "pending"
    credited_bytes: int = 0
    ended_at_us: int = 0
    country: str = ""
    """Where the downloader is, as ISO 3166 has it; empty when it is not known."""
    fill: bool = False
    """The taker is a donor that fills itself."""
    region: str = ""
    """Where the downloader is, coarsely (`core.demand.regions`)."""
    up_bytes_per_s: int = 0
    """What the donor said that it sends at most."""
    neighbours: bool = False
    """Both ends are behind one public address."""
    was_open: bool = False
    """Also after it ended."""
    donor_network: str = ""
    """The donor's group of addresses, to tell liars' networks apart when the donor has gone. In memory only."""
    downloader_network: str = ""
    """The same of the downloader."""

    @property
    def file_id(self) -> FileId:
        """The file that the match is of."""
        return self.shape.file_id


class Held(Struct, frozen=True):
    """How much of one file all donors together hold, copies counted."""

    cause: CauseId
    segments: int
    size_bytes: int


class Census(Struct, frozen=True):
    """Counts of what is here now."""

    donors: int
    downloaders: int
    donors_by_cause: Mapping[CauseId, int]
    """Donors that chose a cause by name; `donors_of_all` gives to every cause."""
    donors_of_all: int
    held: Mapping[FileId, Held]
    """By file, only those of which something is held."""


class State(Protocol):
    """The soft state of all coordinators that share it."""

    async def close(self) -> None:
        """Let go of everything."""

    # --- donors ---

    async def put_donor(self, donor: Donor) -> None:
        """Add a donor, or change its record; holdings and lease stay."""

    async def donor(self, session_id: SessionId) -> Donor | None:
        """A donor's record."""

    async def donors(self, cause: CauseId | None = None) -> tuple[Donor, ...]:
        """All donors, or those that give to a cause, by session id."""

    async def drop_donor(self, session_id: SessionId) -> None:
        """The session gives no more: forget its record, holdings and lease. Its matches stand."""

    async def put_holdings(self, session_id: SessionId, shape: FileShape, runs: Runs) -> None:
        """What a donor holds of a file, in place of what was known; empty runs forget the file."""

    async def holdings(self, session_id: SessionId) -> dict[FileId, Runs]:
        """All that a donor holds."""

    async def put_lease(
        self, session_id: SessionId, files: Sequence[tuple[FileShape, Runs]], expires_at_us: int
    ) -> None:
        """What a donor is assigned, in place of what it was."""

    async def lease(self, session_id: SessionId) -> dict[FileId, Runs]:
        """What a donor is assigned; empty when nothing is, or the lease ran out."""

    async def expire_leases(self, now_us: int) -> tuple[SessionId, ...]:
        """Forget the leases that ran out; returns whose they were."""

    async def copies(self, file_id: FileId) -> Sequence[int]:
        """Copies of each segment of a file (rule 3); empty when no donor ever had any of it."""

    async def holders(self, file_id: FileId, *, limit: int, skip: int = 0) -> tuple[Holder, ...]:
        """Some who hold some of a file: at most `limit` of them, beginning `skip` places on, all of them in turn."""

    async def drop_file(self, file_id: FileId) -> tuple[SessionId, ...]:
        """The file is gone: forget holdings, leases and wants of it; returns who held it or was assigned it."""

    # --- downloaders ---

    async def put_want(self, want: Want) -> None:
        """Remember a want, in place of the session's earlier want of that file."""

    async def drop_want(self, session_id: SessionId, file_id: FileId) -> None:
        """Forget a want."""

    async def wants(self, file_id: FileId) -> tuple[Want, ...]:
        """Who wants more donors of a file, longest waiting first."""

    async def wants_of(self, session_id: SessionId) -> tuple[Want, ...]:
        """A session's wants."""

    # --- matches ---

    async def add_match(self, match: MatchRecord) -> bool:
        """Add a match; False when that pair has a standing match of that file (rule 4)."""

    async def match(self, match_id: MatchId) -> MatchRecord | None:
        """A match, standing, or ended not longer than `RECEIPTS_TAKEN_US` ago, as far as there is room (rule 5)."""

    async def standing(self, session_id: SessionId) -> tuple[MatchRecord, ...]:
        """The standing matches of a session, on either side, by match id."""

    async def open_match(self, match_id: MatchId) -> None:
        """The two are connected; of a match that has ended it is only remembered."""

    async def end_match(self, match_id: MatchId, now_us: int) -> MatchRecord | None:
        """End a match; returns it as it was before, or None when it did not stand."""

    async def credit(self, match_id: MatchId, bytes_total: int, now_us: int, *, sendable_bytes: int) -> int:
        """Take a receipt whose MAC was checked; returns the bytes by which the credit grew.

        Args:
            bytes_total: what the receipt states, of the whole match.
            now_us: by the clock of `ended_at_us`.
            sendable_bytes: what the donor could have sent by now, at least 0 (`core/credit.py`, C3).

        Raises:
            RemoteProtocolError: `match_unknown`, or `receipt_invalid` when it is false (C1).
        """

    async def expire_matches(self, now_us: int, *, pending_since_us: int) -> tuple[MatchRecord, ...]:
        """End the matches that were made before `pending_since_us` and did not open, and forget old ended ones.

        Returns:
            Those that did not open.
        """

    # --- all ---

    async def leave(self, session_id: SessionId, now_us: int) -> tuple[MatchRecord, ...]:
        """A session ended (rule 2); returns its matches as they stood before."""

    async def census(self) -> Census:
        """Counts of what is here now."""
