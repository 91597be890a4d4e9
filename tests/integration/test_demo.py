"""`dio demo` as a person runs it: one command, a verified file from mirrors and donors, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.harness.coordinator import make_release, run_dio
from tests.harness.processes import Stage, dio, wait_for

_DEMO_S = 120.0


def processes_of(folder: Path) -> list[str]:
    """Command lines of all running processes that work in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(folder) in command and path.parent.name != str(os.getpid()):
            found.append(command)
    return found


def test_one_command_brings_a_verified_file_and_leaves_nothing_behind(stage: Stage, tmp_path: Path) -> None:
    release = make_release(tmp_path, "release.bin", 24_000_000)
    work = tmp_path / "work"
    work.mkdir()
    demo = stage.start("demo", dio("demo", release.path, "--once", "--json"), env={"TMPDIR": str(work)})
    assert demo.wait(timeout_s=_DEMO_S) == 0, demo.output()

    report = json.loads(demo.stdout())
    assert report["sha256"] == release.sha256
    assert report["verified"] is True
    assert report["signed_by"]
    assert report["size_bytes"] == len(release.content)
    assert report["seconds"] > 0
    assert (report["segments"], report["segments_rejected"], report["sources_banned"]) == (23, 0, [])
    shares = report["bytes_by_source"]
    assert sum(share["bytes"] for share in shares) == len(release.content)
    assert sum(share["kind"] == "mirror" and share["bytes"] > 0 for share in shares) == 3, shares
    assert sum(share["bytes"] for share in shares if share["kind"] == "peer") > 0, shares
    for words in ("mirrors: 8.00 MB/s, 4.00 MB/s, 2.00 MB/s", "donors: 4 of 16.0 MB each", release.sha256):
        assert words in demo.stderr()
    assert processes_of(work) == []
    assert list(work.iterdir()) == []


def test_an_interrupt_ends_everything(stage: Stage, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    release = make_release(tmp_path, "release.bin", 2_000_000)
    demo = stage.start("demo", dio("demo", release.path), env={"TMPDIR": str(work)})
    demo.wait_until(lambda: "published: signed by" in demo.stderr(), "the publication", timeout_s=60)
    wait_for(lambda: len(processes_of(work)) >= 5, "mirrors, coordinator and a donor")
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait(timeout_s=60) == 130, demo.output()
    assert processes_of(work) == []
    assert list(work.iterdir()) == []


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    done = run_dio("demo", tmp_path, "--once")
    assert done.returncode == 2
    assert "is no regular file" in done.stderr
