"""One nginx that serves a folder as a mirror for pages: what limits it is the machine."""

from __future__ import annotations

import os
from pathlib import Path

from tests.harness.browser import require_program
from tests.harness.processes import Stage, free_port
from tests.harness.site import is_answering

_CONFIGURATION = """
{user} daemon off; pid {state}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
    client_body_temp_path {state}/body; proxy_temp_path {state}/proxy; fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
    server {{
        listen 127.0.0.1:{port}; root {folder}; autoindex on;
        location / {{
            default_type application/octet-stream;
            add_header Access-Control-Allow-Origin * always;
            add_header Access-Control-Expose-Headers "Content-Range, Accept-Ranges, ETag" always;
            add_header Content-Disposition attachment always;
        }}
    }}
}}
"""


def start_nginx(stage: Stage, folder: Path) -> str:
    """Serve `folder`; returns the address, without a slash at its end."""
    state = stage.folder / "nginx"
    state.mkdir()
    port = free_port()
    # Started by root it would read as www-data, which may not enter a temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = state / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(user=user, state=state, folder=folder, port=port))
    program = require_program(["/usr/sbin/nginx", "/usr/bin/nginx"], "nginx")
    process = stage.start("nginx", [program, "-p", state, "-c", configuration])
    url = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: is_answering(f"{url}/"), "nginx")
    return url
