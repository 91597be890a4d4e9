"""Does `dio get` take what four unequal mirrors (5, 2, 1 and 0.5 MiB/s) can give together?

Options: `--mib N` (default 64), `--rounds N` (default 3). Each mirror has a true token bucket that all its requests
share. The figure is the share of the sum of the four rates, from the start of the process to its end; aria2c with
four addresses beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.published_files import make_big_file
from bench.record import Bar, Comparison

_RATES_MIB_PER_S = (5.0, 2.0, 1.0, 0.5)
_DIO = Path(sysconfig.get_path("scripts")) / "dio"


def run(options: list[str]) -> bool:
    """Run both alternately and write `results/get_unequal_mirrors.json`; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="get_unequal_mirrors", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    size_bytes: int = chosen.mib * 2**20
    with tempfile.TemporaryDirectory(prefix="dio-get-") as name, ExitStack() as exits:
        folder = Path(name)
        root = folder / "www"
        root.mkdir()
        make_big_file(root / "file.bin", size_bytes)
        urls = [_start_mirror(exits, root, rate) for rate in _RATES_MIB_PER_S]
        manifests = _publish(folder, root / "file.bin", urls)
        target = folder / "out"

        def share_of(*command: str | Path) -> float:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=target)
            seconds = time.perf_counter() - started
            if (target / "file.bin").stat().st_size != size_bytes:
                raise RuntimeError(f"{command[0]} did not deliver the file")
            return size_bytes / 2**20 / seconds / sum(_RATES_MIB_PER_S)

        def ours() -> float:
            return share_of(_DIO, "get", manifests / "file.bin.manifest.json", "--allow-private", "--json")

        def aria2c() -> float:
            # From a metalink aria2c 1.36 uses only one of these mirrors, so it gets the addresses, and checks nothing.
            return share_of(
                "aria2c", "--quiet", "--split=4", "--min-split-size=1M", *(f"{url}file.bin" for url in urls)
            )

        comparison = Comparison(
            "get_unequal_mirrors",
            (__doc__ or "").splitlines()[0],
            unit="of the sum of rates",
            notes={"mib": chosen.mib, "rates_mib_per_s": list(_RATES_MIB_PER_S)},
        )
        contenders = {"dio get": ours, "aria2c, four addresses, unchecked": aria2c, "the sum of the rates": lambda: 1.0}
        comparison.run(contenders, rounds=chosen.rounds)
        return comparison.finish(
            [
                Bar("dio get", "the sum of the rates", at_least=0.95),
                Bar("dio get", "aria2c, four addresses, unchecked", at_least=1.6),
            ]
        )


def _start_mirror(exits: ExitStack, root: Path, rate_mib_per_s: float) -> str:
    words = ["--dir", str(root), "--rate", f"{rate_mib_per_s}MiB/s"]
    mirror = subprocess.Popen(
        [sys.executable, "-m", "distribute_io.demo.throttled_mirror", *words], stdout=subprocess.PIPE
    )
    exits.callback(mirror.wait, 10)
    exits.callback(mirror.terminate)
    assert mirror.stdout is not None
    exits.callback(mirror.stdout.close)
    url: str = json.loads(mirror.stdout.readline())["url"]
    return f"{url}/"


def _publish(folder: Path, file: Path, mirrors: list[str]) -> Path:
    manifests = folder / "manifests"
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder / "config")}
    subprocess.run([_DIO, "keygen"], env=environment, check=True, capture_output=True)
    words: list[str | Path] = [_DIO, "publish", file, "-o", manifests]
    for mirror in mirrors:
        words += ["--mirror", mirror]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return manifests
