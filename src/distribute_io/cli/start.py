"""Where `dio` starts: what can begin before the options are parsed begins here, then `main.py` is loaded.

`dio publish` reads its first file meanwhile: what parses options takes longer to load than Python itself, and on a file
of 1 GiB that is the difference between being as fast as `openssl dgst -sha256` and not (ADR 0011).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main() -> int:
    """Runs the command that the process was started with, and returns its exit code."""
    file = first_file(sys.argv[1:])
    if file is None:
        return _run(None)
    from distribute_io.cli.hashing_ahead import HashingAhead

    with HashingAhead([file], is_begun_early=True) as hashing:
        return _run(hashing)


def _run(begun: object) -> int:
    from distribute_io.cli.main import main as run

    return run(begun=begun)


def first_file(words: Sequence[str]) -> Path | None:
    """The first file that `dio publish` will name, if these are its words: every option of it takes one value.

    A wrong guess would cost time and nothing else: `dio publish` looks whether it is what it was told to read.

    >>> first_file(["publish", "--mirror", "https://m.example/", "-o", "out", "a.iso", "b.iso"]).name
    'a.iso'
    """
    if not words or words[0] != "publish":
        return None
    rest = iter(words[1:])
    for word in rest:
        if word == "--":
            word = next(rest, "")
        elif word.startswith("--"):
            if "=" not in word:
                next(rest, None)  # its value
            continue
        elif word.startswith("-"):
            if len(word) == 2:
                next(rest, None)
            continue
        return Path(word) if word else None
    return None


if __name__ == "__main__":
    sys.exit(main())
