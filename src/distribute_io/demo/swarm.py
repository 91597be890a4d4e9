"""The demo's world: one coordinator, throttled mirrors, headless donors and a catalogue that is too big for them.

Rules:

1. Everything is a real process that speaks the real protocols over loopback; nothing is faked or shared in memory.
2. The catalogue is several times what all donors may hold, so the coordinator has to choose, and what the donors give
   is what people who each lend 16 MB really can.
3. The mirrors are throttled by true token buckets, and donors fill themselves from them like everybody else.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distribute_io.demo.children import Children
from distribute_io.demo.sample_files import write_companion, write_default_file
from distribute_io.errors import UsageError
from distribute_io.units import format_rate, format_size

CAUSE = "demo"
_READY_S = 30.0
_FILL_S = 120.0
_RELEASE_IN_S = 120
_RELEASE_DOWNLOADS = 1_000
_DIO = "distribute_io.cli.main"
_MIRROR = "distribute_io.demo.throttled_mirror"
# Donors hold whole segments only, keep a reserve, and the last ones need not fit: this much of their limit is full.
_FULL_SHARE = 0.9

Report = Callable[[str, str, bool], None]
"""Called with a step's name, what to say of it, and whether it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmPlan:
    """How many of what the demo starts, and how fast and large they are."""

    mirror_rates_bytes_per_s: tuple[int, ...] = (8_000_000, 4_000_000, 2_000_000)
    donors: int = 4
    donor_storage_bytes: int = 16_000_000
    donor_up_bytes_per_s: int = 4_000_000
    companions: int = 3
    companion_bytes: int = 48_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """The running world. `limits` tells each mirror's address (without a slash at its end) its rate in words."""

    coordinator_url: str
    file_name: str
    file_path: Path
    manifest_path: Path
    public_key: str
    mirror_limits: dict[str, str]
    donor_limit: str
    best_mirror_bytes_per_s: int


def start_swarm(plan: SwarmPlan, children: Children, folder: Path, path: Path | None, report: Report) -> Swarm:
    """Start everything, publish the catalogue and wait until the donors are filled. Blocks.

    Args:
        children: what is started belongs to it, and ends with it.
        folder: an empty folder for all files of the demo.
        path: what will be downloaded; None for the default file.

    Raises:
        UsageError: `not_a_file` when `path` is no regular file.
        RefusedError: when a process does not come up.
    """
    report("files", "being made", False)
    paths = _lay_out_files(plan, folder / "files", path)
    report("files", f"{len(paths)} of {format_size(sum(each.stat().st_size for each in paths))} in all", True)
    limits = _start_mirrors(plan, children, folder / "files")
    report("mirrors", ", ".join(limits.values()) + ", a true limit each", True)
    url = _start_coordinator(children, folder / "coordinator")
    report("coordinator", url, True)
    public_key = _publish(children, folder, paths, url, list(limits))
    report("published", f"signed by {public_key}", True)
    report("announced", f"a rush on {paths[0].name}: donors hold it first", True)
    _start_donors(plan, children, folder, url, report)
    return Swarm(
        coordinator_url=url,
        file_name=paths[0].name,
        file_path=paths[0],
        manifest_path=folder / "manifests" / f"{paths[0].name}.manifest.json",
        public_key=public_key,
        mirror_limits=limits,
        donor_limit=format_rate(plan.donor_up_bytes_per_s),
        best_mirror_bytes_per_s=max(plan.mirror_rates_bytes_per_s),
    )


