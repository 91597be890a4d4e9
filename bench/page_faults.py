"""Beside something that fails, does one good mirror deliver to a page as fast as its plain link would?

A file for each fault, with one good mirror that is limited by a token bucket, and beside it: a mirror that fails
(`tests/harness/mirror_faults.py`), a donor that fails at its first byte and holds the whole file
(`tests/harness/bad_donor.py`), or a coordinator that is gone before the click or from the first byte on. Two moments
are compared, both from the click on: everything verified and stored, and the complete file in the download folder with
its digest. A page cannot be in the folder before the browser has copied what is stored (bench/page_throttled.py): at 50
MiB/s that alone takes more than the 5 % which issue 3 allows over the plain link. So the second moment stands against
three: the plain link, the plain link and such a copy, and the same page with no fault at all.
With `--data-sw` the site has installed our service worker, and there is no such copy (ADR 0047).
Options: `--mib N` (default 160), `--mib-per-s N` (of the good mirror, default 50), `--rounds N` (default 3), `--part
mirrors|donors` (the coordinator is with the donors; default both, a result each), `--only FAULT` (repeatable). Each
round has a browser of its own. Three rounds of a part take about five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.page_runs import CLICK_TIME, ENDED, MIB, Pages, bench_stage, milestones
from bench.record import Bar, Comparison
from tests.harness import bad_donor, mirror_faults
from tests.harness.browser import wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage, run_chromium, run_playwright
from tests.harness.commands import run_all
from tests.harness.coordinator import (
    CAUSE,
    Coordinator,
    Publisher,
    Release,
    make_publisher,
    make_release,
    start_coordinator,
)
from tests.harness.donors import fill_store, wait_until_held
from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Stage, wait_for
from tests.harness.site import start_site
from tests.harness.site_workers import install_workers

_PLAIN: Final = "the plain link"
_COPIED: Final = "the plain link, and a copy of a stored file"
_ALONE: Final = "no fault"
_GONE: Final = "coordinator gone before the click"
_LOST: Final = "coordinator gone from the first byte on"
_MIRRORS: Final = {f"mirror {name}": name for name in mirror_faults.FAULTS}
_DONORS: Final = {
    f"donor {name}": name for name in ("leaves", "vanishes", "freezes", "floods", "oversize", "lies", "boasts")
}
_PARTS: Final = {"mirrors": (*_MIRRORS,), "donors": (*_DONORS, _GONE, _LOST)}
_PLAIN_CLICKS: Final = 3
"""In each round: all ratios have it below the line."""
_BEGUN: Final = "window.recorded.some(({ type, detail }) => type === 'progress' && detail.receivedBytes > 0)"
_TIMEOUT_MS: Final = 120_000


@dataclass(frozen=True)
class _Case:
    """One page, and what goes wrong while it downloads."""

    url: str
    has_snippet: bool = True
    armed: Callable[[], AbstractContextManager[None]] = nullcontext
    """Makes the fault ready to happen, and tidies up afterwards."""
    before_click: Callable[[], None] | None = None
    at_first_byte: Callable[[], None] | None = None


@dataclass(frozen=True)
class _Times:
    """Seconds from the click on."""

    stored_s: float
    in_folder_s: float
    problems: frozenset[str]
    """What the page has said of its sources."""


def run(options: list[str]) -> bool:
    """Run them all in turn and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="page_faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=160)
    parser.add_argument("--mib-per-s", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=[*_PARTS])
    parser.add_argument("--data-sw", action="store_true")
    parser.add_argument("--only", action="append", choices=[fault for part in _PARTS.values() for fault in part])
    chosen = parser.parse_args(options)
    outcomes = []
    for part in [chosen.part] if chosen.part else _PARTS:
        faults = [fault for fault in _PARTS[part] if chosen.only is None or fault in chosen.only]
        if faults:
            outcomes.append(_measure(part, faults, chosen))
    return all(outcomes)


