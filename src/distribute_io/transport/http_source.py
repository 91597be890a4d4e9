"""A mirror: byte ranges of one file over HTTP, for one thread.

What this module decides: whether an answer to a range request really is that range of that file. What it never
decides: what to ask for, or whom to ask next.

Every way in which mirrors are known to misbehave has its own code: spec/mirror-answers.md, decided in
`core/mirror_answer.py`.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from distribute_io.core.mirror_answer import AnswerHead, AskedRange, judge_answer, last_modified_s
from distribute_io.errors import CODES, SourceError
from distribute_io.transport.answer_body import AnswerBody
from distribute_io.transport.dial import HttpPolicy, converted, parse_address
from distribute_io.transport.http_request import HttpClient


class HttpSource:
    """One connection to one mirror of a file of `size_bytes`. Blocking; only `abort` may come from another thread.

    Caller's duties: read a `RangeBody` until `remaining` is 0, or call `drop`, before the next `open_range`.
    """

    def __init__(self, url: str, *, size_bytes: int, policy: HttpPolicy) -> None:
        self._url = url
        self._size_bytes = size_bytes
        self._client = HttpClient(policy)
        self._name = parse_address(url).host_header
        # Where the last redirect led: asking the redirector again for each range would cost a trip each time.
        self._final_url = url
        self.last_modified_s: int | None = None
        """When the mirror's file was last changed, by its latest answer; None when it does not say."""

    @property
    def name(self) -> str:
        """The mirror's host and port, for people."""
        return self._name

    def open_range(self, start: int, end: int) -> RangeBody:
        """Ask for `[start, end)`, which must not be empty, and check the answer's head.

        Raises:
            SourceError: the answer is not that range; see the module's table.
        """
        try:
            response, final_url = self._client.get(self._final_url, {"Range": f"bytes={start}-{end - 1}"})
            self._check(response, start, end)
        except SourceError:
            self.drop()
            self._final_url = self._url  # the place that a redirect named may be gone; the redirector knows another
            raise
        self._final_url = final_url
        return RangeBody(self, self._client.body(response), end - start)

    def abort(self) -> None:
        """Give up at once, from any thread: a blocked call of this source fails with a `SourceError`."""
        self._client.abort()

    @contextmanager
    def within(self, timeout_s: float) -> Iterator[None]:
        """Give up when the `with` block takes longer, however steadily a few bytes come; the source is of no use after.

        For callers without a scheduler that watches rates: the policy's idle time does not end an answer that drips.

        Raises:
            SourceError: `stalled`.
        """
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.abort()

        timer = threading.Timer(timeout_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except SourceError as error:
            if expired.is_set():
                raise SourceError("stalled", f"{self._name} takes longer than {timeout_s:g} s") from error
            raise
        finally:
            timer.cancel()

    def drop(self) -> None:
        """Close the connection: what is left of an answer is not wanted. The next request opens a new one."""
        self._client.close()

    def _check(self, response: http.client.HTTPResponse, start: int, end: int) -> None:
        head = AnswerHead(response.status, response.headers.get)
        self.last_modified_s = last_modified_s(head)
        fault = judge_answer(head, AskedRange(start, end, self._size_bytes), hidden=False, now_s=int(time.time()))
        if fault is not None:
            meaning = CODES["source"][fault.code].rstrip(".")
            raise SourceError(
                fault.code,
                f"{self._name}: {meaning} (status {response.status})",
                retry_after_us=fault.retry_after_us,
            )


class RangeBody:
    """The bytes of one answer, as they come."""

    def __init__(self, source: HttpSource, body: AnswerBody, length: int) -> None:
        self._source = source
        self._body = body
        self.remaining = length
        """Bytes of the range that were not read yet."""

    def readinto(self, view: memoryview) -> int:
        """Fill the beginning of `view`, which must not be longer than `remaining`; return how much, at least 1 byte.

        The caller chooses the size: a long view costs least and is filled whole, a short one (`SHORT_READ_BYTES` and
        less) takes what has come, so that slow sources show progress and can be shortened at once.

        Raises:
            SourceError: `mirror_truncated`, `stalled` or `mirror_unreachable`; what is in `view` is then void.
        """
        try:
            with converted(self._source.name):
                count = self._body.readinto(view)
            if count == 0:
                raise SourceError("mirror_truncated", f"{self._source.name} ended its answer early")
        except SourceError:
            self._source.drop()
            raise
        self.remaining -= count
        if self.remaining == 0:
            self._finish()
        return count

    def _finish(self) -> None:
        try:
            with converted(self._source.name):
                if not self._body.finish():
                    self._source.drop()
        except SourceError:
            self._source.drop()  # every byte of the range is here: how the connection ended is of no interest
