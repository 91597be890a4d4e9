"""A file that is there before the download begins: the right one is taken as it is, another is never overwritten."""

from __future__ import annotations

import hashlib
from pathlib import Path

from distribute_io.download.fetch import FetchResult
from distribute_io.download.plan import DownloadPlan
from distribute_io.errors import UsageError
from distribute_io.ids import FileId
from distribute_io.runtime.disk import stored


def is_there_already(target: Path, plan: DownloadPlan) -> FetchResult:
    """The result for a file that is at `target` and is the one of the plan.

    Raises:
        UsageError: `file_exists`, when it is another one.
        StoreError: it cannot be read.
    """
    manifest = plan.manifest
    with stored(target):
        if target.is_file() and target.stat().st_size == manifest.size_bytes:
            with target.open("rb") as file:
                sha256 = FileId(hashlib.file_digest(file, "sha256").hexdigest())
            if sha256 == manifest.sha256:
                return FetchResult(
                    path=target,
                    sha256=sha256,
                    seconds=0.0,
                    resumed_bytes=manifest.size_bytes,
                    segments=len(plan.segment_list),
                    segments_rejected=0,
                    sources=(),
                    banned=(),
                )
    raise UsageError("file_exists", f"{target} is there already and is another file; remove it or choose another name")
