"""The harness itself: both browsers download into a folder, and reach each other by WebRTC on this machine.

When these fail, nothing that the other tests of this folder say is worth reading.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.browser import Browser, Page, wait_for_download, wait_for_value
from tests.harness.mirrors import start_mirror
from tests.harness.processes import Stage, wait_for
from tests.harness.site import start_site

_OPEN = """
window.connection = new RTCPeerConnection();
window.channel = connection.createDataChannel("dio", { negotiated: true, id: 100 });
window.received = "";
channel.onmessage = (event) => { window.received = event.data; };
window.gathered = async () => {
  while (connection.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 20));
  return connection.localDescription.toJSON();
};
"""


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_plain_link_is_saved(
    stage: Stage, any_browser: Callable[[str, str], Browser], tmp_path: Path, kind: str
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    content = random.Random(1).randbytes(300_000)
    (served / "release.bin").write_bytes(content)
    mirror = start_mirror(stage, served)
    site = start_site(stage, tmp_path / "site")
    page = any_browser(kind, "reader").new_page()
    page.goto(site.write_page("index.html", links={"one": mirror.link("release.bin")}))
    page.click("#one")
    saved = wait_for_download(page)
    assert saved.name == "release.bin"
    assert saved.path.read_bytes() == content


@pytest.mark.parametrize(("offering", "answering"), [("chromium", "chromium"), ("chromium", "firefox")])
def test_two_browsers_meet(
    stage: Stage, any_browser: Callable[[str, str], Browser], tmp_path: Path, offering: str, answering: str
) -> None:
    site = start_site(stage, tmp_path / "site")
    (site.folder / "index.html").write_text(f"<!doctype html><title>peer</title><script>{_OPEN}</script>")
    offerer = any_browser(offering, "offerer").new_page()
    answerer = any_browser(answering, "answerer").new_page()
    for page in (offerer, answerer):
        page.goto(f"{site.url}/index.html")
    offer = offerer.evaluate("connection.createOffer().then((o) => connection.setLocalDescription(o)).then(gathered)")
    answer = answerer.evaluate(
        f"connection.setRemoteDescription({_js(offer)}).then(() => connection.createAnswer())"
        ".then((a) => connection.setLocalDescription(a)).then(gathered)"
    )
    offerer.evaluate(f"connection.setRemoteDescription({_js(answer)}).then(() => true)")
    for page in (offerer, answerer):
        wait_for_value(page, "channel.readyState === 'open'", "an open channel")
        page.evaluate("channel.send('hello')")
    for page in (offerer, answerer):
        wait_for_value(page, "received === 'hello'", "a message from the other browser")


def test_a_button_in_a_shadow_root_is_found_by_its_beginning(
    stage: Stage, any_browser: Callable[[str, str], Browser], tmp_path: Path
) -> None:
    site = start_site(stage, tmp_path / "site")
    (site.folder / "index.html").write_text(
        "<!doctype html><title>buttons</title><div id=host></div><script>"
        "const root = host.attachShadow({ mode: 'open' });"
        "root.innerHTML = '<button>Stop</button> <button>Stop and erase</button>';"
        "root.addEventListener('click', (event) => { window.pressed = event.target.textContent; });"
        "</script>"
    )
    pages: list[Page] = [any_browser(kind, kind).new_page() for kind in ("chromium", "firefox")]
    for page in pages:
        page.goto(f"{site.url}/index.html")
        for name, pressed in [("Stop", "Stop"), ("Stop and…", "Stop and erase")]:
            page.press_button(name)
            assert page.evaluate("pressed") == pressed


def test_a_killed_browser_is_gone(stage: Stage, any_browser: Callable[[str, str], Browser]) -> None:
    for kind in ("chromium", "firefox"):
        browser = any_browser(kind, kind)
        page = browser.new_page()
        browser.kill()
        wait_for(functools.partial(_is_gone, page), f"the end of {kind}")


def _is_gone(page: Page) -> bool:
    try:
        page.evaluate("1")
    except Exception:  # noqa: BLE001 - each driver has its own error for a browser that is gone
        return True
    return False


def _js(value: dict[str, str]) -> str:
    return json.dumps(value)
