"""Is `dio publish` (two digests, a signature, two files written) as fast as `openssl dgst -sha256` (one digest)?

Options: `--mib N` (default 1024), `--rounds N` (default 9). The file is random and in the page cache. Both are whole
processes, from their start to their end. Wants two idle processors: both digests are made at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

from bench.published_files import make_big_file
from bench.record import Bar, Comparison


def run(options: list[str]) -> bool:
    """Run both alternately and write `results/publish.json`; True when ours is as fast or faster."""
    parser = argparse.ArgumentParser(prog="publish", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-publish-") as name:
        folder = Path(name)
        file = folder / "file.bin"
        size_bytes: int = chosen.mib * 2**20
        make_big_file(file, size_bytes)
        # A folder of its own for the key, which is made here and not in the measured runs.
        environment = os.environ | {"XDG_CONFIG_HOME": str(folder / "config")}
        dio = Path(sysconfig.get_path("scripts")) / "dio"
        subprocess.run([dio, "keygen"], env=environment, check=True, capture_output=True)

        def rate_of(*command: str | Path) -> float:
            started = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            seconds = time.perf_counter() - started
            return size_bytes / 1e6 / seconds

        def publish() -> float:
            return rate_of(dio, "publish", file, "--mirror", "https://m.example/", "-o", folder / "out")

        def digest() -> float:
            return rate_of("openssl", "dgst", "-sha256", file)

        comparison = Comparison("publish", (__doc__ or "").splitlines()[0], unit="MB/s", notes={"mib": chosen.mib})
        os.sync()  # or the file is still being written to the disk while it is measured
        publish(), digest()  # warms up: the page cache, the compiled modules
        comparison.run({"dio publish": publish, "openssl dgst -sha256": digest}, rounds=chosen.rounds)
        return comparison.finish([Bar("dio publish", "openssl dgst -sha256", at_least=1.0)])
