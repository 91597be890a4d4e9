"""What `dio get` says of a file when its download is over: a line for people, and the object of `--json`."""

from __future__ import annotations

from typing import Any

import msgspec

from distribute_io.download.fetch import FetchResult, Snapshot
from distribute_io.download.plan import DownloadPlan
from distribute_io.errors import DistributeError
from distribute_io.units import format_rate, format_size


def trust_in_words(plan: DownloadPlan) -> str:
    """On whose word the file is right. Only a pinned key makes it "verified"."""
    if plan.verified.pinned:
        return f"verified, signed by {plan.verified.signed_by[0]}"
    return f"matches the list of {plan.coordinator or 'the manifest'}; --pin KEY would verify who made it"


def summary(plan: DownloadPlan, result: FetchResult) -> str:
    """The line that stdout gets for one file."""
    size = plan.manifest.size_bytes
    rate = f", {format_rate((size - result.resumed_bytes) / result.seconds)}" if result.seconds > 0 else ""
    donors = sum(figures.bytes for figures in result.sources if figures.kind == "peer")
    share = f", {donors * 100 // max(1, size)} % from donors" if donors else ""
    return f"{result.path}: {format_size(size)}{rate}{share}; {trust_in_words(plan)}; sha256 {result.sha256}"


def report(plan: DownloadPlan, result: FetchResult) -> dict[str, Any]:  # Any: a JSON object of mixed values
    """The object of `--json` (docs/reference/json.md)."""
    return {
        "file": str(result.path),
        "name": plan.manifest.name,
        "size_bytes": plan.manifest.size_bytes,
        "sha256": result.sha256,
        "verified": plan.verified.pinned,
        "signed_by": list(plan.verified.signed_by),
        "coordinator": plan.coordinator,
        "seconds": round(result.seconds, 3),
        "resumed_bytes": result.resumed_bytes,
        "bytes_by_source": [
            {"source": figures.source, "kind": figures.kind, "bytes": figures.bytes} for figures in result.sources
        ],
        "segments": result.segments,
        "segments_rejected": result.segments_rejected,
        "sources_banned": list(result.banned),
        "sources": [msgspec.to_builtins(figures) for figures in result.sources],
    }


def failure_report(
    asked: str, error: DistributeError, latest: Snapshot | None
) -> dict[str, Any]:  # Any: as that of `report`
    """The object of `--json` for a download that failed (docs/reference/json.md).

    Args:
        asked: the word that the user typed.
        error: why.
        latest: how far it came; None when it did not even begin.
    """
    return {
        "file": None,
        "asked": asked,
        "name": None if latest is None else latest.name,
        "verified": False,
        "code": error.code,
        "message": error.message,
        "sources": [] if latest is None else [msgspec.to_builtins(figures) for figures in latest.sources],
    }
