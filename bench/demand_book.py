"""What a request costs in the book of demand, and what the forecast does, with a million files.

Requests of a million files (Zipf 0.8) from 30 regions come in, until the book is full several times over. Each takes
its time in the coordinator's loop, and so does each part of what is expected; between the parts others have their turn.
Options: `--files N`, `--regions N`, `--requests N` (defaults 1,000,000, 30 and 600,000).
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from array import array
from itertools import accumulate
from typing import Any

from bench.record import write_result
from distribute_io.coordinator.plan_process import peak_memory_bytes
from distribute_io.core.demand.book import DemandBook, Tuning
from distribute_io.ids import FileId

_NOW_US = 10**15
_EVERY_US = 2_000
_PUBLISHED = 100_000


def run(options: list[str]) -> bool:
    """Measure and write; True when a request takes 50 us at most, and no part of the forecast 100 ms."""
    parser = argparse.ArgumentParser(prog="demand_book", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--regions", type=int, default=30)
    parser.add_argument("--requests", type=int, default=600_000)
    words = parser.parse_args(options)
    figures = _measure(words)
    write_result("demand_book", figures)
    return bool(figures["request_mean_us"] <= 50.0 and figures["forecast_longest_part_ms"] <= 100.0)


def _measure(words: argparse.Namespace) -> dict[str, Any]:  # Any: JSON of any shape
    rng = random.Random(1)
    sums = list(accumulate(1 / (place + 1) ** 0.8 for place in range(words.files)))
    asked = [f"{number:064x}" for number in rng.choices(range(words.files), cum_weights=sums, k=words.requests)]
    regions = [f"EU/{rng.randrange(words.regions):02d}" for _ in asked]
    before_bytes = peak_memory_bytes()
    book, now_us = DemandBook(), _NOW_US
    for number in range(_PUBLISHED):
        book.published(FileId(f"{number:064x}"), now_us)
    request_s = array("d")
    gc.collect()
    gc.freeze()  # what the bench itself has is no part of a coordinator, and the collector would walk it
    for file_id, region in zip(asked, regions, strict=True):
        now_us += _EVERY_US
        began = time.perf_counter()
        book.asked(FileId(file_id), region, "unrestricted", now_us)
        request_s.append(time.perf_counter() - began)
    book_bytes = peak_memory_bytes() - before_bytes
    part_s: list[float] = []
    files = rates = 0
    parts = book.expected(now_us)
    while True:
        began = time.perf_counter()
        some = next(parts, None)
        part_s.append(time.perf_counter() - began)
        if some is None:
            break
        files += len(some)
        rates += sum(len(expected.rates) for expected in some)
    request_s = array("d", sorted(request_s))
    return {
        "files": words.files,
        "regions": words.regions,
        "requests": words.requests,
        "cells": sum(len(some) for some in book.cells()),
        "cells_max": Tuning().cells_max,
        "request_mean_us": round(sum(request_s) / len(request_s) * 1e6, 1),
        "request_p99_us": round(request_s[int(len(request_s) * 0.99)] * 1e6, 1),
        "request_most_ms": round(request_s[-1] * 1e3, 1),
        "forecast_files": files,
        "forecast_rates": rates,
        "forecast_s": round(sum(part_s), 3),
        "forecast_parts": len(part_s),
        "forecast_longest_part_ms": round(max(part_s) * 1e3, 1),
        "book_memory_mb": round(book_bytes / 1e6),
    }
