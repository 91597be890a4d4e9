"""`dio keygen`, `dio publish`, `dio verify`: what they write, print and refuse, by way of the command line."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from distribute_io.cli.main import main
from distribute_io.errors import DistributeError
from distribute_io.manifest.document import read_document, verify_envelope
from distribute_io.manifest.keys import load_signing_key
from distribute_io.manifest.model import Manifest

NOW_S = 4_000_000_000
CONTENT = hashlib.shake_128(b"content").digest(3_000_000)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; the tests' files lie in the current folder."""
    config = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    Path("a b.iso").write_bytes(CONTENT)
    return config / "distribute-io"


def manifest_of(path: str) -> Manifest:
    document = read_document(Path(path).read_bytes())
    return verify_envelope(document.envelope, now_s=NOW_S).manifest


def test_a_key_is_made_and_its_public_part_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen"]) == 0
    printed = capsys.readouterr()
    key = load_signing_key(home / "publisher.pem")
    assert printed.out == f"{key.public_key}\n"
    assert str(home / "publisher.pem") in printed.err
    assert main(["keygen"]) == 2
    assert "[key_exists]" in capsys.readouterr().err
    assert main(["keygen", "other.key"]) == 0
    assert Path("other.pub").is_file()


def test_publish_makes_a_key_at_first_use_and_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "a b.iso", "--mirror", "https://m.example/pub/"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{hashlib.sha256(CONTENT).hexdigest()}  a b.iso\n"
    key = load_signing_key(home / "publisher.pem")
    assert key.public_key in printed.err
    assert stat.S_IMODE((home / "publisher.pem").stat().st_mode) == 0o600
    document = read_document(Path("a b.iso.manifest.json").read_bytes())
    assert [mirror.url for mirror in document.mirrors] == ["https://m.example/pub/a%20b.iso"]
    verified = verify_envelope(document.envelope, pins=[key.public_key], now_s=NOW_S)
    assert (verified.manifest.name, verified.manifest.cause) == ("a b.iso", "main")
    assert "https://m.example/pub/a%20b.iso" in Path("a b.iso.meta4").read_text()
    assert sorted(path.name for path in Path().iterdir()) == ["a b.iso", "a b.iso.manifest.json", "a b.iso.meta4"]
    assert main(["publish", "a b.iso"]) == 0
    assert capsys.readouterr().err == ""


def test_versions_grow_with_the_previous_manifest() -> None:
    versions = []
    for cause in ("main", "main", "main", "other"):
        assert main(["publish", "a b.iso", "--cause", cause, "-o", "out"]) == 0
        versions.append(manifest_of("out/a b.iso.manifest.json").version)
    assert versions[0] < versions[1] < versions[2]
    assert versions[3] <= versions[2]
    Path("out/a b.iso.manifest.json").write_text("not a manifest")
    assert main(["publish", "a b.iso", "-o", "out"]) == 0


def test_several_files_and_several_keys() -> None:
    Path("c.txt").write_bytes(b"")
    assert main(["keygen", "one.pem"]) == main(["keygen", "two.pem"]) == 0
    words = [
        "--mirror",
        "https://m.example/",
        "--mirror",
        "http://n.example/x/",
        "--key",
        "one.pem",
        "--key",
        "two.pem",
    ]
    assert main(["publish", "a b.iso", "c.txt", *words, "-o", "out"]) == 0
    document = read_document(Path("out/c.txt.manifest.json").read_bytes())
    assert [mirror.url for mirror in document.mirrors] == ["https://m.example/c.txt", "http://n.example/x/c.txt"]
    for name in ("one", "two"):
        key = load_signing_key(Path(f"{name}.pem")).public_key
        assert verify_envelope(document.envelope, pins=[key], now_s=NOW_S).manifest.size_bytes == 0


def test_times() -> None:
    words = ["--release-at", "2090-01-01T10:00+02:00", "--expires-at", "2099-01-01"]
    words += ["--release-downloads", "5000", "--release-region", "EU/DE", "--release-region", "NA"]
    assert main(["publish", "a b.iso", *words]) == 0
    data = json.loads(Path("a b.iso.manifest.json").read_text())
    assert data["release_at"] == "2090-01-01T08:00:00Z"
    assert (data["release_downloads"], data["release_regions"]) == (5_000, ["EU/DE", "NA"])
    assert manifest_of("a b.iso.manifest.json").expires_at_s == 4_070_908_800


