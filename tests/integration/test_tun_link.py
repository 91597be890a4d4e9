"""The emulated line is what it says: late, slow and lossy by as much as was asked."""

from __future__ import annotations

import json
import socket
import statistics
import time
from pathlib import Path

from tests.harness.processes import Stage, python_module
from tests.harness.tun_link import Line, OpenLine, open_line

# Answers each datagram, and at the end of a burst says what came of it: how many, and in which time.
_FAR = """
import json, socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000_000)
sock.bind((sys.argv[1], 4000))
print(json.dumps({"ready": True}), flush=True)
count, first = 0, 0.0
while True:
    data, sender = sock.recvfrom(2000)
    if data[:1] == b"b":
        first = first or time.monotonic()
        count, last = count + 1, time.monotonic()
    elif data[:1] == b"e":
        sock.sendto(json.dumps([count, last - first]).encode(), sender)
        count, first = 0, 0.0
    else:
        sock.sendto(data, sender)
"""


def test_a_line_is_late_slow_and_lossy_as_asked(tmp_path: Path) -> None:
    with Stage(tmp_path / "late") as stage, open_line(stage, Line(delay_ms=30)) as line:
        assert 58 < statistics.median(round_trips_ms(stage, line, 9)) < 75
    with (
        Stage(tmp_path / "slow") as stage,
        open_line(stage, Line(rate_bytes_per_s=1_000_000, queue_bytes=2_000_000)) as line,
    ):
        count, seconds = burst(stage, line, 500)
        assert count == 500
        assert 0.42 < seconds < 0.65  # 500 packets of 1,028 bytes at 1 MB/s
    with Stage(tmp_path / "lossy") as stage, open_line(stage, Line(loss=0.2, queue_bytes=2_000_000)) as line:
        count, _ = burst(stage, line, 1_000)
        assert 740 < count < 860
    with (
        Stage(tmp_path / "full") as stage,
        open_line(stage, Line(rate_bytes_per_s=100_000, queue_bytes=50_000)) as line,
    ):
        count, _ = burst(stage, line, 500)
        assert 40 < count < 80  # what the queue holds, and the little that left it meanwhile


def start_far(stage: Stage, line: OpenLine) -> None:
    script = stage.folder / "far.py"
    script.write_text(_FAR)
    command = [*line.far_command(python_module("x")[:1]), script, line.far_address]
    stage.start("far", command).wait_for_json_line()


def round_trips_ms(stage: Stage, line: OpenLine, count: int) -> list[float]:
    start_far(stage, line)
    times: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.settimeout(5)
        for _ in range(count):
            sent = time.monotonic()
            near.sendto(b"ping", (line.far_address, 4000))
            near.recv(100)
            times.append((time.monotonic() - sent) * 1_000)
    return times


def burst(stage: Stage, line: OpenLine, packets: int) -> tuple[int, float]:
    """Send packets of 1,000 bytes at once; how many came, and in how many seconds from first to last."""
    start_far(stage, line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_000_000)
        for number in range(packets):
            near.sendto(b"b" * 1_000, (line.far_address, 4000))
            if number % 50 == 49:
                time.sleep(0.002)  # the device's own queue is short
        near.settimeout(0.5)
        for _ in range(40):  # the question may be lost, too
            time.sleep(0.05)
            near.sendto(b"e", (line.far_address, 4000))
            try:
                count, seconds = json.loads(near.recv(100))
            except TimeoutError:
                continue
            return count, seconds
    raise AssertionError("the far end does not answer")
