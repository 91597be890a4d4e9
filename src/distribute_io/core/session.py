"""The states of a session with the coordinator, as a table (spec/session.md section 2).

Rules:

1. `TABLE` says which message is allowed in which state and where it leads. What is absent is `message_unexpected`,
   with the state and the message in its text.
2. A decoded message is well-formed (`wire.codec`); whether its content makes sense (a match that exists, a file that is
   known) is not decided here.
"""

from __future__ import annotations

from typing import Final, Literal

from distribute_io.errors import RemoteProtocolError
from distribute_io.wire.limits import PROTOCOL_VERSION
from distribute_io.wire.session import (
    ClientMessage,
    Donate,
    Filled,
    Hello,
    Holdings,
    MatchReport,
    MirrorReport,
    Nat,
    Ping,
    Receipt,
    SignalUp,
    StopDonating,
    Tally,
    Unwant,
    Usage,
    Want,
)

SessionState = Literal["connected", "idle", "joining", "donating"]
"""`connected`: nothing said yet. `idle`: known, gives nothing. `joining`: a donor whose holdings are not complete.
`donating`: a donor that can be assigned and matched."""

START: Final[SessionState] = "connected"

_ANY_TIME: Final[tuple[type[ClientMessage], ...]] = (
    Nat,
    Want,
    Unwant,
    SignalUp,
    MatchReport,
    Usage,
    MirrorReport,
    Tally,
    Ping,
)
_DONOR: Final[tuple[type[ClientMessage], ...]] = (Filled, Receipt)


def _table() -> dict[tuple[SessionState, type[ClientMessage]], SessionState]:
    table: dict[tuple[SessionState, type[ClientMessage]], SessionState] = {
        ("connected", Hello): "idle",
        ("idle", Donate): "joining",
        # A receipt may come after the donor stopped or reconnected: credit is taken for ten minutes after a match.
        ("idle", Receipt): "idle",
        ("joining", Donate): "joining",
        ("joining", Holdings): "joining",
        ("joining", StopDonating): "idle",
        ("donating", Donate): "donating",
        ("donating", Holdings): "donating",
        ("donating", StopDonating): "idle",
    }
    known: tuple[SessionState, ...] = ("idle", "joining", "donating")
    for state in known:
        for message in _ANY_TIME if state == "idle" else (*_ANY_TIME, *_DONOR):
            table[state, message] = state
    return table


TABLE: Final = _table()
"""`(state, message type) -> next state`."""


def next_state(state: SessionState, message: ClientMessage) -> SessionState:
    """The state after a message.

    Raises:
        RemoteProtocolError: `message_unexpected`, or `protocol_version` for a hello of another version.
    """
    following = TABLE.get((state, type(message)))
    if following is None:
        name = type(message).__struct_config__.tag
        raise RemoteProtocolError("message_unexpected", f"A {name!r} message is not allowed in state {state!r}.")
    if isinstance(message, Hello) and message.protocol != PROTOCOL_VERSION:
        raise RemoteProtocolError(
            "protocol_version", f"This coordinator speaks protocol {PROTOCOL_VERSION}, not {message.protocol}."
        )
    if isinstance(message, Holdings) and message.complete and state == "joining":
        return "donating"
    return following
