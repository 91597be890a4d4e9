"""Donors that fill each other, as processes: other donors before mirrors, downloads before fills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.coordinator import Publisher, Release, make_publisher, make_release, start_coordinator
from tests.harness.donors import start_headless_donor, wait_until_held
from tests.harness.mirrors import start_mirror
from tests.harness.processes import Process, Stage, dio, wait_for

MIB = 1 << 20


class Place:
    """A coordinator, one mirror, and one file of which a first donor holds everything."""

    def __init__(self, stage: Stage, *, size_bytes: int, up: str) -> None:
        self.stage = stage
        self.coordinator = start_coordinator(stage)
        folder = stage.folder / "www"
        folder.mkdir()
        self.mirror = start_mirror(stage, folder)
        self.publisher: Publisher = make_publisher(self.coordinator, [self.mirror])
        self.release: Release = make_release(folder, "file.iso", size_bytes)
        self.publisher.publish([self.release], [self.mirror])
        self.size_bytes = size_bytes
        self.first = start_headless_donor(self.coordinator, stage.folder / "first", storage="64MB", up=up, name="first")
        wait_until_held(self.coordinator, size_bytes)

    def start_second(self) -> Process:
        return start_headless_donor(
            self.coordinator, self.stage.folder / "second", storage="64MB", up="64MB/s", name="second"
        )

    def start_get(self, target: Path) -> Process:
        words: list[str | Path] = ["get", self.mirror.link("file.iso"), "--coordinator", self.coordinator.url]
        return self.stage.start("get", dio(*words, "--pin", self.publisher.public_key, "-o", target, "--json"))

    def finish(self, download: Process) -> dict[str, Any]:
        assert download.wait(timeout_s=90) == 0, download.output()
        report: dict[str, Any] = json.loads(download.stdout())
        return report


def peer_bytes(report: dict[str, Any]) -> int:
    return sum(int(row["bytes"]) for row in report["bytes_by_source"] if row["kind"] == "peer")


@pytest.mark.timeout(120)
def test_a_second_donor_is_filled_from_the_first_and_the_mirror_sees_nothing(stage: Stage) -> None:
    place = Place(stage, size_bytes=12 * MIB, up="64MB/s")
    sent_before = place.mirror.bytes_sent()
    place.start_second()
    wait_until_held(place.coordinator, 2 * place.size_bytes, donors=2)
    assert place.mirror.bytes_sent() == sent_before

    def told() -> bool:
        return bool(place.coordinator.stats()["bytes_pushed"] >= 2 * place.size_bytes)

    wait_for(told, "the bytes of the fill in the statistics")
    stats = place.coordinator.stats()
    assert stats["bytes_pushed"] == 2 * place.size_bytes, "what donors give to each other counts against net offload"
    assert stats["bytes_served_by_donors"] == 0, "and is no offload"
    assert stats["downloaders"] == 0


@pytest.mark.timeout(120)
def test_a_fill_waits_while_the_donor_serves_a_download(stage: Stage) -> None:
    place = Place(stage, size_bytes=12 * MIB, up="2MB/s")
    place.mirror.change(rate="100kB/s")
    download = place.start_get(stage.folder / "got")
    wait_for(lambda: '"taker_came"' in place.first.stdout(), "a donor that serves the download")
    place.start_second()
    report = place.finish(download)
    assert peer_bytes(report) > 10 * MIB
    # With equal shares it would have got as much per second as the download.
    assert place.coordinator.stats()["bytes_held"] <= place.size_bytes + 2 * MIB
