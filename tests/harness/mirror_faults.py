"""Every way in which mirrors are known to fail, as data: for the tests of pages and of `dio get`, and the benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Stage


@dataclass(frozen=True)
class Fault:
    """A faulty mirror, what it is called, and what becomes of it."""

    misbehave: tuple[str, ...]
    problem: str | None
    """The code that is shown at some time; None: nothing is wrong in the end."""
    ends: tuple[str, ...] = ("ready", "probation")
    """The states in which it may end."""
    gives: bool = False
    """Whether some of the file has to come from it."""
    asked_max: int | None = None
    """How often it may be asked; None: as often as it pays."""
    rate: str | None = "2MB/s"
    folder: str = "served"


FAULTS = {
    "dies": Fault(("die-after=3000000",), "mirror_unreachable", gives=True),
    "stalls": Fault(("stall-after=700000",), "stalled"),
    "truncates": Fault(("truncate",), "mirror_truncated"),
    "flips": Fault(("flip",), "segment_mismatch", ("banned",)),
    "ignores": Fault(("ignore-range",), "mirror_ignores_range", ("excluded",)),
    "redirects": Fault(("redirect=GOOD",), None, gives=True),
    "forbids": Fault(("forbid-after=1500000",), "mirror_forbidden", ("probation", "excluded"), gives=True),
    "recovers": Fault(("errors=2",), "mirror_status", gives=True),
    "crawls": Fault((), "slow", rate="1kB/s"),
    "busy": Fault(("busy=60",), "mirror_busy", ("probation",), asked_max=2),
    "no-cors": Fault(("no-cors",), "mirror_no_cors", ("probation", "excluded")),
    "changed": Fault((), "mirror_file_changed", ("excluded",), folder="other"),
    "missing": Fault((), "mirror_missing", ("excluded",), folder="empty"),
}


def faulty_mirrors(stage: Stage, folders: Mapping[str, Path], spare_url: str) -> dict[str, Mirror]:
    """One mirror for each fault.

    Args:
        stage: who ends them.
        folders: what `Fault.folder` names.
        spare_url: where the one that redirects leads.
    """
    kinds = [
        MirrorKind(
            folders[fault.folder], fault.rate, tuple(word.replace("GOOD", spare_url) for word in fault.misbehave)
        )
        for fault in FAULTS.values()
    ]
    mirrors = dict(zip(FAULTS, start_farm(stage, kinds), strict=True))
    # A mirror that dies takes its process with it.
    mirrors["dies"] = start_mirror(
        stage, folders["served"], rate=FAULTS["dies"].rate, misbehave=FAULTS["dies"].misbehave
    )
    return mirrors
