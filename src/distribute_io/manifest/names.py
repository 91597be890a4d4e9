r"""Which file names and causes a manifest may carry (spec/manifest.md section 5).

A name is written to somebody else's disk, so it must mean the same file, below the folder that was chosen, everywhere:

- no way out of that folder: absolute, drive letter, `.` and `..`, empty parts, backslash (a separator on Windows);
- no part begins with a dot: it would be hidden, or a shell's start-up file; browsers rename it;
- no control characters and no direction marks: they show another name than the one that is stored;
- no part ends in a dot or begins or ends with a space: Windows drops these, and two names would become one;
- at most 1,024 bytes of UTF-8, 255 in each part.

Characters that only Windows refuses (`: * ? " < > |`) are allowed: whoever writes the file there replaces them.
`client/src/core/file-name.ts` is the same in TypeScript.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from distribute_io.errors import ManifestError
from distribute_io.ids import CauseId
from distribute_io.manifest.limits import NAME_BYTES_MAX, NAME_PART_BYTES_MAX

_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\\\\"  # C0, DEL, C1, backslash
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that change the direction of writing
    "\u2028\u2029\ufeff\ufffe\uffff]"  # line and paragraph separator, byte-order mark, what XML cannot hold
)
_DRIVE: Final = re.compile("[A-Za-z]:")
_CAUSE: Final = re.compile("[a-z0-9][a-z0-9-]{0,63}")


def check_name(name: str) -> str:
    """Return `name` if a file may be published and saved by it.

    Args:
        name: the file's name, folders separated by `/`. May come from `os.fsdecode`: what is not UTF-8 is refused.

    Raises:
        ManifestError: `manifest_bad_name`, with the reason in the text.

    Example:
        >>> check_name("12.5/debian-12.5.0-amd64.iso")
        '12.5/debian-12.5.0-amd64.iso'
    """
    reason = _fault(name)
    if reason is not None:
        raise ManifestError("manifest_bad_name", f"The file name {name[:80]!a} is refused: {reason}.")
    return name


def _fault(name: str) -> str | None:
    try:
        size_bytes = len(name.encode("utf-8", "strict"))
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if size_bytes > NAME_BYTES_MAX:
        return f"it is longer than {NAME_BYTES_MAX} bytes"
    if _FORBIDDEN.search(name):
        return "it has a backslash, a control character or a direction mark"
    if _DRIVE.match(name):
        return "it begins with a drive letter"
    for part in name.split("/"):
        if not part:
            return "it is empty, absolute, or has an empty part"
        if len(part.encode()) > NAME_PART_BYTES_MAX:
            return f"a part is longer than {NAME_PART_BYTES_MAX} bytes"
        if part[0] == ".":
            return "a part begins with a dot"
        if part[-1] == "." or part[0] == " " or part[-1] == " ":
            return "a part ends in a dot, or begins or ends with a space"
    return None


def check_cause(cause: str) -> CauseId:
    """Return `cause` if it is 1 to 64 of `a-z 0-9 -` and begins with a letter or digit.

    Raises:
        ManifestError: `manifest_bad_cause`.
    """
    if not _CAUSE.fullmatch(cause):
        raise ManifestError(
            "manifest_bad_cause",
            f"The cause {cause[:80]!a} is refused: it must be 1 to 64 of a-z, 0-9 and -, not beginning with -.",
        )
    return CauseId(cause)


def url_path(name: str) -> str:
    """The name as the path of a URL: each part percent-encoded, `/` kept.

    Example:
        >>> url_path("my files/50%.iso")
        'my%20files/50%25.iso'
    """
    return quote(name, safe="/")
