"""`dio doctor`: is a mirror, or a coordinator, usable from a page? With the fix in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from distribute_io.cli.doctor_fixes import Server
from distribute_io.cli.doctor_mirror import (
    Diagnosis,
    KnownFile,
    examine_mirror,
    file_at_path,
    file_of_link,
    file_of_manifest,
)
from distribute_io.core.mirror_findings import Finding
from distribute_io.errors import SourceError, UsageError
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy, is_private_server

app = typer.Typer()

CONNECT_TIMEOUT_S: Final = 5.0
IDLE_TIMEOUT_S: Final = 10.0

_MARKS: Final = {"ok": ("✓", "green"), "note": ("!", "yellow"), "pages": ("✗", "red"), "fail": ("✗", "bold red")}
_TOPIC_CHARS: Final = 12

Scheme = Literal["http", "https"]
_SCHEMES: Final[dict[str, Scheme]] = {"http": "http", "https": "https"}
_SERVERS: Final[dict[str, Server]] = {"nginx": "nginx", "apache": "apache", "caddy": "caddy", "s3": "s3"}


@app.command()
def doctor(
    urls: Annotated[
        list[str],
        typer.Argument(metavar="URL…", help="Address of a file on a mirror, or of a coordinator (its front page)."),
    ],
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Coordinator that knows the file: size and a segment are compared."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file's manifest, for the same comparison.")
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="The file itself, for the same comparison.")] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose lines to show: nginx, apache, caddy, s3. Else it is guessed."),
    ] = None,
    page: Annotated[
        str,
        typer.Option(metavar="SCHEME", help="Scheme of the pages that use it: https pages cannot use http mirrors."),
    ] = "https",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also follow redirects to private and loopback addresses.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each address.")] = False,
) -> None:
    """Is a mirror, or a coordinator, usable from a page? Says what to change, with lines to copy.

    Asks as a page of another site would: Range, CORS, TLS, type, redirects, size, and the bytes of a segment by chance.

    Exit codes: 0 pages can use all of them, 1 not, 3 other bytes are there than were published.
    """
    scheme = _SCHEMES.get(page)
    if scheme is None:
        raise UsageError("bad_argument", f"--page {page!a} is neither http nor https.")
    if server is not None and server not in _SERVERS:
        raise UsageError("bad_argument", f"--server {server!a}: it is one of {', '.join(_SERVERS)}.")
    if sum(given is not None for given in (coordinator, manifest, file)) > 1:
        raise UsageError("bad_argument", "--coordinator, --manifest and --file say the same: give one of them.")
    known = file_at_path(file) if file is not None else file_of_manifest(manifest) if manifest is not None else None
    diagnoses = []
    for url in urls:
        diagnosis = _examine(url, known, coordinator, allow_private, _SERVERS.get(server or ""), scheme)
        diagnoses.append(diagnosis)
        if as_json:
            typer.echo(msgspec.json.encode(report(diagnosis)).decode())
        else:
            _show(diagnosis, Console(soft_wrap=True, highlight=False))
    if any(diagnosis.code in ("segment_mismatch", "mirror_file_changed") for diagnosis in diagnoses):
        raise typer.Exit(3)
    raise typer.Exit(0 if all(diagnosis.pages_can for diagnosis in diagnoses) else 1)


def _examine(
    url: str,
    known: KnownFile | None,
    coordinator: str | None,
    allow_private: bool,
    server: Server | None,
    page: Scheme,
) -> Diagnosis:
    if "://" not in url:
        url = f"https://{url}"
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise UsageError("bad_argument", f"{url!a} is no http or https address.")
    policy = HttpPolicy(
        # Whoever names a private address means it; a public one must not lead there.
        allow_private=allow_private or is_private_server(split.hostname),
        connect_timeout_s=CONNECT_TIMEOUT_S,
        idle_timeout_s=IDLE_TIMEOUT_S,
        user_agent="distribute-io doctor",
    )
    if split.path in ("", "/") and not split.query and known is None:
        # Only here: most looks are at mirrors, and this loads the WebSocket client.
        from distribute_io.cli.doctor_coordinator import examine_coordinator, looks_like_coordinator

        base = f"{split.scheme}://{split.netloc}"
        try:
            told = looks_like_coordinator(base, policy)
            if told is not None:
                return examine_coordinator(base, told, policy)
        except SourceError as error:
            finding = Finding("answer", "fail", error.message, error.code)
            return Diagnosis(url=url, kind="coordinator", findings=(finding,), code=error.code)
    if coordinator is not None:
        known = file_of_link(url, CoordinatorApi(coordinator, policy))
        if known is None:
            typer.echo(f"dio: warning: {coordinator} knows no file by {url}, so its bytes are not compared", err=True)
    return examine_mirror(url, known, policy, server=server, page_scheme=page)


def report(diagnosis: Diagnosis) -> dict[str, Any]:  # Any: JSON
    """What `--json` prints for one address."""
    return {
        "url": diagnosis.url,
        "kind": diagnosis.kind,
        "pages": diagnosis.pages_can,
        "programs": diagnosis.programs_can,
        "code": diagnosis.code or None,
        "server": diagnosis.server or None,
        "size_bytes": diagnosis.size_bytes,
        "rate_bytes_per_s": diagnosis.rate_bytes_per_s,
        "findings": msgspec.to_builtins(diagnosis.findings),
        "fixes": msgspec.to_builtins(diagnosis.fixes),
    }


def _show(diagnosis: Diagnosis, console: Console) -> None:
    console.print(Text(diagnosis.url, style="bold"))
    for finding in diagnosis.findings:
        mark, style = _MARKS[finding.level]
        line = Text.assemble("  ", (mark, style), f" {finding.topic:<{_TOPIC_CHARS}}", finding.text)
        if finding.code:
            line.append(f" [{finding.code}]", style="dim")
        console.print(line)
    console.print(_verdict(diagnosis))
    for fix in diagnosis.fixes:
        console.print()
        console.print(Text(f"  → {fix.text}", style="cyan"))
        for to_copy in fix.lines.splitlines():
            console.print(Text(f"      {to_copy}"))
    console.print()


def _verdict(diagnosis: Diagnosis) -> Text:
    if diagnosis.pages_can:
        return Text("  Fit for pages and programs.", style="bold green")
    if diagnosis.programs_can:
        return Text("  Of use to programs (`dio get`), not to pages.", style="bold yellow")
    words = "Of no use as it is." if diagnosis.kind == "mirror" else "Not fit yet: see above."
    return Text(f"  {words}", style="bold red")
