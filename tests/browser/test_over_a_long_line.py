"""A donor at the far end of a line with delay and loss: the window grows with the round trip, and every byte is right.

`python -m bench peers_over_link` measures rates. Here it is counted what is on its way at once, which does not depend
on how busy the machine is: the first window lets 64 KiB go, and packets' headers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.harness.chromium import Chromium
from tests.harness.coordinator import Release
from tests.harness.donors import start_headless_donor, wait_until_held
from tests.harness.downloads import assert_saved, bytes_by_kind
from tests.harness.processes import Stage, dio
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene
from tests.harness.tcp_relay import bring_ports
from tests.harness.tun_link import Line, open_line

_SHORT: Final = Line(queue_bytes=2_000_000)
_LONG: Final = Line(delay_ms=60, rate_bytes_per_s=4_000_000, queue_bytes=5_000_000)
_LOSSY: Final = Line(delay_ms=10, rate_bytes_per_s=4_000_000, loss=0.005)
_FIRST_WINDOW_BYTES: Final = 65_536


def test_a_long_line_is_filled_and_a_lossy_one_costs_no_byte(stage: Stage, chromium: Callable[..., Chromium]) -> None:
    line = stage.enter(open_line(stage, _SHORT))
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    (mirror,) = scene.mirrors
    large, small = scene.publish("large.iso", 4 * MIB), scene.publish("small.iso", MIB)
    bring_ports(stage, line, [scene.coordinator.port, int(mirror.url.rpartition(":")[2])])
    start_headless_donor(scene.coordinator, stage.folder / "donor", storage="32MB", up="100MB/s", line=line)
    wait_until_held(scene.coordinator, 5 * MIB)
    mirror.process.stop()

    line.change(_LONG)
    visitor = scene.visit(chromium("visitor"), {"iso": mirror.link(large.name)})
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, large)
    assert bytes_by_kind(verified)["mirror"] == {}
    assert line.change(_LOSSY) > 2 * _FIRST_WINDOW_BYTES
    get(scene, small, mirror.link(small.name))


def get(scene: Scene, release: Release, link: str) -> None:
    """`dio get` takes it, all of it from the donor."""
    target: Path = scene.stage.folder / "got"
    words: list[str | Path] = [link, "--coordinator", scene.coordinator.url, "--pin", scene.publisher.public_key]
    process = scene.stage.start("get", dio("get", *words, "-o", target, "--json"))
    assert process.wait(timeout_s=60) == 0, process.output()
    assert target.read_bytes() == release.content
    assert {source["kind"] for source in json.loads(process.stdout())["bytes_by_source"] if source["bytes"]} == {"peer"}
