"""`dio get` as a process: into a pipe, several files at once, over TLS and through a proxy."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness.mirrors import start_mirror
from tests.harness.processes import Stage, dio
from tests.harness.publishing import Published, publish
from tests.harness.web_servers import start_caddy, start_proxy

MIB = 1 << 20


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "www", size_bytes=12 * MIB + 12_345)


def run(command: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[bytes]:
    unset = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(command, capture_output=True, timeout=60, env=unset | environment)


def test_bytes_go_to_stdout_in_order_from_unequal_mirrors(stage: Stage, published: Published) -> None:
    mirrors = [start_mirror(stage, published.path.parent, rate=rate) for rate in ("2MB/s", "6MB/s")]
    document = published.write_document(stage.folder, *(mirror.link("file.bin") for mirror in mirrors))
    done = run(dio("get", document, "--allow-private", "-o", "-"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == published.data
    assert published.manifest.sha256.encode() in done.stderr, "the line about the file goes where it does not disturb"
    assert all(mirror.bytes_sent() > MIB for mirror in mirrors)
    assert list(stage.folder.glob("*.part*")) == []


def test_devices_and_named_pipes_are_written_in_order_and_stay(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    done = run(dio("get", document, "--allow-private", "--json", "-o", "/dev/null"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["file"], report["sha256"]) == ("/dev/null", published.manifest.sha256)
    assert Path("/dev/null").is_char_device()
    done = run(dio("get", document, "--allow-private", "-o", "/dev/stdout"))
    assert (done.returncode, done.stdout) == (0, published.data)
    assert run(dio("get", document, "--allow-private", "-o", "/dev/full")).returncode == 1
    pipe = stage.folder / "pipe"
    os.mkfifo(pipe)
    process = stage.start("get", dio("get", document, "--allow-private", "-o", pipe))
    assert pipe.read_bytes() == published.data
    assert process.wait(timeout_s=30) == 0
    assert pipe.is_fifo()


def test_liar_sends_nothing_to_stdout(stage: Stage, published: Published) -> None:
    liar = start_mirror(stage, published.path.parent, misbehave=["flip"])
    document = published.write_document(stage.folder, liar.link("file.bin"))
    done = run(dio("get", document, "--allow-private", "-o", "-"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"[all_sources_lie]" in done.stderr


def test_reader_that_goes_away_ends_it_without_a_word(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent, rate="8MB/s")
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    with subprocess.Popen(
        dio("get", document, "--allow-private", "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100_000) == published.data[:100_000]
        process.stdout.close()
        assert process.wait(10) == 130
        assert process.stderr.read() == b""


def test_stdout_takes_one_file_and_no_json(stage: Stage, published: Published) -> None:
    stage.folder.mkdir()
    document = published.write_document(stage.folder, "http://127.0.0.1:9/file.bin")
    for words in ([document, document], [document, "--json"]):
        done = run(dio("get", *words, "-o", "-"))
        assert done.returncode == 2
        assert b"[bad_argument]" in done.stderr


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"QUIET": "1"}])
def test_terminal_shows_each_source_and_colours_only_where_wanted(
    stage: Stage, published: Published, environment: dict[str, str]
) -> None:
    mirror = start_mirror(stage, published.path.parent, rate="8MB/s")
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        dio(
            "get", document, "--allow-private", "-o", stage.folder / "out", *(["-q"] if "QUIET" in environment else [])
        ),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        | {"TERM": "xterm-256color", "COLUMNS": "60"}
        | environment,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # what reading says when the other end is closed
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert process.wait(10) == 0
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown)
    colours = re.search(rb"\x1b\[[0-9;]*(3|38|48|9)[0-9;]*m", shown)
    if "QUIET" in environment:
        assert shown == b""
    elif environment.get("TERM") == "dumb":
        assert b"\x1b" not in shown
    else:
        assert mirror.url.removeprefix("http://").encode() in lines
        assert (colours is None) == ("NO_COLOR" in environment)


def test_part_of_a_file_that_changed_meanwhile_is_not_gone_on_with(stage: Stage, tmp_path: Path) -> None:
    older = publish(tmp_path / "www", size_bytes=12 * MIB)
    mirror = start_mirror(stage, tmp_path / "www", rate="4MB/s")
    document = older.write_document(stage.folder, mirror.link("file.bin"))
    command = dio("get", document, "--allow-private", "-o", stage.folder / "out")
    first = stage.start("get", command)
    first.wait_until(lambda: mirror.bytes_sent() > 4 * MIB, "some megabytes")
    first.kill()
    newer = publish(tmp_path / "www", size_bytes=12 * MIB, seed=2)
    newer.write_document(stage.folder, mirror.link("file.bin"))
    refused = run(command)
    assert refused.returncode == 2
    assert b"[file_exists]" in refused.stderr
    for left in stage.folder.glob("out.part*"):
        left.unlink()
    mirror.change(rate=None)
    assert run(command).returncode == 0
    assert (stage.folder / "out").read_bytes() == newer.data


def test_one_of_several_files_fails_and_the_others_arrive(stage: Stage, tmp_path: Path) -> None:
    files = [publish(tmp_path / "www", size_bytes=MIB + n, name=f"{n}.bin", seed=n) for n in range(3)]
    mirror = start_mirror(stage, tmp_path / "www")
    documents = [file.write_document(stage.folder, mirror.link(file.path.name)) for file in files]
    files[1].path.unlink()
    folder = stage.folder / "new"
    done = run(dio("get", *documents, "--allow-private", "--json", "-o", f"{folder}/"))
    assert done.returncode == 1
    assert b"[mirror_unreachable]" in done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["name"] for report in reports] == ["0.bin", "1.bin", "2.bin"]
    assert [report.get("code") for report in reports] == [None, "mirror_unreachable", None]
    for n in (0, 2):
        assert hashlib.sha256((folder / f"{n}.bin").read_bytes()).hexdigest() == files[n].manifest.sha256


@pytest.mark.parametrize("mirrors", [1, 2])
def test_rate_limit_is_exact(stage: Stage, tmp_path: Path, mirrors: int) -> None:
    published = publish(tmp_path / "www", size_bytes=12 * MIB)
    links = [start_mirror(stage, tmp_path / "www").link("file.bin") for _ in range(mirrors)]
    document = published.write_document(stage.folder, *links)
    done = run(dio("get", document, "--allow-private", "--json", "--limit-rate", "4MiB/s", "-o", stage.folder / "out"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seconds"] == pytest.approx(3.0, rel=0.05)


def test_plain_http_goes_through_the_proxy_of_the_environment(stage: Stage, published: Published) -> None:
    mirror, proxy = start_mirror(stage, published.path.parent), start_proxy(stage)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    done = run(dio("get", document, "--allow-private", "-o", stage.folder / "out"), http_proxy=proxy.url)
    assert done.returncode == 0, done.stderr
    assert (stage.folder / "out").read_bytes() == published.data
    assert "GET" in proxy.log.read_text()


def test_https_goes_through_a_tunnel_and_trusts_who_the_user_names(stage: Stage, published: Published) -> None:
    server, proxy = start_caddy(stage, published.path.parent), start_proxy(stage)
    document = published.write_document(stage.folder, f"{server.url}/file.bin")
    command = dio("get", document, "--allow-private", "-o", stage.folder / "out")
    refused = run(command, https_proxy=proxy.url)
    assert refused.returncode == 1
    assert b"mirror_tls" in refused.stderr
    done = run(command, https_proxy=proxy.url, SSL_CERT_FILE=str(server.authority))
    assert done.returncode == 0, done.stderr
    assert (stage.folder / "out").read_bytes() == published.data
    assert "CONNECT" in proxy.log.read_text()


def test_server_that_speaks_only_http_2_is_used_like_any_other(stage: Stage, published: Published) -> None:
    only_h2 = start_caddy(stage, published.path.parent, protocols=["h2"])
    liar = start_mirror(stage, published.path.parent, misbehave=["flip"])
    document = published.write_document(stage.folder, f"{only_h2.url}/file.bin", liar.link("file.bin"))
    command = dio("get", document, "--allow-private", "--json", "-o", stage.folder / "out")
    done = run(command, SSL_CERT_FILE=str(only_h2.authority))
    assert done.returncode == 0, done.stderr
    assert (stage.folder / "out").read_bytes() == published.data
    report = json.loads(done.stdout)
    assert report["sources_banned"] == [liar.link("file.bin")]
    assert {row["source"]: row["bytes"] for row in report["bytes_by_source"]}[f"{only_h2.url}/file.bin"] == len(
        published.data
    )


def test_missing_file_of_a_server_that_speaks_only_http_2_is_named(stage: Stage, published: Published) -> None:
    only_h2 = start_caddy(stage, published.path.parent, protocols=["h2"])
    document = published.write_document(stage.folder, f"{only_h2.url}/elsewhere.bin")
    command = dio("get", document, "--allow-private", "-o", stage.folder / "out")
    done = run(command, SSL_CERT_FILE=str(only_h2.authority))
    assert done.returncode == 1
    assert b"mirror_missing" in done.stderr


def test_wrong_password_for_the_proxy_is_named(stage: Stage, published: Published) -> None:
    server, proxy = start_caddy(stage, published.path.parent), start_proxy(stage)
    document = published.write_document(stage.folder, f"{server.url}/file.bin")
    wrong = proxy.url.replace("secret", "wrong")
    started = time.monotonic()
    done = run(dio("get", document, "--allow-private", "-o", stage.folder / "out"), https_proxy=wrong)
    assert done.returncode == 1
    assert b"mirror_unreachable" in done.stderr
    assert time.monotonic() - started < 20
