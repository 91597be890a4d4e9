"""Do files that others made arrive through mirrors and donors with the digests that others published?

Options: any of `wheel`, `debian`, `folder`, `big` (default: all); `--big-gib N` (default 5).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.published_files import (
    Published,
    copy_mixed_files,
    fetch_debian_package,
    fetch_wheel,
    make_big_file,
)
from bench.record import write_result
from tests.harness.browser import wait_for_download
from tests.harness.chromium import run_chromium, run_playwright
from tests.harness.coordinator import Release, run_dio_well, start_coordinator
from tests.harness.donors import open_donor_page, start_headless_donor, wait_until_held
from tests.harness.downloads import Visitor, bytes_by_kind
from tests.harness.processes import Stage
from tests.harness.scene import MirrorPlan, Scene, make_scene
from tests.harness.site import start_site

# Large enough to be a real release, and on any machine that runs the tests, as they need it.
_WHEEL = "playwright"
_DEBIAN_PACKAGE = "firefox-esr"
_MIRROR_RATE = "12MB/s"
_PAGE_S = 1800.0
_FILES_THROUGH_PAGE = 5

Row = dict[str, Any]  # Any: JSON of any shape


@dataclass(frozen=True)
class Workplace:
    """Where everything of this run happens."""

    stage: Stage
    folder: Path
    big_bytes: int


def run(options: list[str]) -> bool:
    """Run the chosen parts and write `results/real_input.json`; True when every digest is right."""
    parser = argparse.ArgumentParser(prog="real_input", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(_PARTS)}; default: all")
    parser.add_argument("--big-gib", type=float, default=5.0)
    chosen = parser.parse_args(options)
    if unknown := set(chosen.parts) - set(_PARTS):
        parser.error(f"unknown: {', '.join(unknown)}")
    rows: list[Row] = []
    for part in chosen.parts or _PARTS:
        with tempfile.TemporaryDirectory(prefix="dio-real-input-") as name, Stage(Path(name) / "stage") as stage:
            brought = _PARTS[part](Workplace(stage, Path(name), int(chosen.big_gib * 2**30)))
        for row in brought:
            print(f"  {json.dumps(row)}", flush=True)
        rows += brought
    write_result("real_input", {"question": (__doc__ or "").splitlines()[0], "downloads": rows})
    return all(row["right"] for row in rows)


def _bring_wheel(place: Workplace) -> list[Row]:
    return _bring_published(place, fetch_wheel(_made(place.folder / "fetched"), _WHEEL))


def _bring_debian_package(place: Workplace) -> list[Row]:
    return _bring_published(place, fetch_debian_package(_made(place.folder / "fetched"), _DEBIAN_PACKAGE))


def _bring_published(place: Workplace, published: Published) -> list[Row]:
    """By CLI and page, from two throttled mirrors, a headless donor and a browser donor."""
    scene, release = _publish(place, published.path, published.sha256, rate=_MIRROR_RATE)
    with run_playwright() as playwright:
        donor = place.stage.enter(run_chromium(playwright, place.folder / "donor"))
        open_donor_page(donor, scene.coordinator)
        start_headless_donor(scene.coordinator, place.folder / "headless")
        wait_until_held(scene.coordinator, 30_000_000, donors=2)
        visitor = place.stage.enter(run_chromium(playwright, place.folder / "visitor"))
        rows = [
            _get_by_cli(scene, release, place.folder / "by-cli"),
            _get_by_page(scene, release, Visitor(visitor.new_page(), _page_of(scene, release))),
        ]
        place.stage.close()
    return [{**row, "published_by": published.published_by} for row in rows]


def _bring_big_file(place: Workplace) -> list[Row]:
    """One file of several GiB, from two mirrors without a limit and a headless donor."""
    path = _made(place.folder / "fetched") / "big.bin"
    make_big_file(path, place.big_bytes)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    scene, release = _publish(place, path, sha256, rate=None)
    start_headless_donor(scene.coordinator, place.folder / "headless")
    wait_until_held(scene.coordinator, 14_000_000)
    rows = [_get_by_cli(scene, release, place.folder / "by-cli")]
    (place.folder / "by-cli" / release.name).unlink()
    with run_playwright() as playwright:
        visitor = place.stage.enter(run_chromium(playwright, place.folder / "visitor"))
        rows.append(_get_by_page(scene, release, Visitor(visitor.new_page(), _page_of(scene, release))))
        place.stage.close()
    return rows


def _bring_folder(place: Workplace) -> list[Row]:
    """200 mixed files out of a served folder: all by CLI in one command, some of them by page."""
    folder = _made(place.folder / "served")
    paths = copy_mixed_files(folder, 200)
    coordinator = start_coordinator(place.stage, folder=folder)
    coordinator.process.wait_until(
        lambda: len(coordinator.get("/api/v1/files?limit=1000")["files"]) == len(paths), "all files", timeout_s=60
    )
    summaries = {entry["name"]: entry for entry in coordinator.get("/api/v1/files?limit=1000")["files"]}
    key = next(iter(summaries.values()))["signed_by"][0]
    target = _made(place.folder / "by-cli")
    started = time.monotonic()
    addresses = [f"{coordinator.url}/files/{quote(name)}" for name in summaries]
    run_dio_well("get", *addresses, "-o", target, "--pin", key, timeout_s=300)
    seconds = time.monotonic() - started
    right = all((target / path.name).read_bytes() == path.read_bytes() for path in paths)
    size_bytes = sum(path.stat().st_size for path in paths)
    rows: list[Row] = [
        {"what": f"{len(paths)} mixed files", "by": "dio get", "size_bytes": size_bytes}
        | {"seconds": round(seconds, 2), "right": right}
    ]
    site = start_site(place.stage, place.folder / "site")
    some = sorted(paths, key=lambda path: path.stat().st_size)[:: len(paths) // _FILES_THROUGH_PAGE]
    with run_playwright() as playwright:
        browser = place.stage.enter(run_chromium(playwright, place.folder / "visitor"))
        for path in some:
            name = path.relative_to(folder).as_posix()
            link = f"{coordinator.url}/files/{quote(name)}"
            tag = coordinator.script_tag({"data-select": "a.download", "data-key": key})
            visitor = Visitor(browser.new_page(), site.write_page("files.html", links={"one": link}, script=tag))
            started = time.monotonic()
            visitor.click("one")
            visitor.expect_verified()
            saved = wait_for_download(visitor.page)
            seconds = time.monotonic() - started
            right = saved.path.read_bytes() == path.read_bytes()
            rows.append(
                {"what": name, "by": "page", "size_bytes": path.stat().st_size, "seconds": round(seconds, 2)}
                | {"right": right}
            )
        place.stage.close()
    return rows


def _publish(place: Workplace, path: Path, sha256: str, *, rate: str | None) -> tuple[Scene, Release]:
    scene = make_scene(place.stage, [MirrorPlan(rate=rate), MirrorPlan(rate=rate)])
    served = scene.served / path.name
    path.rename(served)
    release = Release(served, b"", sha256)
    scene.publisher.publish([release], scene.mirrors)
    return scene, release


def _get_by_cli(scene: Scene, release: Release, target: Path) -> Row:
    words: list[str | Path] = [scene.publisher.manifest_path(release), "--coordinator", scene.coordinator.url]
    words += ["-o", _made(target) / release.name, "--pin", scene.publisher.public_key, "--json"]
    started = time.monotonic()
    report = json.loads(run_dio_well("get", *words, timeout_s=_PAGE_S))
    seconds = time.monotonic() - started
    with (target / release.name).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    shares = {"mirror": 0, "peer": 0}
    for source in report["bytes_by_source"]:
        shares[source["kind"]] += source["bytes"]
    return _row(release, "dio get", seconds, shares, right=sha256 == release.sha256 == report["sha256"])


def _get_by_page(scene: Scene, release: Release, visitor: Visitor) -> Row:
    started = time.monotonic()
    visitor.click("file")
    verified = visitor.expect_verified(timeout_s=_PAGE_S)
    saved = wait_for_download(visitor.page, timeout_s=_PAGE_S)
    seconds = time.monotonic() - started
    with saved.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    shares = {kind: sum(sources.values()) for kind, sources in bytes_by_kind(verified).items()}
    return _row(release, "page", seconds, shares, right=sha256 == release.sha256 == verified["detail"]["sha256"])


def _page_of(scene: Scene, release: Release) -> str:
    tag = scene.coordinator.script_tag({"data-select": "a.download", "data-key": scene.publisher.public_key})
    return scene.site.write_page("release.html", links={"file": scene.mirrors[0].link(release.name)}, script=tag)


def _row(release: Release, by: str, seconds: float, shares: Mapping[str, int], *, right: bool) -> Row:
    return {
        "what": release.name,
        "by": by,
        "size_bytes": release.path.stat().st_size,
        "sha256": release.sha256,
        "seconds": round(seconds, 2),
        "bytes_from_mirrors": shares["mirror"],
        "bytes_from_donors": shares["peer"],
        "right": right,
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_PARTS: Mapping[str, Callable[[Workplace], list[Row]]] = {
    "wheel": _bring_wheel,
    "debian": _bring_debian_package,
    "folder": _bring_folder,
    "big": _bring_big_file,
}
