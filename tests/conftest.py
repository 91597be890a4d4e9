"""Fixtures for every test that needs real processes."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.harness.processes import Stage

# How long one example takes says nothing on a machine that is shared; pytest-timeout bounds the whole test.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, stores and memories of programs under test stay out of the home folder of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        yield


def pytest_configure() -> None:
    """A runner that is told to end (`timeout`, a CI) ends its processes too, as it does at Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest comes first, else the last module of a browser runs while the other processes have nothing.

    A stable sort: inside of each kind the order stays the shuffled one.
    """
    kinds = ["browser", "integration", "packaging"]

    def waits(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return kinds.index(folder) if folder in kinds else len(kinds)

    items.sort(key=waits)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The processes of one test; their output is part of the report when it fails."""
    with Stage(tmp_path / "stage") as started:
        yield started


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The processes that all tests of a module share, where starting them for each would cost minutes."""
    with Stage(tmp_path_factory.mktemp("module")) as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the processes' output to the report of a failed test."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        stages = {value for value in item.funcargs.values() if isinstance(value, Stage)}
        report.sections.extend(("processes", stage.report()) for stage in stages)
    return report
