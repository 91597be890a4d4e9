"""The lines to copy are those of the documentation, and each server gets its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribute_io.cli.doctor_fixes import _WORDS, APACHE, CADDY, NGINX, S3, Server, fixes_for, server_of
from distribute_io.core.mirror_findings import Finding, Hop
from distribute_io.errors import CODES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "publishing.md"
NO_CORS = Finding("CORS", "pages", "no", "mirror_no_cors")


@pytest.mark.parametrize("lines", [NGINX, APACHE, CADDY, S3])
def test_the_documentation_has_the_same_lines(lines: str) -> None:
    page = "".join(PAGE.read_text().split())
    assert "".join(lines.split()) in page


@pytest.mark.parametrize(
    ("url", "said", "server", "lines"),
    [
        ("https://m.example/a", "nginx/1.22.1", "nginx", NGINX),
        ("https://m.example/a", "openresty", "nginx", NGINX),
        ("https://m.example/a", "Apache/2.4.62 (Debian)", "apache", APACHE),
        ("https://m.example/a", "Caddy", "caddy", CADDY),
        ("https://b.s3.eu-central-1.amazonaws.com/a", "AmazonS3", "s3", S3),
        ("https://pub-1.r2.dev/a", "cloudflare", "s3", S3),
        ("https://m.example/a", "", "unknown", NGINX),
    ],
)
def test_each_server_gets_its_lines(url: str, said: str, server: Server, lines: str) -> None:
    hops = [Hop(url, 206, {"server": said})]
    assert server_of(hops) == server
    (fix,) = fixes_for([NO_CORS], hops, server)
    assert fix.lines == lines


def test_what_cannot_be_mended_is_said_to_be_so() -> None:
    hops = [
        Hop("https://github.com/o/r/releases/download/v1/a.iso", 302, {}),
        Hop("https://release-assets.githubusercontent.com/x", 206, {"server": "Windows-Azure-Blob/1.0"}),
    ]
    assert server_of(hops) == "fixed"
    (fix,) = fixes_for([NO_CORS], hops, "fixed")
    assert fix.text.startswith("GitHub does not let you")
    assert not fix.lines


def test_every_code_has_words_or_lines() -> None:
    of_mirrors = {code for code in CODES["source"] if code.startswith("mirror_")} | {"stalled", "segment_mismatch"}
    never_found = {"mirror_no_cors", "mirror_local_network"}  # lines; only a browser's
    assert of_mirrors - never_found == set(_WORDS)


def test_a_note_about_hidden_headers_brings_the_lines_that_show_them() -> None:
    note = Finding("headers", "note", "Access-Control-Expose-Headers lacks ETag")
    assert fixes_for([note], [], "caddy")[0].lines == CADDY
    assert fixes_for([Finding("CORS", "ok", "")], [], "caddy") == ()
