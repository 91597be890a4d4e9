"""One check of one mirror of the catalogue: a segment by chance, fetched as a page would and compared."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Final, Protocol

from distribute_io.core.mirror_findings import Expected, judge, outcome
from distribute_io.core.mirror_health import Outcome
from distribute_io.manifest.segments import DIGEST_BYTES
from distribute_io.stores.catalogue import Catalogue, MirrorRecord
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.in_thread import in_thread
from distribute_io.transport.mirror_probe import MirrorLook

CONNECT_TIMEOUT_S: Final = 5.0
IDLE_TIMEOUT_S: Final = 10.0
DEADLINE_S: Final = 10.0
RATE_BYTES_PER_S_MIN: Final = 65_536
"""A check takes at most DEADLINE_S and what its segment takes at this rate; a slower mirror helps nobody."""


class Chance(Protocol):
    """What a check needs of a random generator."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 up to and without `stop`."""


class MirrorChecker:
    """Looks; keeps and decides nothing."""

    def __init__(self, catalogue: Catalogue, *, allow_private: bool, pages_are_https: bool, rng: Chance) -> None:
        """Keep the parts; `pages_are_https` says whether pages that use the coordinator can only be https ones."""
        self._catalogue = catalogue
        self._page_scheme: Final = "https" if pages_are_https else "http"
        self._rng = rng
        self._policy = HttpPolicy(
            allow_private=allow_private,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            idle_timeout_s=IDLE_TIMEOUT_S,
            user_agent="distribute-io mirror check",
        )

    async def check(self, mirror: MirrorRecord) -> Outcome | None:
        """What a look at the mirror found; None when its file is no longer published.

        Raises:
            StoreError: the catalogue cannot be read.
        """
        record = next(iter(await self._catalogue.manifests(mirror.file_id)), None)
        segments = await self._catalogue.segment_list(record.segments_sha256) if record is not None else None
        if record is None or segments is None:
            return None
        start, end, digest = 0, 0, hashlib.sha256().digest()
        if record.segments:
            index = self._rng.randrange(record.segments)
            start = index * record.segment_size_bytes
            end = min(start + record.segment_size_bytes, record.size_bytes)
            digest = segments[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
        deadline_s = DEADLINE_S + (end - start) / RATE_BYTES_PER_S_MIN
        look = MirrorLook(mirror.url, start, end, policy=self._policy, deadline_s=deadline_s)
        try:
            # Also over what the look itself cannot break off, such as the look-up of a name: a slot must come free.
            async with asyncio.timeout(deadline_s):
                seen = await in_thread(look.run, abort=look.abort, name="mirror check")
        except TimeoutError:
            return Outcome("mirror_too_slow")
        expected = Expected(size_bytes=record.size_bytes, sha256=digest.hex(), page_scheme=self._page_scheme)
        now_s = int(time.time())
        return outcome(seen, judge(seen, expected, now_s=now_s), now_s=now_s)
