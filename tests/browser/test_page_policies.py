"""Pages with a strict policy: what it allows works; for the rest the link is followed, and the console says why."""

from __future__ import annotations

import html
import re
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import Browser, wait_for_value
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_DOCUMENT = Path(__file__).parents[2] / "docs" / "publishing.md"
_CLIENT = Path(__file__).parents[2] / "src" / "distribute_io" / "client_dist"
_ADVICE = "distribute-io: add to this page's Content-Security-Policy: "
# A machine with little memory, whose disk is full: a file of more than 32 MiB goes by the service worker.
_SMALL_MACHINE = """
Object.defineProperty(Navigator.prototype, "deviceMemory", { get: () => 2 });
"""
_FULL_DISK = """
FileSystemSyncAccessHandle.prototype.write = () => 0;
importScripts("download-worker.js");
"""
_RECORD_WARNINGS = """
window.warned = [];
const warn = console.warn;
console.warn = (...words) => { window.warned.push(words.join(" ")); warn(...words); };
"""


class Strict:
    """A publisher with two mirrors, and the origins that a policy has to name."""

    def __init__(self, stage: Stage) -> None:
        self.scene: Scene = make_scene(stage, [MirrorPlan(rate=None), MirrorPlan(rate=None)])
        self.release: Release = self.scene.publish("release-1.0.iso", 2 * MIB)
        self.large: Release = self.scene.publish("large-1.0.iso", 34 * MIB)
        self.ours = self.scene.coordinator.url
        self.session = self.ours.replace("http:", "ws:")
        self.mirrors = [mirror.url for mirror in self.scene.mirrors]

    def policy(self, **changes: str) -> str:
        """A policy that allows all that we need and nothing else, with these directives in place of its own."""
        directives = {
            "default-src": "'none'",
            "script-src": f"'self' {self.ours} 'wasm-unsafe-eval'",
            "worker-src": "blob:",
            "connect-src": f"{self.ours} {self.session} {' '.join(self.mirrors)}",
        }
        directives |= {name.replace("_", "-"): value for name, value in changes.items()}
        return "; ".join(f"{name} {value}" for name, value in directives.items())

    def visit(
        self,
        browser: Browser,
        policy: str,
        *,
        tag: str | None = None,
        headers: dict[str, str] | None = None,
        clicked: str = "iso",
    ) -> Visitor:
        """Open a page with this policy and click one of its links."""
        first = self.scene.mirrors[0]
        links = {"iso": first.link(self.release.name), "large": first.link(self.large.name)}
        sent = {"Content-Security-Policy": policy, **(headers or {})}
        script = _RECORD_WARNINGS + _SMALL_MACHINE
        visitor = self.scene.visit(browser, links, script=tag, headers=sent, init_script=script)
        visitor.click(clicked)
        return visitor

    def installed(self, names: list[str], headers: str = "") -> None:
        """Put parts of the client onto the site's own origin, as a page's owner does."""
        for name in names:
            (self.scene.site.folder / name).write_bytes((_CLIENT / name).read_bytes())
            (self.scene.site.folder / f"{name}.headers").write_text(headers)


@pytest.fixture(scope="module")
def strict(module_stage: Stage) -> Strict:
    return Strict(module_stage)


def advice(visitor: Visitor) -> list[str]:
    """What our lines on the console say is to be added."""
    warned: list[str] = visitor.page.evaluate("window.warned")
    return [line.removeprefix(_ADVICE) for line in warned if line.startswith(_ADVICE)]


def documented_policy(strict: Strict) -> str:
    """The policy of docs/publishing.md, with the hosts of this test in place of its own."""
    section = _DOCUMENT.read_text().partition("## 5. Content security policy")[2]
    policy = re.sub(r"\s+", " ", section.split("```")[1].removeprefix("text")).strip()
    for host, ours in {
        "https://dl.example.org": strict.ours,
        "wss://dl.example.org": strict.session,
        "https://mirror.example.net": strict.mirrors[0],
        "https://mirror.example.org": strict.mirrors[1],
    }.items():
        assert host in policy
        policy = policy.replace(host, ours)
    return policy


def shown_policy(strict: Strict) -> str:
    """The policy that the coordinator's front page shows to copy."""
    with urllib.request.urlopen(f"{strict.ours}/", timeout=10) as answer:
        page = answer.read().decode()
    shown = page.partition('<code id="policy">')[2].partition("</code>")[0]
    return re.sub(r"\s+", " ", html.unescape(shown))


def test_the_front_page_shows_the_policy_of_the_document_for_its_own_hosts(strict: Strict) -> None:
    def words(policy: str) -> list[list[str]]:
        return [sorted(directive.split()) for directive in policy.split(";")]

    assert words(shown_policy(strict)) == words(documented_policy(strict))


