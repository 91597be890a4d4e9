"""A visitor's tab with the snippet's events, and what has to hold for them."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.harness.browser import Page, wait_for_download
from tests.harness.coordinator import Release
from tests.harness.processes import wait_for

Event = dict[str, Any]  # Any: the detail is JSON of the page

# An init script that keeps the connections that a page makes, and how many these are.
KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) { super(...args); window.connections.push(this); }
};
"""
CONNECTIONS_MADE = "window.connections.length"


class Visitor:
    """Somebody who opens a page of `site.write_page` and clicks links."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)

    def click(self, link: str) -> None:
        """Click a link by its id."""
        self.page.click(f"#{link}")

    def events(self, *types: str) -> list[Event]:
        """The events so far, of these types or all."""
        events: list[Event] = self.page.evaluate("window.recorded")
        return [event for event in events if not types or event["type"] in types]

    def wait_for_event(self, *types: str, timeout_s: float = 60.0) -> Event:
        """The first event of one of these types."""
        found: list[Event] = wait_for(lambda: self.events(*types), f"distribute:{'/'.join(types)}", timeout_s=timeout_s)
        return found[0]

    def expect_verified(self, *, timeout_s: float = 60.0) -> Event:
        """The `verified` event; an error or a fallback instead fails at once, with its words."""
        event = self.wait_for_event("verified", "error", "fallback", timeout_s=timeout_s)
        assert event["type"] == "verified", event
        return event

    def expect_error(self, *codes: str, timeout_s: float = 60.0) -> Event:
        """The `error` event, which has to have one of these codes; `verified` or `fallback` instead fails."""
        event = self.wait_for_event("verified", "error", "fallback", timeout_s=timeout_s)
        assert event["type"] == "error", event
        assert event["detail"]["code"] in codes, event
        assert event["detail"]["message"], event
        return event


def assert_saved(visitor: Visitor, release: Release, *, timeout_s: float = 60.0) -> None:
    """The release is in the download folder, under its name, byte for byte."""
    saved = wait_for_download(visitor.page, timeout_s=timeout_s)
    assert saved.name == release.name
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == release.sha256


def bytes_by_kind(event: Event) -> dict[str, dict[str, int]]:
    """Bytes of each source of an event, by kind and id; sources that gave nothing are left out."""
    shares: dict[str, dict[str, int]] = {"mirror": {}, "peer": {}}
    for source in event["detail"]["sources"]:
        if source["bytes"]:
            shares[source["kind"]][source["id"]] = source["bytes"]
    return shares


def assert_events_are_in_order(events: list[Event], release: Release, link: str) -> None:
    """start, progress…, verified, saved; figures that only grow and add up to the size."""
    types = [event["type"] for event in events]
    assert types[0] == "start"
    assert types[-2:] == ["verified", "saved"], types
    assert set(types[1:-2]) == {"progress"}, types
    received = 0
    for event in events:
        detail = event["detail"]
        assert event["link"] == link
        assert detail["fileId"] == release.sha256
        assert detail["name"] == release.name
        assert detail["sizeBytes"] == len(release.content)
        assert received <= detail["receivedBytes"] <= len(release.content)
        received = detail["receivedBytes"]
        assert detail["rateBytesPerS"] >= 0
        assert sum(source["bytes"] for source in detail["sources"]) == received
    assert received == len(release.content)
