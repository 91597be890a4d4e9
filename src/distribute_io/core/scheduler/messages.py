"""What goes into the download scheduler and what comes out: its configuration, events, actions and source table.

The shapes of spec/scheduler.md, section 2, equal in `client/src/core/scheduler/messages.ts`. As JSON (the traces in
spec/vectors/scheduler) a field is in camelCase and `type` names the class.

Rules:

- Every number is an integer. Time is `now_us`, microseconds of any monotonic clock. Ranges are half-open, in bytes of
  the file (`start_byte`, `end_byte`) or in segment indices.
- Events are past tense: they happened, the scheduler cannot refuse them. Actions are imperative: perform all, in order.
- A `source_id` is chosen by the driver and never used again in the same download, not even by the same mirror or peer.
  A `request_id` is chosen by the scheduler.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from distribute_io.ids import SegmentRange, SourceId

SourceKind = Literal["mirror", "peer"]
Policy = Literal["balanced", "fast", "spare-mirrors"]
SourceState = Literal["ready", "probation", "excluded", "banned", "removed"]
FailCode = Literal["all_sources_bad", "all_sources_failed", "no_sources", "no_progress"]


class SchedulerConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One download's settings. Defaults are those of spec/scheduler.md, section 3, with the reasons.

    Raises:
        ValueError: a value is outside its range.
    """

    size_bytes: int
    """Size of the file, 0 or more."""
    segment_size_bytes: int
    """Size of every segment but the last; a multiple of 64 KiB."""
    missing: tuple[SegmentRange, ...] | None = None
    """Segments that are still to come: ascending, disjoint ranges of indices; None means all of them."""
    policy: Policy = "balanced"
    """How much to spare the mirrors (rule S9)."""
    max_in_flight_bytes: int = 32 << 20
    """Memory for bytes that are received and not yet verified, as whole segments; at least one segment."""
    in_order: bool = False
    """Verified segments leave memory in the order of the file, so that memory is a window (rule S17)."""
    max_open_requests: int = 16
    """Open requests at once over all sources, 1 or more."""
    max_host_requests: int = 4
    """Open requests at once over all sources of one host, 1 or more: browsers open six, and the page needs some."""
    first_request_bytes: int = 1 << 20
    """Length of the request to a source of unknown rate; rounded up to whole segments."""
    stall_us: int = 2_000_000
    """A request without a byte for this long is stalled."""
    give_up_us: int = 60_000_000
    """Without any new byte for this long the download fails."""
    no_source_grace_us: int = 5_000_000
    """Without any usable source for this long the download fails."""

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError("size_bytes is negative")
        if self.segment_size_bytes <= 0 or self.segment_size_bytes % 65536:
            raise ValueError("segment_size_bytes is not a positive multiple of 64 KiB")
        if self.max_in_flight_bytes < self.segment_size_bytes:
            raise ValueError("max_in_flight_bytes is less than one segment")
        if min(self.max_open_requests, self.max_host_requests, self.first_request_bytes) < 1:
            raise ValueError("max_open_requests, max_host_requests and first_request_bytes are at least 1")
        if min(self.stall_us, self.give_up_us, self.no_source_grace_us) < 1:
            raise ValueError("a time is less than 1 microsecond")


class _Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type"):
    pass


class SourceAdded(_Event, frozen=True, kw_only=True, tag="SourceAdded"):
    """A source can be asked from now on: a mirror whose address is known, a peer whose channel is open."""

    source_id: SourceId
    kind: SourceKind
    holdings: tuple[SegmentRange, ...] | None = None
    """What it holds: ascending, disjoint ranges of segment indices; None means all."""
    slots: int = 2
    """Requests that may be open to it at once, 1 or more; the last of several is only used to overlap (S6)."""
    host: str | None = None
    """Whose connections it shares with others of the same `host` (S6); None: with nobody."""


class HoldingsChanged(_Event, frozen=True, kw_only=True, tag="HoldingsChanged"):
    """A source said what it holds now."""

    source_id: SourceId
    holdings: tuple[SegmentRange, ...] | None


class SourceRemoved(_Event, frozen=True, kw_only=True, tag="SourceRemoved"):
    """A source is gone for good (its channel closed). Its open requests are over without further events."""

    source_id: SourceId
    reason: str = "peer_closed"
    """A code of spec/errors.md: why."""


class BytesReceived(_Event, frozen=True, kw_only=True, tag="BytesReceived"):
    """A request delivered more bytes, and the driver put those that it had not yet into their segments."""

    request_id: int
    received_bytes: int
    """All bytes of this request so far, counted from its `start_byte`: they come in order."""


class RequestFinished(_Event, frozen=True, kw_only=True, tag="RequestFinished"):
    """A request delivered everything up to its present end (after the last `ShortenRequest`)."""

    request_id: int


class RequestFailed(_Event, frozen=True, kw_only=True, tag="RequestFailed"):
    """A request ended before its end."""

    request_id: int
    reason: str
    """A code of spec/errors.md, family `source`: what the source table says."""
    permanent: bool = False
    """True: this source will never work for this file (no Range, no CORS, 404, changed, protocol broken)."""
    retry_after_us: int | None = None
    """The source's own word when it may be asked again, counted from now."""


