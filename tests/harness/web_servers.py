"""Servers and proxies that others wrote, as processes: Caddy with TLS, tinyproxy."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.browser import require_program
from tests.harness.processes import Process, Stage, free_port


@dataclass(frozen=True)
class TlsServer:
    """A web server on https; `url` has no slash at its end, `authority` is the file that makes it trusted."""

    url: str
    authority: Path


def start_caddy(
    stage: Stage, folder: Path, *, protocols: Sequence[str] = ("http/1.1", "h2"), lines: str = ""
) -> TlsServer:
    """Serve `folder` on https://127.0.0.1, with a certificate of its own, for clients that offer these protocols.

    `lines` go into the site's block.
    """
    port = free_port()
    state = stage.folder / f"caddy-{port}"
    state.mkdir(parents=True)
    certificate, key = state / "cert.pem", state / "key.pem"
    openssl = require_program(["/usr/bin/openssl"], "openssl")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    configuration = state / "Caddyfile"
    configuration.write_text(
        f"{{\n admin off\n auto_https off\n storage file_system {state}\n}}\n"
        f"https://127.0.0.1:{port} {{\n tls {certificate} {key} {{\n alpn {' '.join(protocols)}\n }}\n"
        f" root * {folder}\n file_server\n{lines}}}\n"
    )
    caddy = require_program(["/usr/bin/caddy"], "caddy")
    process = stage.start("caddy", [caddy, "run", "--config", configuration, "--adapter", "caddyfile"])
    _wait_for_port(process, port, "caddy")
    return TlsServer(f"https://127.0.0.1:{port}", certificate)


@dataclass(frozen=True)
class Proxy:
    """A running tinyproxy that wants a name and a password; `url` has both."""

    url: str
    log: Path


def start_proxy(stage: Stage) -> Proxy:
    """A proxy on a free port, for plain http and for tunnels to any port."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), stage.folder / "proxy.log"
    configuration = stage.folder / "proxy.conf"
    configuration.write_text(
        f'Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogFile "{log}"\nLogLevel Connect\nMaxClients 20\n'
        "Timeout 60\nBasicAuth reader secret\n"
    )
    program = require_program(["/usr/bin/tinyproxy"], "tinyproxy")
    process = stage.start("tinyproxy", [program, "-d", "-c", configuration])
    _wait_for_port(process, port, "tinyproxy")
    return Proxy(f"http://reader:secret@127.0.0.1:{port}", log)


def _wait_for_port(process: Process, port: int, what: str) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    process.wait_until(listens, what)
