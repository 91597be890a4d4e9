"""What a running Chromium costs: CPU seconds and peak memory of its processes, and CPU seconds of single threads.

All from `/proc`. CPU seconds bear a busy machine far better than wall time does. A browser is found by its profile
folder, and its processes are that one and all below it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What the browser has used since it started; a process that has ended counts where its parent waited for it."""

    cpu_s: float
    # By `--type=` of the process ("browser" is the first one); several of one type are added.
    cpu_s_by_type: dict[str, float]
    # Name and CPU seconds of each thread of the busiest renderer, by thread id: in order of their start.
    renderer_threads: dict[int, tuple[str, float]]
    # VmHWM, the most that was ever resident, of that renderer.
    renderer_peak_bytes: int


def measure_browser(profile: Path) -> Usage:
    """Look at the browser with this profile folder now.

    Raises:
        LookupError: when there is none.
    """
    processes = _processes(profile)
    by_type: dict[str, float] = {}
    renderers: list[tuple[float, int]] = []  # a spare one, without a page, can have the larger memory
    for pid, kind in processes.items():
        with contextlib.suppress(OSError):  # ended meanwhile
            cpu_s = _cpu_s(_PROC / str(pid) / "stat", children=True)
            by_type[kind] = by_type.get(kind, 0.0) + cpu_s
            if kind == "renderer":
                renderers.append((cpu_s, pid))
    if not renderers:
        return Usage(sum(by_type.values()), by_type, {}, 0)
    _, renderer = max(renderers)
    return Usage(sum(by_type.values()), by_type, _threads(renderer), _peak_bytes(renderer))


def _processes(profile: Path) -> dict[int, str]:
    """Process ids and types of one browser."""
    words: dict[int, list[str]] = {}
    parents: dict[int, int] = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # Chromium rewrites its command line, and separates the words by spaces then.
            words[int(folder.name)] = (folder / "cmdline").read_text(errors="replace").replace("\0", " ").split(" ")
            parents[int(folder.name)] = int(_stat_fields(folder / "stat")[1])
    own = f"--user-data-dir={profile}"
    found = {
        pid: "browser"
        for pid in words
        if own in words[pid] and not any(word.startswith("--type=") for word in words[pid])
    }
    if not found:
        raise LookupError(f"no browser runs with the profile {profile.name}")
    grown = True
    while grown:
        grown = False
        for pid, parent in parents.items():
            if parent in found and pid not in found:
                kinds = [word.partition("=")[2] for word in words[pid] if word.startswith("--type=")]
                sub = [word.partition("=")[2] for word in words[pid] if word.startswith("--utility-sub-type=")]
                found[pid] = (sub or kinds or ["other"])[0]
                grown = True
    return found


def _stat_fields(path: Path) -> list[str]:
    """The fields of a `stat` file after the name, which may have spaces; the first is the state (proc(5))."""
    return path.read_text().rpartition(")")[2].split()


def _cpu_s(path: Path, *, children: bool = False) -> float:
    fields = _stat_fields(path)
    ticks = int(fields[11]) + int(fields[12])
    if children:
        ticks += int(fields[13]) + int(fields[14])
    return ticks / _TICKS_PER_S


def _peak_bytes(pid: int) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _threads(pid: int) -> dict[int, tuple[str, float]]:
    threads = {}
    for folder in (_PROC / str(pid) / "task").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            threads[int(folder.name)] = ((folder / "comm").read_text().strip(), _cpu_s(folder / "stat"))
    return dict(sorted(threads.items()))


def renderer_resident_bytes(profile: Path) -> int:
    """What all renderers of the browser with this profile folder have resident now, without what they share with files.

    Raises:
        LookupError: when there is none.
    """
    total = 0
    for pid, kind in _processes(profile).items():
        if kind != "renderer":
            continue
        with contextlib.suppress(OSError):  # ended meanwhile
            for line in (_PROC / str(pid) / "status").read_text().splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
    return total


def open_handles(profile: Path) -> dict[str, tuple[int, int]]:
    """Threads and descriptors of the browser with this profile folder, by `--type=` of its processes.

    Raises:
        LookupError: when there is none.
    """
    found: dict[str, tuple[int, int]] = {}
    for pid, kind in _processes(profile).items():
        with contextlib.suppress(OSError):  # ended meanwhile
            threads = len(os.listdir(_PROC / str(pid) / "task"))
            descriptors = len(os.listdir(_PROC / str(pid) / "fd"))
            before = found.get(kind, (0, 0))
            found[kind] = (before[0] + threads, before[1] + descriptors)
    return found
