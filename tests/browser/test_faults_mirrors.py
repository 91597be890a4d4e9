"""Mirrors that fail in every known way, beside one that is well: the file is right, and each fault has its name.

All of them at once, a tab each, in one browser: a download that is left in a hidden tab must get through as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import saved_file
from tests.harness.coordinator import Release, make_publisher, make_release, start_coordinator
from tests.harness.downloads import Event, Visitor
from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.mirror_faults import FAULTS, Fault, faulty_mirrors
from tests.harness.mirrors import Mirror
from tests.harness.processes import Stage
from tests.harness.scene import MIB, Scene
from tests.harness.site import start_site

_GOOD_RATE = "2MB/s"
_SIZE_BYTES = 12 * MIB
_GOOD_ALONE_S = _SIZE_BYTES / 2e6


@dataclass(frozen=True)
class Case:
    """One release on a good mirror and a faulty one."""

    fault: Fault
    release: Release
    good: Mirror
    bad: Mirror


@dataclass(frozen=True)
class Stand:
    """What all downloads of one browser share."""

    scene: Scene
    cases: dict[str, Case]


def make_stand(stage: Stage, browser_name: str) -> Stand:
    """A farm per browser: its mirrors remember what they have sent, and one of them dies."""
    folders = {name: stage.folder / browser_name / name for name in ("served", "other", "empty")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    releases = {name: make_release(folders["served"], f"{name}-{browser_name}.iso", _SIZE_BYTES) for name in FAULTS}
    make_release(folders["other"], releases["changed"].name, _SIZE_BYTES - MIB, seed=2)
    spare, *good = start_farm(stage, [MirrorKind(folders["served"], _GOOD_RATE) for _ in range(len(FAULTS) + 1)])
    bad = faulty_mirrors(stage, folders, spare.url)
    coordinator = start_coordinator(stage)
    publisher = make_publisher(coordinator, [*good, *bad.values()])
    cases = {
        name: Case(fault, releases[name], good[place], bad[name]) for place, (name, fault) in enumerate(FAULTS.items())
    }
    for case in cases.values():
        publisher.publish([case.release], [case.bad, case.good])
    site = start_site(stage, stage.folder / "site")
    return Stand(Scene(stage, coordinator, publisher, site, tuple(good), folders["served"]), cases)


@BOTH
def test_one_good_mirror_is_enough_whatever_the_other_does(
    stage: Stage, any_browser: StartBrowser, browser_name: str
) -> None:
    stand = make_stand(stage, browser_name)
    browser = any_browser(browser_name, "visitor")
    visitors: dict[str, Visitor] = {}
    for name, case in stand.cases.items():
        links = {"iso": case.good.link(case.release.name)}
        visitors[name] = stand.scene.visit(browser, links, attributes={"data-peers": "off"})
        visitors[name].click("iso")
    wrong = [line for name, case in stand.cases.items() for line in judge(name, case, visitors[name])]
    assert not wrong, "\n".join(wrong)


def judge(name: str, case: Case, visitor: Visitor) -> Iterator[str]:
    """What is not as it has to be."""
    verified = visitor.wait_for_event("verified", "error", "fallback", timeout_s=90)
    if verified["type"] != "verified":
        yield f"{name}: {verified}"
        return
    saved = saved_file(visitor.page, case.release.name)
    if hashlib.sha256(saved.read_bytes()).hexdigest() != case.release.sha256:
        yield f"{name}: the saved file is wrong"
    events = visitor.events()
    rows = [row for event in events for row in event["detail"]["sources"] if row["id"].startswith(case.bad.url)]
    last = rows[-1]
    problems = {row["problem"] for row in rows} - {None}
    if case.fault.problem is not None and case.fault.problem not in problems:
        yield f"{name}: the page showed {problems or 'nothing'} and not {case.fault.problem}"
    if case.fault.problem is None and problems:
        yield f"{name}: the page showed {problems}"
    if last["state"] not in case.fault.ends:
        yield f"{name}: it ended {last['state']}"
    if case.fault.gives and not last["bytes"]:
        yield f"{name}: nothing came from it"
    if case.fault.asked_max is not None and case.bad.requests() > case.fault.asked_max:
        yield f"{name}: it was asked {case.bad.requests()} times"
    # Roughly here, as all of them share this machine; bench/page_faults.py measures.
    took_s = seconds_of(events)
    if took_s > 2 * _GOOD_ALONE_S + 5:
        yield f"{name}: {took_s:.1f} s, where the good mirror alone needs {_GOOD_ALONE_S:.1f}"


def seconds_of(events: list[Event]) -> float:
    """From the start to the verdict."""
    at = {event["type"]: event["at"] for event in events}
    seconds: float = (at["verified"] - at["start"]) / 1000
    return seconds
