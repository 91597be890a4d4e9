"""`dio doctor` names what is wrong with real servers, and the lines that it shows mend them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness.certificates import make_certificate
from tests.harness.coordinator import make_publisher, make_release, run_dio, start_coordinator
from tests.harness.mirrors import start_mirror
from tests.harness.nginx import CORS, start_nginx
from tests.harness.processes import Stage
from tests.harness.web_servers import start_caddy

Json = dict[str, Any]  # Any: what a command printed, looked into by the tests


def doctor(*words: str | Path, env: Mapping[str, str] | None = None) -> tuple[int, Json]:
    """Exit code and what `--json` prints for the one address."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in (env or {}).items():
            patch.setenv(name, text)
        done = run_dio("doctor", "--json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def finding(said: Json, topic: str) -> Json:
    found: Json = next(each for each in said["findings"] if each["topic"] == topic)
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    make_release(tmp_path / "files", "app.bin", 3 * 2**20)
    return tmp_path / "files"


def test_the_lines_that_it_shows_mend_an_nginx_without_cors(stage: Stage, files: Path) -> None:
    nginx = start_nginx(stage, files, "gzip on; gzip_types *;")
    link = f"{nginx.url}/app.bin"
    code, said = doctor(link, "--file", files / "app.bin")
    assert (code, said["code"], said["pages"], said["programs"]) == (1, "mirror_no_cors", False, True)
    (fix,) = said["fixes"]
    assert "nginx" in fix["text"]
    nginx.change(f"gzip on; gzip_types *; location / {{ {fix['lines']} }}")
    code, said = doctor(link, "--file", files / "app.bin")
    assert (code, said["code"], said["fixes"]) == (0, None, [])
    assert {each["level"] for each in said["findings"]} == {"ok"}
    assert said["size_bytes"] == 3 * 2**20


def test_the_lines_that_it_shows_mend_a_caddy_without_cors(stage: Stage, files: Path) -> None:
    before = start_caddy(stage, files)
    code, said = doctor(f"{before.url}/app.bin", env={"SSL_CERT_FILE": str(before.authority)})
    assert (code, said["code"], said["server"], said["pages"]) == (1, "mirror_no_cors", "Caddy", False)
    (fix,) = said["fixes"]
    assert "Caddy" in fix["text"]
    after = start_caddy(stage, files, lines=fix["lines"])
    code, said = doctor(f"{after.url}/app.bin", env={"SSL_CERT_FILE": str(after.authority)})
    assert (code, said["code"], said["fixes"], said["pages"]) == (0, None, [], True)


def test_a_table_in_words_says_what_and_why_and_what_to_do(stage: Stage, files: Path) -> None:
    nginx = start_nginx(stage, files, f"{CORS} max_ranges 0;")
    done = run_dio("doctor", f"{nginx.url}/app.bin")
    assert done.returncode == 1
    assert "✗ range" in done.stdout
    assert "[mirror_ignores_range]" in done.stdout
    assert "Of no use as it is." in done.stdout
    assert "→ Ranges have to be on" in done.stdout


@pytest.mark.parametrize(
    ("fault", "exit_code", "reason"),
    [
        ("flip", 3, "segment_mismatch"),
        ("truncate", 1, "mirror_truncated"),
        ("ignore-range", 1, "mirror_ignores_range"),
        ("no-cors", 1, "mirror_no_cors"),
        ("busy=5", 1, "mirror_busy"),
    ],
)
def test_every_way_to_misbehave_has_its_name(
    stage: Stage, files: Path, fault: str, exit_code: int, reason: str
) -> None:
    mirror = start_mirror(stage, files, misbehave=[fault])
    code, said = doctor(mirror.link("app.bin"), "--file", files / "app.bin")
    assert (code, said["code"]) == (exit_code, reason)
    assert said["fixes"], "every failure has a fix in words"


def test_a_redirect_needs_cors_at_both_ends_and_a_star_at_the_second(stage: Stage, files: Path) -> None:
    there = start_nginx(stage, files, CORS, name="there")
    here = start_nginx(stage, files, f"{CORS} return 302 {there.url}$request_uri;", name="here")
    link = f"{here.url}/app.bin"
    code, said = doctor(link)
    assert code == 0
    assert finding(said, "redirects")["text"] == f"127.0.0.1:{here.port} → 127.0.0.1:{there.port}"
    there.change('add_header Access-Control-Allow-Origin "https://page.example"; add_header Vary Origin;')
    code, said = doctor(link)
    assert (code, said["code"]) == (1, "mirror_no_cors")
    assert "Origin: null" in finding(said, "CORS")["text"]
    here.change(f"return 302 {there.url}$request_uri;")
    code, said = doctor(link)
    assert f"127.0.0.1:{here.port} sends no" in finding(said, "CORS")["text"]


def test_certificates_that_nobody_trusts_or_that_are_over_are_named(stage: Stage, files: Path, tmp_path: Path) -> None:
    good = make_certificate(tmp_path / "good", days_left=90)
    over = make_certificate(tmp_path / "over", days_left=-2)
    nginx = start_nginx(stage, files, CORS, certificate=good)
    expired = start_nginx(stage, files, CORS, name="expired", certificate=over)
    code, said = doctor(f"{nginx.url}/app.bin", env={"SSL_CERT_FILE": str(good[0])})
    assert (code, finding(said, "certificate")["text"]) == (0, "valid for 90 more days")
    code, said = doctor(f"{nginx.url}/app.bin")
    assert (code, said["code"]) == (1, "mirror_tls")
    assert "self-signed" in finding(said, "answer")["text"]
    code, said = doctor(f"{expired.url}/app.bin", env={"SSL_CERT_FILE": str(over[0])})
    assert (code, said["code"]) == (1, "mirror_tls")
    assert "expired" in finding(said, "answer")["text"]


def test_a_coordinator_is_asked_for_all_that_clients_need(stage: Stage, files: Path) -> None:
    coordinator = start_coordinator(stage, folder=files)
    code, said = doctor(coordinator.url)
    assert (code, said["kind"], said["code"]) == (0, "coordinator", None), said
    topics = {each["topic"]: each["level"] for each in said["findings"]}
    assert topics == dict.fromkeys(("answer", "ready", "https", "CORS", "tag", "session", "STUN"), "ok")


def test_with_a_coordinator_or_a_manifest_the_bytes_are_compared(stage: Stage, files: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "release", "app.bin", 2**20, seed=5)
    mirror = start_mirror(stage, release.path.parent)
    coordinator = start_coordinator(stage)
    publisher = make_publisher(coordinator, [mirror])
    publisher.publish([release], [mirror])
    for words in (["--coordinator", coordinator.url], ["--manifest", publisher.manifest_path(release)]):
        code, said = doctor(mirror.link("app.bin"), *words)
        assert (code, finding(said, "bytes")["level"]) == (0, "ok")
    release.path.write_bytes(bytes(2**20))
    code, said = doctor(mirror.link("app.bin"), "--coordinator", coordinator.url)
    assert (code, said["code"]) == (3, "segment_mismatch")


@pytest.mark.parametrize("words", [["ftp://x.example/a"], ["--server", "iis", "http://127.0.0.1:1/a"]])
def test_what_cannot_be_meant_is_a_usage_error(words: list[str]) -> None:
    done = run_dio("doctor", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[bad_argument]" in done.stderr