def _measure(part: str, faults: list[str], chosen: argparse.Namespace) -> bool:
    name = f"page_faults_{part}{'_data_sw' if chosen.data_sw else ''}"
    comparison = Comparison(name, (__doc__ or "").splitlines()[0], unit="s")
    said: dict[str, set[str]] = {fault: set() for fault in faults}
    with bench_stage() as stage:
        stand = _Stand(stage, size_bytes=chosen.mib * MIB, rate=f"{chosen.mib_per_s}MiB/s", has_saver=chosen.data_sw)
        cases = stand.cases([_ALONE, *faults])
        for number in range(chosen.rounds):
            figures = {}
            figures[_COPIED] = stand.pages.copy()
            with _browser(stage) as browser:
                figures[_PLAIN] = statistics.median(_click(browser, plain).in_folder_s for plain in stand.plain)
                figures[_COPIED] += figures[_PLAIN]
                for fault in cases if number % 2 == 0 else reversed(cases):
                    times = _click(browser, cases[fault])
                    figures[_stored(fault)], figures[_in_folder(fault)] = times.stored_s, times.in_folder_s
                    said.setdefault(fault, set()).update(times.problems)
            for name, seconds in figures.items():
                comparison.figures.setdefault(name, []).append(seconds)
                print(f"  round {number + 1}: {name}: {seconds:.3f} s", flush=True)
    comparison.notes = {
        "mib": chosen.mib,
        "good mirror, MiB/s": chosen.mib_per_s,
        "what the page said of its sources": {fault: sorted(codes) for fault, codes in said.items()},
    }
    return comparison.finish(list(_bars(faults)))


def _bars(faults: list[str]) -> Iterator[Bar]:
    for fault in (_ALONE, *faults):
        yield Bar(_stored(fault), _PLAIN, at_most=1.05)
        yield Bar(_in_folder(fault), _COPIED, at_most=1.05)
        yield Bar(_in_folder(fault), _PLAIN, at_most=1.05)
    for fault in faults:
        yield Bar(_in_folder(fault), _in_folder(_ALONE), at_most=1.05)


def _stored(fault: str) -> str:
    return f"{fault}: verified and stored"


def _in_folder(fault: str) -> str:
    return f"{fault}: digest, and in the folder"


