"""The traces of spec/vectors/scheduler are what this scheduler does, and are written out fresh."""

from __future__ import annotations

import msgspec
import pytest

from distribute_io.core.scheduler.scheduler import Scheduler
from tests.unit.core.scheduler.traces import VECTORS, Trace, encode, make_traces

TRACES = make_traces()


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_trace_is_answered(path: object) -> None:
    trace = msgspec.json.decode((VECTORS / str(path)).read_bytes(), type=Trace)
    scheduler = Scheduler(trace.config, 0)
    for step in trace.steps:
        assert scheduler.handle(step.event, step.now_us) == step.actions, f"at {step.now_us} after {step.event}"
        assert scheduler.next_deadline_us() == step.deadline_us
    assert scheduler.sources() == trace.sources


def test_files_are_fresh() -> None:
    written = {path.stem: path.read_bytes() for path in VECTORS.glob("*.json")}
    assert written == {name: encode(trace) for name, trace in TRACES.items()}, (
        "run `python -m tests.unit.core.scheduler.traces` and read the difference"
    )


def test_every_rule_has_a_trace() -> None:
    rules = {rule for trace in TRACES.values() for rule in trace.rules}
    assert rules == {f"S{number}" for number in range(1, 18)}
