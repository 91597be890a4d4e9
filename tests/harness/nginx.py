"""A real nginx that serves one folder, with server lines that a test can change while it runs."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import Process, Stage, free_port

CORS = """
    add_header Access-Control-Allow-Origin   "*" always;
    add_header Access-Control-Expose-Headers "Content-Range, Accept-Ranges, ETag, Retry-After" always;
"""

_CONFIGURATION = """
{user} daemon off; pid {home}/nginx.pid; error_log stderr; worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    server {{ listen 127.0.0.1:{port}{tls}; root {folder};
        {lines}
    }}
    server {{ listen unix:{home}/status; return 200 "generation {generation}"; }}
}}
"""


@dataclass
class Nginx:
    """A running nginx."""

    process: Process
    home: Path
    folder: Path
    port: int
    tls: str = ""
    generation: int = 0

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def change(self, lines: str) -> None:
        """Serve by these lines of a `server` block from now on."""
        self.generation += 1
        _write(self.home, self.folder, self.port, lines, self.tls, self.generation)
        os.kill(self.process.pid, signal.SIGHUP)
        self.wait()

    def wait(self) -> None:
        """Wait until it serves by its newest lines."""
        expected = f"generation {self.generation}"
        self.process.wait_until(lambda: self._answer().endswith(expected), "nginx", timeout_s=10)

    def _answer(self) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as status:
                status.settimeout(2)
                status.connect(os.path.relpath(self.home / "status"))  # the path of such a socket must be short
                status.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return b"".join(iter(lambda: status.recv(4096), b"")).decode()
        except OSError:
            return ""


def start_nginx(
    stage: Stage, folder: Path, lines: str = CORS, *, name: str = "nginx", certificate: tuple[Path, Path] | None = None
) -> Nginx:
    """Serve `folder`; `certificate` is a chain and its key, for TLS."""
    home = stage.folder / name
    home.mkdir(parents=True)
    tls = "" if certificate is None else f" ssl; ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]}"
    port = free_port()
    configuration = _write(home, folder, port, lines, tls, 0)
    process = stage.start(name, ["/usr/sbin/nginx", "-p", home, "-c", configuration])
    nginx = Nginx(process, home, folder, port, tls)
    nginx.wait()
    return nginx


def _write(home: Path, folder: Path, port: int, lines: str, tls: str, generation: int) -> Path:
    path = home / "nginx.conf"
    # Started by root it would read as www-data, which may not enter the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    path.write_text(
        _CONFIGURATION.format(
            user=user, home=home, folder=folder, port=port, lines=lines, tls=tls, generation=generation
        )
    )
    return path