@BOTH
def test_what_the_policy_allows_is_used_and_nothing_is_asked_for(
    strict: Strict, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    strict.installed(["download-worker.js"], "Cross-Origin-Embedder-Policy: require-corp\n")
    installed = strict.scene.tag({"data-worker": "/download-worker.js"})
    nonce = strict.scene.tag({"nonce": "c29tZQ"})
    own = shown_policy(strict).replace("script-src ", "default-src 'none'; script-src 'self' ")
    enforced = "'script'; trusted-types distribute-io"
    shielded = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
    lighter = {**shielded, "Cross-Origin-Embedder-Policy": "credentialless"}
    plans: dict[str, tuple[str, str | None, dict[str, str] | None]] = {
        "the policy of the front page": (own, None, None),
        "an installed worker": (strict.policy(worker_src="'self'"), installed, None),
        "a nonce": (strict.policy(script_src="'self' 'nonce-c29tZQ' 'wasm-unsafe-eval'"), nonce, None),
        "trusted types": (strict.policy(require_trusted_types_for=enforced), None, None),
        "isolated": (strict.policy(), None, shielded),
        "isolated, with an installed worker": (strict.policy(worker_src="'self'"), installed, shielded),
        "isolated without credentials": (strict.policy(), None, lighter),
    }
    cases: dict[str, Visitor] = {}
    for name, (policy, tag, headers) in plans.items():
        cases[name] = strict.visit(browser, policy, tag=tag, headers=headers)
        event = cases[name].wait_for_event("saved", "error", "fallback")
        assert event["type"] == "saved", (name, event, cases[name].page.console())
    for name in cases:
        if name.startswith("isolated"):
            assert cases[name].page.evaluate("crossOriginIsolated") is True, name
    panel = "document.querySelector('distribute-panel')"
    page = cases["the policy of the front page"].page
    wait_for_value(page, f"{panel} !== null", "the panel")
    assert page.evaluate(f"getComputedStyle({panel}).position") == "fixed"
    assert {name: advice(visitor) for name, visitor in cases.items() if advice(visitor)} == {}


@BOTH
def test_what_the_policy_forbids_is_named_once_and_the_link_is_followed(
    strict: Strict, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    loader_only = strict.scene.tag().split('src="')[1].split('"')[0]
    first, second = strict.mirrors
    cases = {
        "worker-src blob:": ("fallback", {"worker_src": "'self'"}),
        "script-src 'wasm-unsafe-eval'": ("saved", {"script_src": f"'self' {strict.ours}"}),
        f"connect-src {second}": ("saved", {"connect_src": f"{strict.ours} {strict.session} {first}"}),
        f"connect-src {first} {second}": ("fallback", {"connect_src": f"{strict.ours} {strict.session}"}),
        f"connect-src {strict.ours}": ("fallback", {"connect_src": " ".join(strict.mirrors)}),
        f"script-src {strict.ours}": ("fallback", {"script_src": f"'self' {loader_only}"}),
        "trusted-types distribute-io": ("fallback", {"require_trusted_types_for": "'script'; trusted-types 'none'"}),
    }
    for lacking, (outcome, changes) in cases.items():
        visitor = strict.visit(browser, strict.policy(**changes))
        event = visitor.wait_for_event("saved", "error", "fallback")
        assert event["type"] == outcome, (lacking, event, visitor.page.console())
        wait_for(lambda seen=visitor: advice(seen), f"advice: {lacking}")  # type: ignore[misc]
        told = {frozenset(line.split()) for line in advice(visitor)}
        assert told == {frozenset(lacking.split())}, (lacking, visitor.page.console())
        wait_for(visitor.page.downloads, f"the file: {lacking}")
        visitor.page.close()

    # Browsers name what was asked for: of a mirror that redirects that is no help, and we say what is meant.
    strict.scene.mirrors[1].change(misbehave=[f"redirect={strict.scene.site.url}"])
    visitor = strict.visit(browser, strict.policy())
    visitor.wait_for_event("saved")
    wait_for(lambda: advice(visitor), "advice: the redirect")
    assert advice(visitor) == [f"connect-src (where {second} redirects to)"]
    strict.scene.mirrors[1].change()


@BOTH
def test_an_installed_service_worker_saves_under_a_policy_that_allows_its_frame(
    strict: Strict, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    isolated = "Cross-Origin-Embedder-Policy: require-corp"
    strict.installed(["download-worker.js", "dio-sw.js"], isolated + "\n")
    full = strict.scene.site.folder / "full-disk-worker.js"
    full.write_text(_FULL_DISK)
    full.with_name(f"{full.name}.headers").write_text(isolated + "\n")
    tag = strict.scene.tag({"data-worker": "/full-disk-worker.js", "data-sw": "/dio-sw.js", "data-peers": "off"})
    headers = dict([isolated.split(": ")])
    without = strict.visit(browser, strict.policy(worker_src="'self'"), tag=tag, headers=headers, clicked="large")
    framed = strict.policy(worker_src="'self'", frame_src="'self'")
    visitor = strict.visit(browser, framed, tag=tag, headers=headers, clicked="large")
    wait_for_value(visitor.page, "document.querySelector('iframe')?.src.includes('distribute-io-save')", "the frame")
    assert visitor.wait_for_event("saved", "error", "fallback")["type"] == "saved", visitor.page.console()
    wait_for(visitor.page.downloads, "the file")
    assert advice(visitor) == []
    # Where the frame is refused nobody tells: it is not waited for, and the next rung takes the file.
    assert without.wait_for_event("saved", "error", "fallback")["type"] == "saved", without.page.console()
    wait_for(lambda: advice(without), "advice: the frame")
    assert advice(without) == ["frame-src 'self'"]
