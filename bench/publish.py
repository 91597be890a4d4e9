"""Is `dio publish` (two digests, a signature, two files written) as fast as `openssl dgst -sha256` (one digest)?

At 1 GiB and at 4 GiB: what Python takes to start and load is a twentieth of the time of the first, and nothing of
that of the second. Options: `--rounds N` (default 5). The files are random and in the page cache. Both are whole
processes, from start to end. Wants two idle processors: both digests are made at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.published_files import make_big_file
from bench.record import Bar, Comparison

_SIZES_GIB = (1, 4)


def run(options: list[str]) -> bool:
    """Run both alternately and write `results/publish.json`; True when ours is as fast or faster."""
    parser = argparse.ArgumentParser(prog="publish", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-publish-") as name:
        folder = Path(name)
        # A folder of its own for the key, which is made here and not in the measured runs.
        environment = os.environ | {"XDG_CONFIG_HOME": str(folder / "config")}
        dio = Path(sysconfig.get_path("scripts")) / "dio"
        subprocess.run([dio, "keygen"], env=environment, check=True, capture_output=True)

        def rate_of(file: Path, *command: str | Path) -> float:
            started = time.perf_counter()
            subprocess.run([*command, file], env=environment, check=True, capture_output=True)
            return file.stat().st_size / 1e6 / (time.perf_counter() - started)

        contenders: dict[str, Callable[[], float]] = {}
        for gib in _SIZES_GIB:
            file = folder / f"{gib}.bin"
            make_big_file(file, gib * 2**30)
            publish = partial(rate_of, file, dio, "publish", "--mirror", "https://m.example/", "-o", folder / "out")
            digest = partial(rate_of, file, "openssl", "dgst", "-sha256")
            contenders |= {_ours(gib): publish, _peer(gib): digest}
        comparison = Comparison("publish", (__doc__ or "").splitlines()[0], unit="MB/s")
        os.sync()  # or the files are still being written to the disk while it is measured
        for contender in contenders.values():  # warms up: the page cache, the compiled modules
            contender()
        comparison.run(contenders, rounds=chosen.rounds)
        return comparison.finish([Bar(_ours(gib), _peer(gib), at_least=1.0) for gib in _SIZES_GIB])


def _ours(gib: int) -> str:
    return f"dio publish, {gib} GiB"


def _peer(gib: int) -> str:
    return f"openssl dgst -sha256, {gib} GiB"