def fetch_stats(coordinator_url: str) -> dict[str, Any] | None:  # Any: JSON of any shape
    """The coordinator's live figures; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"{coordinator_url}/api/v1/stats", timeout=5) as answer:
            stats: dict[str, Any] = json.load(answer)  # Any: as above
            return stats
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def _lay_out_files(plan: SwarmPlan, folder: Path, path: Path | None) -> list[Path]:
    """The catalogue's files in one folder, the one to download first."""
    folder.mkdir()
    if path is None:
        first = write_default_file(folder)
    else:
        if not path.is_file():
            raise UsageError("not_a_file", f"{path} is no regular file: name one to download, or leave it out")
        first = folder / path.name
        try:
            os.link(path.resolve(), first)
        except OSError:  # another file system, or one that has no links
            shutil.copyfile(path, first)
    sizes = range(1, plan.companions + 1)
    return [first, *(write_companion(folder, number, plan.companion_bytes) for number in sizes)]


def _start_mirrors(plan: SwarmPlan, children: Children, folder: Path) -> dict[str, str]:
    limits = {}
    for number, rate in enumerate(plan.mirror_rates_bytes_per_s, 1):
        name = f"mirror {number}"
        child = children.start(name, _MIRROR, ["--dir", str(folder), "--rate", f"{rate}B/s"])
        address = children.wait_for(child.first_json_line, name, timeout_s=_READY_S)["url"]
        limits[address] = format_rate(rate)
    return limits


def _start_coordinator(children: Children, data_dir: Path) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", "--port", str(port), "--stun-port", "0", "--data-dir", str(data_dir), "--cause", CAUSE]
    children.start("coordinator", _DIO, words)
    url = f"http://127.0.0.1:{port}"
    children.wait_for(lambda: fetch_stats(url), "the coordinator", timeout_s=_READY_S)
    return url


def _publish(children: Children, folder: Path, paths: list[Path], url: str, mirrors: list[str]) -> str:
    """Publish all files as somebody with a key and a token does, the first with a rush; returns the public key."""
    key_path = folder / "publisher.pem"
    public_key = children.run("keygen", _DIO, ["keygen", str(key_path)]).strip()
    token_words = ["token", "create", "--data-dir", str(folder / "coordinator"), "--cause", CAUSE]
    for mirror in mirrors:
        token_words += ["--origin", mirror]
    token = children.run("token", _DIO, token_words).split()[-1]
    manifests = folder / "manifests"
    manifests.mkdir()
    words = ["--key", str(key_path), "--cause", CAUSE, "--to", url, "-o", str(manifests)]
    for mirror in mirrors:
        words += ["--mirror", f"{mirror}/"]
    first, *companions = map(str, paths)
    # Without a rush announced, four donors that nobody asked yet would hold a little of each file alike.
    release_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _RELEASE_IN_S))
    rush = ["--release-at", release_at, "--release-downloads", str(_RELEASE_DOWNLOADS)]
    children.run("publish", _DIO, ["publish", first, *rush, *words], env={"DIO_TOKEN": token})
    if companions:
        children.run("publish", _DIO, ["publish", *companions, *words], env={"DIO_TOKEN": token})
    return public_key


def _start_donors(plan: SwarmPlan, children: Children, folder: Path, url: str, report: Report) -> None:
    words = ["--cause", CAUSE, "--storage", f"{plan.donor_storage_bytes}B", "--up", f"{plan.donor_up_bytes_per_s}B/s"]
    for number in range(1, plan.donors + 1):
        data_dir = folder / f"donor-{number}"
        children.start(f"donor {number}", _DIO, ["donate", url, *words, "--data-dir", str(data_dir), "--json"])
    limit = f"{plan.donors} of {format_size(plan.donor_storage_bytes)} each"
    target_bytes = plan.donors * plan.donor_storage_bytes * _FULL_SHARE

    def are_filled() -> bool:
        stats = fetch_stats(url) or {"donors": 0, "bytes_held": 0}
        held_bytes: int = stats["bytes_held"]
        is_full = stats["donors"] == plan.donors and held_bytes >= target_bytes
        report("donors", f"{limit}, holding {format_size(held_bytes)}", is_full)
        return is_full

    children.wait_for(are_filled, "the donors", timeout_s=_FILL_S)
