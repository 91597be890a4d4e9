"""What a donor tells the person who runs it: one value for each event, also the lines of `dio donate --json`."""

from __future__ import annotations

from msgspec import Struct

from distribute_io.core.allowance import Pause
from distribute_io.wire.session import CountryCredit


class DonorEvent(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of all events. In JSON the class's name is the field `event`."""


class Started(DonorEvent, frozen=True, kw_only=True, tag="started"):
    """The store is open."""

    held_bytes: int
    storage_bytes: int
    up_bytes_per_s: int
    daily_bytes: int | None
    monthly_bytes: int | None
    hours: tuple[int, int] | None
    """Minutes since midnight."""


class Connected(DonorEvent, frozen=True, kw_only=True, tag="connected"):
    """A session with the coordinator began."""


class Disconnected(DonorEvent, frozen=True, kw_only=True, tag="disconnected"):
    """The session is gone; it is tried again."""

    reason: str


class Assigned(DonorEvent, frozen=True, kw_only=True, tag="assigned"):
    """What this donor is to hold."""

    files: int
    segments: int


class Holding(DonorEvent, frozen=True, kw_only=True, tag="holding"):
    """What is held now."""

    bytes: int
    files: int


class TakerCame(DonorEvent, frozen=True, kw_only=True, tag="taker_came"):
    """Somebody is being served."""

    takers: int


class TakerLeft(DonorEvent, frozen=True, kw_only=True, tag="taker_left"):
    """Somebody has got enough."""

    takers: int
    bytes: int
    """Payload that this one got."""


class Served(DonorEvent, frozen=True, kw_only=True, tag="served"):
    """Figures, every second."""

    bytes: int
    """Payload since the start."""
    bytes_today: int
    """Everything since midnight, overhead of the transport included: what the daily limit is about."""
    bytes_this_month: int
    bytes_ever: int
    takers: int
    people_today: int
    """Downloaders that were given something: who comes twice counts twice."""
    people_ever: int


class Credited(DonorEvent, frozen=True, kw_only=True, tag="credited"):
    """What downloaders acknowledged in this session."""

    bytes: int
    downloaders: int
    countries: list[CountryCredit] = []
    """The same by the downloaders' countries, most bytes first."""


class Tallied(DonorEvent, frozen=True, kw_only=True, tag="tallied"):
    """What all donors with the same code were thanked for."""

    bytes: int
    bytes_today: int
    countries: dict[str, int]
    """Bytes by ISO 3166 code; empty code: not known."""


class Paused(DonorEvent, frozen=True, kw_only=True, tag="paused"):
    """A limit rests the donor: it holds, and gives nothing."""

    reason: Pause


class Resumed(DonorEvent, frozen=True, kw_only=True, tag="resumed"):
    """It gives again."""


class Erased(DonorEvent, frozen=True, kw_only=True, tag="erased"):
    """A file was withdrawn, and what was held of it is gone."""

    file_id: str


class Trouble(DonorEvent, frozen=True, kw_only=True, tag="trouble"):
    """Something did not work; the donor goes on."""

    code: str
    message: str


class Stopped(DonorEvent, frozen=True, kw_only=True, tag="stopped"):
    """The end."""

    bytes: int
    """Payload served since the start."""
