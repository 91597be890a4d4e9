"""transport/connect.py: attempts overlap, the first that connects wins."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from distribute_io.transport import connect
from distribute_io.transport.connect import AddressInfo, connect_first
from tests.harness.raw_server import silent_address

PATIENCE_S = 30.0


def info(host: str, port: int) -> AddressInfo:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_first_address_is_taken_where_it_answers() -> None:
    with listening() as preferred, listening() as other:
        addresses = [info("127.0.0.1", port) for port in (preferred, other)]
        with connect_first(addresses, timeout_s=PATIENCE_S) as sock:
            assert sock.getpeername()[1] == preferred
            assert sock.gettimeout() is None, "it blocks, as the caller expects"


def test_silent_addresses_are_overtaken() -> None:
    began = time.monotonic()
    with listening() as port, silent_address(port, "127.0.0.2"), silent_address(port, "127.0.0.3"):
        addresses = [info(host, port) for host in ("127.0.0.2", "127.0.0.3", "127.0.0.1")]
        with connect_first(addresses, timeout_s=PATIENCE_S) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
    assert 2 * connect.ATTEMPT_DELAY_S <= time.monotonic() - began < PATIENCE_S / 2


def test_slow_address_still_wins_when_the_next_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "ATTEMPT_DELAY_S", 0.0)
    with listening() as free:
        pass
    with listening() as alive, connect_first([info("127.0.0.1", alive), info("127.0.0.1", free)], timeout_s=9) as sock:
        assert sock.getpeername()[1] == alive


def test_refused_address_costs_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "ATTEMPT_DELAY_S", PATIENCE_S)
    with listening() as free:
        pass
    began = time.monotonic()
    with listening() as alive, connect_first([info("127.0.0.1", free), info("127.0.0.1", alive)], timeout_s=1) as sock:
        assert sock.getpeername()[1] == alive
    assert time.monotonic() - began < PATIENCE_S / 2


def test_families_take_turns() -> None:
    addresses = [info(host, 80) for host in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1")]
    turns = [address[4][0] for address in connect.families_in_turn(addresses)]
    assert turns == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]
    assert connect.families_in_turn([]) == []


def test_nobody_there_is_told_as_the_last_one_failed() -> None:
    with listening() as free:
        pass
    with pytest.raises(ConnectionRefusedError):
        connect_first([info("127.0.0.1", free)], timeout_s=PATIENCE_S)
    with silent_address(free) as silent, pytest.raises(TimeoutError):
        connect_first([info(silent, free)], timeout_s=0.05)
    with pytest.raises(OSError, match="no address"):
        connect_first([], timeout_s=PATIENCE_S)
