"""Donors that flood, boast, freeze, vanish or close their tab around one download: the file is right all the same."""

from __future__ import annotations

import hashlib

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.bad_donor import FAULTS, start_bad_donor
from tests.harness.browser import wait_for_download
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.downloads import bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, make_scene

_SIZE_BYTES = 12 * MIB

# What a page may say of them. A donor that is gone is noticed by its silence, or by its connection; one that was not
# asked before the file was complete has done nothing wrong.
_NAMES = {
    "grant_exceeded",
    "frame_too_large",
    "frame_malformed",
    "unrequested_data",
    "not_held",
    "segment_mismatch",
    "stalled",
    "slow",
    "peer_closed",
    "peer_unreachable",
    "idle_timeout",
}
# Who broke the protocol, or promised what it has not.
_OFFENCES = {"grant_exceeded", "frame_too_large", "frame_malformed", "unrequested_data", "not_held"}


@BOTH
def test_bad_donors_cost_nothing_but_their_own_bytes(
    stage: Stage, any_browser: StartBrowser, browser_name: str
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    (mirror,) = scene.mirrors
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    donors = [start_bad_donor(scene.coordinator, fault, stage.folder / fault, storage="32MB") for fault in FAULTS]
    browser = any_browser(browser_name, "visitor")
    tab = open_donor_page(browser, scene.coordinator)
    wait_until_held(scene.coordinator, (len(donors) + 1) * _SIZE_BYTES * 9 // 10, donors=len(donors) + 1)
    mirror.change(rate="500kB/s")
    visitor = scene.visit(browser, {"iso": mirror.link(release.name)})
    visitor.click("iso")
    wait_for(
        lambda: any(bytes_by_kind(event)["peer"] for event in visitor.events("progress")),
        "bytes from the donor that behaves",
        timeout_s=40,
    )
    tab.close()
    mirror.change(rate="4MB/s")
    verified = visitor.expect_verified(timeout_s=60)
    for donor in donors:
        donor.kill()  # one is stopped, and would not hear a request to end
    saved = wait_for_download(visitor.page)
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == release.sha256
    rows = [row for event in visitor.events() for row in event["detail"]["sources"] if row["kind"] == "peer"]
    problems = {row["problem"] for row in rows} - {None}
    assert problems <= _NAMES, problems
    assert problems & _OFFENCES, f"no donor was caught: {problems}"
    last = [row for row in verified["detail"]["sources"] if row["kind"] == "peer"]
    givers = [row for row in last if row["bytes"]]
    assert len(givers) <= 1, "only the tab gave anything"
    assert all(row["state"] != "banned" for row in givers), "and nobody blames it for the others"
