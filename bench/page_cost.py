"""What does a verified download of 1 GiB cost in a page, beside aria2c that checks the whole file's SHA-256?

One nginx on this machine. Options: `--mib N` (default 1024), `--small-mib N` (default 256: the renderer's peak memory
of both is compared), `--rounds N` (default 3). CPU seconds are those of all the browser's processes, from the call of
`download()` until the whole file's digest was compared; the browser's own copy to the download folder is not among
them. "Segments only" is without the thread of the whole file's hasher.

Two loops say what bounds any page (`page_floor_worker.mjs`): one request whose bytes are dropped, and the same with a
digest of each segment and a write to the private file system. What aria2c costs depends on the library that it was
built with: one that uses the processor's SHA instructions needs a third of one that does not. No page has them for a
digest that goes on from part to part.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from bench.nginx import start_nginx
from bench.page_runs import FILE, MIB, Loop, Pages, bench_stage, make_served, publish, run_aria2c
from bench.record import Bar, Comparison
from tests.harness.processes import Stage

_ARIA2C = "aria2c -x8 --checksum"
_STORED = "page: verified and stored"
_SEGMENTS = "page: segments only"
_DIGEST = "page: with the whole file's digest"
_DISCARD = "a bare loop in a page: fetch, drop"
_BARE = "a bare loop in a page: fetch, digest segments, store"
_PEAK = "page: renderer's peak"
_SMALL_PEAK = "page: renderer's peak, the small file"
_BARE_PEAK = "a bare loop in a page: renderer's peak"
_PEAK_BAR_MIB = 220.0

_FLOOR = Path(__file__).with_name("page_floor_worker.mjs")
# The worker stays until its thread has been looked at.
_RUN_FLOOR = """new Promise((resolve, reject) => {{
    const worker = window.bareLoop = new Worker(URL.createObjectURL(new Blob([{code}], {{ type: "text/javascript" }})));
    worker.onerror = ({{ message }}) => {{ reject(new Error(message)); }};
    worker.onmessage = ({{ data }}) => {{ resolve(data); }};
    worker.postMessage({{ url: {url}, segmentBytes: {segment_bytes} }});
}})"""
# Resolves as soon as the whole digest was compared: the workers are still there for a second.
_RUN_OURS = """(async () => {{
    const {{ download }} = await import({module});
    const started = performance.now();
    let storedS;
    await download({url}, {{ coordinator: {coordinator}, key: {key}, onProgress: ({{ receivedBytes, sizeBytes }}) => {{
        if (receivedBytes === sizeBytes) storedS ??= (performance.now() - started) / 1000;
    }} }});
    return storedS;
}})()"""


def run(options: list[str]) -> bool:
    """Run both alternately and write three results; True when all bars hold."""
    parser = argparse.ArgumentParser(prog="page_cost", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--small-mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    size_mib: int = chosen.mib
    size_gib = size_mib / 1024
    notes = {"mib": size_mib, "small_mib": chosen.small_mib}
    speed = Comparison("page_cost_speed", (__doc__ or "").splitlines()[0], unit="MiB/s", notes=notes)
    cpu = Comparison("page_cost_cpu", (__doc__ or "").splitlines()[0], unit="CPU s per GiB", notes=notes)
    memory = Comparison("page_cost_memory", (__doc__ or "").splitlines()[0], unit="MiB", notes=notes)
    with bench_stage() as stage, Stage(_folder(stage, "small")) as small_stage:
        served = make_served(stage, size_mib * MIB)
        mirror = start_nginx(stage, served)
        pages = publish(stage, served, [mirror])
        small_served = make_served(small_stage, chosen.small_mib * MIB)
        small_pages = publish(small_stage, small_served, [start_nginx(small_stage, small_served)])
        checksum = _sha256(served / FILE)

        def aria2c() -> float:
            seconds, cpu_s = run_aria2c(
                stage,
                *("--max-connection-per-server=8", "--split=8", "--min-split-size=1M"),
                *(f"--checksum=sha-256={checksum}", f"{mirror}/{FILE}"),
            )
            cpu.figures.setdefault(_ARIA2C, []).append(cpu_s / size_gib)
            return size_mib / seconds

        def ours() -> float:
            used = _download(pages)
            cpu.figures.setdefault(_DIGEST, []).append(used.cpu_s / size_gib)
            cpu.figures.setdefault(_SEGMENTS, []).append((used.cpu_s - used.first_worker_cpu_s) / size_gib)
            peak_bytes = pages.click(pages.with_snippet).renderer_peak_bytes
            memory.figures.setdefault(_PEAK, []).append(peak_bytes / MIB)
            memory.figures.setdefault("the bar", []).append(_PEAK_BAR_MIB)
            small = small_pages.click(small_pages.with_snippet)
            memory.figures.setdefault(_SMALL_PEAK, []).append(small.renderer_peak_bytes / MIB)
            return size_mib / used.seconds

        def floor(name: str, segment_bytes: int) -> float:
            used = _bare(pages, segment_bytes)
            cpu.figures.setdefault(name, []).append(used.cpu_s / size_gib)
            if name == _BARE:
                memory.figures.setdefault(_BARE_PEAK, []).append(used.renderer_peak_bytes / MIB)
            return size_mib / used.seconds

        contenders = {_ARIA2C: aria2c, _STORED: ours, _DISCARD: lambda: floor(_DISCARD, 0)}
        speed.run(contenders | {_BARE: lambda: floor(_BARE, MIB)}, rounds=chosen.rounds)
    outcomes = [
        speed.finish([Bar(_STORED, _ARIA2C, at_least=1.3), Bar(_STORED, _BARE, at_least=0.9)]),
        cpu.finish(
            [
                Bar(_SEGMENTS, _ARIA2C, at_most=1.2),
                Bar(_DIGEST, _ARIA2C, at_most=1.9),
                Bar(_SEGMENTS, _BARE, at_most=1.1),
                Bar(_DISCARD, _ARIA2C, at_most=1.2),
            ]
        ),
        memory.finish([Bar(_PEAK, "the bar", at_most=1.0), Bar(_PEAK, _SMALL_PEAK, at_most=1.15)]),
    ]
    return all(outcomes)


def _download(pages: Pages) -> Loop:
    """One `download()` of the npm module, until the whole file's digest; `seconds` is until all was stored."""
    return pages.loop(
        _RUN_OURS.format(
            module=json.dumps(f"{pages.coordinator_url}/v/latest/index.js"),
            url=json.dumps(pages.link),
            coordinator=json.dumps(pages.coordinator_url),
            key=json.dumps(pages.public_key),
        )
    )


def _bare(pages: Pages, segment_bytes: int) -> Loop:
    """One of the two loops."""
    code = json.dumps(_FLOOR.read_text())
    return pages.loop(_RUN_FLOOR.format(code=code, url=json.dumps(pages.link), segment_bytes=segment_bytes))


def _folder(stage: Stage, name: str) -> Path:
    folder = stage.folder / name
    folder.mkdir()
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
