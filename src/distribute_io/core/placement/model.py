"""What goes into the planner and what comes out.

All values are frozen; ranges are half-open runs of segment indices (`core.runs`), sizes bytes, rates bytes or requests
per second, times microseconds of the caller's clock, spans of time seconds. Those of which there are hundreds of
thousands are hidden from the garbage collector (`gc=False`): they are part of no cycle, and it would walk them all
again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from distribute_io.core.placement.downlinks import FIRST_BYTES_PER_S
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.wire.session import NatClass

RejectionReason = Literal[
    "cause_not_chosen",
    "empty_file",
    "held_already",
    "no_room",
    "no_demand",
    "does_not_pay",
    "better_elsewhere",
    "not_yet",
    "too_alike",
]
"""Why a donor was not given (more of) a file: it gives to other causes; there is nothing to hold; it holds all of it;
its storage is too small for one more run; nobody is expected to ask for it; what it would serve before it leaves is
less than the push costs; other files serve more from the same room; it is filled in steps and this one is next time;
those of its network or its provider hold enough of it."""


LOOK_AGAIN_S: Final = 5.0
"""When a donor has left, the others are looked at again, but not sooner than this after the last look: what only it
held is with nobody now."""


class Rng(Protocol):
    """The random source; `random.Random` is one."""

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits."""


class DonorView(Struct, frozen=True, kw_only=True, gc=False):
    """A donor as the planner sees it."""

    session_id: SessionId
    causes: frozenset[CauseId] = frozenset()
    """Empty: all."""
    storage_bytes: int
    up_bytes_per_s: int
    joined_at_us: int
    region: str = ""
    """From coarse to fine, parts separated by `/`; empty when unknown. A part `AS…` names the provider, a last part
    that begins with `n-` the network, for the caps on diversity (`groups.py`)."""
    nat: NatClass = "unknown"
    stay_left_s: float = 3_600.0
    """How much longer it is expected to stay (`stays.py` learns that)."""
    holdings: Mapping[FileId, Runs]
    """What it holds now and can prove. It may be more than it has room for: its own downloads, of which the most
    valuable part is then kept."""
    coming: Mapping[FileId, Runs] = {}
    """What it was told to fetch and does not hold yet: paid for already, in part, so it stays in the target."""


class FileView(Struct, frozen=True, kw_only=True, gc=False):
    """A file as the planner sees it."""

    file_id: FileId
    cause: CauseId
    segments: int
    size_bytes: int
    segment_size_bytes: int
    weight: float = 1.0
    """What a request for it counts, as its cause's operator weighs it."""


class RegionRates(Struct, frozen=True, gc=False):
    """Requests for a file that are expected from one region, by what the downloaders' NAT allows."""

    region: str
    """Coarse: as `demand.coarse` cuts it."""
    open_per_s: float
    """Downloads a second by downloaders that can be connected with any donor."""
    restricted_per_s: float = 0.0
    """Downloads a second by downloaders behind a restricted NAT, whom restricted donors cannot serve."""


class Expectation(Struct, frozen=True, kw_only=True, gc=False):
    """How much a file will be asked for, from `lead_s` on. A file may have several: now, and from its release on."""

    file_id: FileId
    rates: Sequence[RegionRates]
    lead_s: float = 0.0
    """Seconds from now until this demand begins; 0 for what is there already."""
    lasts_s: float = float("inf")
    """How long it lasts, for a crowd that will go."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state of things at `now_us`."""

    now_us: int
    donors: Sequence[DonorView]
    """All donors that are here."""
    files: Sequence[FileView]
    """All files that could be given to them."""
    demand: Sequence[Expectation] = ()
    down_bytes_per_s: float = FIRST_BYTES_PER_S
    """How fast downloads go, typically (`downlinks.py`)."""
    is_guess: bool = False
    """Nothing is known of the demand yet, and what pays cannot be told: joining donors are filled all the same."""
    joining: frozenset[SessionId] = frozenset()
    """Donors that are planned for the first time, or whose limits changed: filled as far as it pays."""
    standing: frozenset[SessionId] | None = None
    """Donors to look at again: filled further, or one swap. None: all that are not joining."""


