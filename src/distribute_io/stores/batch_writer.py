"""One thread that writes, in batches: many small changes share one commit.

A commit costs far more than a row (docs/decisions/0009-sqlalchemy-core-and-one-writer.md has the figures), and SQLite
takes one writer at a time anyway. So every change is a job: the thread takes all jobs that wait, runs each in a
savepoint of one transaction, commits, and only then tells the callers. A job that raises is rolled back alone.

The queue is bounded; when it is full the caller gets `full` at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from distribute_io.errors import DistributeError, RefusedError, StoreError

JOBS_WAITING_MAX: Final = 10_000
"""Changes that may wait: at 100,000 rows/s a tenth of a second, so more means that the disk hangs."""

JOBS_PER_COMMIT_MAX: Final = 1_000
"""Changes that share a commit; larger batches were no faster."""

T = TypeVar("T")
Job = Callable[[sa.Connection], T]


class _Waiting:
    """A job with where its outcome goes. The outcome's type is the job's own, known only to the caller."""

    __slots__ = ("_future", "_loop", "job")

    def __init__(self, job: Job[Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.job = job
        self._loop = loop
        self._future = future

    def tell(self, result: object, error: Exception | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            # The loop is closed: whoever asked is gone, and what was committed stays committed.
            return

    def _settle(self, result: object, error: Exception | None) -> None:
        if self._future.done():
            return
        if error is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(error)


class BatchWriter:
    """Owns the writing thread and its connection.

    Caller's duties: `await run(job)` from an event loop; `close()` at the end, off the loop.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._jobs: queue.Queue[_Waiting | None] = queue.Queue(JOBS_WAITING_MAX)
        self._thread = threading.Thread(target=self._work, name="catalogue-writer", daemon=True)
        self._thread.start()

    async def run(self, job: Job[T]) -> T:
        """Run `job` in a savepoint; returns after the commit.

        Raises:
            DistributeError: what the job raised; `full` when too much waits; `catalogue_failed` from the database.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        try:
            self._jobs.put_nowait(_Waiting(job, loop, future))
        except queue.Full:
            raise RefusedError("full", "The catalogue's database is too slow for what is asked of it.") from None
        return await future

    def close(self) -> None:
        """Finish the waiting jobs and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        running = True
        while running:
            batch: list[_Waiting] = []
            first = self._jobs.get()
            while True:
                if first is None:
                    running = False
                    break
                batch.append(first)
                if len(batch) >= JOBS_PER_COMMIT_MAX:
                    break
                try:
                    first = self._jobs.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Waiting]) -> None:
        outcomes: list[tuple[object, Exception | None]] = []
        try:
            with self._engine.begin() as connection:
                outcomes.extend(_outcome(connection, waiting.job) for waiting in batch)
        except Exception as error:  # noqa: BLE001 - the whole batch failed: every caller must hear of it, whatever it was
            failure = StoreError("catalogue_failed", f"The catalogue could not be written: {type(error).__name__}.")
            failure.__cause__ = error
            outcomes = [(None, failure)] * len(batch)
        for waiting, (result, problem) in zip(batch, outcomes, strict=True):
            waiting.tell(result, problem)


def _outcome(connection: sa.Connection, job: Job[Any]) -> tuple[object, Exception | None]:
    try:
        with connection.begin_nested():
            return job(connection), None
    except DistributeError as refusal:
        return None, refusal
    except sa.exc.IntegrityError as error:
        failure = StoreError("catalogue_failed", "The catalogue refused a change that breaks its constraints.")
        failure.__cause__ = error
        return None, failure