@pytest.mark.parametrize(
    ("words", "exit_code", "text"),
    [
        (["nothing.iso"], 2, "[file_not_found]"),
        (["."], 1, "[manifest_bad_name]"),
        (["../work"], 2, "[not_a_file]"),
        (["a b.iso", "--cause", "No Cause"], 1, "[manifest_bad_cause]"),
        (["a b.iso", "--mirror", "ftp://m.example/"], 1, "[manifest_bad_mirror]"),
        (["a b.iso", "a b.iso"], 2, "Two files are called a b.iso"),
        (["a b.iso", "c", "--mirror", "http://m.example/x"], 2, "must be a base that ends in /"),
        (["a b.iso", "--key", "nothing.pem"], 2, "[key_unreadable]"),
        (["a b.iso", "--release-at", "soon"], 2, "no time like"),
        (["a b.iso", "--release-downloads", "5"], 2, "need --release-at"),
        (["a b.iso", "--expires-at", "2001-01-01"], 1, "[manifest_bad_time]"),
        (["a b.iso", "-o", "a b.iso"], 2, "cannot be made"),
        (["a b.iso", "--to", "nowhere"], 2, "no address of a coordinator"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_published(
    capsys: pytest.CaptureFixture[str], words: list[str], exit_code: int, text: str
) -> None:
    threads_before = threading.active_count()
    assert main(["publish", *words]) == exit_code
    assert text in capsys.readouterr().err
    assert threading.active_count() == threads_before
    assert not Path("a b.iso.manifest.json").exists()


def test_an_output_that_cannot_be_written_is_said_and_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out/a b.iso.meta4").mkdir(parents=True)
    assert main(["publish", "a b.iso", "-o", "out"]) == 1
    assert "a b.iso.meta4 cannot be written" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["a b.iso.meta4"]


class Coordinator(HTTPServer):
    """Answers every request by `status` and `body`, and keeps what came."""

    status = 200
    body = b"{}"

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Coordinator)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_DELETE = do_GET = do_POST  # noqa: N815 - http.server's own names

    def log_message(self, format: str, *args: Any) -> None:  # Any: http.server's own signature
        """Says nothing on stderr."""


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    with Coordinator() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_manifest_is_sent_to_the_coordinator(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIO_TOKEN", "secret")
    assert main(["publish", "a b.iso", "--to", f"{coordinator.url}/"]) == 0
    ((method, path, headers, body),) = coordinator.requests
    assert (method, path) == ("POST", "/api/v1/files")
    assert headers["Authorization"] == "Bearer secret"
    assert read_document(body).segments is not None
    assert not Path("a b.iso.manifest.json").exists()
    assert main(["publish", "a b.iso", "--to", coordinator.url, "-o", "."]) == 0
    assert coordinator.requests[1][3] == Path("a b.iso.manifest.json").read_bytes()


@pytest.mark.parametrize(
    ("status", "body", "exit_code", "text"),
    [
        (409, {"code": "version_not_newer"}, 1, "refused: as it is [version_not_newer]"),
        (422, {"code": "untrusted_manifest"}, 3, "[untrusted_manifest]"),
        (500, {"code": "of_tomorrow"}, 1, "[coordinator_malformed]"),
    ],
)
def test_a_refusal_keeps_its_code(
    coordinator: Coordinator,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: dict[str, str],
    exit_code: int,
    text: str,
) -> None:
    coordinator.status = status
    problem = {"type": "about:blank", "title": "No", "status": status, "detail": "as it is", **body}
    coordinator.body = json.dumps(problem).encode()
    assert main(["publish", "a b.iso", "--to", coordinator.url]) == exit_code
    assert text in capsys.readouterr().err


def test_an_answer_that_is_no_problem_document(coordinator: Coordinator, capsys: pytest.CaptureFixture[str]) -> None:
    coordinator.status, coordinator.body = 502, b"<html>Bad gateway"
    assert main(["publish", "a b.iso", "--to", coordinator.url]) == 1
    assert "answered 502 without saying why" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://[", "http://127.0.0.1:port"])
def test_a_coordinator_that_does_not_answer(capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert main(["publish", "a b.iso", "--to", address]) == 1
    assert "[coordinator_unreachable]" in capsys.readouterr().err


def test_verify_says_verified_only_with_a_pin(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "a b.iso"]) == 0
    key = load_signing_key(home / "publisher.pem").public_key
    capsys.readouterr()
    assert main(["verify", "a b.iso", "a b.iso.manifest.json"]) == 0
    unpinned = capsys.readouterr().out
    assert "matches its manifest" in unpinned
    assert "verified" not in unpinned
    assert main(["verify", "a b.iso", "a b.iso.manifest.json", "--pin", key]) == 0
    assert "verified, SHA-256 " in capsys.readouterr().out
    assert main(["keygen", "other.pem"]) == 0
    other = load_signing_key(Path("other.pem")).public_key
    assert main(["verify", "a b.iso", "a b.iso.manifest.json", "--pin", other]) == 3
    assert "[untrusted_manifest]" in capsys.readouterr().err
    assert main(["verify", "a b.iso", "a b.iso.manifest.json", "--pin", "nonsense"]) == 2


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (CONTENT[:10] + b"?" + CONTENT[11:], ["wrong: bytes 0 to 262143"]),
        (CONTENT[:600_000] + b"??" + CONTENT[600_002:], ["wrong: bytes 524288 to 786431"]),
        (CONTENT[:524_287] + b"??" + CONTENT[524_289:], ["wrong: bytes 262144 to 786431"]),
        (CONTENT[:-1], ["size: 2999999 bytes instead of 3000000", "wrong: bytes 2883584 to 2999999"]),
        (b"", ["size: 0 bytes instead of 3000000", "wrong: bytes 0 to 2999999"]),
        (CONTENT + bytes(2_000_000), ["size: 5000000 bytes instead of 3000000", "wrong: bytes 2883584 to 4999999"]),
        (
            b"?" + CONTENT[1:262_144] + CONTENT[262_144:-1] + b"?",
            ["wrong: bytes 0 to 262143", "wrong: bytes 2883584 to 2999999"],
        ),
    ],
)
def test_wrong_ranges_are_named(capsys: pytest.CaptureFixture[str], content: bytes, lines: list[str]) -> None:
    assert main(["publish", "a b.iso"]) == 0
    Path("a b.iso").write_bytes(content)
    capsys.readouterr()
    assert main(["verify", "a b.iso", "a b.iso.manifest.json"]) == 3
    *said, last = capsys.readouterr().err.splitlines()
    assert said == lines
    assert last == "dio: a b.iso is not the file that the manifest describes. [file_mismatch]"


def test_of_many_wrong_ranges_the_first_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(50 * 2**20)
    Path("big").write_bytes(content)
    assert main(["publish", "big"]) == 0
    for segment in range(0, 50, 2):
        content[segment * 2**20] = 1
    Path("big").write_bytes(content)
    capsys.readouterr()
    assert main(["verify", "big", "big.manifest.json"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "wrong: bytes 0 to 1048575"
    assert lines[-2] == "wrong: 5 more ranges"


def test_without_the_list_only_the_whole_file_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "a b.iso"]) == 0
    document = json.loads(Path("a b.iso.manifest.json").read_text())
    document["segments_url"] = "https://c.example/list"
    del document["segments"]
    Path("m.json").write_text(json.dumps(document))
    assert main(["verify", "a b.iso", "m.json"]) == 0
    Path("a b.iso").write_bytes(CONTENT[1:] + b"x")
    capsys.readouterr()
    assert main(["verify", "a b.iso", "m.json"]) == 3
    assert "wrong: bytes" not in capsys.readouterr().err


def test_a_signed_list_of_another_file_is_found_out(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    from distribute_io.manifest.build import encode_document, new_manifest, sign_manifest
    from distribute_io.manifest.hashing import hash_file

    assert main(["keygen"]) == 0
    digests = hash_file(Path("a b.iso"))._replace(segments=bytes(len(CONTENT) // 2**18 * 32 + 32))
    made = new_manifest(name="a b.iso", digests=digests, cause="c", published_at_s=1_700_000_000)
    envelope = sign_manifest(made, [load_signing_key(home / "publisher.pem")])
    Path("m.json").write_bytes(encode_document(envelope, segments=digests.segments))
    assert main(["verify", "a b.iso", "m.json"]) == 3
    assert "[segment_list_mismatch]" in capsys.readouterr().err


def test_manifests_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "a b.iso", "nothing.json"]) == 2
    assert "[file_not_found]" in capsys.readouterr().err
    assert main(["verify", "a b.iso", "."]) == 1
    assert "[store_unreadable]" in capsys.readouterr().err
    Path("m.json").write_text("{")
    assert main(["verify", "a b.iso", "m.json"]) == 1
    assert "[manifest_malformed]" in capsys.readouterr().err


def test_errors_of_every_family_are_known_to_the_client() -> None:
    families = {kind.family for kind in DistributeError.__subclasses__()}
    assert families == {"usage", "protocol", "source", "integrity", "manifest", "refused", "store"}


def test_a_bar_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["publish", "a b.iso"]) == 0
    assert "reading" in capsys.readouterr().err
