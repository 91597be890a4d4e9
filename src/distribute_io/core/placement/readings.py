"""What a planner of one donor reads of the board, over all rows or over some of them.

`Board` (all rows, of a snapshot) and `Part` (some rows, of columns that are kept) answer by the same formulas, so one
donor is planned by one rule however large the swarm is. The rules are those of `board.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

import numpy as np

from distribute_io.core.placement.curves import Singles, served_share
from distribute_io.core.placement.groups import Groups
from distribute_io.core.placement.model import FileView, Policy
from distribute_io.core.placement.rows import Floats, Ints

SHARE_MAX = 0.999
"""No holder is certain: keeps the logarithms finite."""

UP_MIN = 1_000.0
"""Bytes per second that any donor is taken to have."""


class RowColumns(Protocol):
    """Some rows of the catalogue, numbered from 0; those of a file are neighbours."""

    @property
    def files(self) -> Sequence[FileView]:
        """Files that rows belong to."""
        ...

    file: Ints
    start: Ints
    end: Ints
    size_bytes: Ints
    run: Ints

    @property
    def count(self) -> int:
        """How many rows there are."""
        ...

    def range_of(self, row: int) -> tuple[int, int]:
        """The segments of a row."""
        ...


class Held:
    """What one donor holds or will hold, as rows. Mutable; owned by the board."""

    __slots__ = ("groups", "is_open", "log_miss", "region", "rows", "serving", "shares", "stays", "up_bytes_per_s")

    def __init__(
        self,
        *,
        rows: Ints,
        shares: Floats,
        region: int,
        is_open: bool,
        groups: Groups,
        stays: float,
        up_bytes_per_s: float,
    ) -> None:
        self.rows = rows
        self.shares = shares
        self.serving: Floats = np.zeros(len(rows))
        self.log_miss: Floats = np.zeros(len(rows))
        self.region = region
        self.is_open = is_open
        self.groups = groups
        self.stays = stays
        """The probability that it is still here when it is asked."""
        self.up_bytes_per_s = max(UP_MIN, up_bytes_per_s)


class DonorDemand:
    """What will be asked for while one donor stays: expected requests by file, everywhere and in its region."""

    __slots__ = ("open_everywhere", "open_near", "restricted_everywhere", "restricted_near")

    def __init__(self, files: int) -> None:
        self.open_everywhere: Floats = np.zeros(files)
        self.restricted_everywhere: Floats = np.zeros(files)
        self.open_near: Floats = np.zeros(files)
        self.restricted_near: Floats = np.zeros(files)


class Misses(NamedTuple):
    """Logarithms of the probability that a request for each row is missed: by all holders, and by those near."""

    open: Floats
    restricted: Floats
    near_open: Floats | None
    """None where far bytes count as much as near ones."""
    near_restricted: Floats | None


class Readings(ABC):
    """The formulas. A subclass has the columns."""

    policy: Policy
    serving: Floats
    """Holders of each row, each counted by the probability that it serves."""
    copies: Floats
    asked_per_s: Floats
    """Requests for each file, now."""
    wait_s: Floats
    """How long a request for each file waits for donors."""

    @property
    @abstractmethod
    def rows(self) -> RowColumns:
        """The rows."""

    @abstractmethod
    def misses(self, region: int) -> Misses:
        """What is missed, as a region sees it."""

    @abstractmethod
    def too_alike(self, held: Held) -> AbstractSet[int]:
        """Rows of which the donor's network or provider holds as much as one may (`groups.py`)."""

    def worth(self, held: Held, expected: DonorDemand) -> Floats:
        """Requests, before this donor leaves, that a copy of each row would find and nobody else would serve.

        Not yet discounted by the donor's own load. `held` must be lifted.
        """
        file, weight, miss = self.rows.file, self.policy.far_weight, self.misses(held.region)
        worth = weight * expected.open_everywhere.take(file) * np.exp(miss.open)
        if miss.near_open is not None:
            worth += (1.0 - weight) * expected.open_near.take(file) * np.exp(miss.near_open)
        if held.is_open:
            worth += weight * expected.restricted_everywhere.take(file) * np.exp(miss.restricted)
            if miss.near_restricted is not None:
                worth += (1.0 - weight) * expected.restricted_near.take(file) * np.exp(miss.near_restricted)
        return np.asarray(worth * self.policy.reach)

    def loads(self, held: Held, rows: Ints, shares: Floats) -> tuple[Floats, float]:
        """The load on a lifted donor if it had these copies: at once by file, and on average (rule 2)."""
        file = self.rows.file[rows]
        routed = self.routed_bytes(rows) * shares
        at_once = np.bincount(file, routed, len(self.rows.files)) / (held.up_bytes_per_s * self.wait_s)
        return at_once, float(routed @ self.asked_per_s[file]) / held.up_bytes_per_s

    def routed_bytes(self, rows: Ints) -> Floats:
        """Bytes of a request for each row that would come to one more holder of it."""
        return np.asarray(self.rows.size_bytes.take(rows) / (1.0 + np.maximum(self.serving.take(rows), 0.0)))

    def reckon(self, held: Held, rows: Ints, shares: Floats) -> None:
        """Give a lifted donor these copies, and find with what probability it serves each."""
        held.rows, held.shares = rows, shares
        at_once, on_average = self.loads(held, rows, shares)
        load = at_once[self.rows.file[rows]] + on_average
        held.serving = shares * self.policy.reach * served_share(load, self.policy.busy_sharpness)
        held.log_miss = log_miss_of(held.serving, held.stays)


def log_miss_of(serving: Floats | Singles, stays: Floats | Singles | float) -> Floats:
    """The logarithm of the probability that a holder misses a request: it is gone, or busy."""
    return np.asarray(np.log1p(-np.minimum(serving * stays, SHARE_MAX)))


def swap_horizon_s(policy: Policy, asked_per_s: Floats) -> float:
    """Within what time a swap has to pay: more where the file that a request is usually for is seldom asked for."""
    asked = float(asked_per_s.sum())
    usual_per_s = float((asked_per_s * asked_per_s).sum()) / asked if asked > 0.0 else 0.0
    return max(policy.swap_horizon_s, min(policy.horizon_s, policy.swap_requests / max(usual_per_s, 1e-9)))
