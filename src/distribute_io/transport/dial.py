"""Opens the TCP or TLS connection to an HTTP server: address policy, proxies from the environment, time limits.

Rules:

1. Private, loopback and link-local addresses are refused unless the policy allows them. The address that is judged is
   the one that is connected to, so that a DNS answer cannot change in between.
2. A proxy that the environment names is the user's own and may be anywhere; the target behind it is judged by its name
   or literal address only, since the proxy looks names up.
3. Every library exception becomes one `SourceError`, with the cause chained; no address is written into its text.
"""

from __future__ import annotations

import base64
import functools
import http.client
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from distribute_io.errors import SourceError
from distribute_io.manifest.mirrors import is_public_address
from distribute_io.transport.connect import connect_first

if TYPE_CHECKING:
    from distribute_io.transport.http2_socket import Http2Socket

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HTTP_1_1: Final = "http/1.1"
_HTTP_2: Final = "h2"
"""Names in ALPN (RFC 7301, RFC 9113 section 3.2)."""


class HttpPolicy(Struct, frozen=True, kw_only=True):
    """How HTTP servers are talked to. One value for a whole program run."""

    allow_private: bool = False
    """Whether mirrors on private, loopback and link-local addresses may be asked (intranets, tests)."""
    connect_timeout_s: float = 10.0
    """For each address of a name. They are tried side by side (`connect.py`): a dead one must not use up a download's
    patience."""
    idle_timeout_s: float = 30.0
    """No byte for this long ends a request. The scheduler moves stalled work away much earlier; this is the floor."""
    redirects_max: int = 5
    """As browsers allow 20 but no sane mirror needs more than two or three."""
    user_agent: str = "distribute-io"
    tls: ssl.SSLContext | None = None
    """How certificates are checked and what ALPN offers; None: by the system's (or `SSL_CERT_FILE`'s) authorities."""

    def allowing_private(self) -> HttpPolicy:
        """The same, for servers that the user named or that are where the user's coordinator is."""
        return replace(self, allow_private=True)


class HttpAddress(Struct, frozen=True):
    """The parts of an http or https URL that a request needs."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, as they go into the request line."""

    @property
    def host_header(self) -> str:
        """The value of the `Host` header (RFC 9110 section 7.2)."""
        default = f":{_DEFAULT_PORTS[self.scheme]}"
        return self.host_and_port.removesuffix(default)

    @property
    def host_and_port(self) -> str:
        """The authority with its port, also where that is the default one."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL again, without credentials and fragment."""
        return f"{self.scheme}://{self.host_header}{self.target}"


