"""Is `dio get` of a large file from one fast mirror, every byte verified, faster than aria2c with SHA-256 pieces?

Options: `--mib N` (default 1024), `--rounds N` (default 5). The mirror is nginx on loopback; all files are in memory
(`/dev/shm`). Both are whole processes from start to end. aria2c gets the metalink that `dio publish` writes, with eight
connections, and checks pieces; ours checks the segments and the whole file's SHA-256 as well. Beside the rates stand
the processor seconds of each process, and the floor: the least that a Python program can do (`get_floor.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.published_files import make_big_file
from bench.record import Bar, Comparison

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
_DIO = Path(sysconfig.get_path("scripts")) / "dio"
_OURS, _ARIA2C, _FLOOR = "dio get", "aria2c with pieces", "floor: bare reading, two digests and writing"


def run(options: list[str]) -> bool:
    """Run both alternately and write `results/get_one_mirror.json`; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="get_one_mirror", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-get-", dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        root = folder / "www"
        root.mkdir()
        size_bytes: int = chosen.mib * 2**20
        make_big_file(root / "file.bin", size_bytes)
        with _nginx(folder, root) as url:
            manifests = _publish(folder, root / "file.bin", url)
            target = folder / "out"

            comparison = Comparison(
                "get_one_mirror", (__doc__ or "").splitlines()[0], unit="MB/s", notes={"mib": chosen.mib}
            )

            def rate_of(name: str, *command: str | Path) -> float:
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir()
                started, spent_s = time.perf_counter(), _children_cpu_s()
                subprocess.run(command, check=True, capture_output=True, cwd=target)
                seconds = time.perf_counter() - started
                cpu_s = round(_children_cpu_s() - spent_s, 3)
                comparison.figures.setdefault(f"{name}: CPU seconds", []).append(cpu_s)
                arrived = (target / "file.bin").stat().st_size
                if arrived != size_bytes:
                    raise RuntimeError(f"{command[0]} delivered {arrived} bytes")
                return size_bytes / 1e6 / seconds

            def ours() -> float:
                return rate_of(_OURS, _DIO, "get", manifests / "file.bin.manifest.json", "--allow-private", "--json")

            def aria2c() -> float:
                metalink = manifests / "file.bin.meta4"
                return rate_of(
                    _ARIA2C, "aria2c", "--quiet", "--max-connection-per-server=8", "--split=8", "--min-split-size=1M",
                    "--file-allocation=none", "--check-integrity=true", "--follow-metalink=mem",
                    f"--metalink-file={metalink}",
                )  # fmt: skip

            def floor() -> float:
                return rate_of(_FLOOR, sys.executable, Path(__file__).with_name("get_floor.py"), url, str(size_bytes))

            ours(), aria2c(), floor()  # warms up
            comparison.figures.clear()
            comparison.run({_OURS: ours, _ARIA2C: aria2c, _FLOOR: floor}, rounds=chosen.rounds)
            return comparison.finish(
                [
                    Bar(_OURS, _ARIA2C, at_least=1.8),
                    Bar(f"{_OURS}: CPU seconds", f"{_ARIA2C}: CPU seconds", at_most=1.1),
                    Bar(_FLOOR, _ARIA2C, at_least=1.8),
                ]
            )


def _children_cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@contextlib.contextmanager
def _nginx(folder: Path, root: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, root=root, port=port))
    server = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


def _publish(folder: Path, file: Path, mirror: str) -> Path:
    """The manifest and the metalink of the file, in the folder that is returned."""
    manifests = folder / "manifests"
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder / "config")}
    subprocess.run([_DIO, "keygen"], env=environment, check=True, capture_output=True)
    words: list[str | Path] = [_DIO, "publish", file, "--mirror", mirror, "-o", manifests]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return manifests
