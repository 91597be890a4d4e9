"""Every bound of the wire, with its reason. TypeScript gets the same numbers (generated)."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Version of the session protocol and of the peer frames."""

# --- session (WebSocket) ---

MESSAGE_BYTES_MAX: Final = 131_072
"""One session message. Eight SDP offers of 4 KiB and 4096 runs fit with room to spare."""

MESSAGES_PER_S: Final = 50
"""Sustained rate of messages that a session may send; trickle ICE for eight matches stays far below."""

MESSAGES_BURST: Final = 400
"""Burst above that rate: a returning donor tells all its holdings at once."""

HELLO_TIMEOUT_MS: Final = 10_000
"""A socket that says nothing is closed after this."""

HEARTBEAT_MS: Final = 25_000
"""A client that has nothing to say sends `ping` this often; proxies cut silent sockets after 30 to 60 s."""

IDLE_TIMEOUT_MS: Final = 60_000
"""A session that was not heard for this long is gone: two heartbeats may be lost."""

OUTBOUND_BYTES_MAX: Final = 1_048_576
"""Bytes queued for one session that reads slowly; above it the session is closed (`slow_reader`)."""

RUNS_MAX: Final = 4_096
"""Runs in one statement of holdings or of missing segments; finer ones are sent in part."""

FILES_PER_MESSAGE_MAX: Final = 64
"""Files in one `holdings` or `assign` message."""

CAUSES_PER_DONOR_MAX: Final = 64
"""Causes that one donor may choose by name; an empty list means all."""

OFFERS_MAX: Final = 8
"""Gathered offers that a downloader may keep with the coordinator (measurements: 4 to 8 help, more only cost)."""

SDP_BYTES_MAX: Final = 8_192
"""One session description. Browsers write 1 to 3 KiB for a data channel."""

SIGNAL_BYTES_MAX: Final = 10_240
"""One relayed signalling payload."""

STUN_MAX: Final = 8
"""STUN addresses that a coordinator names: two ports, for IPv4 and IPv6, and as many again."""

SIGNALS_PER_MATCH_MAX: Final = 64
"""Signals that one side may send in a match: an answer and its candidates."""

MATCHES_PER_SESSION_MAX: Final = 64
"""Matches that one session may be part of at a time, pending and open."""

COUNTRIES_MAX: Final = 32
"""Countries that a donor's credit is told by; the rest is summed up."""

WANTS_PER_SESSION_MAX: Final = 8
"""Files that one session may want at a time."""

TICKET_VALID_MS: Final = 60_000
"""A ticket's life from the match to the peers' hello."""

# --- peer frames (data channel) ---

FRAME_BYTES_MAX: Final = 262_144
"""The largest message that every engine takes from every other."""

FRAME_BYTES_START: Final = 16_384
"""Frame size on a fresh connection, header included: first byte after 5 to 11 ms, no loss."""

FRAME_BYTES_GROWN: Final = 65_536
"""Frame size once the window allows; larger ones gained nothing."""

WINDOW_BYTES_START: Final = 65_536
"""First grant. More overruns the UDP socket buffer of a fresh association and halves the rate."""

WINDOW_BYTES_MAX: Final = 4_194_304
"""Largest window: 2 x rate x round trip of a fast path; bounds what a receiver may have to hold."""

REQUESTS_OPEN_MAX: Final = 64
"""Open requests on one connection."""

SEGMENT_BYTES_MAX: Final = 4_194_304
"""The largest segment size of the manifest's rule."""

PEER_HELLO_TIMEOUT_MS: Final = 10_000
"""A channel whose other end sends no hello is closed after this."""
