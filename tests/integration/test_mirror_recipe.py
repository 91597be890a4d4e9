"""The lines for a mirror's nginx in docs/publishing.md do what that page says, in a real nginx."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from tests.harness.processes import Stage, free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "publishing.md"
CONTENT = bytes(range(256)) * 64

CONFIGURATION = """
{user} daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ }}
http {{
    access_log off; gzip on; gzip_types *; gzip_min_length 1;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; {recipe} }}
}}
"""


def test_the_nginx_recipe_lets_pages_of_other_origins_read_ranges(stage: Stage, tmp_path: Path) -> None:
    found = re.search(r"```nginx\n(location /pub/ .*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert found, "the recipe is gone from docs/publishing.md"
    (tmp_path / "pub").mkdir()
    (tmp_path / "pub" / "app.txt").write_bytes(CONTENT)
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    # Started by root it would read as www-data, which may not enter the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(CONFIGURATION.format(user=user, folder=tmp_path, port=port, recipe=found[1]))
    nginx = stage.start("nginx", ["/usr/sbin/nginx", "-p", tmp_path, "-c", configuration])

    def answer() -> tuple[int, dict[str, str], bytes] | None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/pub/app.txt",
            headers={"Range": "bytes=1000-1999", "Origin": "https://page.example", "Accept-Encoding": "gzip"},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, {name.lower(): text for name, text in response.headers.items()}, response.read()
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionRefusedError):
                return None
            raise

    status, headers, body = nginx.wait_until(answer, "an answer")
    assert (status, body) == (206, CONTENT[1000:2000])
    assert headers["content-range"] == f"bytes 1000-1999/{len(CONTENT)}"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    exposed = set(headers["access-control-expose-headers"].split(", "))
    assert {"Content-Range", "Accept-Ranges", "ETag", "Retry-After"} <= exposed
    assert "content-encoding" not in headers
