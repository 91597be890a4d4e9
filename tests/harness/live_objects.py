"""What a page of Chromium keeps alive: its garbage collected, its objects counted (by the DevTools protocol)."""

from __future__ import annotations

from playwright.sync_api import Page


def collect_garbage(page: Page) -> None:
    """Have the page's garbage collected, now, and what is free given back to the system."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Memory.simulatePressureNotification", {"level": "critical"})
    devtools.detach()


def count_objects(page: Page, kind: str) -> int:
    """How many objects of a class the page keeps alive, after its garbage was collected."""
    devtools = page.context.new_cdp_session(page)
    try:
        prototype = devtools.send("Runtime.evaluate", {"expression": f"{kind}.prototype"})["result"]["objectId"]
        objects = devtools.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
        length = devtools.send(
            "Runtime.callFunctionOn",
            {"objectId": objects, "functionDeclaration": "function () { return this.length; }"},
        )
        found: int = length["result"]["value"]
        return found
    finally:
        devtools.detach()
