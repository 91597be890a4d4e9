"""`dio donate` and `dio get` as processes: limits are hard, what is held survives, nothing is pushed twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.coordinator import (
    CAUSE,
    Coordinator,
    Publisher,
    Release,
    make_publisher,
    make_release,
    run_dio_well,
    start_coordinator,
)
from tests.harness.donors import folder_bytes, start_headless_donor, wait_until_held
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, dio, wait_for

MIB = 1 << 20
LIMIT = 16_000_000


class Scene:
    """A coordinator, one mirror and a publisher."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.coordinator: Coordinator = start_coordinator(stage)
        self.folder = stage.folder / "www"
        self.folder.mkdir()
        self.mirror: Mirror = start_mirror(stage, self.folder)
        self.publisher: Publisher = make_publisher(self.coordinator, [self.mirror])

    def publish(self, name: str, size_bytes: int) -> Release:
        release = make_release(self.folder, name, size_bytes)
        self.publisher.publish([release], [self.mirror])
        return release

    def start_get(self, release: Release, target: Path, *options: str) -> Process:
        words: list[str | Path] = [self.mirror.link(release.name), "--coordinator", self.coordinator.url]
        words += ["--pin", self.publisher.public_key, "-o", target, "--json", *options]
        return self.stage.start("get", dio("get", *words))

    def get(self, release: Release, *options: str, name: str = "got") -> dict[str, Any]:
        target = self.stage.folder / name
        process = self.start_get(release, target, *options)
        assert process.wait(timeout_s=60) == 0, process.output()
        assert target.read_bytes() == release.content
        report: dict[str, Any] = json.loads(process.stdout())
        assert report["verified"] is True
        return report


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


def peer_bytes(report: dict[str, Any]) -> int:
    return sum(int(row["bytes"]) for row in report["bytes_by_source"] if row["kind"] == "peer")


def events(donor: Process, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in donor.stdout().splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == kind]


