"""One download into a pipe: the file's bytes in order, each segment verified before its first byte leaves."""

from __future__ import annotations

import asyncio
import time

from distribute_io.core import runs as run_sets
from distribute_io.download.fetch import Download, FetchOptions, FetchResult, Peers, Round, require_sources
from distribute_io.download.plan import DownloadPlan
from distribute_io.download.segment_file import SegmentFile
from distribute_io.download.segment_stream import SegmentStream
from distribute_io.errors import IntegrityError


async def stream(plan: DownloadPlan, options: FetchOptions, *, peers: Peers | None, fd: int) -> FetchResult:
    """Download a file into the descriptor `fd`, which the options' target names. It cannot be resumed.

    Raises:
        UsageError: `no_sources`; `cancelled` when nobody reads any more.
        SourceError, IntegrityError, RefusedError, StoreError: as `fetch`.
    """
    require_sources(plan, peers)
    started = time.monotonic()
    out = SegmentStream(fd, len(plan.segment_list))
    download = Download(plan, options, peers)
    try:
        if plan.manifest.size_bytes:
            file = SegmentFile(out, plan.manifest, plan.segment_list, None)
            everything_to_do = Round(
                held=run_sets.EMPTY, resumed=run_sets.EMPTY, on_front=lambda _: None, in_order=True
            )
            await download.drive(file, out, everything_to_do, on_driver=lambda driver: out.attach(driver.post))
        else:
            out.attach(lambda _: None)
        sha256 = await asyncio.to_thread(out.result)
    finally:
        out.stop()
    if sha256 != plan.manifest.sha256:
        raise IntegrityError(
            "file_mismatch", f"{plan.manifest.name}: what was written is not what the manifest says; discard it"
        )
    return download.result(options.target, sha256, seconds=time.monotonic() - started, resumed=run_sets.EMPTY)
