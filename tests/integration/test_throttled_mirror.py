"""The mirror that proves others is proved itself: its rate is true, and it errs only as told."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Stage, wait_for

_SIZE = 2 * 1024 * 1024


@pytest.fixture
def served(tmp_path: Path) -> tuple[Path, bytes]:
    folder = tmp_path / "served"
    folder.mkdir()
    content = random.Random(7).randbytes(_SIZE)
    (folder / "a file.bin").write_bytes(content)
    return folder, content


def fetch(mirror: Mirror, byte_range: str | None = None) -> tuple[int, bytes, http.client.HTTPMessage]:
    request = urllib.request.Request(mirror.link("a file.bin"))
    if byte_range:
        request.add_header("Range", byte_range)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read(), answer.headers


def test_a_good_mirror_serves_ranges_with_cors(stage: Stage, served: tuple[Path, bytes]) -> None:
    folder, content = served
    mirror = start_mirror(stage, folder)
    status, body, headers = fetch(mirror, "bytes=1000-1999")
    assert (status, body) == (206, content[1000:2000])
    assert headers["Content-Range"] == f"bytes 1000-1999/{_SIZE}"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in headers["Access-Control-Expose-Headers"]
    assert fetch(mirror)[:2] == (200, content)
    assert fetch(mirror, "bytes=-5")[1] == content[-5:]
    assert fetch(mirror, f"bytes={_SIZE - 3}-{_SIZE + 9}")[1] == content[-3:]
    assert mirror.bytes_sent() == 1000 + _SIZE + 5 + 3


@pytest.mark.parametrize(
    ("path", "byte_range", "status"),
    [("a%20file.bin", f"bytes={_SIZE}-", 416), ("nothing", None, 404), ("../stage", None, 404), ("", None, 404)],
)
def test_what_is_not_there_is_refused(
    stage: Stage, served: tuple[Path, bytes], path: str, byte_range: str | None, status: int
) -> None:
    mirror = start_mirror(stage, served[0])
    request = urllib.request.Request(f"{mirror.url}/{path}", headers={"Range": byte_range} if byte_range else {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert caught.value.code == status
    caught.value.close()


def test_four_requests_share_one_rate(stage: Stage, served: tuple[Path, bytes]) -> None:
    mirror = start_mirror(stage, served[0], rate="2MB/s")
    quarter = _SIZE // 4
    threads = [
        threading.Thread(target=fetch, args=(mirror, f"bytes={part * quarter}-{(part + 1) * quarter - 1}"))
        for part in range(4)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.9 < (time.monotonic() - started) / (_SIZE / 2e6) < 1.5


def test_flips_are_in_every_segment(stage: Stage, served: tuple[Path, bytes]) -> None:
    folder, content = served
    _, body, _ = fetch(start_mirror(stage, folder, misbehave=["flip"]))
    wrong = [at for at in range(_SIZE) if body[at] != content[at]]
    assert wrong == list(range(0, _SIZE, 256 * 1024))


def test_a_truncating_mirror_breaks_off_in_the_middle(stage: Stage, served: tuple[Path, bytes]) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(start_mirror(stage, served[0], misbehave=["truncate"]), "bytes=0-999999")
    assert len(caught.value.partial) == 500_000


def test_ranges_are_ignored_when_told(stage: Stage, served: tuple[Path, bytes]) -> None:
    folder, content = served
    status, body, headers = fetch(start_mirror(stage, folder, misbehave=["ignore-range"]), "bytes=0-9")
    assert (status, body) == (200, content)
    assert "Accept-Ranges" not in headers


def test_a_dying_mirror_takes_its_connections_along(stage: Stage, served: tuple[Path, bytes]) -> None:
    mirror = start_mirror(stage, served[0], misbehave=["die-after=300000"])
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        fetch(mirror)
    assert mirror.process.wait(timeout_s=10) == 0


def test_a_stalling_mirror_keeps_the_connection(stage: Stage, served: tuple[Path, bytes]) -> None:
    folder, content = served
    mirror = start_mirror(stage, folder, misbehave=["stall-after=1000"])
    with socket.create_connection(("127.0.0.1", int(mirror.url.rpartition(":")[2])), timeout=0.5) as client:
        client.sendall(b"GET /a%20file.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(content[:1000]):
            received += client.recv(65536)
        with pytest.raises(TimeoutError):
            client.recv(65536)
    assert len(received.partition(b"\r\n\r\n")[2]) == 1000


def test_busy_redirect_and_missing_cors(stage: Stage, served: tuple[Path, bytes]) -> None:
    folder, content = served
    mirror = start_mirror(stage, folder, misbehave=["busy=7"])
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(mirror)
    assert (caught.value.code, caught.value.headers["Retry-After"]) == (503, "7")
    caught.value.close()
    elsewhere = start_mirror(stage, folder, misbehave=[f"redirect={mirror.url}"])
    mirror.change(misbehave=["no-cors"])
    status, body, headers = fetch(elsewhere, "bytes=5-9")
    assert (status, body) == (206, content[5:10])
    assert "Access-Control-Allow-Origin" not in headers


def test_a_wrong_option_is_told(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="unknown misbehaviour 'lie'"):
        start_mirror(stage, tmp_path, misbehave=["lie"])


def test_it_ends_when_asked(stage: Stage, served: tuple[Path, bytes]) -> None:
    mirror = start_mirror(stage, served[0])
    mirror.process.stop()
    assert wait_for(lambda: mirror.process.exit_code is not None, "the end of the mirror")
    assert mirror.process.exit_code == 0