class _Stand:
    """Everything that the downloads need, and a case for each fault."""

    def __init__(self, stage: Stage, *, size_bytes: int, rate: str, has_saver: bool) -> None:
        self._stage = stage
        self._saver = {"data-sw": "dio-sw.js"} if has_saver else {}
        self._size_bytes = size_bytes
        self._commands: list[list[str | Path]] = []
        self._folders = {name: stage.folder / name for name in ("served", "other", "empty")}
        for folder in self._folders.values():
            folder.mkdir()
        served = self._folders["served"]
        self._spare, self._good = start_farm(stage, [MirrorKind(served, "2MB/s"), MirrorKind(served, rate)])
        self._bad = mirror_faults.faulty_mirrors(stage, self._folders, self._spare.url)
        self._coordinator: Coordinator = start_coordinator(stage)
        self._publisher: Publisher = make_publisher(self._coordinator, [self._good, *self._bad.values()], cause="*")
        self._site = start_site(stage, stage.folder / "site")
        install_workers(self._site)
        link = self._good.link(make_release(served, "plain.bin", size_bytes).name)
        # An address each, as the browser may keep what it has got from one.
        urls = [self._site.write_page(f"{n}.html", links={"file": f"{link}?{n}"}) for n in range(_PLAIN_CLICKS)]
        self.plain = [_Case(url, has_snippet=False) for url in urls]
        self.pages = Pages(
            stage=stage,
            size_bytes=size_bytes,
            with_snippet=urls[0],
            with_saver=urls[0],
            plain=urls[0],
            link=link,
            coordinator_url=self._coordinator.url,
            public_key=self._publisher.public_key,
        )

    def cases(self, faults: Sequence[str]) -> dict[str, _Case]:
        """A case for each fault, its file published."""
        cases = {fault: self._case(fault) for fault in faults}
        run_all(self._commands)
        return cases

    def _case(self, fault: str) -> _Case:
        """Publishes a file of its own for the fault: equal ones would have one entry, and one list of mirrors."""
        release = make_release(self._folders["served"], f"{fault.replace(' ', '-')}.bin", self._size_bytes)
        if fault in _MIRRORS:
            return self._mirror_case(_MIRRORS[fault], release)
        if fault in _DONORS:
            return self._donor_case(_DONORS[fault], release)
        url = self._publish(release, [self._good], peers="off" if fault == _ALONE else "on")
        if fault == _GONE:
            return _Case(url, armed=self._restarted, before_click=self._kill_coordinator)
        if fault == _LOST:
            return _Case(url, armed=self._restarted, at_first_byte=self._kill_coordinator)
        return _Case(url)

    def _mirror_case(self, name: str, release: Release) -> _Case:
        fault = mirror_faults.FAULTS[name]
        if fault.folder == "other":
            make_release(self._folders["other"], release.name, self._size_bytes // 2, seed=2)

        @contextlib.contextmanager
        def armed() -> Iterator[None]:
            mirror = self._bad[name]
            if mirror.process.exit_code is None:
                mirror.change(
                    misbehave=[word.replace("GOOD", self._spare.url) for word in fault.misbehave], rate=fault.rate
                )
            else:  # it has died in the round before
                port = int(mirror.url.rsplit(":", 1)[1])
                served = self._folders["served"]
                self._bad[name] = start_mirror(
                    self._stage, served, rate=fault.rate, misbehave=fault.misbehave, port=port
                )
            yield

        return _Case(self._publish(release, [self._good, self._bad[name]]), armed=armed)

    def _donor_case(self, name: str, release: Release) -> _Case:
        self._commands.append(["cause", "create", name, "--data-dir", self._coordinator.data_dir])
        url = self._publish(release, [self._good], cause=name, peers="on")
        data_dir = self._stage.folder / "donors" / name
        fill_store(data_dir, release)

        @contextlib.contextmanager
        def armed() -> Iterator[None]:
            donor = bad_donor.start_bad_donor(self._coordinator, name, data_dir, storage="1GB", cause=name)
            wait_until_held(self._coordinator, self._size_bytes)
            yield
            donor.kill()
            wait_for(lambda: self._coordinator.stats()["donors"] == 0, "the donor to be gone", timeout_s=60)

        return _Case(url, armed=armed)

    def _publish(self, release: Release, mirrors: list[Mirror], *, cause: str = CAUSE, peers: str = "off") -> str:
        self._commands.append(self._publisher.publishing([release], mirrors, cause=cause))
        attributes = {"data-select": "a.download", "data-key": self._publisher.public_key, "data-peers": peers}
        attributes |= self._saver
        links = {"file": self._good.link(release.name)}
        return self._site.write_page(
            f"{release.name}.html", links=links, script=self._coordinator.script_tag(attributes)
        )

    def _kill_coordinator(self) -> None:
        self._coordinator.process.kill()

    @contextlib.contextmanager
    def _restarted(self) -> Iterator[None]:
        yield
        self._coordinator.start()


@contextlib.contextmanager
def _browser(stage: Stage) -> Iterator[Chromium]:
    with (
        tempfile.TemporaryDirectory(dir=stage.folder, ignore_cleanup_errors=True) as profile,
        run_playwright() as playwright,
        run_chromium(playwright, Path(profile)) as browser,
    ):
        yield browser


def _click(browser: Chromium, case: _Case) -> _Times:
    with case.armed():
        page: ChromiumPage = browser.new_page()
        page.goto(case.url)
        page.playwright.wait_for_load_state("networkidle")
        page.evaluate(CLICK_TIME)
        if case.before_click is not None:
            case.before_click()
        with page.playwright.expect_download(timeout=_TIMEOUT_MS) as download:
            started = time.perf_counter()
            page.click("#file")
            if case.at_first_byte is not None:
                wait_for_value(page, _BEGUN, "the first bytes")
                case.at_first_byte()
        path = download.value.path()  # waits until it is complete
        in_folder_s = time.perf_counter() - started
        path.unlink()
        if not case.has_snippet:
            return _Times(in_folder_s, in_folder_s, frozenset())
        wait_for_value(page, ENDED, "the end of the download", timeout_s=_TIMEOUT_MS / 1_000)
        events = page.evaluate("window.recorded")
        fell_back = any(event["type"] == "fallback" for event in events)
        stored_s, digest_s = (in_folder_s, in_folder_s) if fell_back else milestones(page)
        page.playwright.close()
    codes = frozenset(row["problem"] for event in events for row in event["detail"].get("sources", [])) - {None}
    assert stored_s is not None
    assert digest_s is not None
    return _Times(stored_s, max(in_folder_s, digest_s), codes)
