"""`dio inspect`: what a coordinator knows, and why it decided so."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import typer

from distribute_io.cli.coordinator_client import request
from distribute_io.cli.local_catalogue import Token, checked_file_id
from distribute_io.errors import UsageError
from distribute_io.units import format_rate, format_size

app = typer.Typer()


@app.command()
def inspect(
    coordinator: Annotated[str, typer.Argument(metavar="COORDINATOR", help="Address of the coordinator.")],
    donor: Annotated[
        str | None, typer.Option(metavar="SESSION", help="Why does this donor hold this? Ids are in the plain list.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE_ID", help="Whom would a downloader of this file be introduced to?"),
    ] = None,
    nat: Annotated[
        str,
        typer.Option(metavar="CLASS", help="With --file: its NAT: unrestricted, restricted or unknown."),
    ] = "unknown",
    region: Annotated[str, typer.Option(help="With --file: where it is, such as EU/DE.")] = "",
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as it came.")] = False,
) -> None:
    """Tell what a coordinator knows of donors, and why it decided so.

    Nothing is changed. The token has to cover all causes.
    """
    if donor is not None and file is not None:
        raise UsageError("bad_argument", "--donor and --file are two questions: ask one.")
    query = {"donor": donor} if donor else {}
    if file is not None:
        query = {"file": checked_file_id(file), "nat": nat, "region": region}
    data = request("GET", coordinator, f"/api/v1/inspect?{urlencode(query)}", token=token)
    if as_json:
        typer.echo(data.decode().rstrip())
        return
    answer: Any = msgspec.json.decode(data)  # Any: JSON, told line by line
    for line in _reasons(answer) if donor else _peers(answer) if file else _donors(answer):
        typer.echo(line)


def _donors(answer: Any) -> list[str]:  # Any: as above
    return [
        f"{row['session_id']}  {row['region'] or '-'}  {row['nat']}  {format_size(row['storage_bytes'])}  "
        f"{format_rate(row['up_bytes_per_s'])}  stays {_span(row['stay_left_s'])}  {row['files_held']} files"
        for row in answer
    ]


def _peers(answer: Any) -> list[str]:  # Any: as above
    return [f"{row['session_id']}  {row['reason']}" for row in answer]


def _reasons(answer: Any) -> list[str]:  # Any: as above
    def told(what: str, row: Any) -> str:  # Any: as above
        return (
            f"{what}  {row['file_id']}  segments {row['start']}-{row['end'] - 1}  "
            f"expected serves {row['expected_serves']:g}  other copies {row['copies']:g}"
        )

    return [
        *_donors([answer["donor"]]),
        *(told("holds", row) for row in _joined(answer["holds"])),
        *(told("would fetch", row) for row in _joined(answer["would_fetch"])),
        *(f"not  {row['file_id']}  {row['reason']}" for row in answer["rejected"]),
    ]


def _joined(rows: Any) -> list[Any]:  # Any: as above
    """Neighbours of which the same is told, as one."""
    joined: list[Any] = []
    for row in rows:
        longer = {**joined[-1], "end": row["end"]} if joined and joined[-1]["end"] == row["start"] else {}
        if longer == {**row, "start": longer.get("start")}:
            joined[-1] = longer
        else:
            joined.append(row)
    return joined


def _span(seconds: float) -> str:
    """A time in the largest unit of which there are two.

    >>> _span(46_743), _span(300), _span(59)
    ('13 h', '5 min', '59 s')
    """
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
