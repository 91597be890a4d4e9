"""Credit under codes: what a person's devices were thanked for in all, without an account.

Rules:

1. Of a code's secret only a hash is kept, with sums by country and of the newest day: no address, no time of day.
2. What was credited is added up in memory and written every second; a crash loses at most that (invariant 5).
3. A code that is new begins with `BEGIN_BYTES` credited to one session, and until then is in no table: the table is
   bounded, and crumbs under made-up codes would fill it.
4. A session is told its sum when it names its code, and then when it has grown, at most every `TELL_EVERY_US`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from distribute_io.coordinator.session import Session
from distribute_io.errors import DistributeError, RefusedError
from distribute_io.stores.catalogue import Catalogue, TallyGrowth
from distribute_io.wire.session import CountryBytes, Tallied

log = logging.getLogger(__name__)

WRITE_EVERY_S: Final = 1.0
TELL_EVERY_US: Final = 10_000_000
NAMED_MAX: Final = 16
"""Codes that one session may name: each is a write and a query. A person has one, and now and then types another."""

BEGIN_BYTES: Final = 262_144
"""The smallest segment."""

_LABEL: Final = b"distribute.io/tally/1"


class Tallies:
    """Caller's duties: run `run` as long as anything is credited, `write` at the end."""

    def __init__(self, catalogue: Catalogue, clock_s: Callable[[], float]) -> None:
        """Keep the parts; `clock_s` gives seconds since 1970."""
        self._catalogue = catalogue
        self._clock_s = clock_s
        self._unwritten: Counter[tuple[str, str, str]] = Counter()
        self._writing = asyncio.Lock()

    async def named(self, session: Session, secret: bytes, now_us: int) -> None:
        """A session named the secret of its code.

        Raises:
            RefusedError: `rate_limited`.
        """
        if session.tallies_named >= NAMED_MAX:
            raise RefusedError("rate_limited", f"A session may name a code {NAMED_MAX} times.")
        session.tallies_named += 1
        session.tally = hashlib.sha256(_LABEL + secret).hexdigest()
        session.tally_is_known = False
        session.tally_crumbs.clear()
        await self._tell(session, now_us)

    def credited(self, session: Session, country: str, size_bytes: int) -> None:
        """A session was credited for bytes that went to a country."""
        if not session.tally:
            return
        session.tally_crumbs[country] += size_bytes
        if session.tally_is_known or session.tally_crumbs.total() >= BEGIN_BYTES:
            today = self._today()
            for place, size in session.tally_crumbs.items():
                self._unwritten[session.tally, place, today] += size
            session.tally_crumbs.clear()
            session.tally_is_known = session.tally_is_news = True

    async def tell_news(self, session: Session, now_us: int) -> None:
        """Tell a session its sum, if it has grown and is due."""
        if session.tally_is_news and now_us - session.tallied_at_us >= TELL_EVERY_US:
            await self._tell(session, now_us)

    async def run(self) -> None:
        """Write what was credited, every second, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.write()
            except DistributeError as error:
                log.warning("The tallies could not be written (%s); they are kept in memory.", error.code)

    async def write(self) -> None:
        """Write what was credited since the last time; when it returns, all that was credited before is there."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        taken, self._unwritten = self._unwritten, Counter()
        if not taken:
            return
        try:
            await self._catalogue.add_tallies(
                [TallyGrowth(code, country, size, day) for (code, country, day), size in taken.items()]
            )
        except DistributeError:
            self._unwritten += taken
            raise

    async def _tell(self, session: Session, now_us: int) -> None:
        session.tally_is_news = False
        session.tallied_at_us = now_us
        await self.write()
        sums = await self._catalogue.tally(session.tally)
        session.tally_is_known = session.tally_is_known or bool(sums)
        today = self._today()
        ranked = sorted(sums, key=lambda each: (-each.bytes_total, each.country))
        session.send(
            Tallied(
                bytes_total=sum(each.bytes_total for each in sums),
                bytes_today=sum(each.bytes_day for each in sums if each.day == today),
                countries=[CountryBytes(each.country, each.bytes_total) for each in ranked],
            )
        )

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock_s(), UTC).strftime("%Y-%m-%d")
