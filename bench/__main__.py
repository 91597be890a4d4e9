"""`python -m bench`: lists the benchmarks; `python -m bench NAME… [-- OPTION…]` runs them, `all` runs every one.

A benchmark is a module of this package with a docstring and `run(options: list[str]) -> bool` (whether its bars hold).
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from types import ModuleType

import bench

_NOT_BENCHMARKS = {"__main__", "record"}


def main(argv: list[str]) -> int:
    """Run the named benchmarks, or list all; 1 when a bar does not hold, 2 for an unknown name."""
    names, options = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    known = _find_benchmarks()
    unknown = [name for name in names if name not in known and name != "all"]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    if not names:
        for name, module in known.items():
            print(f"{name:<16} {(module.__doc__ or '').splitlines()[0]}")
        return 0
    # Programs are measured as they are installed, with their bytecode beside them: the first run leaves it there.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    chosen = list(known) if "all" in names else names
    outcomes = [known[name].run(options) for name in chosen]  # all of them, also after one whose bar does not hold
    return 0 if all(outcomes) else 1


def _find_benchmarks() -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in _NOT_BENCHMARKS)
    modules = {name: importlib.import_module(f"bench.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "run")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
