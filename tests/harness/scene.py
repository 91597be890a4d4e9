"""The cast of most proofs: a coordinator, a publisher with mirrors, and a web site of another origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.browser import Browser
from tests.harness.coordinator import Coordinator, Publisher, Release, make_publisher, make_release, start_coordinator
from tests.harness.downloads import Visitor
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Stage
from tests.harness.site import Site, start_site

MIB = 1024 * 1024


@dataclass(frozen=True)
class MirrorPlan:
    """How one mirror is to be."""

    rate: str | None = "3MB/s"
    misbehave: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Everything but donors and visitors, which are each proof's own."""

    stage: Stage
    coordinator: Coordinator
    publisher: Publisher
    site: Site
    mirrors: tuple[Mirror, ...]
    served: Path

    def publish(self, name: str, size_bytes: int) -> Release:
        """Make a release, put it on all mirrors and publish it."""
        release = make_release(self.served, name, size_bytes)
        self.publisher.publish([release], self.mirrors)
        return release

    def slow_down(self, rate: str) -> None:
        """Limit all mirrors from now on: donors are filled while they are fast, since they spare slow ones."""
        for mirror in self.mirrors:
            mirror.change(rate=rate)

    def tag(self, attributes: Mapping[str, str] | None = None) -> str:
        """The script tag of the publisher's pages; `attributes` go over those that `visit` names."""
        wanted = {"data-select": "a.download", "data-key": self.publisher.public_key, **(attributes or {})}
        return self.coordinator.script_tag(wanted)

    def visit(
        self,
        browser: Browser,
        links: Mapping[str, str],
        *,
        attributes: Mapping[str, str] | None = None,
        script: str | None = None,
        init_script: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Visitor:
        """Open the publisher's page with these links (id to address) in a new tab.

        The script tag takes over the links of class `download` and pins the publisher's key; `attributes` go over
        that, and `script` replaces the whole tag. `headers` are sent with the page.
        """
        url = self.site.write_page(
            "releases.html", links=links, script=self.tag(attributes) if script is None else script, headers=headers
        )
        return Visitor(browser.new_page(init_script=init_script), url)


def make_scene(
    stage: Stage, mirrors: Sequence[MirrorPlan] = (MirrorPlan(), MirrorPlan()), *, folder: Path | None = None
) -> Scene:
    """Start it all. `folder` is published by the coordinator itself besides."""
    served = stage.folder / "served"
    served.mkdir(parents=True)
    running = tuple(start_mirror(stage, served, rate=plan.rate, misbehave=plan.misbehave) for plan in mirrors)
    coordinator = start_coordinator(stage, folder=folder)
    publisher = make_publisher(coordinator, running)
    site = start_site(stage, stage.folder / "site")
    return Scene(stage, coordinator, publisher, site, running, served)
