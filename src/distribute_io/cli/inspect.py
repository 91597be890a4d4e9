"""`dio inspect`: what a coordinator knows, and why it decided so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from distribute_io.cli.coordinator_client import request
from distribute_io.cli.local_catalogue import Token, checked_file_id
from distribute_io.errors import DistributeError, UsageError
from distribute_io.units import format_count, format_size
from distribute_io.wire.http import FileList

app = typer.Typer()

_FILES_NAMED_MAX: Final = 5
"""Of those that were not given for one reason."""

_VERDICTS: Final = {
    "chosen": "yes",
    "not_needed": "not at first: others that hold as much were chosen",
    "not_asked": "no: the downloader asks for no more donors now",
    "kept_out": "no: it is kept out for now, leaves, does not answer, or is the downloader's own page",
    "downloader_kept_out": "no: the downloader is kept out for now, as donors complained of it",
    "avoided": "no: it did not work for this downloader, or one of the two broke the rules",
    "itself": "no: it is the downloader itself",
    "matched_already": "no: the two are introduced already",
    "full": "no: it serves as many as it allows",
    "holds_nothing_missing": "no: it holds nothing of what is missing",
    "nat_incompatible": "no: two restricted NATs cannot connect",
}
"""`coordinator.candidates` and `core.matching` in words."""

_REJECTIONS: Final = {
    "cause_not_chosen": "it gives to other causes",
    "empty_file": "there is nothing to hold",
    "held_already": "it holds all of it",
    "no_room": "its room is too small for one more run",
    "no_demand": "nobody is expected to ask for it",
    "does_not_pay": "it would serve less before it leaves than filling it costs",
    "better_elsewhere": "other files serve more from the same room",
    "not_yet": "it is filled in steps, and this comes next time",
    "too_alike": "donors of its network hold enough of it",
}
"""`core.placement.model.RejectionReason` in words."""


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
    downloader: Annotated[
        str | None,
        typer.Option(metavar="SESSION", help="With --file: a downloader that is here. Ids are told by --downloaders."),
    ] = None,
    downloaders: Annotated[bool, typer.Option("--downloaders", help="Who asked for files, and for which?")] = False,
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
    if downloader is not None and file is None:
        raise UsageError("bad_argument", "--downloader needs --file: whom was it not introduced to for which file?")
    query = {"donor": donor} if donor else {"downloaders": ""} if downloaders else {}
    if file is not None:
        query = {"file": checked_file_id(file)}
        query |= {"downloader": downloader} if downloader else {"nat": nat, "region": region}
    data = request("GET", coordinator, f"/api/v1/inspect?{urlencode(query)}", token=token)
    if as_json:
        typer.echo(data.decode().rstrip())
        return
    console = Console(soft_wrap=True, markup=False, highlight=False)  # names are strangers' words
    answer: Any = msgspec.json.decode(data)  # Any: JSON, told part by part
    if donor:
        _tell_reasons(console, answer, _names(coordinator))
    elif file:
        _tell_peers(console, answer)
    elif downloaders:
        _tell_downloaders(console, answer, _names(coordinator))
    elif answer:
        console.print(_donors(answer))
    else:
        console.print("No donor is here that can be assigned anything.")


def _tell_peers(console: Console, answer: Any) -> None:  # Any: as above
    if not answer["peers"]:
        console.print("No donor holds any of it.")
        return
    table = _table("donor", "introduced?")
    for row in sorted(answer["peers"], key=lambda row: str(row["reason"]) != "chosen"):
        table.add_row(row["session_id"], _VERDICTS.get(row["reason"], row["reason"]))
    console.print(table)
    if answer["more"]:
        console.print(f"These are the first {len(answer['peers'])}; more donors hold it.")


def _tell_downloaders(console: Console, answer: Any, names: Mapping[str, str]) -> None:  # Any: as above
    if not answer["downloaders"]:
        console.print("Nobody is here who asked for a file.")
        return
    table = _table("downloader", "where", "NAT", "files")
    for row in answer["downloaders"]:
        files = [names.get(file_id, file_id) for file_id in row["files"]]
        more = f" and {len(files) - _FILES_NAMED_MAX} more" if files[_FILES_NAMED_MAX:] else ""
        table.add_row(row["session_id"], row["region"] or "-", row["nat"], ", ".join(files[:_FILES_NAMED_MAX]) + more)
    console.print(table)
    if answer["more"]:
        console.print(f"These are the first {len(answer['downloaders'])}; more are here.")


def _tell_reasons(console: Console, answer: Any, names: Mapping[str, str]) -> None:  # Any: as above
    console.print(_donors([answer["donor"]]))
    for title, rows in (
        ("Holds, or is to hold:", answer["holds"]),
        ("A plan made now would add:", answer["would_fetch"]),
    ):
        console.print(f"\n{title}" if rows else f"\n{title} nothing", style="bold")
        if not rows:
            continue
        table = _table("file", "segments", "expected serves", "other copies", right=3)
        for row in _joined(rows):
            segments = f"{row['start']}-{row['end'] - 1}"
            table.add_row(_name(row, names), segments, f"{row['expected_serves']:.3g}", f"{row['copies']:.3g}")
        console.print(table)
    if not answer["rejected"]:
        return
    console.print("\nNot given more of these, and why:", style="bold")
    by_reason: dict[str, list[str]] = {}
    for row in answer["rejected"]:
        by_reason.setdefault(row["reason"], []).append(_name(row, names))
    table = _table("why", "files")
    for reason, files in by_reason.items():
        more = f" and {format_count(len(files) - _FILES_NAMED_MAX, 'more', 'more')}" if files[_FILES_NAMED_MAX:] else ""
        table.add_row(_REJECTIONS.get(reason, reason), ", ".join(files[:_FILES_NAMED_MAX]) + more)
    console.print(table)


def _donors(rows: Any) -> Table:  # Any: as above
    table = _table("donor", "where", "NAT", "room", "up/s", "stays", "files", right=4)
    for row in rows:
        table.add_row(
            row["session_id"],
            row["region"] or "-",
            row["nat"],
            format_size(row["storage_bytes"]),
            format_size(row["up_bytes_per_s"]),
            _span(row["stay_left_s"]),
            str(row["files_held"]),
        )
    return table


def _table(*headings: str, right: int = 0) -> Table:
    """A table without lines, the last `right` columns of figures; what is to be copied is never cut off."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if place >= len(headings) - right else "left"
        table.add_column(heading, justify=justify, no_wrap=place == 0, header_style="dim", overflow="fold")
    return table


def _names(coordinator: str) -> dict[str, str]:
    """Names of files by id, of the first page of the catalogue: others are called by their id."""
    try:
        listed = msgspec.json.decode(request("GET", coordinator, "/api/v1/files"), type=FileList)
    except (DistributeError, msgspec.MsgspecError):
        return {}  # names are a help, the reasons are what was asked for
    return {file.file_id: file.name for file in listed.files}


def _name(row: Any, names: Mapping[str, str]) -> str:  # Any: as above
    file_id = str(row["file_id"])
    return names.get(file_id, file_id)


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
