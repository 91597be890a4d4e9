"""A coordinator process, and a publisher who uses it as people do: by the command line and the front page."""

from __future__ import annotations

import hashlib
import html
import json
import random
import re
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.mirrors import Mirror
from tests.harness.processes import Process, Stage, dio, free_port, free_udp_port_pair
from tests.harness.site import is_answering

CAUSE = "proofs"
_COMMAND_S = 60
# The tag to copy has absolute addresses; the page's own tag need not.
_TAG = re.compile(r'<script\s+src="(http[^"]*/v/[0-9a-f]+/distribute\.js)"\s+integrity="(sha384-[^"]+)"')


def run_dio(*arguments: str | Path, timeout_s: float = _COMMAND_S) -> subprocess.CompletedProcess[str]:
    """Run one command of `dio` to its end; its exit code and output are the caller's to judge."""
    command = [str(word) for word in dio(*arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def run_dio_well(*arguments: str | Path, timeout_s: float = _COMMAND_S) -> str:
    """As `run_dio`, and it has to succeed; returns its standard output."""
    done = run_dio(*arguments, timeout_s=timeout_s)
    assert done.returncode == 0, f"{done.args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass
class Coordinator:
    """A running `dio serve` on a port of its own, which it keeps when it is started again."""

    stage: Stage
    data_dir: Path
    port: int
    stun_port: int
    folder: Path | None
    watch_every_s: int | None = None
    """Longest time between two checks of a mirror; None: no checks, all mirrors are listed."""
    session_url: str | None = None
    """Where it sends clients for their session; None: to itself."""
    options: Sequence[str | Path] = ()
    """Further options of `dio serve`."""
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        """The public address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, for the first time or again, and wait until it is ready."""
        command: list[str | Path] = ["serve"]
        if self.folder is not None:
            command.append(self.folder)
        command += ["--port", str(self.port), "--data-dir", self.data_dir, "--stun-port", str(self.stun_port)]
        command += ["--cause", CAUSE, *self.options]
        env = {}
        if self.watch_every_s is None:
            # What downloaders do with bad mirrors can only be seen while they are told of them.
            command.append("--no-watch-mirrors")
        else:
            env = {"DIO_SERVE_MIRROR_CHECK_S": str(self.watch_every_s), "DIO_SERVE_MIRROR_RETRY_S": "1"}
        if self.session_url is not None:
            env["DIO_SERVE_SESSION_URL"] = self.session_url
        self.process = self.stage.start("coordinator", dio(*command), env=env)
        self.process.wait_until(lambda: is_answering(f"{self.url}/readyz"), "the coordinator", timeout_s=30)

    def get(self, path: str) -> Any:  # Any: JSON of any shape
        """The JSON that a GET of this path answers."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def stats(self) -> dict[str, Any]:  # Any: JSON of any shape
        """`GET /api/v1/stats`."""
        stats: dict[str, Any] = self.get("/api/v1/stats")  # Any: as above
        return stats

    def create_token(self, *, cause: str = CAUSE, origins: Sequence[str] = ()) -> str:
        """A publisher's token, made by the operator."""
        words: list[str | Path] = ["token", "create", "--data-dir", self.data_dir, "--cause", cause]
        for origin in origins:
            words += ["--origin", origin]
        return run_dio_well(*words).split()[-1]

    def script_tag(self, attributes: Mapping[str, str] | None = None) -> str:
        """The script tag that the front page shows to copy, with these attributes in place of the ones there."""
        with urllib.request.urlopen(f"{self.url}/", timeout=10) as answer:
            page = html.unescape(answer.read().decode())
        found = _TAG.search(page)
        assert found is not None, f"the front page shows no script tag with an integrity:\n{page}"
        wanted = {"src": found[1], "integrity": found[2], "crossorigin": "anonymous", **(attributes or {})}
        words = " ".join(f'{name}="{html.escape(value)}"' for name, value in wanted.items())
        return f"<script {words} async></script>"


def start_coordinator(
    stage: Stage,
    *,
    folder: Path | None = None,
    watch_every_s: int | None = None,
    session_url: str | None = None,
    options: Sequence[str | Path] = (),
) -> Coordinator:
    """A new coordinator with an empty catalogue.

    Args:
        folder: what its embedded mirror publishes.
        watch_every_s: longest time between two checks of a mirror; without it all mirrors are listed unseen.
        session_url: what clients are told, for a relay in front of the session.
        options: further options of `dio serve`.
    """
    data_dir = stage.folder / "coordinator"
    return Coordinator(stage, data_dir, free_port(), free_udp_port_pair(), folder, watch_every_s, session_url, options)


@dataclass(frozen=True)
class Release:
    """A file as its publisher knows it."""

    path: Path
    content: bytes
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


_CHUNK_BYTES = 2**27
"""`randbytes` refuses 256 MiB and more at once."""


def make_release(folder: Path, name: str, size_bytes: int, *, seed: int = 1) -> Release:
    """A file of random bytes: what has no pattern cannot be right by accident."""
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(f"{name}/{seed}")
    content = b"".join(
        source.randbytes(min(_CHUNK_BYTES, size_bytes - at)) for at in range(0, size_bytes, _CHUNK_BYTES)
    )
    path = folder / name
    path.write_bytes(content)
    return Release(path, content, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Publisher:
    """Somebody with a key, a token and mirrors."""

    coordinator: Coordinator
    key_path: Path
    public_key: str
    token: str

    def publish(self, releases: Sequence[Release], mirrors: Sequence[Mirror], *options: str) -> None:
        """`dio publish` for these files, all of them on each of the mirrors."""
        run_dio_well(*self.publishing(releases, mirrors, *options), timeout_s=300)

    def publishing(
        self, releases: Sequence[Release], mirrors: Sequence[Mirror], *options: str, cause: str = CAUSE
    ) -> list[str | Path]:
        """The words of the command that `publish` runs."""
        words: list[str | Path] = ["publish", *(release.path for release in releases), *options]
        words += ["--key", self.key_path, "--cause", cause, "--to", self.coordinator.url, "--token", self.token]
        for mirror in mirrors:
            words += ["--mirror", f"{mirror.url}/"]
        return [*words, "-o", self.key_path.parent]

    def manifest_path(self, release: Release) -> Path:
        """The manifest document that `publish` wrote."""
        return self.key_path.parent / f"{release.name}.manifest.json"


def make_publisher(
    coordinator: Coordinator, mirrors: Sequence[Mirror], *, name: str = "publisher", cause: str = CAUSE
) -> Publisher:
    """A publisher with a new key and a token for the origins of these mirrors, in one cause or in all (`*`)."""
    folder = coordinator.stage.folder / name
    folder.mkdir(parents=True)
    key_path = folder / "publisher.pem"
    public_key = run_dio_well("keygen", key_path).strip()
    token = coordinator.create_token(cause=cause, origins=[mirror.url for mirror in mirrors])
    return Publisher(coordinator, key_path, public_key, token)
