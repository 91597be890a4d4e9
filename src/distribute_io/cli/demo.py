"""`dio demo`: the options, and who shows what where. The world is `demo.swarm`, the pictures are `demo.view`.

Pictures go to stderr; stdout gets the addresses of what is left running or, with `--json`, one object.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from distribute_io.cli.get import fetch_from_all
from distribute_io.cli.get_report import report
from distribute_io.demo.children import Children
from distribute_io.demo.download import Sketcher
from distribute_io.demo.swarm import Swarm, SwarmPlan, start_swarm
from distribute_io.demo.view import Moment, Outcome, render_download, render_outcome, render_steps
from distribute_io.download.fetch import FetchOptions, FetchResult
from distribute_io.download.plan import DownloadPlan, PlanOptions, make_plan
from distribute_io.ids import PublicKeyText
from distribute_io.transport.dial import HttpPolicy

app = typer.Typer()

_TITLE = "Distribute.io: everything on this machine"


@app.command()
def demo(
    path: Annotated[
        Path | None, typer.Argument(help="File to download; without it Python's own sources as one tar.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the download.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the download.")] = False,
) -> None:
    """Show all of it on this machine: a coordinator, mirrors, donors, and a download from all of them.

    Three mirrors of 8, 4 and 2 MB/s and four donors who each lend 16 MB share a catalogue that is far larger than what
    the donors may hold. Everything goes on running until Ctrl-C, so that you can open the pages.
    """
    console = Console(stderr=True)
    with _ending_by_signal(), tempfile.TemporaryDirectory(prefix="dio-demo-") as name:
        folder = Path(name)
        logs = folder / "logs"
        logs.mkdir()
        with Children(logs) as children:
            stage = _Stage(console)
            with stage:
                swarm = start_swarm(SwarmPlan(), children, folder, path, stage.step)
                plan, result = _download(swarm, folder, stage)
            if as_json:
                typer.echo(msgspec.json.encode(report(plan, result)).decode())
            if not once:
                console.print(_invitation(swarm, result.path))
                threading.Event().wait()


class _Stage:
    """What is on the screen: the steps, and below them the download. Off a terminal each step is one line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, tuple[str, str, bool]] = {}
        self._picture: RenderableType = Text()
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, name: str, words: str, is_done: bool) -> None:
        """Say how far one step of the set-up is."""
        self._steps[name] = (name, words, is_done)
        if self._live is None and is_done:
            self._console.print(f"{name}: {words}", highlight=False, markup=False, soft_wrap=True)
        self._draw()

    def show(self, moment: Moment) -> None:
        """Draw a moment of the download."""
        self._picture = render_download(moment)
        self._draw()

    def finish(self, moment: Moment, outcome: Outcome) -> None:
        """Draw the end, which stays."""
        self._picture = render_outcome(moment, outcome)
        if self._live is None:
            self._console.print(self._picture)
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            heading = Text(_TITLE, "bold underline")
            steps = render_steps(list(self._steps.values()))
            self._live.update(Group(heading, Text(), steps, Text(), self._picture))


def _download(swarm: Swarm, folder: Path, stage: _Stage) -> tuple[DownloadPlan, FetchResult]:
    policy = HttpPolicy(allow_private=True)
    pins = (PublicKeyText(swarm.public_key),)
    options = PlanOptions(coordinator=swarm.coordinator_url, pins=pins)
    plan = make_plan(str(swarm.manifest_path), options, policy=policy, warn=lambda _text: None)
    sketcher = Sketcher(swarm, stage.show, now_s=time.monotonic())
    target = folder / "downloaded" / swarm.file_name
    target.parent.mkdir()
    fetch_options = FetchOptions(target=target, policy=policy, on_snapshot=sketcher.take)
    result = asyncio.run(fetch_from_all(plan, fetch_options))
    size_bytes = plan.manifest.size_bytes
    outcome = Outcome(
        sha256=result.sha256,
        signed_by=swarm.public_key,
        seconds=result.seconds,
        best_mirror_s=size_bytes / swarm.best_mirror_bytes_per_s,
    )
    stage.finish(sketcher.last(result, size_bytes), outcome)
    return plan, result


def _invitation(swarm: Swarm, path: Path) -> RenderableType:
    steps = [
        ("download", f"{swarm.coordinator_url}/  click a file, watch the panel", True),
        ("donate", f"{swarm.coordinator_url}/donate  press Start donating", True),
        ("figures", f"{swarm.coordinator_url}/api/v1/stats", True),
        ("the file", str(path), True),
    ]
    return Group(
        Text(), Text("Everything goes on running. Open:", "bold"), render_steps(steps), Text("Ctrl-C ends it.")
    )


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: through all its clean-up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
