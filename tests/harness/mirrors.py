"""Mirror processes of the demo package, started and steered by tests."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.harness.processes import Process, Stage, python_module
from tests.harness.tun_link import OpenLine


@dataclass(frozen=True)
class Mirror:
    """A running mirror; `url` has no slash at its end."""

    process: Process
    url: str

    def link(self, name: str) -> str:
        """The address of one file."""
        return f"{self.url}/{quote(name)}"

    def bytes_sent(self) -> int:
        """What it has sent, by its own count."""
        return self._stats()["bytes_sent"]

    def requests(self) -> int:
        """How often it was asked."""
        return self._stats()["requests"]

    def _stats(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/.mirror/stats", timeout=5) as answer:
            stats: dict[str, int] = json.load(answer)
            return stats

    def change(self, *, misbehave: Sequence[str] = (), rate: str | None = None) -> None:
        """Give it other faults and another rate (None: unlimited) from now on."""
        body = json.dumps({"misbehave": list(misbehave), "rate": rate}).encode()
        request = urllib.request.Request(f"{self.url}/.mirror/behaviour", data=body, method="PUT")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 204


def start_mirror(
    stage: Stage,
    folder: Path,
    *,
    rate: str | None = None,
    misbehave: Sequence[str] = (),
    name: str = "mirror",
    port: int = 0,
    line: OpenLine | None = None,
) -> Mirror:
    """Serve `folder` from a process of its own, on a free port or this one; where a line is given, at its far end."""
    options: list[str | Path] = ["--dir", folder, "--port", str(port)]
    if line is not None:
        options += ["--host", line.far_address]
    if rate is not None:
        options += ["--rate", rate]
    for fault in misbehave:
        options += ["--misbehave", fault]
    command = python_module("distribute_io.demo.throttled_mirror", *options)
    process = stage.start(name, command if line is None else line.far_command(command))
    return Mirror(process, process.wait_for_json_line()["url"])
