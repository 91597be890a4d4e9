"""A line with delay, rate, loss and a bounded queue, between this machine and a network namespace of its own.

Why: on loopback nothing is ever late or lost, so what a window or a congestion control does cannot be seen there; and
the kernel's own emulation (`tc qdisc … netem`) is a module that many machines lack. This is a program in user space:
one tun device at each end, packets read from one are written to the other when their time has come.

    with open_line(stage, Line(delay_ms=25, rate_bytes_per_s=4_000_000, loss=0.01)) as line:
        line.far_command(["curl", f"http://{line.near_address}:8000/"])

It needs root, `/dev/net/tun` and `ip` (iproute2); a machine without them fails with what is missing.

Model, for each direction on its own: a packet is lost with probability `loss`; else it joins a queue of `queue_bytes`,
or is lost when that is full; the queue is emptied at `rate_bytes_per_s`; what has left it arrives `delay_ms` later. So
a ping takes twice the delay, and order is kept. `OpenLine.change` makes it another line; what is on its way arrives as
it would have.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import random
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.harness.processes import Process, Stage, python_module

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001
_PACKET_BYTES_MAX: Final = 2_048
_BATCH: Final = 64


@dataclass(frozen=True)
class Line:
    """What a line is like, the same in both directions."""

    delay_ms: float = 0.0
    rate_bytes_per_s: int = 125_000_000
    loss: float = 0.0
    queue_bytes: int = 262_144
    seed: int = 1


@dataclass(frozen=True)
class OpenLine:
    """A line that is up. The far end is a namespace in which nothing else is; the near end is this machine."""

    namespace: str
    near_address: str
    far_address: str
    pump: Process
    settings: Path

    def change(self, line: Line) -> int:
        """From now on it is this line. Returns the most bytes that were on one way of it at once before."""
        told = self.pump.stdout().count("\n")
        self.settings.write_text(json.dumps(asdict(line)))
        self.pump.send_signal(signal.SIGHUP)
        self.pump.wait_until(lambda: self.pump.stdout().count("\n") > told, "the line to change")
        peak_bytes: int = json.loads(self.pump.stdout().splitlines()[told])["peak_bytes"]
        return peak_bytes

    def far_command(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command that runs a program at the far end."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def far_program(self, folder: Path, program: str) -> Path:
        """A script that is `program`, at the far end: for what starts a browser by the path of one file."""
        path = folder / f"far-{Path(program).name}"
        path.write_text(f'#!/bin/sh\nexec ip netns exec {self.namespace} {program} "$@"\n')
        path.chmod(0o755)
        return path


def require_tun() -> None:
    """Fail with what is missing, unless lines can be opened here."""
    missing = [
        *([] if os.geteuid() == 0 else ["to be root (run as root, or in a container with NET_ADMIN and SYS_ADMIN)"]),
        *([] if Path("/dev/net/tun").exists() else ["/dev/net/tun (modprobe tun; docker run --device /dev/net/tun)"]),
        *([] if shutil.which("ip") else ["ip (apt-get install iproute2)"]),
    ]
    assert not missing, f"a line with delay and loss needs {'; '.join(missing)}"


@contextlib.contextmanager
def open_line(stage: Stage, line: Line) -> Iterator[OpenLine]:
    """Make a namespace and a line to it; both are gone afterwards."""
    require_tun()
    # Names and addresses are the machine's: those of two runs at a time must not meet.
    number = os.getpid() % 16_000
    near, far = f"10.77.{number // 64}.{number % 64 * 4 + 1}", f"10.77.{number // 64}.{number % 64 * 4 + 2}"
    namespace, near_device, far_device = f"dio{number}", f"dion{number}", f"diof{number}"
    _ip("netns", "add", namespace)
    try:
        stage.folder.mkdir(parents=True, exist_ok=True)
        settings = stage.folder / "line.json"
        settings.write_text(json.dumps(asdict(line)))
        pump = stage.start("line", python_module("tests.harness.tun_link", near_device, far_device, settings))
        pump.wait_for_json_line()
        _ip("link", "set", far_device, "netns", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        for place, device, own, other in (
            ([], near_device, near, far),
            (["-n", namespace], far_device, far, near),
        ):
            _ip(*place, "address", "add", own, "peer", other, "dev", device)
            _ip(*place, "link", "set", device, "up", "mtu", "1500", "txqueuelen", "1000")
        # A browser looks for its own address by asking for the way out.
        _ip("-n", namespace, "route", "add", "default", "via", near)
        yield OpenLine(namespace, near, far, pump, settings)
        pump.stop()
    finally:
        _ip("netns", "delete", namespace)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


class _Direction:
    """One way of the line: what was read from one device and is not yet written to the other."""

    def __init__(self, target: int, rng: random.Random) -> None:
        self._target = target
        self._rng = rng
        self._free_at = 0.0
        self._arrivals: deque[tuple[float, bytes]] = deque()
        self._under_way_bytes = 0
        self.peak_bytes = 0

    def take(self, packet: bytes, line: Line, now: float) -> None:
        """A packet enters at one end."""
        rate = line.rate_bytes_per_s
        queued_bytes = max(0.0, self._free_at - now) * rate
        if self._rng.random() < line.loss or queued_bytes + len(packet) > line.queue_bytes:
            return
        self._free_at = max(now, self._free_at) + len(packet) / rate
        self._arrivals.append((self._free_at + line.delay_ms / 1_000, packet))
        self._under_way_bytes += len(packet)
        self.peak_bytes = max(self.peak_bytes, self._under_way_bytes)

    def deliver(self, now: float) -> float | None:
        """Write what is due; returns when the next packet is."""
        while self._arrivals and self._arrivals[0][0] <= now:
            _, packet = self._arrivals.popleft()
            self._under_way_bytes -= len(packet)
            # A device that is not up yet, or gone: as a cable that nobody has plugged in.
            with contextlib.suppress(OSError):
                os.write(self._target, packet)
        return self._arrivals[0][0] if self._arrivals else None


def pump(near_device: str, far_device: str, settings: Path) -> None:
    """Carry packets between two new tun devices until the process is ended; SIGHUP reads the settings again."""
    near, far = _open_tun(near_device), _open_tun(far_device)
    line = Line(**json.loads(settings.read_text()))
    rng = random.Random(line.seed)
    ways = {near: _Direction(far, rng), far: _Direction(near, rng)}

    def read_settings(*_: object) -> None:
        nonlocal line
        line = Line(**json.loads(settings.read_text()))
        sys.stdout.write(json.dumps({"peak_bytes": max(way.peak_bytes for way in ways.values())}) + "\n")
        sys.stdout.flush()
        for way in ways.values():
            way.peak_bytes = 0

    signal.signal(signal.SIGHUP, read_settings)
    read_settings()
    with selectors.DefaultSelector() as selector:
        for device in ways:
            selector.register(device, selectors.EVENT_READ)
        due: float | None = None
        while True:
            ready = selector.select(None if due is None else max(0.0, due - time.monotonic()))
            for key, _ in ready:
                for _ in range(_BATCH):
                    try:
                        packet = os.read(key.fd, _PACKET_BYTES_MAX)
                    except BlockingIOError:
                        break
                    ways[key.fd].take(packet, line, time.monotonic())
            nexts = [way.deliver(time.monotonic()) for way in ways.values()]
            due = min((at for at in nexts if at is not None), default=None)


def _open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH14s", name.encode(), _IFF_TUN_NO_PI, b""))
    return device


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("near_device")
    parser.add_argument("far_device")
    parser.add_argument("settings", type=Path)
    chosen = parser.parse_args()
    pump(chosen.near_device, chosen.far_device, chosen.settings)
