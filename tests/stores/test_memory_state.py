"""The state in memory keeps the contract."""

from __future__ import annotations

from distribute_io.stores.memory_state import MemoryState
from distribute_io.stores.state import State
from tests.stores.state_suite import StateSuite


class TestMemoryState(StateSuite):
    def open(self) -> State:
        return MemoryState()
