"""The session's state table: what is allowed when."""

from __future__ import annotations

import pytest

from distribute_io.core.session import TABLE, SessionState, next_state
from distribute_io.errors import RemoteProtocolError
from distribute_io.wire.session import Donate, Hello, Holdings, Ping, Receipt, StopDonating, Want

HELLO = Hello(protocol=1, agent="test")
DONATE = Donate(causes=[], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
HOLDINGS = Holdings(files=[], complete=False)
ALL_HOLDINGS = Holdings(files=[], complete=True)
WANT = Want(file_id="a" * 64, missing=[0, 1], peers_max=1)


@pytest.mark.parametrize(
    ("state", "message", "following"),
    [
        ("connected", HELLO, "idle"),
        ("idle", DONATE, "joining"),
        ("idle", WANT, "idle"),
        ("joining", HOLDINGS, "joining"),
        ("joining", ALL_HOLDINGS, "donating"),
        ("joining", StopDonating(), "idle"),
        ("donating", ALL_HOLDINGS, "donating"),
        ("donating", DONATE, "donating"),
        ("donating", WANT, "donating"),
        ("donating", StopDonating(), "idle"),
    ],
)
def test_allowed_message_leads_on(state: SessionState, message: Hello, following: SessionState) -> None:
    assert next_state(state, message) == following


@pytest.mark.parametrize(
    ("state", "message", "words"),
    [
        ("connected", Ping(), "'ping' message is not allowed in state 'connected'"),
        ("connected", WANT, "'want'"),
        ("idle", HELLO, "'hello' message is not allowed in state 'idle'"),
        ("idle", HOLDINGS, "'holdings'"),
        ("idle", StopDonating(), "'stop_donating'"),
        ("donating", HELLO, "'hello'"),
    ],
)
def test_message_out_of_state_is_named_with_the_state(state: SessionState, message: Ping, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words) as caught:
        next_state(state, message)
    assert caught.value.code == "message_unexpected"


def test_other_protocol_version_is_refused() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        next_state("connected", Hello(protocol=2, agent="test"))
    assert caught.value.code == "protocol_version"


def test_receipt_is_taken_after_the_donor_stopped() -> None:
    assert TABLE["idle", Receipt] == "idle"
