"""The session's messages: one peer's conversation with a coordinator (spec/session.md).

Each message is one JSON object whose `type` names it. Unknown fields are ignored, so fields can be added; unknown
types are an error. JSON Schema and TypeScript come from these structs (`python -m distribute_io.wire.generate`).

`runs` is a run-length list of segment indices: `[start, count, start, count, ...]`, ascending, counts above 0, runs
neither overlapping nor adjacent. Digests and ids are lower-case hexadecimal; secrets, MACs and proofs standard base64.

Patterns end in `(?!\\n)$`: Python's `$` alone lets a line end pass, JavaScript's does not.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from distribute_io.wire import limits

Hex256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
Hex128 = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?!\n)$")]
Base64Of32 = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=(?!\n)$")]
CauseName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}(?!\n)$")]
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?(?!\n)$")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Runs = Annotated[list[Count], Meta(max_length=2 * limits.RUNS_MAX)]
Sdp = Annotated[str, Meta(max_length=limits.SDP_BYTES_MAX)]
OfferId = Annotated[str, Meta(min_length=1, max_length=32)]
ErrorCode = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,47}(?!\n)$")]
NatClass = Literal["unrestricted", "restricted", "unknown"]


class Message(Struct, frozen=True, tag_field="type", omit_defaults=False):
    """Base of all session messages."""


class FileRuns(Struct, frozen=True):
    """Some segments of one file."""

    file_id: Hex256
    runs: Runs


class Offer(Struct, frozen=True):
    """An SDP offer that a downloader gathered before it was needed; used for one match at most."""

    offer_id: OfferId
    sdp: Sdp


class Ticket(Struct, frozen=True):
    """Proof of an introduction. Its id is the match's; both ends get the same one.

    `secret` keys the proof in the peers' hello; `valid_ms` counts from the arrival of the match message, so that
    no clock needs to be right.
    """

    secret: Base64Of32
    valid_ms: Count


# --- signalling payloads: relayed unchanged by the coordinator, parsed by the peers ---


class Signal(Struct, frozen=True, tag_field="kind"):
    """Base of what peers tell each other through the coordinator inside a match."""


class OfferSignal(Signal, frozen=True, tag="offer"):
    """An SDP offer."""

    sdp: Sdp


class AnswerSignal(Signal, frozen=True, tag="answer"):
    """An SDP answer."""

    sdp: Sdp


class CandidateSignal(Signal, frozen=True, tag="candidate"):
    """One ICE candidate (RFC 8838). An empty `candidate` ends the candidates."""

    candidate: Annotated[str, Meta(max_length=1024)]
    sdp_mid: Annotated[str, Meta(max_length=64)] | None = None
    sdp_m_line_index: Annotated[int, Meta(ge=0, le=63)] | None = None


AnySignal = OfferSignal | AnswerSignal | CandidateSignal


# --- from a client ---


class Hello(Message, frozen=True, tag="hello"):
    """First message of every session."""

    protocol: Annotated[int, Meta(ge=0, le=65_535)]
    agent: Annotated[str, Meta(max_length=64)]
    native: bool = False
    """True for peers that are no browser: they cannot negotiate channel ids."""
    nat: NatClass = "unknown"
    page: Hex128 | None = None
    """A random name of the page that this session belongs to. A page that downloads and shares has two sessions, which
    are never introduced to each other."""


class Nat(Message, frozen=True, tag="nat"):
    """The NAT class that the peer found by the coordinator's two STUN ports, when it becomes known."""

    nat: NatClass


class Donate(Message, frozen=True, tag="donate"):
    """Become a donor, or change a donor's limits. Empty `causes` means all."""

    causes: Annotated[list[CauseName], Meta(max_length=limits.CAUSES_PER_DONOR_MAX)]
    storage_bytes: Count
    up_bytes_per_s: Count
    takers_max: Annotated[int, Meta(ge=0, le=1024)] = 8


class StopDonating(Message, frozen=True, tag="stop_donating"):
    """The donor gives no more: no match and no assignment from here on."""


class Holdings(Message, frozen=True, tag="holdings"):
    """What the donor holds and can prove, file by file; each file named replaces what was said of it before.

    With `complete` true, files that were not named since the last `donate` are not held. A donor that joins sends
    `donate`, then `holdings` up to a complete one; only then it is assigned anything.
    """

    files: Annotated[list[FileRuns], Meta(max_length=limits.FILES_PER_MESSAGE_MAX)]
    complete: bool


class Want(Message, frozen=True, tag="want"):
    """Introduce me to at most `peers_max` more donors of this file. Offers not used yet are kept."""

    file_id: Hex256
    missing: Runs
    peers_max: Annotated[int, Meta(ge=0, le=limits.MATCHES_PER_SESSION_MAX)]
    offers: Annotated[list[Offer], Meta(max_length=limits.OFFERS_MAX)] = []
    fill: bool = False
    """True from a donor that fills itself: downloads come first, and what it gets counts as pushed."""


class Unwant(Message, frozen=True, tag="unwant"):
    """Nothing more is wanted of this file; unused offers are void, open matches go on."""

    file_id: Hex256


class SignalUp(Message, frozen=True, tag="signal"):
    """Relay `payload` to the other end of the match, unchanged."""

    match_id: Hex128
    payload: msgspec.Raw


class MatchReport(Message, frozen=True, tag="match_report"):
    """What became of a match. `lied` accuses the donor of wrong bytes."""

    match_id: Hex128
    outcome: Literal["open", "failed", "closed", "lied"]
    code: ErrorCode | None = None
    round_trip_ms: Annotated[int, Meta(ge=0, le=60_000)] | None = None
    """By the downloader, with `open`: in how much time the donor answered it over the channel."""


