"""`--limit-rate`: one token bucket that the threads of all sources share."""

from __future__ import annotations

import threading
import time

from distribute_io.core.token_bucket import TokenBucket


class RateLimit:
    """Lets at most `rate_bytes_per_s` through, over all who `wait`. Safe to use from any thread."""

    def __init__(self, rate_bytes_per_s: int) -> None:
        self._lock = threading.Lock()
        self.chunk_bytes_max = max(1024, rate_bytes_per_s // 20)
        """Reserve no more than this at once, so that the flow is even."""
        # A burst of one chunk: who reserves runs into debt, so a thread that wakes late loses nothing, and a short
        # download is not quicker than the limit says.
        self._bucket = TokenBucket(
            rate_bytes_per_s=rate_bytes_per_s, burst_bytes=self.chunk_bytes_max, now_us=time.monotonic_ns() // 1000
        )

    def reserve(self, size_bytes: int) -> float:
        """Take `size_bytes`; returns the seconds to wait before they may flow."""
        with self._lock:
            return self._bucket.reserve(size_bytes, time.monotonic_ns() // 1000) / 1_000_000

    def wait(self, size_bytes: int, given_up: threading.Event) -> None:
        """Take `size_bytes` and wait until they may flow, or until `given_up` is set."""
        delay_s = self.reserve(size_bytes)
        if delay_s > 0:
            given_up.wait(delay_s)
