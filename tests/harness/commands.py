"""Several commands of `dio`, one after another in one process: each would take a second to start.

`python -m tests.harness.commands` reads them from its standard input, as a JSON list of lists of words.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from distribute_io.cli.main import main
from tests.harness.processes import python_module

_ROOT: Final = Path(__file__).parents[2]
_TIMEOUT_S: Final = 300


def run_all(commands: Sequence[Sequence[str | Path]]) -> None:
    """Run them; each has to succeed."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    process = [str(word) for word in python_module(__name__)]
    done = subprocess.run(process, input=words, capture_output=True, text=True, timeout=_TIMEOUT_S, cwd=_ROOT)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


if __name__ == "__main__":
    for each in json.load(sys.stdin):
        if main(each) != 0:
            sys.exit(f"`dio {' '.join(each)}` failed")