class Policy(Struct, frozen=True, kw_only=True):
    """How to plan."""

    run_bytes: int = 8 << 20
    """Bytes of one file that are placed together where the file is larger than `small_file_bytes`: an introduction
    costs about ten messages and a handshake, so it has to carry megabytes."""
    small_file_bytes: int = 256 << 20
    """Files up to this size are placed segment by segment, neighbours together where all else is equal: spread over
    more donors they are served by more at once."""
    reserve_bytes: int = 128 << 10
    """Room in the donor's storage that is left to its index and temporary files: its limit counts those too."""
    lease_us: int = 3_600_000_000
    """How long an assignment stands without being renewed."""
    horizon_s: float = 7_200.0
    """No expectation reaches further than this, however long the donor stays."""
    ahead_s: float = 240.0
    """How long before demand begins donors are filled for it. They hold nothing else in that room meanwhile: a quarter
    of an hour takes .006 of net offload from an announced release (`dio simulate announced`, seeds 1 to 4)."""
    busy_sharpness: float = 4.0
    """Exponent p of the share `(1 + load^p)^(-1/p)` of the asked that a donor serves while a request waits for it
    (`downlinks.py`). With 2, a donor counted as busy long before it was, and files that are asked for a lot got second
    copies before others got a first: .521 of net offload in steady demand, with 4 .538 (`dio simulate`, the planner's
    oracle, seeds 1 to 4)."""
    reach: float = 0.97
    """Probability that an introduction of two that can connect leads to a connection."""
    outlasts_s: float = 15.0
    """A copy at a donor that is expected to stay for so long more counts half for what others may add: it may be gone
    before the next request."""
    far_weight: float = 0.3
    """What a byte served across regions is worth, near being 1. Below a half holdings follow demand from one region to
    another even where the far ones have it all."""
    return_min: float = 2.0
    """A push has to be served at least this often, as expected."""
    run_return_times: float = 1.7
    """A run of a file larger than `small_file_bytes` has to be served so many times as often: its downloads last, and
    while they do others come who hold it, so a copy saves less than it is asked for. In large-files .15 of what was
    served was pushed with 1, at no more net offload (`bench placement`)."""
    swap_horizon_s: float = 150.0
    """A swap has to pay within this time, however long the donor stays: later, others have moved there too, and what
    looks better now may be noise. With 600 pushes take .012 of net offload in steady demand and .007 in wandering
    (`dio simulate`, seeds 1 to 4 and 1 to 2); with 250 .003, since a look follows each leave (seeds 1 to 5)."""
    swap_requests: float = 3.0
    """Where files are asked for seldom, a swap has the time in which one is asked for so often: else
    donors that were filled before anything was known never hold anything else."""
    swaps_per_round: int = 1
    """Runs that a full standing donor swaps in one planning round, for a gain that just pays."""
    swap_anyway_gain: float = 20.0
    """Swaps that gain this many serves of each byte are made at once, all of them: demand has moved."""
    first_fill_bytes: int = 16 << 20
    """Pushed to a donor at its first plan; after that twice as much for each `fill_doubling_s` that it stayed."""
    fill_doubling_s: float = 15.0
    fairness: float = 0.25
    """Exponent of fairness between causes: the value of a cause is divided by its covered share to this power
    (docs/decisions/0044)."""
    network_share_max: float = 0.5
    """Share of a run's copies that one network or provider may hold, where there are at least three (`groups.py`)."""


class Assignment(Struct, frozen=True, kw_only=True, gc=False):
    """One donor's share of the plan: its whole target, most valuable file first."""

    session_id: SessionId
    files: tuple[tuple[FileId, Runs], ...]
    lease_us: int
    held_bytes: int
    """Bytes of the target that the donor holds already."""
    push_bytes: int
    """Bytes of the target that it still has to fetch."""
    reasons: tuple[Reason, ...] = ()
    """Why each run that is pushed now was chosen."""


class Reason(Struct, frozen=True, gc=False):
    """What spoke for a run."""

    file_id: FileId
    start: int
    end: int
    expected_serves: float
    """How often each byte of it is expected to be served before the donor leaves."""
    copies: float
    """Copies at other donors then."""


class Rejection(Struct, frozen=True, gc=False):
    """A candidate that was looked at and not taken, with the reason."""

    session_id: SessionId
    file_id: FileId
    reason: RejectionReason


class Plan(Struct, frozen=True):
    """What to do: an assignment for each joining donor, and for each standing one whose target changes; by the order
    of `Snapshot.donors`."""

    assignments: tuple[Assignment, ...]
    rejected: tuple[Rejection, ...]
