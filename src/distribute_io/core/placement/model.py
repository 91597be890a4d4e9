"""What goes into the planner and what comes out. The shapes stay when the planner inside gets wiser.

All values are frozen; ranges are half-open runs of segment indices (`core.runs`), sizes bytes, times microseconds of
the caller's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId

RejectionReason = Literal["cause_not_chosen", "empty_file", "held_already", "better_covered", "no_room"]
"""Why a donor was not given (more of) a file: it gives to other causes; there is nothing to hold; it holds all of it;
other files need it more; its storage is too small for one more segment."""


class Rng(Protocol):
    """The random source; `random.Random` is one."""

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits."""


class DonorView(Struct, frozen=True, kw_only=True):
    """A donor as the planner sees it."""

    session_id: SessionId
    causes: frozenset[CauseId]
    """Empty: all."""
    storage_bytes: int
    up_bytes_per_s: int
    joined_at_us: int
    region: str
    holdings: Mapping[FileId, Runs]
    """What it holds now and can prove."""

    def gives_to(self, cause: CauseId) -> bool:
        """Whether the donor chose the cause."""
        return not self.causes or cause in self.causes


class FileView(Struct, frozen=True, kw_only=True):
    """A file as the planner sees it."""

    file_id: FileId
    cause: CauseId
    segments: int
    size_bytes: int
    segment_size_bytes: int
    copies: Sequence[int]
    """Copies of each segment at donors that are not planned now; empty stands for none of any."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state of things at `now_us`: the donors to plan, and all files that could be given to them."""

    now_us: int
    donors: Sequence[DonorView]
    files: Sequence[FileView]


class Policy(Struct, frozen=True, kw_only=True):
    """How to plan."""

    run_bytes: int = 8 << 20
    """Bytes of one file that are placed together: an introduction costs about ten messages and a handshake, so it has
    to carry megabytes."""
    reserve_bytes: int = 128 << 10
    """Room in the donor's storage that is left to its index and temporary files: its limit counts those too."""
    lease_us: int = 3_600_000_000
    """How long an assignment stands without being renewed."""


class Assignment(Struct, frozen=True, kw_only=True):
    """One donor's share of the plan: its whole target, most valuable file first."""

    session_id: SessionId
    files: tuple[tuple[FileId, Runs], ...]
    lease_us: int
    held_bytes: int
    """Bytes of the target that the donor holds already."""
    push_bytes: int
    """Bytes of the target that it still has to fetch."""


class Rejection(Struct, frozen=True):
    """A candidate that was looked at and not taken, with the reason."""

    session_id: SessionId
    file_id: FileId
    reason: RejectionReason


class Plan(Struct, frozen=True):
    """What to do: one assignment for each donor of the snapshot, in its order."""

    assignments: tuple[Assignment, ...]
    rejected: tuple[Rejection, ...]
