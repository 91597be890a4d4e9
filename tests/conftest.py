"""Fixtures for every test that needs real processes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.harness.processes import Stage

_STAGE = pytest.StashKey[Stage]()


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The processes of one test; their output is part of the report when it fails."""
    with Stage(tmp_path / "stage") as started:
        request.node.stash[_STAGE] = started
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the processes' output to the report of a failed test."""
    report = yield
    stage = item.stash.get(_STAGE, None)
    if stage is not None and report.failed:
        report.sections.append(("processes", stage.report()))
    return report
