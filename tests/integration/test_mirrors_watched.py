"""The coordinator leaves out mirrors that fail, says why, and takes them back: a real nginx is broken and mended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.harness.coordinator import (
    Coordinator,
    Publisher,
    Release,
    make_publisher,
    make_release,
    run_dio_well,
    start_coordinator,
)
from tests.harness.mirrors import start_mirror
from tests.harness.nginx import CORS, Nginx, start_nginx
from tests.harness.processes import Stage, wait_for

SIZE_BYTES = 3 * 2**20
IN_TIME_S = 10.0
"""Bound of each change here: a look every second, a second look one second later, and a slow machine."""


class Scene:
    """A coordinator that looks every second, a publisher, one file, an nginx that has it and another mirror."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.release: Release = make_release(folder, "app.bin", SIZE_BYTES)
        self.nginx: Nginx = start_nginx(stage, folder)
        self.steady = start_mirror(stage, folder)
        self.coordinator: Coordinator = start_coordinator(stage, watch_every_s=1)
        self.publisher: Publisher = make_publisher(self.coordinator, [self.steady])
        self.token = self.coordinator.create_token(origins=["*"])
        self.publish(self.nginx.url, self.steady.url)

    def publish(self, *urls: str) -> None:
        publisher = Publisher(self.coordinator, self.publisher.key_path, self.publisher.public_key, self.token)
        publisher.publish([self.release], [], *(word for url in urls for word in ("--mirror", f"{url}/")))

    def entry(self) -> dict[str, Any]:  # Any: JSON of any shape
        entry: dict[str, Any] = self.coordinator.get(f"/api/v1/files/{self.release.sha256}")
        return entry

    def listed(self) -> set[str]:
        return {mirror["url"].rsplit("/", 1)[0] for mirror in self.entry()["mirrors"]}

    def state(self, url: str) -> dict[str, Any]:  # Any: as above
        states = self.entry()["mirror_states"]
        return next(state for state in states if state["url"].startswith(url))

    def wait_for_state(self, url: str, state: str, reason: str | None = None) -> None:
        def is_so() -> bool:
            found = self.state(url)
            return (found["state"], found.get("reason")) == (state, reason)

        wait_for(is_so, f"{url} to be {state} ({reason}), it is {self.state(url)}", timeout_s=IN_TIME_S)


def test_a_mirror_that_breaks_is_left_out_with_its_reason_and_comes_back(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(stage, tmp_path / "files")
    both = {scene.nginx.url, scene.steady.url}
    assert scene.listed() == both, "the answer to `dio publish` comes when new mirrors have been looked at"
    assert scene.state(scene.nginx.url)["rate_bytes_per_s"] > 0

    for lines, state, reason in (
        ("return 503;", "failing", "mirror_busy"),
        (f"{CORS} max_ranges 0;", "failing", "mirror_ignores_range"),
    ):
        scene.nginx.change(lines)
        scene.wait_for_state(scene.nginx.url, state, reason)
        assert scene.listed() == {scene.steady.url}
        scene.nginx.change(CORS)
        scene.wait_for_state(scene.nginx.url, "well")
        assert scene.listed() == both

    # Without CORS it serves programs; pages are told to leave it alone.
    scene.nginx.change("")
    scene.wait_for_state(scene.nginx.url, "limited", "mirror_no_cors")
    told = {mirror["url"]: mirror.get("pages", True) for mirror in scene.entry()["mirrors"]}
    assert told == {f"{scene.nginx.url}/app.bin": False, f"{scene.steady.url}/app.bin": True}
    scene.nginx.change(CORS)
    scene.wait_for_state(scene.nginx.url, "well")

    # Another file at the same place is no dead mirror. The old one comes back under the same name.
    content = scene.release.content
    scene.release.path.write_bytes(content + b"!")
    scene.wait_for_state(scene.nginx.url, "changed", "mirror_file_changed")
    scene.release.path.write_bytes(content)
    scene.wait_for_state(scene.nginx.url, "well")
    scene.release.path.write_bytes(bytes(SIZE_BYTES))
    scene.wait_for_state(scene.nginx.url, "changed", "segment_mismatch")

    # Nobody lists what is proven wrong, not even for want of better.
    scene.wait_for_state(scene.steady.url, "changed", "segment_mismatch")
    assert scene.listed() == set()
    scene.release.path.write_bytes(content)
    scene.wait_for_state(scene.nginx.url, "well")


def test_what_is_known_of_mirrors_survives_a_restart(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(stage, tmp_path / "files")
    scene.nginx.process.stop()
    scene.wait_for_state(scene.nginx.url, "failing", "mirror_unreachable")
    since = scene.state(scene.nginx.url)["since"]
    scene.coordinator.process.stop()
    scene.coordinator.start()
    assert scene.state(scene.nginx.url)["since"] == since
    assert scene.listed() == {scene.steady.url}


def test_a_mirror_that_is_bad_from_the_start_is_never_listed(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(stage, tmp_path / "files")
    liar = start_mirror(stage, scene.release.path.parent, misbehave=["flip"])
    scene.publish(liar.url)
    assert scene.state(liar.url)["reason"] == "segment_mismatch"
    assert scene.listed() == {scene.nginx.url, scene.steady.url}
    words = run_dio_well("mirror", "list", scene.release.sha256, "--to", scene.coordinator.url)
    (line,) = [line for line in words.splitlines() if line.startswith(liar.url)]
    assert "left out: a segment's SHA-256 is not the one in the list" in line


def test_when_all_fail_those_that_may_be_well_are_listed_and_said_to_fail(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(stage, tmp_path / "files")
    scene.steady.process.stop()
    scene.nginx.process.stop()
    scene.wait_for_state(scene.nginx.url, "failing", "mirror_unreachable")
    scene.wait_for_state(scene.steady.url, "failing", "mirror_unreachable")
    assert {state["listed"] for state in scene.entry()["mirror_states"]} == {True}
    assert scene.listed() == {scene.nginx.url, scene.steady.url}


def test_a_coordinator_ends_at_once_while_a_check_hangs(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(stage, tmp_path / "files")
    stalling = start_mirror(stage, scene.release.path.parent, misbehave=["stall-after=1000"])
    scene.publish(stalling.url)  # answers when it has waited long enough for the first look
    assert scene.state(stalling.url)["state"] == "unchecked"
    began = time.monotonic()
    scene.coordinator.process.stop()
    assert time.monotonic() - began < 3.0