class SizeWatch:
    """Samples a folder's size all the time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self.largest = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> SizeWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.largest = max(self.largest, folder_bytes(self._folder))
            time.sleep(0.002)


@pytest.mark.timeout(180)
def test_store_is_never_above_its_limit_while_the_catalogue_is_far_larger(scene: Scene) -> None:
    data_dir = scene.stage.folder / "donor"
    data_dir.mkdir()
    with SizeWatch(data_dir) as watch:
        for number in range(4):
            scene.publish(f"part-{number}.iso", 20 * MIB)
        donor = start_headless_donor(scene.coordinator, data_dir)
        wait_until_held(scene.coordinator, 14 * MIB)
        for number in range(4, 8):
            scene.publish(f"part-{number}.iso", 20 * MIB)
        donor.kill()
        (data_dir / "segments" / ("0" * 64)).mkdir()
        (data_dir / "segments" / ("0" * 64) / "1-torn.new").write_bytes(b"x" * 100_000)
        again = start_headless_donor(scene.coordinator, data_dir)
        wait_for(lambda: events(again, "assigned"), "an assignment after the return")
        wait_for(lambda: events(again, "served"), "a second of calm")
        again.send_signal(signal.SIGTERM)
        assert again.wait(timeout_s=10) == 0
        smaller = start_headless_donor(scene.coordinator, data_dir, storage="5MB")
        wait_for(lambda: events(smaller, "connected"), "the smaller donor")
        assert folder_bytes(data_dir) <= 5_000_000
    assert 14 * MIB <= watch.largest <= LIMIT


@pytest.mark.timeout(120)
def test_get_takes_from_donors_and_the_donors_are_credited(scene: Scene) -> None:
    release = scene.publish("release.iso", 14 * MIB)
    donors = [start_headless_donor(scene.coordinator, scene.stage.folder / f"d{n}", up="8MB/s") for n in range(2)]
    wait_until_held(scene.coordinator, 28 * MIB, donors=2)
    scene.mirror.change(rate="500kB/s")
    report = scene.get(release)
    assert peer_bytes(report) >= 10 * MIB
    stats = wait_for(
        lambda: scene.coordinator.stats() if found_bytes(scene) >= peer_bytes(report) else None, "the figures"
    )
    assert stats["bytes_served_by_donors"] == peer_bytes(report)
    credited = wait_for(
        lambda: sum(events(donor, "credited")[-1]["bytes"] for donor in donors if events(donor, "credited")), "thanks"
    )
    assert credited <= peer_bytes(report)
    for donor in donors:  # a crash of the WebRTC engine costs connections, not the donor
        for child in Path(f"/proc/{donor.pid}/task/{donor.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    assert peer_bytes(scene.get(release, name="again")) > 0
    assert [donor.exit_code for donor in donors] == [None, None]


@pytest.mark.timeout(120)
def test_a_donor_that_is_filled_during_a_download_is_credited_for_all_that_it_gave(scene: Scene) -> None:
    release = scene.publish("release.iso", 6 * MIB)
    scene.mirror.change(rate="300kB/s")
    donor = start_headless_donor(scene.coordinator, scene.stage.folder / "donor", up="500kB/s")
    wait_until_held(scene.coordinator, 1 * MIB)
    scene.mirror.change(rate="1kB/s")  # nothing more comes until the two have met
    words = ["--policy", "spare-mirrors", "--limit-rate", "1MB/s"]
    download = scene.start_get(release, scene.stage.folder / "got", *words)
    donor.wait_until(lambda: events(donor, "taker_came"), "the downloader")
    held_at_match = events(donor, "holding")[-1]["bytes"]
    assert held_at_match < len(release.content)
    scene.mirror.change(rate=None)
    assert download.wait(timeout_s=60) == 0, download.output()
    given = peer_bytes(json.loads(download.stdout()))
    assert events(donor, "taker_came")[1:] == [], "all in one match"
    assert given > held_at_match, "it gave what it got meanwhile"
    wait_for(
        lambda: events(donor, "credited")[-1:] and events(donor, "credited")[-1]["bytes"] == given, "thanks for all"
    )
    assert found_bytes(scene) == given
    assert not events(donor, "trouble"), "no receipt was refused"


@pytest.mark.timeout(120)
def test_donor_and_downloader_may_use_different_webrtc_engines(scene: Scene) -> None:
    release = scene.publish("release.iso", 4 * MIB)
    start_headless_donor(scene.coordinator, scene.stage.folder / "donor", webrtc="aiortc")
    wait_until_held(scene.coordinator, 4 * MIB)
    scene.mirror.change(rate="200kB/s")
    for engine in ("reactor-webrtc", "aiortc"):
        report = scene.get(release, "--webrtc", engine, name=engine)
        assert peer_bytes(report) >= 1 * MIB, engine


def found_bytes(scene: Scene) -> int:
    return int(scene.coordinator.stats()["bytes_served_by_donors"])


@pytest.mark.timeout(120)
def test_download_goes_on_without_coordinator_and_donors_return_with_what_they_hold(scene: Scene) -> None:
    release = scene.publish("release.iso", 14 * MIB)
    start_headless_donor(scene.coordinator, scene.stage.folder / "donor", up="2MB/s")
    wait_until_held(scene.coordinator, 14 * MIB)
    scene.mirror.change(rate="1MB/s")
    target = scene.stage.folder / "got"
    process = scene.start_get(release, target)
    process.wait_until(lambda: (scene.stage.folder / "got.part.journal").exists(), "the start")
    wait_for(lambda: scene.coordinator.stats()["downloaders"] or None, "the session")
    time.sleep(1.5)  # into the middle: some seconds of download are left, and a donor delivers
    scene.coordinator.process.kill()
    assert process.wait(timeout_s=60) == 0, process.output()
    assert target.read_bytes() == release.content
    assert peer_bytes(json.loads(process.stdout())) > 0
    sent = scene.mirror.bytes_sent()
    scene.coordinator.start()
    wait_until_held(scene.coordinator, 14 * MIB, timeout_s=45)
    time.sleep(1.5)  # an assignment follows the holdings, and a donor that lacked something would fetch it at once
    assert scene.mirror.bytes_sent() == sent
    assert scene.coordinator.stats()["bytes_pushed"] <= 14 * MIB, "what was pushed before is remembered, and no more"


@pytest.mark.timeout(120)
def test_upload_rate_and_daily_limit_are_kept(scene: Scene) -> None:
    release = scene.publish("release.iso", 14 * MIB)
    data_dir = scene.stage.folder / "donor"
    words: list[str | Path] = ["--cause", CAUSE, "--up", "1MB/s", "--daily", "4MB", "--data-dir", data_dir, "--json"]
    donor = scene.stage.start("donor", dio("donate", scene.coordinator.url, *words))
    wait_until_held(scene.coordinator, 14 * MIB)
    scene.mirror.change(rate="2MB/s")
    report = scene.get(release)
    assert peer_bytes(report) <= 4_000_000
    assert peer_bytes(report) <= 1_000_000 * report["seconds"] + 200_000
    used = events(donor, "served")[-1]["bytes_today"]
    assert used <= 4_000_000
    donor.send_signal(signal.SIGTERM)
    assert donor.wait(timeout_s=10) == 0
    again = scene.stage.start("donor", dio("donate", scene.coordinator.url, *words))
    served = again.wait_until(lambda: events(again, "served"), "figures")
    assert served[0]["bytes_today"] == used


@pytest.mark.timeout(120)
def test_withdrawn_file_is_erased_at_once_or_when_the_donor_comes_back(scene: Scene) -> None:
    release = scene.publish("release.iso", 4 * MIB)
    other = scene.publish("other.iso", 2 * MIB)
    kept = scene.publish("kept.iso", 2 * MIB)
    data_dir = scene.stage.folder / "donor"

    def withdraw(file: Release) -> None:
        run_dio_well("unpublish", file.sha256, "--to", scene.coordinator.url, "--token", scene.publisher.token)

    def is_held(file: Release) -> bool:
        return (data_dir / "segments" / file.sha256).is_dir()

    donor = start_headless_donor(scene.coordinator, data_dir)
    wait_until_held(scene.coordinator, 8 * MIB)
    assert is_held(release)
    withdraw(release)
    donor.wait_until(lambda: not is_held(release), "the erasure", timeout_s=30)
    assert events(donor, "erased") == [{"event": "erased", "file_id": release.sha256}]
    donor.kill()
    withdraw(other)
    assert is_held(other)
    back = start_headless_donor(scene.coordinator, data_dir)
    back.wait_until(lambda: not is_held(other), "the erasure", timeout_s=30)
    wait_for(lambda: events(back, "erased") or None, "the news")
    assert events(back, "erased") == [{"event": "erased", "file_id": other.sha256}]
    assert is_held(kept)


def test_erase_leaves_nothing(scene: Scene) -> None:
    scene.publish("release.iso", 4 * MIB)
    data_dir = scene.stage.folder / "donor"
    donor = start_headless_donor(scene.coordinator, data_dir)
    wait_until_held(scene.coordinator, 4 * MIB)
    second = start_headless_donor(scene.coordinator, data_dir, name="second")
    assert second.wait(timeout_s=20) == 1
    assert "[store_in_use]" in second.stderr()
    donor.send_signal(signal.SIGINT)
    assert donor.wait(timeout_s=10) == 130
    erasing = scene.stage.start("erase", dio("donate", scene.coordinator.url, "--data-dir", data_dir, "--erase"))
    assert erasing.wait(timeout_s=20) == 0
    assert not data_dir.exists()
