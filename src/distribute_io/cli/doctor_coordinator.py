"""`dio doctor` for a coordinator: what pages and programs need of one, asked from outside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import os
import re
import socket
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from distribute_io import __version__
from distribute_io.cli.doctor_fixes import Fix
from distribute_io.cli.doctor_mirror import Diagnosis
from distribute_io.core.mirror_findings import PAGE_ORIGIN, Finding
from distribute_io.errors import DistributeError, RemoteProtocolError, SourceError
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.http_request import Fetched, get_bounded
from distribute_io.wire import limits
from distribute_io.wire.codec import decode_coordinator_message, encode_message
from distribute_io.wire.http import CauseList
from distribute_io.wire.session import Hello, Welcome

_ANSWER_BYTES_MAX: Final = 4 * 2**20
_TIMEOUT_S: Final = 8.0
_STUN_TRIES: Final = 3
_TAG: Final = re.compile(r'<script\s+src="(http[^"]*/v/[0-9a-f]+/distribute\.js)"\s+integrity="(sha384-[^"]+)"')

_FIX_TLS: Final = (
    "Browsers give hashing, storage and workers to https and localhost only: a reverse proxy with https and "
    "--public-url, or --tls-cert and --tls-key (docs/operating.md, TLS and a reverse proxy)."
)
_FIX_SESSION: Final = Fix(
    "The session is a WebSocket: a proxy in front has to pass `Upgrade`, and not to close it while it is quiet. nginx:",
    "proxy_http_version 1.1;\n"
    "proxy_set_header Upgrade $http_upgrade;\n"
    "proxy_set_header Connection $connection_upgrade;   # map $http_upgrade … in docs/operating.md\n"
    "proxy_read_timeout 120s;\n",
)
_FIX_STUN: Final = Fix(
    "STUN is UDP and passes no HTTP proxy: open --stun-port and the next (3478 and 3479), and where their "
    "host is not that of --public-url, set stun_host. Without STUN nobody reaches donors behind routers."
)
_FIX_PUBLIC_URL: Final = Fix("--public-url has to be the address by which browsers reach this server: the tag has it.")


def looks_like_coordinator(url: str, policy: HttpPolicy) -> CauseList | None:
    """What the address says of its causes, when a coordinator answers there.

    Raises:
        SourceError: nobody answers.
    """
    try:
        return msgspec.json.decode(_get(url, "/api/v1/causes", policy).body, type=CauseList)
    except msgspec.DecodeError:
        return None


def examine_coordinator(url: str, told: CauseList, policy: HttpPolicy) -> Diagnosis:
    """Ask for all that clients will ask for."""
    findings = [Finding("answer", "ok", f"a coordinator; {len(told.causes)} to give to")]
    fixes: list[Fix] = []
    findings += _health(url, policy)
    findings += _context(url, fixes)
    findings += _cors(url, policy)
    findings += _tag(url, policy, fixes)
    findings += asyncio.run(_session(told.session_url, fixes))
    worst = next((f for level in ("fail", "pages") for f in findings if f.level == level), None)
    return Diagnosis(
        url=url,
        kind="coordinator",
        findings=tuple(findings),
        fixes=tuple(fixes),
        code="" if worst is None else worst.code,
    )


def _get(url: str, path: str, policy: HttpPolicy) -> Fetched:
    headers = {"Origin": PAGE_ORIGIN}
    return get_bounded(
        url + path if path.startswith("/") else path, policy, limit_bytes=_ANSWER_BYTES_MAX, headers=headers
    )


def _health(url: str, policy: HttpPolicy) -> list[Finding]:
    ready = _get(url, "/readyz", policy)
    if ready.status == 200:
        return [Finding("ready", "ok", "the catalogue answers, the folder was looked through")]
    return [Finding("ready", "note", f"not yet ({ready.status}): it still looks through its folder")]


def _context(url: str, fixes: list[Fix]) -> list[Finding]:
    split = urlsplit(url)
    host = split.hostname or ""
    if split.scheme == "https":
        return [Finding("https", "ok", "a secure context")]
    if host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1":
        return [Finding("https", "ok", "plain http, which browsers trust on their own machine only")]
    fixes.append(Fix(_FIX_TLS))
    return [
        Finding("https", "pages", "plain http: browsers give its pages no hashing and no storage", "insecure_context")
    ]


def _cors(url: str, policy: HttpPolicy) -> list[Finding]:
    allowed = _get(url, "/api/v1/causes", policy).headers.get("Access-Control-Allow-Origin", "")
    if allowed.strip() == "*":
        return [Finding("CORS", "ok", "pages of other origins may ask it")]
    text = "no Access-Control-Allow-Origin: *: does a proxy in front drop it?"
    return [Finding("CORS", "pages", text, "mirror_no_cors")]


def _tag(url: str, policy: HttpPolicy, fixes: list[Fix]) -> list[Finding]:
    """The script of the tag that the front page shows: is it at the address that the tag says, and does it fit?"""
    page = _get(url, "/", policy)
    found = _TAG.search(html.unescape(page.body.decode("utf-8", "replace")))
    if page.status != 200 or found is None:
        return [Finding("tag", "note", "the front page shows no tag: is the browser client built?")]
    address, integrity = found.groups()
    try:
        script = _get(url, address, policy)
    except SourceError as error:
        fixes.append(_FIX_PUBLIC_URL)
        return [Finding("tag", "pages", f"its script {address} cannot be had: {error.message}", error.code)]
    digest = "sha384-" + base64.b64encode(hashlib.sha384(script.body).digest()).decode()
    if script.status != 200 or digest != integrity:
        text = f"its script {address} is another one than its integrity says (status {script.status})"
        return [Finding("tag", "pages", text, "part_unavailable")]
    place = urlsplit(address)
    if f"{place.scheme}://{place.netloc}" != url:
        fixes.append(_FIX_PUBLIC_URL)
        return [Finding("tag", "note", f"its script is told to be at {place.scheme}://{place.netloc}, not here")]
    return [Finding("tag", "ok", f"its script fits its integrity ({len(script.body)} bytes)")]


async def _session(session_url: str, fixes: list[Fix]) -> list[Finding]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            welcome = await _welcome(session_url)
    except (aiohttp.ClientError, TimeoutError, OSError, DistributeError) as error:
        fixes.append(_FIX_SESSION)
        why = error.message if isinstance(error, DistributeError) else type(error).__name__
        text = f"{session_url} opens no session ({why}): there will be no donors"
        return [Finding("session", "fail", text, "coordinator_unreachable")]
    findings = [Finding("session", "ok", f"{session_url} says welcome")]
    dead = [address for address in welcome.stun if not await asyncio.to_thread(stun_answers, address)]
    if dead or not welcome.stun:
        fixes.append(_FIX_STUN)
        text = f"no answer from {' and '.join(dead)}" if dead else "none told"
        return [*findings, Finding("STUN", "note", f"{text}: peers behind routers will not find each other")]
    return [*findings, Finding("STUN", "ok", " and ".join(welcome.stun))]


async def _welcome(session_url: str) -> Welcome:
    hello = Hello(protocol=limits.PROTOCOL_VERSION, agent=f"dio doctor/{__version__}"[:64], native=True)
    async with (
        aiohttp.ClientSession(trust_env=True) as http,
        http.ws_connect(session_url, max_msg_size=limits.MESSAGE_BYTES_MAX, compress=0) as socket_,
    ):
        await socket_.send_str(encode_message(hello).decode())
        answer = await socket_.receive()
        if answer.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise RemoteProtocolError("message_unexpected", "it closed at once")
        message = decode_coordinator_message(answer.data)
        if not isinstance(message, Welcome):
            raise RemoteProtocolError("message_unexpected", "it did not say welcome")
        return message


def stun_answers(address: str, *, timeout_s: float = 1.0) -> bool:
    """Whether a `stun:HOST:PORT` answers a binding request (RFC 8489 section 7). Blocks for some seconds at most."""
    host, _, port = address.removeprefix("stun:").rpartition(":")
    request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + (transaction := os.urandom(12))
    try:
        family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asking:
            asking.settimeout(timeout_s)
            asking.connect(place)
            for _ in range(_STUN_TRIES):  # UDP may lose one
                try:
                    asking.send(request)
                    answer = asking.recv(2_048)
                except TimeoutError:
                    continue
                if answer[:2] == b"\x01\x01" and answer[8:20] == transaction:
                    return True
    except (OSError, ValueError):
        return False
    return False
