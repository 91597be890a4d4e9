"""The real aria2c takes our metalink: it fetches by it, checks our segments piece by piece, and refuses a wrong one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from distribute_io.cli.main import main

CONTENT = hashlib.shake_128(b"metalink").digest(5_500_000)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing on stderr."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def metalink(tmp_path: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder, url = mirror
    (folder / "a b ü.iso").write_bytes(CONTENT)
    assert main(["publish", str(folder / "a b ü.iso"), "--mirror", url, "-o", str(tmp_path)]) == 0
    return tmp_path / "a b ü.iso.meta4"


# No ampersand in the name: aria2c shows it as "&#38;", whoever wrote the metalink (its XML parser is to blame).
def run_aria2c(metalink: Path, output: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("aria2c")
    assert program is not None, "aria2c is missing: apt install aria2"
    options = ["--no-conf", "--max-tries=1", "--retry-wait=0", "--console-log-level=warn"]
    return subprocess.run(
        [program, *options, "--dir", output, "--metalink-file", metalink],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_aria2c_fetches_and_verifies(metalink: Path, tmp_path: Path) -> None:
    ended = run_aria2c(metalink, tmp_path / "out")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "out" / "a b ü.iso").read_bytes() == CONTENT


def test_aria2c_finds_the_wrong_segment(metalink: Path, tmp_path: Path, mirror: tuple[Path, str]) -> None:
    wrong = bytearray(CONTENT)
    wrong[3_000_000] ^= 1  # in the third MiB
    (mirror[0] / "a b ü.iso").write_bytes(wrong)
    ended = run_aria2c(metalink, tmp_path / "out")
    assert ended.returncode != 0
    assert "Invalid checksum index=2" in ended.stdout, ended.stdout + ended.stderr
