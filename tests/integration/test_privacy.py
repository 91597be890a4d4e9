"""No address of a peer and no file name is in what a coordinator logs, and no address in what it keeps or tells."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiohttp

from tests.harness.coordinator import Coordinator, make_release, start_coordinator
from tests.harness.peer import Peer
from tests.harness.processes import Stage
from tests.integration.test_coordinator_restart import Reached

HOST = "127.0.0.1"
MIB = 2**20
NAME = "a-name-that-nobody-logs.bin"
ADDRESSES = [f"127.77.{place}.{place + 1}" for place in range(1, 9)]
TOLD_BY_PROXY = "203.0.113.77"


def insult(coordinator: Coordinator) -> None:
    """Requests that fail, each in another way, some before there is anybody to answer."""
    told = f"X-Forwarded-For: {TOLD_BY_PROXY}"
    for source, head, header in (
        (ADDRESSES[4], f"GET /files/{NAME} HTTP/1.1", f"{told}\x00 and more"),
        (ADDRESSES[5], f"GET /files/{NAME} and {TOLD_BY_PROXY} HTTP/9.9", told),
        (ADDRESSES[6], f"GET /files/{NAME} HTTP/1.1", f"{told}{'x' * 70_000}"),
        (ADDRESSES[7], f"GET /files/{NAME}.gone HTTP/1.1", told),
    ):
        request = "\r\n".join([head, "Host: a", "Connection: close", header, "", ""])
        with (
            socket.create_connection((HOST, coordinator.port), timeout=10, source_address=(source, 0)) as peer,
            contextlib.suppress(ConnectionError),
        ):
            peer.sendall(request.encode("latin-1"))
            while peer.recv(65_536):
                pass


async def play(coordinator: Coordinator) -> None:
    """Two sessions, one of them told by a proxy, with an introduction, a connection, a receipt and a failure."""
    sdp = f"v=0\r\na=candidate:1 1 UDP 1 {ADDRESSES[1]} 40000 typ host\r\n"
    forwarded = {"X-Forwarded-For": TOLD_BY_PROXY}
    async with aiohttp.ClientSession() as client, aiohttp.ClientSession(headers=forwarded) as by_proxy:
        place = Reached(coordinator.url, client)
        (file,) = coordinator.get("/api/v1/files")["files"]
        async with (
            Peer.connect(place, source=ADDRESSES[0]) as donor,
            Peer.connect(place, source=ADDRESSES[1]) as taker,
            Peer.connect(Reached(coordinator.url, by_proxy)) as third,
        ):
            await donor.donate(held=[{"file_id": file["file_id"], "runs": [0, 8]}])
            for number, downloader in enumerate((taker, third)):
                offers = [{"offer_id": f"{number:032x}", "sdp": sdp}]
                await downloader.send(
                    "want", file_id=file["file_id"], missing=[0, 8], peers_max=1, offers=offers if number else []
                )
                match = await downloader.hear("match")
                await donor.hear("match")
                await downloader.send("signal", match_id=match["match_id"], payload={"sdp": sdp})
                await donor.hear("signal")
                await downloader.send("match_report", match_id=match["match_id"], outcome="open", round_trip_ms=20)
                await donor.receipt(match, MIB)
                await downloader.send("usage", file_id=file["file_id"], mirror_bytes=MIB, donor_bytes=MIB)
                await downloader.send("match_report", match_id=match["match_id"], outcome=("closed", "lied")[number])
                await downloader.send("ping")
                await downloader.hear("pong")
            await taker.socket.send_str(sdp)  # ends the session by a named error
            await taker.socket.receive()
        async with client.ws_connect(coordinator.url + "/api/v1/ws") as silent:
            await silent.send_bytes(b"\xff" * 100)
            await silent.receive()


def test_a_coordinators_log_store_and_figures_hold_no_address_and_its_log_no_name(stage: Stage) -> None:
    folder = stage.folder / "folder"
    make_release(folder, NAME, 2 * MIB)
    coordinator = start_coordinator(stage, folder=folder, options=["--trusted-proxy", "127.0.0.1/32"])
    coordinator.process.wait_until(lambda: coordinator.get("/api/v1/files")["files"], "the file", timeout_s=30)
    asyncio.run(play(coordinator))
    insult(coordinator)
    told = repr([coordinator.get(path) for path in ("/api/v1/stats", "/api/v1/causes", "/api/v1/files")])
    coordinator.process.stop()

    log = coordinator.process.stderr()
    assert "A request failed." in log, "nothing was logged that could have held anything"
    assert NAME not in log
    kept = {path.name: path.read_bytes() for path in coordinator.data_dir.rglob("*") if path.is_file()}
    assert NAME.encode() in kept["catalogue.sqlite"], "the store was not read as it is"
    for address in (*ADDRESSES, TOLD_BY_PROXY):
        assert address not in log
        assert address not in told
        for name, data in kept.items():
            assert address.encode() not in data, name
            assert socket.inet_aton(address) not in data, name
    assert "127.77." not in log + told
