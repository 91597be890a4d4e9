"""A downloader that shows tickets which are not its own: `dio get` as it is, but for what its connections prove.

    python -m tests.harness.thief forged|used GET_OPTIONS…

`forged`: its own proof is made with a secret that it does not have; it believes the donor everything. `used`: two
downloads, and the second one shows the ticket of the first. What it reports of its matches goes to standard error too.
"""

from __future__ import annotations

import sys

import msgspec

from distribute_io.cli.main import main
from distribute_io.transport import peer_link
from distribute_io.transport.peer_link import PeerLink
from distribute_io.transport.session_client import SessionClient
from distribute_io.wire.frames import ROLE_DOWNLOADER
from distribute_io.wire.proofs import ticket_proof
from distribute_io.wire.session import ClientMessage, Match, MatchReport

_honest_bind = PeerLink.bind
_honest_send = SessionClient.send
_first: list[Match] = []


def _forged_proof(
    secret: bytes, *, role: int, match_id: bytes, offerer_fingerprint: bytes, answerer_fingerprint: bytes
) -> bytes:
    return ticket_proof(
        bytes(32) if role == ROLE_DOWNLOADER else secret,
        role=role,
        match_id=match_id,
        offerer_fingerprint=offerer_fingerprint,
        answerer_fingerprint=answerer_fingerprint,
    )


def _bind_to_the_first(link: PeerLink, match: Match) -> None:
    if _first:
        match = msgspec.structs.replace(match, match_id=_first[0].match_id, ticket=_first[0].ticket)
    else:
        _first.append(match)
    _honest_bind(link, match)


def _telling_send(session: SessionClient, message: ClientMessage) -> None:
    if isinstance(message, MatchReport):
        sys.stderr.write(f"match {message.outcome}: {message.code}\n")
    _honest_send(session, message)


def _steal(mode: str, words: list[str]) -> int:
    # By setattr, since an assignment would be a type error, as it should be.
    setattr(SessionClient, "send", _telling_send)  # noqa: B010
    if mode == "forged":
        setattr(peer_link, "ticket_proof", _forged_proof)  # noqa: B010
        return main(["get", *words, "-o", "first"])
    setattr(PeerLink, "bind", _bind_to_the_first)  # noqa: B010
    return main(["get", *words, "-o", "first"]) or main(["get", *words, "-o", "second"])


if __name__ == "__main__":
    sys.exit(_steal(sys.argv[1], sys.argv[2:]))
