"""Who takes part in a simulated swarm: the donors that are here, and the downloads under way."""

from __future__ import annotations

from dataclasses import dataclass, field

from distribute_io.simulate.people import Request, Visit


class Donor:
    """One donor that is here."""

    __slots__ = ("coming", "connections", "filled", "fills_from_s", "holdings", "left", "slot", "target", "visit")

    def __init__(self, visit: Visit, slot: int) -> None:
        self.visit = visit
        self.slot = slot
        self.holdings: dict[int, int] = {}
        self.target: dict[int, int] = {}
        self.coming: list[tuple[int, int]] = []
        self.filled = 0.0
        self.fills_from_s = 0.0
        self.connections: set[int] = set()
        self.left = False

    def lacking(self) -> dict[int, int]:
        """What it is told to fetch and does not hold."""
        lacking: dict[int, int] = {}
        for file, bit in self.coming:
            lacking[file] = lacking.get(file, 0) | bit
        return lacking

    def held(self) -> int:
        """Segments that it holds."""
        return sum(mask.bit_count() for mask in self.holdings.values())


@dataclass(slots=True)
class Download:
    """One download under way."""

    request: Request
    slot: int
    open: int
    """Segments that nobody fetches yet."""
    begun_s: float
    connections: set[int] = field(default_factory=set)
    active: set[int] = field(default_factory=set)
    """Those of its connections that it asks."""
    met: set[int] = field(default_factory=set)
    """Slots of the donors that it has or had a connection with and should not meet again now."""
    donors_segments: float = 0.0
    mirror_segments: float = 0.0
    asked_s: float = -1e9
    once: int = 0
    twice: int = 0
