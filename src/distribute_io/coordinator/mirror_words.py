"""The state of a mirror in plain words, for the front page and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from distribute_io.errors import CODES
from distribute_io.units import format_rate
from distribute_io.wire.http import FileEntry, MirrorStatus

_MEANINGS: Final = {code: meaning for family in ("source", "integrity") for code, meaning in CODES[family].items()} | {
    "mirror_unreachable": "it does not answer",  # the code's own text is for pages, which cannot tell why
    "mirror_no_cors": "it sends no CORS header",
}


def in_words(mirror: MirrorStatus) -> str:
    """How a mirror does.

    >>> in_words(MirrorStatus("https://m.example/a", "failing", listed=False, reason="stalled"))
    'left out: no byte came for too long'
    """
    why = _meaning(mirror.reason)
    match mirror.state:
        case "unchecked":
            return "not checked yet"
        case "well":
            rate = f", {format_rate(mirror.rate_bytes_per_s)}" if mirror.rate_bytes_per_s else ""
            return f"well{rate}" + (f"; the last check failed: {why}" if why else "")
        case "limited":
            return f"for programs only, not for pages: {why}"
        case "changed" | "failing":
            return f"listed for want of a better one: {why}" if mirror.listed else f"left out: {why}"


def mirror_warnings(answer: bytes) -> Iterator[str]:
    """A line for each mirror of a file's entry that pages are not sent to; none when the answer is something else."""
    try:
        entry = msgspec.json.decode(answer, type=FileEntry)
    except msgspec.MsgspecError:
        return
    for mirror in entry.mirror_states:
        is_unwatched = mirror.state == "unchecked" and mirror.listed
        if mirror.state != "well" and not is_unwatched:
            yield f"dio: warning: {mirror.url}: {in_words(mirror)}; `dio doctor {mirror.url}` says what to do"


def _meaning(code: str | None) -> str:
    text = _MEANINGS.get(code or "", code or "").rstrip(".")
    return text[:1].lower() + text[1:]
