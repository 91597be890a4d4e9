"""transport/coordinator_api.py: where a coordinator may send its clients."""

from __future__ import annotations

import pytest

from distribute_io.errors import RefusedError, SourceError
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy
from tests.harness.raw_server import raw_server, response


@pytest.fixture
def public_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 counts as public; 127.0.0.2 stays what it is."""
    for module in ("dial", "coordinator_api"):
        monkeypatch.setattr(f"distribute_io.transport.{module}.is_private_server", lambda host: host != "127.0.0.1")
    monkeypatch.setattr("distribute_io.transport.dial.is_public_address", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("public_coordinator")
@pytest.mark.parametrize("how", ["address", "redirect"])
def test_public_coordinator_cannot_send_us_to_a_private_address(how: str) -> None:
    elsewhere = "http://127.0.0.2:9/list.segments"
    with raw_server(response("302 Found", Location=elsewhere)) as server:
        api = CoordinatorApi(server.url, HttpPolicy())
        with pytest.raises(RefusedError) as caught:
            api.segments(elsewhere if how == "address" else "/list.segments", limit_bytes=32)
    assert isinstance(caught.value.__cause__, SourceError)
    assert caught.value.__cause__.code == "mirror_private_address"


def test_coordinator_on_a_private_address_may_be_asked() -> None:
    with raw_server(response("200 OK", b"x" * 32)) as server:
        assert CoordinatorApi(server.url, HttpPolicy()).segments("/list", limit_bytes=32) == b"x" * 32
