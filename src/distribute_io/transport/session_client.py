"""A peer's session with its coordinator: a WebSocket that comes back by itself (spec/session.md).

Rules:

1. One connection at a time. Lost, it is made again after a random delay that doubles up to half a minute; a session
   that stood for `_GOOD_S` resets it (a welcome alone does not: what ends one session right after it ends each, once
   a second). So a coordinator that restarts is not overrun, and bytes never depend on it meanwhile.
2. After each `welcome` the owner tells again who it is and what it holds: nothing is assumed to be remembered.
3. `send` never waits. Without a connection what is sent is dropped: rule 2 makes up for it. What a slow coordinator
   does not read is bounded; above the bound the connection is given up and made again.
4. What the coordinator says is decoded once, into one of the messages of `wire.session`. A type of a later version is
   passed over; anything else ends the connection, as it would break every later message too.
5. After each `welcome` the NAT class is found by the coordinator's STUN ports (`nat_probe.py`), and told if it is news;
   the next `hello` says it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from distribute_io.errors import RemoteProtocolError
from distribute_io.transport.nat_probe import find_nat_class
from distribute_io.wire.codec import decode_coordinator_message, encode_message
from distribute_io.wire.limits import HEARTBEAT_MS, MESSAGE_BYTES_MAX, OUTBOUND_BYTES_MAX, PROTOCOL_VERSION
from distribute_io.wire.session import (
    ClientMessage,
    CoordinatorMessage,
    ErrorMessage,
    Hello,
    Nat,
    NatClass,
    Ping,
    Pong,
    Welcome,
)

_BACKOFF_S_MIN: Final = 0.5
_BACKOFF_S_MAX: Final = 30.0
_RESTART_S: Final = (1.0, 10.0)
"""After a coordinator said that it stops (close code 1001): spec/session.md section 1."""

_GOOD_S: Final = 30.0
"""As in the pages' `session-backoff.ts`."""

_CONNECT_TIMEOUT_S: Final = 15.0
_CLOSE_GOING_AWAY: Final = 1001
_SILENCE_S: Final = 75.0
"""Three heartbeats without even a `pong`: the connection is dead, whatever the operating system says."""


class SessionEvents(Protocol):
    """What the session tells its owner, on the loop."""

    def on_welcome(self, welcome: Welcome) -> None:
        """A session began (again): tell what you want and hold."""
        ...

    def on_message(self, message: CoordinatorMessage) -> None:
        """The coordinator said something."""
        ...

    def on_lost(self, reason: str) -> None:
        """The session is gone; another attempt follows. `reason` is for people."""
        ...


