"""What to change so that a mirror serves pages: lines to copy for the server that is there.

The lines are those of docs/publishing.md; a test puts those for nginx into a real one and asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from distribute_io.core.mirror_findings import Finding, Hop

Server = Literal["nginx", "apache", "caddy", "s3", "fixed", "unknown"]
"""`fixed`: a service whose headers its users cannot change."""

NGINX: Final = """\
add_header Access-Control-Allow-Origin   "*" always;
add_header Access-Control-Expose-Headers "Content-Range, Accept-Ranges, ETag, Retry-After" always;
add_header Cross-Origin-Resource-Policy  "cross-origin" always;
gzip off;   # ranges of a compressed answer are ranges of something else
"""

APACHE: Final = """\
Header always set Access-Control-Allow-Origin   "*"
Header always set Access-Control-Expose-Headers "Content-Range, Accept-Ranges, ETag, Retry-After"
Header always set Cross-Origin-Resource-Policy  "cross-origin"
SetEnv no-gzip 1
"""

CADDY: Final = """\
header {
    Access-Control-Allow-Origin   "*"
    Access-Control-Expose-Headers "Content-Range, Accept-Ranges, ETag, Retry-After"
    Cross-Origin-Resource-Policy  "cross-origin"
}
"""

S3: Final = """\
[{"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["Range"],
  "ExposeHeaders": ["Content-Range", "Accept-Ranges", "ETag", "Retry-After"], "MaxAgeSeconds": 86400}]
"""

_LINES: Final[dict[Server, tuple[str, str]]] = {
    "nginx": ("nginx, into the `location` of the files (then `nginx -s reload`)", NGINX),
    "apache": ('Apache, into a <Location "/…"> (needs `a2enmod headers`, then `apachectl graceful`)', APACHE),
    "caddy": ("Caddy, into the site's block, and no `encode` for these paths (then `caddy reload`)", CADDY),
    "s3": ("the bucket's CORS rules (in `aws s3api put-bucket-cors` as CORSRules; R2, B2 and MinIO alike)", S3),
}

_FIXED_HOSTS: Final = (
    ("github.com", "GitHub"),
    ("githubusercontent.com", "GitHub"),
    ("sourceforge.net", "SourceForge"),
    ("drive.google.com", "Google Drive"),
    ("dropbox.com", "Dropbox"),
)
_BUCKET_HOSTS: Final = (
    ".amazonaws.com",
    ".r2.dev",
    ".r2.cloudflarestorage.com",
    ".backblazeb2.com",
    ".digitaloceanspaces.com",
)

_NAMES: Final[tuple[tuple[str, Server], ...]] = (
    ("nginx", "nginx"),
    ("openresty", "nginx"),
    ("apache", "apache"),
    ("caddy", "caddy"),
)
"""Words of `Server` headers."""

_CONFIGURED: Final = frozenset({"mirror_no_cors", "mirror_wrong_range", "mirror_ignores_range"})
"""Codes that lines of configuration mend."""

_WORDS: Final[dict[str, str]] = {
    "mirror_unreachable": "Is the name right, does the server run, does a firewall let strangers in?",
    "mirror_tls": "Renew the certificate for exactly this name, and send the whole chain (`fullchain.pem`): browsers "
    "forgive a missing intermediate certificate at times, programs do not.",
    "mirror_insecure": "Serve it over https: a page on https may not read from http.",
    "mirror_redirects": "Link to where the file really is: a chain this long, or from https to http, is not followed.",
    "mirror_missing": "Is the address right? After moving a file: `dio mirror remove` the old address and "
    "`dio mirror add` the new one.",
    "mirror_forbidden": "Let everybody read it: a login, a referrer rule, a token in the address or a guard against "
    "robots keeps downloaders out.",
    "mirror_busy": "The server limits how often it is asked. Allow more requests per address, and a few at a time: "
    "downloads ask for about one range a second.",
    "mirror_status": "The server's error log says why.",
    "mirror_ignores_range": "Ranges have to be on: no `max_ranges 0` (nginx), no handler that makes the "
    "file anew for each request, no proxy before it that drops `Range`.",
    "mirror_wrong_range": "No compression and no rewriting proxy for these files.",
    "mirror_truncated": "Something cuts answers off: a proxy's limit of size or time (nginx "
    "`proxy_max_temp_file_size`, `send_timeout`), or a full disk.",
    "mirror_too_slow": "It would hold downloads up rather than help: leave it out until it is faster.",
    "stalled": "It stops sending in the middle: look at its connection, its disk, and a proxy's buffering.",
    "mirror_file_changed": "Another file is there than was published. Publish it anew (`dio publish`), or put the old "
    "one back; a name with the version in it keeps links and files together.",
    "segment_mismatch": "Other bytes are there than were published: a broken copy, a new build under the old name, or "
    "somebody's hand. Copy the file there again, then compare `sha256sum`.",
    "mirror_private_address": "It is on a private network, where visitors cannot reach it. --allow-private asks it "
    "all the same.",
}


class Fix(Struct, frozen=True):
    """One thing to do."""

    text: str
    lines: str = ""
    """Lines to copy; empty when words are enough."""


def server_of(hops: Sequence[Hop]) -> Server:
    """What the last answer came from, as far as it tells."""
    for hop in hops:
        host = urlsplit(hop.url).hostname or ""
        if _fixed_service(host):
            return "fixed"
    if not hops:
        return "unknown"
    host = urlsplit(hops[-1].url).hostname or ""
    said = hops[-1].headers.get("server", "").lower()
    if host.endswith(_BUCKET_HOSTS) or any(word in said for word in ("amazons3", "minio", "ceph")):
        return "s3"
    return next((server for word, server in _NAMES if word in said), "unknown")


def fixes_for(findings: Sequence[Finding], hops: Sequence[Hop], server: Server) -> tuple[Fix, ...]:
    """What mends the findings, each thing once, the most needed first."""
    codes = [finding.code for level in ("fail", "pages") for finding in findings if finding.level == level]
    if not codes and any(f.topic == "headers" and "Expose" in f.text for f in findings if f.level == "note"):
        codes = ["mirror_no_cors"]  # the same lines
    fixes = [Fix(_WORDS[code]) for code in dict.fromkeys(codes) if code in _WORDS]
    if not _CONFIGURED.intersection(codes):
        return tuple(fixes)
    if server == "fixed":
        name = next(filter(None, (_fixed_service(urlsplit(hop.url).hostname or "") for hop in hops)), "This service")
        text = (
            f"{name} does not let you change its headers, so pages cannot use it; `dio get` and donors on servers can. "
            "Name a mirror beside it that sends CORS headers, or let `dio serve` hold the file."
        )
        return (*fixes, Fix(text))
    if server != "unknown":
        return (*fixes, Fix(*_LINES[server]))
    others = "Not known which server it is; --server apache, caddy or s3 shows their lines."
    return (*fixes, Fix(f"{_LINES['nginx'][0]}. {others}", NGINX))


def _fixed_service(host: str) -> str:
    return next((name for known, name in _FIXED_HOSTS if host == known or host.endswith(f".{known}")), "")
