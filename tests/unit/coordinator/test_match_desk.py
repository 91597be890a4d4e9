"""What downloaders tell of their introductions, and what the desk makes of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tests.harness.peer import Peer
from tests.unit.coordinator.served import Served, files, play

_COUNTRIES = "127.1.0.0/16,EU/DE\n127.2.0.0/16,NA/US\n127.3.0.0/16,AS/JP\n"


def test_measured_round_trips_order_donors_that_are_equally_far(tmp_path: Path) -> None:
    files(tmp_path, 1)
    table = tmp_path / "regions.csv"
    table.write_text(_COUNTRIES)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(Peer.connect(served, source="127.2.0.1"))
            fast = await stack.enter_async_context(Peer.connect(served, source="127.3.0.1"))
            for donor in (slow, fast):
                await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}], takers_max=16)
            for number in range(3):  # three sessions: one alone is not believed
                taker = await stack.enter_async_context(Peer.connect(served, source=f"127.1.0.{number + 1}"))
                await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=2)
                of_slow = (await slow.hear("match"))["match_id"]
                await fast.hear("match")
                for match in (await taker.hear("match"), await taker.hear("match")):
                    took_ms = 250 if match["match_id"] == of_slow else 60
                    await taker.send("match_report", match_id=match["match_id"], outcome="open", round_trip_ms=took_ms)
                await taker.send("ping")
                await taker.hear("pong")
            for number in range(4):
                taker = await stack.enter_async_context(Peer.connect(served, source=f"127.1.1.{number + 1}"))
                await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                assert (await taker.hear("match"))["match_id"] == (await fast.hear("match"))["match_id"]

    play(tmp_path, scene, region_table=str(table))