class SegmentVerified(_Event, frozen=True, kw_only=True, tag="SegmentVerified"):
    """All bytes of a segment are there, its SHA-256 matches, and its memory is free again (it is written)."""

    segment_index: int


class SegmentRejected(_Event, frozen=True, kw_only=True, tag="SegmentRejected"):
    """All bytes of a segment are there and its SHA-256 does not match.

    The driver drops them all when it has performed the actions of this event (`DigestParts` still reads them).
    """

    segment_index: int


class PartsCompared(_Event, frozen=True, kw_only=True, tag="PartsCompared"):
    """After the `SegmentVerified` of a segment for which `DigestParts` was performed: who had sent wrong bytes."""

    segment_index: int
    wrong_source_ids: tuple[SourceId, ...]


class Paused(_Event, frozen=True, kw_only=True, tag="Paused"):
    """The user pauses. Whatever is open is cancelled, no clock runs."""


class Resumed(_Event, frozen=True, kw_only=True, tag="Resumed"):
    """The user goes on."""


class DeadlineReached(_Event, frozen=True, kw_only=True, tag="DeadlineReached"):
    """The time of `next_deadline_us` has come."""


Event: TypeAlias = (
    SourceAdded
    | HoldingsChanged
    | SourceRemoved
    | BytesReceived
    | RequestFinished
    | RequestFailed
    | SegmentVerified
    | SegmentRejected
    | PartsCompared
    | Paused
    | Resumed
    | DeadlineReached
)


class _Action(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type"):
    pass


class StartRequest(_Action, frozen=True, kw_only=True, tag="StartRequest"):
    """Ask the source for `[start_byte, end_byte)` and stream what comes into the segments' memory."""

    request_id: int
    source_id: SourceId
    start_byte: int
    end_byte: int


class ShortenRequest(_Action, frozen=True, kw_only=True, tag="ShortenRequest"):
    """Stop this request at `end_byte`: what is behind goes to somebody else. It finishes there as usual.

    If more than that has come already, drop the surplus and report `RequestFinished` at once.
    """

    request_id: int
    end_byte: int


class CancelRequest(_Action, frozen=True, kw_only=True, tag="CancelRequest"):
    """End this request now. What it delivered stays, unless a `DiscardBytes` follows. Events of it are ignored."""

    request_id: int


class DiscardBytes(_Action, frozen=True, kw_only=True, tag="DiscardBytes"):
    """Forget these bytes, which lie in one unverified segment: they count as not received and will come again."""

    start_byte: int
    end_byte: int


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Who sent `[start_byte, end_byte)`."""

    source_id: SourceId
    start_byte: int
    end_byte: int


class DigestParts(_Action, frozen=True, kw_only=True, tag="DigestParts"):
    """A rejected segment came from several sources: keep the SHA-256 of each part of the rejected bytes.

    When the segment is verified later, hash the same parts of the right bytes and report `PartsCompared`.
    """

    segment_index: int
    parts: tuple[Part, ...]


class BanSource(_Action, frozen=True, kw_only=True, tag="BanSource"):
    """This source sent wrong bytes: close it, name it. It is never asked again."""

    source_id: SourceId
    reason: Literal["segment_mismatch"]


class ExcludeSource(_Action, frozen=True, kw_only=True, tag="ExcludeSource"):
    """This source cannot deliver this file: it is not asked again in this download. No accusation."""

    source_id: SourceId
    reason: str


class ProbateSource(_Action, frozen=True, kw_only=True, tag="ProbateSource"):
    """This source gets no work until `until_us` (for the display; nothing to do)."""

    source_id: SourceId
    reason: str
    until_us: int


class Complete(_Action, frozen=True, kw_only=True, tag="Complete"):
    """Every segment is verified. The last action."""


class Fail(_Action, frozen=True, kw_only=True, tag="Fail"):
    """The download cannot go on. The last action."""

    reason: Literal["integrity", "availability"]
    """`integrity`: sources sent wrong bytes; never follow the plain link by yourself."""
    code: FailCode


Action: TypeAlias = (
    StartRequest
    | ShortenRequest
    | CancelRequest
    | DiscardBytes
    | DigestParts
    | BanSource
    | ExcludeSource
    | ProbateSource
    | Complete
    | Fail
)


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One row of the source table."""

    source_id: SourceId
    kind: SourceKind
    state: SourceState
    reason: str | None
    """Why it is not `ready`, or what went wrong last; None if nothing did."""
    rate_bytes_per_s: int | None
    """Measured rate; None if it is not known."""
    received_bytes: int
    """Bytes that were new when they came."""
    verified_bytes: int
    """Bytes of verified segments."""
    duplicate_bytes: int
    """Bytes that somebody else had delivered first."""
    rejected_bytes: int
    """Bytes of rejected segments, and bytes discarded."""
    open_requests: int
    failures: int
    """Failures in a row."""
    suspected: bool
    """It had a part in a rejected segment and has not cleared itself (S13)."""
    probation_until_us: int | None