def parse_address(url: str) -> HttpAddress:
    """Split an http or https URL.

    Credentials in a URL are left out: they would be sent to whoever answers at that name.

    Raises:
        SourceError: `mirror_unreachable` when it is no such URL.
    """
    try:
        parts: SplitResult = urlsplit(url)
        host, port = parts.hostname, parts.port
        host = host.encode("idna").decode("ascii") if host and not host.isascii() else host
    except ValueError as error:  # UnicodeError of the IDNA codec is one as well
        raise SourceError("mirror_unreachable", f"{url!r} is not a valid address") from error
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise SourceError("mirror_unreachable", f"{url!r} is not an http or https address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in target):
        raise SourceError("mirror_unreachable", f"{url!r} has blanks or control characters in it")
    # A path that is not ASCII is sent as its UTF-8 octets, percent-encoded, as browsers do.
    target = "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
        for letter in target
    )
    return HttpAddress(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


Connection: TypeAlias = "socket.socket | Http2Socket"
"""What an HTTP/1.1 request can be written to."""


class Dialled(Struct, frozen=True):
    """A connected socket, and how a request on it must look."""

    sock: Connection
    absolute_target: bool
    """True towards a plain-http proxy, which wants the whole URL in the request line (RFC 9112 section 3.2.2)."""
    extra_headers: tuple[tuple[str, str], ...] = ()


def dial(address: HttpAddress, policy: HttpPolicy) -> Dialled:
    """Connect to `address`, through the environment's proxy where there is one. Blocks.

    Raises:
        SourceError: `mirror_private_address`, `mirror_unreachable`, `mirror_tls` or `stalled`.
    """
    with converted(address.host_header):
        try:
            return _dial(address, policy, _HTTP_1_1)
        except ssl.SSLError as error:
            # By its text: not every OpenSSL and Python has a name (`reason`) for this alert.
            if "no application protocol" not in str(error).lower().replace("_", " "):
                raise
        # Its answer to the offer of HTTP/1.1 alone (RFC 7301 section 3.2): it speaks only something newer.
        return _dial(address, policy, _HTTP_2)


def _dial(address: HttpAddress, policy: HttpPolicy, protocol: str) -> Dialled:
    proxy = _proxy_for(address)
    if proxy is None:
        sock = _connect(address.host, address.port, policy, judge=not policy.allow_private)
        return Dialled(_secured(sock, address, policy, protocol), absolute_target=False)
    _refuse_private_literal(address, policy)
    sock = _connect(proxy.host, proxy.port, policy, judge=False)
    if address.scheme == "http":
        return Dialled(sock, absolute_target=True, extra_headers=proxy.headers)
    _tunnel(sock, address, proxy)
    return Dialled(_secured(sock, address, policy, protocol), absolute_target=False)


@contextmanager
def converted(server: str) -> Iterator[None]:
    """Turn what the standard library raises while talking to `server` into one `SourceError` with the cause."""
    try:
        yield
    except TimeoutError as error:
        raise SourceError("stalled", f"{server} sent nothing for too long") from error
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message.rstrip(".") or "no reason"
        raise SourceError("mirror_tls", f"{server}: its TLS certificate is not valid ({why})") from error
    except ssl.SSLError as error:
        raise SourceError("mirror_unreachable", f"{server}: TLS failed ({error.reason or 'no reason'})") from error
    except http.client.IncompleteRead as error:
        raise SourceError("mirror_truncated", f"{server} ended its answer early") from error
    except http.client.HTTPException as error:
        raise SourceError("mirror_unreachable", f"{server} does not speak HTTP/1.1 ({type(error).__name__})") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError("mirror_unreachable", f"{server} cannot be reached ({reason})") from error
    except ValueError as error:
        # http.client and the IDNA codec raise these for heads and names that make no sense.
        raise SourceError("mirror_unreachable", f"{server} does not speak HTTP/1.1 (malformed)") from error


def is_private_server(host: str) -> bool:
    """Whether a name leads to private, loopback and link-local addresses only. Looks it up; False when that fails.

    Only: a stranger's name may have a private address beside its public ones, and must gain nothing by it.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(not is_public_address(str(place[0])) for _, _, _, _, place in found)


class _Proxy(Struct, frozen=True):
    host: str
    port: int
    headers: tuple[tuple[str, str], ...]


def _proxy_for(address: HttpAddress) -> _Proxy | None:
    proxies = urllib.request.getproxies()
    general = proxies.get("all", "")
    # A SOCKS proxy, which many desktops and `ssh -D` users name here, is passed over: it is not ours to speak, and a
    # download that worked without must not end for it.
    url = proxies.get(address.scheme) or ("" if "://" in general.removeprefix("http://") else general)
    # With and without its port, as `no_proxy` may name either.
    if not url or any(urllib.request.proxy_bypass(name) for name in (address.host, address.host_and_port)):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise SourceError(
            "mirror_unreachable", f"the proxy that the environment names for {address.scheme} is not an http address"
        )
    headers: tuple[tuple[str, str], ...] = ()
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers = (("Proxy-Authorization", "Basic " + base64.b64encode(secret).decode("ascii")),)
    return _Proxy(parts.hostname, parts.port or 80, headers)


def _refuse_private_literal(address: HttpAddress, policy: HttpPolicy) -> None:
    local_name = address.host == "localhost" or address.host.endswith(".localhost")
    if not policy.allow_private and (local_name or _is_private_literal(address.host)):
        raise _private(address.host_header)


def _is_private_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public_address(host)


def _private(server: str) -> SourceError:
    return SourceError(
        "mirror_private_address",
        f"{server} is on a private, loopback or link-local address; --allow-private permits that",
    )


def _connect(host: str, port: int, policy: HttpPolicy, *, judge: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = [address for address in found if not judge or is_public_address(str(address[4][0]))]
    if found and not allowed:
        raise _private(host)
    sock = connect_first(allowed, timeout_s=policy.connect_timeout_s)
    sock.settimeout(policy.idle_timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _secured(sock: socket.socket, address: HttpAddress, policy: HttpPolicy, protocol: str) -> Connection:
    if address.scheme == "http":
        return sock
    try:
        context = policy.tls or _system_tls(protocol)
        secured = context.wrap_socket(sock, server_hostname=address.host)
    except BaseException:
        sock.close()
        raise
    if secured.selected_alpn_protocol() != _HTTP_2:
        return secured
    from distribute_io.transport.http2_socket import Http2Socket  # 30 ms that almost no download needs

    return Http2Socket(secured)


@functools.cache
def _system_tls(protocol: str) -> ssl.SSLContext:
    """Made at the first use: reading the authorities takes 30 ms, and many downloads use no TLS."""
    context = ssl.create_default_context()
    context.set_alpn_protocols([protocol])
    return context


def _tunnel(sock: socket.socket, address: HttpAddress, proxy: _Proxy) -> None:
    """Ask the proxy for a tunnel (RFC 9110 section 9.3.6). Nothing follows its answer before we speak TLS."""
    name = address.host_and_port
    lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}"]
    lines += [f"{key}: {value}" for key, value in proxy.headers]
    try:
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        answer = http.client.HTTPResponse(sock, method="CONNECT")
        answer.begin()
        status = answer.status
        answer.close()
        if status != 200:
            raise SourceError("mirror_unreachable", f"the proxy refused a tunnel to {name} (status {status})")
    except BaseException:
        sock.close()
        raise