class Receipt(Message, frozen=True, tag="receipt"):
    """A donor forwards the downloader's cumulative receipt: bytes verified in this match, under the MAC."""

    match_id: Hex128
    bytes_total: Count
    mac: Base64Of32


class Usage(Message, frozen=True, tag="usage"):
    """A downloader's cumulative figures for one file in this session, in bytes of payload."""

    file_id: Hex256
    mirror_bytes: Count
    donor_bytes: Count
    rejected_bytes: Count = 0


class MirrorReport(Message, frozen=True, tag="mirror_report"):
    """A mirror was banned or given up by a downloader. Nothing is believed: the coordinator looks at it sooner."""

    file_id: Hex256
    url: Annotated[str, Meta(max_length=2048)]
    code: ErrorCode


class Filled(Message, frozen=True, tag="filled"):
    """A donor's cumulative figures of what was pushed to it for one file in this session, in bytes of payload."""

    file_id: Hex256
    mirror_bytes: Count
    donor_bytes: Count = 0


class Tally(Message, frozen=True, tag="tally"):
    """Add what this session is credited to the sum that is kept under this secret, and tell me the sum.

    The coordinator keeps the secret's hash only. Whoever knows the secret can read the sum, and add to it.
    """

    secret: Hex128


class Ping(Message, frozen=True, tag="ping"):
    """Sent by a client that had nothing else to say for a heartbeat."""


ClientMessage = (
    Hello
    | Nat
    | Donate
    | StopDonating
    | Holdings
    | Want
    | Unwant
    | SignalUp
    | MatchReport
    | Receipt
    | Usage
    | MirrorReport
    | Filled
    | Tally
    | Ping
)


# --- from the coordinator ---


class Welcome(Message, frozen=True, tag="welcome"):
    """Answer to `hello`."""

    protocol: int
    session_id: Hex128
    stun: Annotated[list[str], Meta(max_length=limits.STUN_MAX)]
    """`stun:` URLs; two ports of one host, so that a peer can tell its NAT class."""
    heartbeat_ms: Count


class Assign(Message, frozen=True, tag="assign"):
    """The donor's whole target, most valuable file first; what is not named may be erased.

    `lease_ms` is how long it stands; a newer one replaces it. `assignment` grows within a session.
    """

    assignment: Count
    lease_ms: Count
    files: Annotated[list[FileRuns], Meta(max_length=limits.FILES_PER_MESSAGE_MAX)]
    more: bool = False
    """True when further messages of the same `assignment` follow; the donor acts on the last."""


class Match(Message, frozen=True, tag="match"):
    """An introduction. Both ends get one, with what their role needs."""

    match_id: Hex128
    file_id: Hex256
    role: Literal["downloader", "donor"]
    peer_native: bool
    ticket: Ticket
    bytes_max: Count
    """Bytes of what is missing that the donor holds now. What it gets meanwhile counts, too."""
    make_offer: bool
    """True: send an offer as a signal. False: it is made already, or comes from the other end."""
    offer_id: OfferId | None = None
    """To the downloader: which of its offers was handed to the donor."""
    offer: Sdp | None = None
    """To the donor: the downloader's offer."""
    runs: Runs = []
    """To the downloader: what the donor is believed to hold of the file."""
    receipt_secret: Base64Of32 | None = None
    """To the downloader only: keys its receipts."""
    fill: bool = False
    """True when the taker is a donor that fills itself: serve it only while no downloader is being served."""


class SignalDown(Message, frozen=True, tag="signal"):
    """A signal from the other end of the match."""

    match_id: Hex128
    payload: msgspec.Raw


class Unmatched(Message, frozen=True, tag="unmatched"):
    """No donor (or no more) for this file now; more will be offered when they appear, or ask again later."""

    file_id: Hex256
    code: Literal["no_donor", "full", "unknown_file"]
    retry_after_ms: Count


class MatchEnded(Message, frozen=True, tag="match_ended"):
    """The other end left or the match expired before it came about."""

    match_id: Hex128
    code: ErrorCode


class Withdrawn(Message, frozen=True, tag="withdrawn"):
    """The file was taken down: erase its segments now, stop serving them."""

    file_id: Hex256


class CountryCredit(Struct, frozen=True):
    """What of a donor's credit went to one country: ISO 3166 code, empty for those that are not known or not listed."""

    country: Country
    bytes: Count
    people: Count


class Credited(Message, frozen=True, tag="credited"):
    """A donor's verified figures in this session: exact bytes, and downloaders that acknowledged any."""

    bytes_total: Count
    downloaders: Count
    countries: Annotated[list[CountryCredit], Meta(max_length=limits.COUNTRIES_MAX)] = []
    """The same by country, most bytes first. Of where a downloader is, nothing finer is told."""


class CountryBytes(Struct, frozen=True):
    """Bytes that went to one country."""

    country: Annotated[str, Meta(max_length=2)]
    """ISO 3166, two letters; empty when it is not known."""
    bytes: Count


class Tallied(Message, frozen=True, tag="tallied"):
    """The sum of all credit under a secret: every session that named it, on whatever device."""

    bytes_total: Count
    bytes_today: Count
    """Since 00:00 UTC."""
    countries: list[CountryBytes]
    """Most bytes first."""


class ErrorMessage(Message, frozen=True, tag="error"):
    """Something was refused. With `fatal` the coordinator closes the session next."""

    code: ErrorCode
    message: str
    fatal: bool
    match_id: Hex128 | None = None
    file_id: Hex256 | None = None


class Pong(Message, frozen=True, tag="pong"):
    """Answer to `ping`."""


CoordinatorMessage = (
    Welcome
    | Assign
    | Match
    | SignalDown
    | Unmatched
    | MatchEnded
    | Withdrawn
    | Credited
    | Tallied
    | ErrorMessage
    | Pong
)
