"""How a benchmark is run and written down.

Rules:

1. Contenders alternate within each round, and every second round runs in the reverse order, so that a machine which
   gets slower or busier meanwhile hurts all of them alike.
2. What counts are ratios within one round, and of those the median; absolute figures are kept for the reader only.
3. A result names machine, commit, command, load of the machine at the start, and every single figure. It names no
   host and no path.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Bar:
    """One demand: `ours / peer` (of the figures that contenders return) has to be at least or at most a bound."""

    ours: str
    peer: str
    at_least: float | None = None
    at_most: float | None = None

    def text(self) -> str:
        """The demand in words."""
        bound = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        return f"{self.ours} / {self.peer} {bound}"

    def holds(self, ratio: float) -> bool:
        """Whether a ratio meets it."""
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)


@dataclass
class Comparison:
    """The figures of one benchmark: what `unit` means is the same for all contenders."""

    name: str
    question: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)  # Any: JSON of any shape

    def run(self, contenders: Mapping[str, Callable[[], float]], *, rounds: int) -> None:
        """Run all contenders alternately; each returns its figure."""
        names = list(contenders)
        for round_number in range(rounds):
            for name in names if round_number % 2 == 0 else reversed(names):
                figure = contenders[name]()
                self.figures.setdefault(name, []).append(figure)
                print(f"  round {round_number + 1}: {name}: {figure:.4g} {self.unit}", flush=True)

    def ratio(self, ours: str, peer: str) -> float:
        """The median of the ratios of each round."""
        return statistics.median(
            mine / theirs for mine, theirs in zip(self.figures[ours], self.figures[peer], strict=True)
        )

    def finish(self, bars: Sequence[Bar] = ()) -> bool:
        """Print the outcome, write it to `bench/results/NAME.json`, and return whether all bars hold."""
        outcomes = [
            {"bar": bar.text(), "ratio": round(self.ratio(bar.ours, bar.peer), 3)}
            | {"holds": bar.holds(self.ratio(bar.ours, bar.peer))}
            for bar in bars
        ]
        print(f"\n{self.name}: {self.question}")
        for name, figures in self.figures.items():
            print(f"  {name:<40} median {statistics.median(figures):10.4g} {self.unit}   {_rounded(figures)}")
        for outcome in outcomes:
            print(f"  {outcome['bar']}: {outcome['ratio']} {'holds' if outcome['holds'] else 'DOES NOT HOLD'}")
        write_result(
            self.name,
            {
                "question": self.question,
                "unit": self.unit,
                "figures": {name: _rounded(figures) for name, figures in self.figures.items()},
                "bars": outcomes,
                "notes": self.notes,
            },
        )
        return all(outcome["holds"] for outcome in outcomes)


@dataclass(frozen=True)
class Machine:
    """What has to be known of the machine to read a figure."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    load_1_min: float


def describe_machine() -> Machine:
    """This machine, now."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=cpu,
        cores=os.cpu_count() or 1,
        memory_gb=round(memory_bytes / 1e9, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        load_1_min=round(os.getloadavg()[0], 2),
    )


def write_result(name: str, result: Mapping[str, Any]) -> Path:  # Any: JSON of any shape
    """Write `bench/results/NAME.json` with the machine, the commit and the command beside the figures."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "name": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "command": "python -m bench " + shlex.join(sys.argv[1:]),
        "machine": asdict(describe_machine()),
        **result,
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(f"  written: {path.relative_to(_ROOT)}")
    return path


def _commit() -> str:
    """The commit of the tree, with a mark when files of the program differ from it."""
    revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=_ROOT, capture_output=True, text=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "src", "client/src"], cwd=_ROOT, capture_output=True, text=True
    )
    return revision.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def _rounded(figures: Sequence[float]) -> list[float]:
    return [float(f"{figure:.4g}") for figure in figures]