class SessionClient:
    """One peer's session. Caller's duties: run `run` in a task of its own, and cancel it to leave."""

    def __init__(self, url: str, *, agent: str, events: SessionEvents, rng: random.Random) -> None:
        self._url = url
        self._agent = agent
        self._events = events
        self._rng = rng
        self._outbox: asyncio.Queue[bytes] | None = None
        self._queued_bytes = 0
        self._overrun = asyncio.Event()
        self._nat: NatClass = "unknown"
        """As it was found last."""

    @property
    def connected(self) -> bool:
        """Whether what is sent now has a connection to go to."""
        return self._outbox is not None

    def send(self, message: ClientMessage) -> None:
        """Send a message, or drop it when there is no connection (rule 3)."""
        if self._outbox is None:
            return
        data = encode_message(message)
        if self._queued_bytes + len(data) > OUTBOUND_BYTES_MAX:
            self._overrun.set()
            return
        self._queued_bytes += len(data)
        self._outbox.put_nowait(data)

    async def drain(self, timeout_s: float) -> None:
        """Wait until what was sent has left, for a while at most."""
        outbox = self._outbox
        if outbox is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await outbox.join()

    async def run(self) -> None:
        """Keep a session for as long as this is not cancelled."""
        attempt = 0
        async with aiohttp.ClientSession(trust_env=True) as http:
            while True:
                outcome = await self._one_connection(http)
                lived_s = 0.0 if outcome.welcomed_s is None else time.monotonic() - outcome.welcomed_s
                attempt = 0 if lived_s >= _GOOD_S else attempt + 1
                self._events.on_lost(outcome.reason)
                if outcome.restarting:
                    await asyncio.sleep(self._rng.uniform(*_RESTART_S))
                else:
                    ceiling = min(_BACKOFF_S_MAX, _BACKOFF_S_MIN * 2 ** min(attempt, 10))
                    await asyncio.sleep(self._rng.uniform(ceiling / 2, ceiling))

    async def _one_connection(self, http: aiohttp.ClientSession) -> _Outcome:
        outcome = _Outcome()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                socket = await http.ws_connect(self._url, max_msg_size=MESSAGE_BYTES_MAX, autoclose=True, compress=0)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome.reason = f"the coordinator does not answer ({type(error).__name__})"
            return outcome
        self._outbox = asyncio.Queue()
        self._queued_bytes = 0
        self._overrun.clear()
        tasks: list[asyncio.Task[None]] = []
        welcomed: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        try:
            self.send(Hello(protocol=PROTOCOL_VERSION, agent=self._agent, native=True, nat=self._nat))
            tasks = [
                asyncio.ensure_future(self._write(socket, self._outbox)),
                asyncio.ensure_future(self._read(socket, outcome, welcomed)),
                asyncio.ensure_future(self._watch_overrun()),
                asyncio.ensure_future(self._tell_nat(welcomed)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                failure = task.exception() if task.done() else None
                if failure is not None:
                    self._explain(failure, outcome)
        finally:
            self._outbox = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
        outcome.restarting = socket.close_code == _CLOSE_GOING_AWAY
        return outcome

    def _explain(self, error: BaseException, outcome: _Outcome) -> None:
        if isinstance(error, RemoteProtocolError):
            outcome.reason = f"the coordinator's message cannot be understood [{error.code}]"
        elif isinstance(error, (aiohttp.ClientError, TimeoutError, OSError)):
            outcome.reason = f"the connection to the coordinator was lost ({type(error).__name__})"
        else:
            raise error

    async def _write(self, socket: aiohttp.ClientWebSocketResponse, outbox: asyncio.Queue[bytes]) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_MS / 1000):
                    data = await outbox.get()
            except TimeoutError:
                await socket.send_str(encode_message(Ping()).decode())
                continue
            self._queued_bytes -= len(data)
            await socket.send_str(data.decode())
            outbox.task_done()

    async def _tell_nat(self, welcomed: asyncio.Future[Sequence[str]]) -> None:
        """Find the NAT class by the coordinator's STUN ports; tell it if it is news. Ends with the connection."""
        stun = await welcomed
        nat = await find_nat_class(stun, coordinator_host=urlsplit(self._url).hostname or "")
        if nat not in ("unknown", self._nat):
            self._nat = nat
            self.send(Nat(nat=nat))
        await asyncio.get_running_loop().create_future()

    async def _read(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        outcome: _Outcome,
        welcomed: asyncio.Future[Sequence[str]],
    ) -> None:
        while True:
            async with asyncio.timeout(_SILENCE_S):
                received = await socket.receive()
            if received.type is not aiohttp.WSMsgType.TEXT:
                outcome.reason = outcome.reason or "the coordinator closed the session"
                return
            try:
                message = decode_coordinator_message(received.data)
            except RemoteProtocolError as error:
                if error.code == "message_unknown":
                    continue
                raise
            match message:
                case Welcome():
                    outcome.welcomed_s = time.monotonic()
                    if not welcomed.done():
                        welcomed.set_result(message.stun)
                    self._events.on_welcome(message)
                case Pong():
                    continue
                case ErrorMessage(code=code, message=text, fatal=True):
                    outcome.reason = f"the coordinator ended the session: {text} [{code}]"
                case _:
                    self._events.on_message(message)

    async def _watch_overrun(self) -> None:
        await self._overrun.wait()
        raise ConnectionError("the coordinator does not read")


class _Outcome:
    """How one connection went."""

    def __init__(self) -> None:
        self.welcomed_s: float | None = None
        """When, by the monotonic clock; None: never."""
        self.restarting = False
        self.reason = ""
