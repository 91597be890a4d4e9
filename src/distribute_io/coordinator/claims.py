"""Who may say that a link leads to a file.

A link decides what a page's visitors get, so claiming somebody else's would be a way to attack that site. A claim
stands when the token's scope has the link's origin, or when bytes sampled there are the file's: then nobody is harmed.
Links on private addresses are refused, as a mirror there would make every downloader knock at its own network.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, Protocol, TypeVar

from distribute_io.coordinator import links
from distribute_io.coordinator.bearer import covers_origin
from distribute_io.errors import RefusedError, SourceError
from distribute_io.manifest.segments import DIGEST_BYTES
from distribute_io.stores.catalogue import Catalogue, ManifestRecord, MirrorRecord, TokenRecord
from distribute_io.wire.http import Mirror

SAMPLES: Final = 3
"""Segments that are compared: the first, the last and one by chance, so that a look-alike needs the real file."""

SAMPLE_TIMEOUT_S: Final = 20.0
"""For one sample; whoever publishes waits for it."""


PROBES_AT_ONCE: Final = 4
"""Links that are looked at at a time; other publishers wait."""

P = ParamSpec("P")
T = TypeVar("T")


class Prober(Protocol):
    """Fetches bytes of a stranger's link. Blocks; called in a thread."""

    def check_address(self, url: str) -> None:
        """Look the link's host up.

        Raises:
            SourceError: `mirror_private_address` when it is on an address that is not public and not allowed.
        """

    def read_range(self, url: str, start: int, end: int, *, size_bytes: int, timeout_s: float) -> bytes:
        """The bytes `[start, end)` of the file of `size_bytes` at `url`.

        Raises:
            SourceError: when they cannot be had.
        """


class Claims:
    """Judges claims. Changes nothing itself."""

    def __init__(self, catalogue: Catalogue, prober: Prober, rng: random.Random) -> None:
        self._catalogue = catalogue
        self._prober = prober
        self._rng = rng
        # Threads of their own: a mirror that answers slowly must not hold those of the embedded mirror.
        self._threads = ThreadPoolExecutor(PROBES_AT_ONCE, thread_name_prefix="claims")

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def judge(
        self, record: ManifestRecord, segments: bytes, mirrors: Sequence[Mirror], token: TokenRecord | None
    ) -> tuple[list[MirrorRecord], bool]:
        """The mirrors as the catalogue keeps them, and whether they may be taken from another file.

        Args:
            record: the file's manifest.
            segments: its segment list.
            mirrors: what is claimed.
            token: whose claim it is; None for the operator's own command line, which may claim anything.

        Raises:
            RefusedError: `link_taken` or `link_unproven`.
            SourceError: `mirror_private_address`.
        """
        accepted: list[MirrorRecord] = []
        covered = True
        for mirror in mirrors:
            url = links.normalised(mirror.url)
            await self._in_thread(self._prober.check_address, url)
            if token is not None and not covers_origin(token, links.origin(url)):
                covered = False
                await self._prove(record, segments, url)
            accepted.append(MirrorRecord(record.file_id, url, mirror.priority, mirror.location))
        # Bytes prove that a link leads to this file now; only the scope proves that it may be taken from another.
        return accepted, covered

    async def _prove(self, record: ManifestRecord, segments: bytes, url: str) -> None:
        owner = await self._catalogue.file_of_link(url)
        if owner is not None and owner != record.file_id:
            raise RefusedError("link_taken", f"The link {url} belongs to another file.")
        try:
            async with asyncio.timeout(SAMPLE_TIMEOUT_S * (SAMPLES + 1)):
                matches = await self._in_thread(self._sample, record, segments, url)
        except (SourceError, TimeoutError) as error:
            why = error.message if isinstance(error, SourceError) else "it took too long"
            raise RefusedError(
                "link_unproven",
                f"The token does not cover the origin of {url}, and its bytes could not be checked: {why}",
            ) from error
        if not matches:
            raise RefusedError(
                "link_unproven", f"The token does not cover the origin of {url}, and other bytes are there."
            )

    def _sample(self, record: ManifestRecord, segments: bytes, url: str) -> bool:
        """Whether some segments at `url` are the file's. Blocks."""
        for index in sample_indices(record.segments, self._rng.randrange):
            start = index * record.segment_size_bytes
            end = min(start + record.segment_size_bytes, record.size_bytes)
            data = self._prober.read_range(url, start, end, size_bytes=record.size_bytes, timeout_s=SAMPLE_TIMEOUT_S)
            if hashlib.sha256(data).digest() != segments[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]:
                return False
        return record.segments > 0  # an empty file proves nothing


def sample_indices(segments: int, choose: Callable[[int], int]) -> tuple[int, ...]:
    """Which segments to compare: first, last and one by chance.

    >>> sample_indices(10, lambda below: 4)
    (0, 4, 9)
    """
    if segments == 0:
        return ()
    return tuple(sorted({0, segments - 1, choose(segments)}))[:SAMPLES]
