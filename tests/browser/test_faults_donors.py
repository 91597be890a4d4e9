"""Donors that flood, boast, lie, freeze, vanish or close their tab: each is met and named, and the file is right.

A file for each fault, held by the donor with that fault alone, as it gives to a cause of its own: so each is asked for
certain. All of them at once, a tab each, in one browser; their mirrors are slow until the page has seen the fault.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.bad_donor import FAULTS, DonorFault, start_bad_donor
from tests.harness.browser import saved_file
from tests.harness.commands import run_all
from tests.harness.coordinator import Release, make_publisher, make_release, start_coordinator
from tests.harness.donors import fill_store, open_donor_page, wait_until_held
from tests.harness.downloads import Visitor, bytes_by_kind
from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.mirrors import Mirror
from tests.harness.processes import Process, Stage, wait_for
from tests.harness.scene import MIB, Scene
from tests.harness.site import start_site

_TAB = "leaves"
"""The donor that is a tab, which is closed."""
_SIZE_BYTES = 3 * MIB
_TAB_SIZE_BYTES = 8 * MIB
"""Eight seconds of what a tab gives: time to close it."""
_SLOW = "100kB/s"
"""Half a minute and more for a file."""


@dataclass(frozen=True)
class Case:
    """One release, the mirror that has it, and how its only donor fails."""

    fault: DonorFault
    release: Release
    mirror: Mirror


@dataclass(frozen=True)
class Stand:
    """What the downloads of both browsers share."""

    scene: Scene
    cases: dict[str, Case]


@pytest.fixture(scope="module")
def stand(module_stage: Stage) -> Stand:
    served = module_stage.folder / "served"
    served.mkdir()
    mirrors = start_farm(module_stage, [MirrorKind(served, None) for _ in FAULTS])
    coordinator = start_coordinator(module_stage)
    publisher = make_publisher(coordinator, mirrors, cause="*")
    cases: dict[str, Case] = {}
    commands: list[list[str | Path]] = []
    for (name, fault), mirror in zip(FAULTS.items(), mirrors, strict=True):
        release = make_release(served, f"{name}.iso", _TAB_SIZE_BYTES if name == _TAB else _SIZE_BYTES)
        commands += [
            ["cause", "create", name, "--data-dir", coordinator.data_dir],
            publisher.publishing([release], [mirror], cause=name),
        ]
        cases[name] = Case(fault, release, mirror)
    run_all(commands)
    site = start_site(module_stage, module_stage.folder / "site")
    return Stand(Scene(module_stage, coordinator, publisher, site, tuple(mirrors), served), cases)


@pytest.fixture
def donors(stand: Stand, tmp_path: Path) -> Iterator[dict[str, Process]]:
    """One for each fault but the tab's; each holds its file and nothing else."""
    coordinator = stand.scene.coordinator
    wait_for(lambda: coordinator.stats()["donors"] == 0, "the donors of the other browser to be gone")
    started = {}
    for name in stand.cases.keys() - {_TAB}:
        fill_store(tmp_path / name, stand.cases[name].release)
        started[name] = start_bad_donor(coordinator, name, tmp_path / name, storage="32MB", cause=name)
    yield started
    for donor in started.values():
        donor.kill()  # one is stopped, and would not hear a request to end


@BOTH
def test_each_bad_donor_is_named_and_costs_nothing_but_its_own_bytes(
    stand: Stand, donors: dict[str, Process], any_browser: StartBrowser, browser_name: str
) -> None:
    scene, cases = stand.scene, stand.cases
    cases[_TAB].mirror.change(rate=None)  # the tab has to fill itself
    browser = any_browser(browser_name, "visitor")
    tab = open_donor_page(browser, scene.coordinator, _TAB)
    held_bytes = sum(len(case.release.content) for case in cases.values())
    wait_until_held(scene.coordinator, held_bytes, donors=len(cases))
    visitors: dict[str, Visitor] = {}
    for name, case in cases.items():
        case.mirror.change(rate=_SLOW)
        visitors[name] = scene.visit(browser, {"iso": case.mirror.link(case.release.name)})
        visitors[name].click("iso")
    wait_for(lambda: gives(visitors[_TAB]), "bytes from the tab", timeout_s=40)
    tab.close()
    waiting = dict(cases)
    while waiting:
        name = wait_for(partial(first_named, waiting, visitors), f"{', '.join(waiting)} to be named", timeout_s=40)
        waiting.pop(name).mirror.change(rate=None)
    assert donors["vanishes"].exit_code == -signal.SIGKILL
    wrong = [line for name, case in cases.items() for line in judge(name, case, visitors[name])]
    assert not wrong, "\n".join(wrong)


def gives(visitor: Visitor) -> bool:
    """Whether a donor has given anything."""
    return any(bytes_by_kind(event)["peer"] for event in visitor.events("progress"))


def first_named(cases: Mapping[str, Case], visitors: Mapping[str, Visitor]) -> str | None:
    """One of the cases in which the page has said what is wrong with the donor."""
    return next((name for name, case in cases.items() if case.fault.problems & problems_of(visitors[name])), None)


def problems_of(visitor: Visitor) -> set[str]:
    """What the page has said of its donor so far."""
    rows = [row for event in visitor.events() for row in event["detail"]["sources"] if row["kind"] == "peer"]
    return {row["problem"] for row in rows} - {None}


def judge(name: str, case: Case, visitor: Visitor) -> Iterator[str]:
    """What is not as it has to be."""
    verified = visitor.wait_for_event("verified", "error", "fallback", timeout_s=60)
    if verified["type"] != "verified":
        yield f"{name}: {verified}"
        return
    if hashlib.sha256(saved_file(visitor.page, case.release.name).read_bytes()).hexdigest() != case.release.sha256:
        yield f"{name}: the saved file is wrong"
    rows = [row for row in verified["detail"]["sources"] if row["kind"] == "peer"]
    if case.fault.is_banned != any(row["state"] == "banned" for row in rows):
        yield f"{name}: it ended {[row['state'] for row in rows]}"
    if bool(bytes_by_kind(verified)["peer"]) != (name == _TAB):
        yield f"{name}: it gave {bytes_by_kind(verified)['peer']}"
    if problems_of(visitor) - case.fault.problems - {"stalled", "slow"}:
        yield f"{name}: the page showed {problems_of(visitor)}"
