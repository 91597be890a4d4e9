"""Beside a mirror that fails, does one good mirror deliver to a page as fast as its plain link would?

For each fault of `tests/harness/mirror_faults.py` a file on two mirrors: a good one, and one that fails so. The page
takes it from both, from the click to the complete file in the download folder; the contender is the plain link to the
good one, and so that what the fault costs can be told from what the page costs, the page with the good mirror alone.
Options: `--mib N` (default 256), `--mib-per-s N` (of the good mirror, default 50), `--rounds N` (default 3),
`--only FAULT` (repeatable).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.page_runs import CLICK_TIME, ENDED, milestones
from bench.published_files import make_big_file
from bench.record import Bar, Comparison
from tests.harness.browser import wait_for_value
from tests.harness.chromium import Chromium, run_chromium, run_playwright
from tests.harness.coordinator import CAUSE, run_dio_well, start_coordinator
from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.mirror_faults import FAULTS, faulty_mirrors
from tests.harness.processes import Stage
from tests.harness.site import start_site

_PLAIN = "the plain link"
_ALONE = "no other mirror"
_TIMEOUT_MS = 120_000


def run(options: list[str]) -> bool:
    """Run them all in turn and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="page_faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--mib-per-s", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(FAULTS))
    chosen = parser.parse_args(options)
    faults: list[str] = chosen.only or list(FAULTS)
    with tempfile.TemporaryDirectory(prefix="dio-faults-") as name, Stage(Path(name)) as stage:
        pages = _publish(stage, faults, chosen.mib * 2**20, f"{chosen.mib_per_s}MiB/s")
        comparison = Comparison(
            "page_faults",
            (__doc__ or "").splitlines()[0],
            unit="s",
            notes={"mib": chosen.mib, "good mirror, MiB/s": chosen.mib_per_s},
        )
        with run_playwright() as playwright:

            def seconds(page: str) -> float:
                with (
                    tempfile.TemporaryDirectory(dir=stage.folder) as profile,
                    run_chromium(playwright, Path(profile)) as browser,
                ):
                    return _click(browser, pages[page], snippet=page != _PLAIN)

            seconds(_PLAIN)  # warms up: the page cache, the browser's files
            comparison.run({page: partial(seconds, page) for page in pages}, rounds=chosen.rounds)
        bars = [Bar(page, _PLAIN, at_most=1.05) for page in (_ALONE, *faults)]
        return comparison.finish([*bars, *(Bar(fault, _ALONE, at_most=1.05) for fault in faults)])


def _publish(stage: Stage, faults: list[str], size_bytes: int, rate: str) -> dict[str, str]:
    """Publish a file for each fault; returns the address of a page for each, and of one with the plain link."""
    folders = {name: stage.folder / name for name in ("served", "other", "empty")}
    for folder in folders.values():
        folder.mkdir()
    spare, *good = start_farm(stage, [MirrorKind(folders["served"], rate) for _ in range(len(FAULTS) + 2)])
    bad = faulty_mirrors(stage, folders, spare.url)
    coordinator = start_coordinator(stage)
    key_path = stage.folder / "publisher.pem"
    public_key = run_dio_well("keygen", key_path).strip()
    token = coordinator.create_token(origins=[mirror.url for mirror in (*good, *bad.values())])
    site = start_site(stage, stage.folder / "site")
    tag = coordinator.script_tag({"data-select": "a.download", "data-key": public_key, "data-peers": "off"})
    pages = {}
    for place, fault in enumerate([_ALONE, *faults]):
        name = f"{fault.replace(' ', '-')}.bin"
        make_big_file(folders["served"] / name, size_bytes)
        with (folders["served"] / name).open("r+b") as file:
            file.write(fault.encode())  # a file of its own: equal ones have one entry, and one list of mirrors
        make_big_file(folders["other"] / name, size_bytes // 2)
        mirrors = [good[place], *([] if fault == _ALONE else [bad[fault]])]
        run_dio_well(
            *("publish", folders["served"] / name, "--key", key_path, "--cause", CAUSE),
            *("--to", coordinator.url, "--token", token, "-o", stage.folder),
            *(word for mirror in mirrors for word in ("--mirror", f"{mirror.url}/")),
            timeout_s=300,
        )
        links = {"file": good[place].link(name)}
        pages[fault] = site.write_page(f"{place}.html", links=links, script=tag)
        pages.setdefault(_PLAIN, site.write_page("plain.html", links=links))
    return pages


def _click(browser: Chromium, url: str, *, snippet: bool) -> float:
    """Seconds from the click to the complete file and, with the snippet, to its whole digest."""
    page = browser.new_page()
    page.goto(url)
    page.playwright.wait_for_load_state("networkidle")
    page.evaluate(CLICK_TIME)
    with page.playwright.expect_download(timeout=_TIMEOUT_MS) as download:
        started = time.perf_counter()
        page.click("#file")
    path = download.value.path()  # waits until it is complete
    took_s = time.perf_counter() - started
    path.unlink()
    if not snippet:
        return took_s
    wait_for_value(page, ENDED, "the whole file's digest", timeout_s=_TIMEOUT_MS / 1_000)
    digest_s = milestones(page)[1]
    assert digest_s is not None
    return max(took_s, digest_s)
