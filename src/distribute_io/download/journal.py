"""The journal of a download: which segments of NAME.part are durably on disk.

Format: text lines. The first is a JSON object that says what is being downloaded; each further line says that segments
`[start, end)` are durable, with a check sum of the line, so that a torn last line is seen and left out:

    {"format": 1, "file_id": "…", "size_bytes": 123, "segments_sha256": "…"}
    0 17 3a5c29f1

This module only reads and writes text; the order of the syncs is `part_file`'s.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec
from msgspec import Struct

from distribute_io.core.runs import EMPTY, Runs, normalised
from distribute_io.ids import FileId, SegmentRange

FORMAT: Final = 1


class JournalHead(Struct, frozen=True, forbid_unknown_fields=False):
    """What a journal belongs to. A part file is resumed only if all of it is equal."""

    file_id: FileId
    size_bytes: int
    segments_sha256: str
    format: int = FORMAT


def encode_head(head: JournalHead) -> bytes:
    """The journal's first line."""
    return msgspec.json.encode(head) + b"\n"


def encode_runs(runs: Runs) -> bytes:
    """One line for each run."""
    return b"".join(_line(start, end) for start, end in runs)


def read_journal(data: bytes, *, segments: int) -> tuple[JournalHead, Runs] | None:
    """What a journal says, or None when it is not one of ours.

    Args:
        data: the whole file.
        segments: of the file that is to be resumed; a line beyond it is not believed.
    """
    first, *lines = data.split(b"\n")
    try:
        head = msgspec.json.decode(first, type=JournalHead)
    except msgspec.DecodeError:  # ValidationError is one
        return None
    if head.format != FORMAT:
        return None
    durable: list[SegmentRange] = []
    for line in lines:
        words = line.split(b" ")
        if len(words) != 3 or not (words[0].isdigit() and words[1].isdigit()):
            break  # the torn end; nothing behind it was synced
        start, end = int(words[0]), int(words[1])
        if _line(start, end) != line + b"\n" or not start < end <= segments:
            break
        durable.append((start, end))
    return head, normalised(durable) if durable else EMPTY


def _line(start: int, end: int) -> bytes:
    text = b"%d %d" % (start, end)
    return b"%b %08x\n" % (text, zlib.crc32(text))
