"""The journal of a download: which segments of NAME.part are durably on disk, and which were written since.

Format: text lines. The first is a JSON object that says what is being downloaded; each further line says that segments
`[start, end)` are durable, or with a `w` before it that they were written and not synced yet: a power cut may have
taken these, a killed process has not. A check sum of the line shows a torn last line, which is left out:

    {"format": 1, "file_id": "…", "size_bytes": 123, "segments_sha256": "…"}
    0 17 3a5c29f1
    w 17 18 5d0e77a2

This module only reads and writes text; the order of the syncs is `part_file`'s.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec
from msgspec import Struct

from distribute_io.core.runs import EMPTY, Runs, difference, normalised
from distribute_io.ids import FileId, SegmentRange

FORMAT: Final = 1
_WRITTEN: Final = b"w "


class JournalHead(Struct, frozen=True, forbid_unknown_fields=False):
    """What a journal belongs to. A part file is resumed only if all of it is equal."""

    file_id: FileId
    size_bytes: int
    segments_sha256: str
    format: int = FORMAT


class Journal(Struct, frozen=True):
    """What a journal says."""

    head: JournalHead
    durable: Runs
    written: Runs
    """Written and not known to be durable: to be hashed before they are believed."""


def encode_head(head: JournalHead) -> bytes:
    """The journal's first line."""
    return msgspec.json.encode(head) + b"\n"


def encode_runs(runs: Runs) -> bytes:
    """One line for each run that is durable."""
    return b"".join(_line(b"", start, end) for start, end in runs)


def encode_written(runs: Runs) -> bytes:
    """One line for each run that was written."""
    return b"".join(_line(_WRITTEN, start, end) for start, end in runs)


def read_journal(data: bytes, *, segments: int) -> Journal | None:
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
    written: list[SegmentRange] = []
    for line in lines:
        mark = _WRITTEN if line.startswith(_WRITTEN) else b""
        words = line[len(mark) :].split(b" ")
        if len(words) != 3 or not (words[0].isdigit() and words[1].isdigit()):
            break  # the torn end; nothing behind it was synced
        start, end = int(words[0]), int(words[1])
        if _line(mark, start, end) != line + b"\n" or not start < end <= segments:
            break
        (written if mark else durable).append((start, end))
    synced = normalised(durable) if durable else EMPTY
    return Journal(head, synced, difference(normalised(written), synced) if written else EMPTY)


def _line(mark: bytes, start: int, end: int) -> bytes:
    text = b"%b%d %d" % (mark, start, end)
    return b"%b %08x\n" % (text, zlib.crc32(text))
