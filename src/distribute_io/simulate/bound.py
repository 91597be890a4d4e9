"""The most that any plan could save in expectation, "rates known, moments unknown", as a linear program.

Known are every stay, uplink and true rate of demand; unknown are the moments of the requests. Variables, for each donor
visit `s`, file `f` and window `k` of time, in segments: `h` mean holdings in the window, `x` holdings at its end (they
carry over to the next window and to a return visit), `p` fills (each costs 1), `e` what is kept of the donor's own
download (free), `y` served to downloads that begin in the window, by class of the downloader (NAT; near or far where
that matters).

Rows:

1. `h <= x' + p + a e` and `x <= x' + p + e`, `x'` being the end of the window before and `a` the part of the window in
   which the own download is there: it takes no less time than its downlink needs for it (rule 2 of the swarm).
2. Over files, `h` and `x` are at most the storage; each at most the file.
3. `y <= L h`, `L` the expected downloads of the class that begin while the donor is there.
4. `sum y <= U` over a visit, what the uplink sends meanwhile.
5. `sum y <=` what one uplink can send to downloads that come by chance and end soon: cuts of a maximum flow, taken at
   the solution before, for each visit and each of its windows (`uplink_cuts.py` has the proof).
6. Over donors, `y` is at most the demand of file, window and class, less what mirrors have sent before a connection to
   a donor could be used: a download gets all that its downlink takes from its first moment on, whoever sends.
7. Fills take time. Of `P` segments that are filled in a window of `T` seconds no more than `d t` are there after `t`
   seconds, `d` being the donor's downlink; so over files, the mean of what was filled is at most `P - P^2 / (2 d T)`,
   and `h` is at most that and `x' + a e`. The right-hand side is concave: each of its tangents is a row.
8. At no moment do all donors send more than their uplinks, nor more than the downlinks of the downloads that are there:
   over donors and files, `y` is at most the expectation of the smaller of the two (`swarm_carries`). The same for
   unrestricted donors and downloaders behind restricted NATs, whom others cannot reach.

Rows 3 and 5 hold for plans whose holdings within a window do not depend on the requests in it, with rates that are even
within a window, and for donors that serve what begins while they are there. A segment that is filled in for a download
already under way, or served to one by a donor that came later, is beyond them, as it is beyond the study's program: one
that allows for both had .747 in place of .713 without row 5, and .731 in place of .700 with it (steady, seed 1). So
every policy is held against the bound on every seed (`bench/placement.py`). `cuts=0` leaves rows 5 and 8 out. The mean
over seeds is to be compared: a bound of an expectation can be passed by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from distribute_io.errors import UsageError
from distribute_io.simulate.people import Floats, People, Rates, Visit
from distribute_io.simulate.scenario import Scenario
from distribute_io.simulate.uplink_cuts import Draws, cut, late_shares

VARIABLES_MAX: Final = 125_000
"""A larger program takes many minutes; it is left out."""

VARIABLES_MANY: Final = 60_000
"""A larger program gets one round of cuts: three would take minutes, and lower it by less than a hundredth."""

_OVERLAP_MIN_S: Final = 1.0

_TANGENTS: Final = (0.25, 0.5, 1.0)
"""Where row 7 has its tangents, as shares of the storage."""


@dataclass(frozen=True)
class Bound:
    """The bound as a share of all bytes asked for, and what the best fractional plan pushes and serves."""

    net_offload: float
    pushed_of_served: float


@dataclass
class _Rows:
    """Rows `sum value * column <= limit`, gathered as triplets."""

    row: list[NDArray[np.int64]] = field(default_factory=list)
    column: list[NDArray[np.int64]] = field(default_factory=list)
    value: list[Floats] = field(default_factory=list)
    limits: list[Floats] = field(default_factory=list)
    count: int = 0

    def add(self, limits: Floats, *terms: tuple[NDArray[np.int64], Floats | float]) -> None:
        """As many rows as limits; each term has one column (and value) for each of them."""
        rows = np.arange(self.count, self.count + len(limits))
        for columns, values in terms:
            self.row.append(rows)
            self.column.append(columns)
            self.value.append(np.broadcast_to(np.asarray(values, dtype=np.float64), columns.shape))
        self.limits.append(limits)
        self.count += len(limits)

    def add_sum(self, limit: float, columns: Sequence[int] | NDArray[np.int64]) -> None:
        """The sum of some columns, if there are any."""
        if len(columns):
            self.add_one(limit, np.asarray(columns, dtype=np.int64), np.ones(len(columns)))

    def add_one(self, limit: float, columns: NDArray[np.int64], values: Floats) -> None:
        """One row with many columns."""
        self.row.append(np.full(len(columns), self.count))
        self.column.append(columns)
        self.value.append(values)
        self.limits.append(np.array([limit]))
        self.count += 1


@dataclass(frozen=True)
class _Cell:
    """One visit in one window: where its columns begin."""

    visit: Visit
    window: int
    start_s: float
    end_s: float
    downloads: Floats
    """Expected downloads that begin while it is there, `[file, class]`; classes that it cannot serve are 0."""
    before: int
    """The cell before, -1 for none."""
    own: int
    """The file whose download is kept for free from here on; -1 for none."""
    own_share: float
    """The part of the time here after that download."""


class BoundProgram:
    """The program of one scenario and seed. Columns of a cell, for each file: h, x, p, e, then y of each class."""

    def __init__(self, scenario: Scenario, people: People, *, window_s: float | None = None) -> None:
        self._scenario = scenario
        self._rates = Rates(scenario)
        self._window_s = window_s or scenario.bound_window_s
        self._windows = max(1, round(scenario.duration_s / self._window_s))
        self._near = scenario.network.far_weight < 1.0
        self._classes = 4 if self._near else 2
        self._draws = Draws(scenario, self._rates)
        self._visits = people.visits
        self._cells = self._make_cells(people)
        self._width = 4 + self._classes
        self.variables = len(self._cells) * scenario.files * self._width
        whole = self._rates.mean(0.0, scenario.duration_s) * scenario.duration_s * scenario.catalogue.segments
        self._asked = float(whole.sum())

    def solve(self, *, cuts: int = 3) -> Bound:
        """The bound, with `cuts` rounds of row 5; with none, row 8 is left out too.

        Raises:
            UsageError: `dependency_missing` without the extra.
            ArithmeticError: the solver gave up.
        """
        rows = self._rows()
        if cuts:
            self._swarm_rows(rows)
        solution = self._optimise(rows)
        for _ in range(cuts):
            for cells in self._cells_of_visits():
                self._cut(rows, cells, solution)
            solution = self._optimise(rows)
        cost = self._cost()
        by_kind = solution.reshape(len(self._cells), self._width, self._scenario.files).sum(axis=(0, 2))
        pushed, served = float(by_kind[2]), float(by_kind[4:].sum())
        return Bound(-float(cost @ solution) / self._asked, pushed / served if served else 0.0)

    # --- shape --------------------------------------------------------------------------------------------------------

    def _make_cells(self, people: People) -> list[_Cell]:
        scenario = self._scenario
        cells: list[_Cell] = []
        last: dict[int, int] = {}
        for visit in people.visits:
            before = last.get(visit.previous, -1)
            own, own_at_s = visit.own_file, visit.start_s + scenario.catalogue.segments / visit.down
            for window in range(self._windows):
                start = max(visit.start_s, window * self._window_s, 0.0)
                end = min(visit.end_s, (window + 1) * self._window_s, scenario.duration_s)
                if end - start < _OVERLAP_MIN_S:
                    continue
                downloads = self._rates.mean(start, end) * (end - start)
                kept = own if own_at_s < end else -1
                share = min(1.0, (end - own_at_s) / (end - start)) if kept >= 0 else 0.0
                cells.append(_Cell(visit, window, start, end, self._by_class(visit, downloads), before, kept, share))
                before, own = len(cells) - 1, -1 if kept >= 0 else own
            if before >= 0:
                last[visit.index] = before
        return cells

    def _by_class(self, visit: Visit, downloads: Floats) -> Floats:
        """Classes: unrestricted, restricted; where far bytes are worth less: the same near, then far."""
        hidden = self._scenario.network.restricted_share
        shares = np.array([1 - hidden, 0.0 if visit.restricted else hidden])
        if not self._near:
            return np.outer(downloads.sum(axis=1), shares)
        near = downloads[:, visit.region]
        return np.hstack([np.outer(near, shares), np.outer(downloads.sum(axis=1) - near, shares)])

    def _columns(self, cell: int, kind: int) -> NDArray[np.int64]:
        files = self._scenario.files
        return np.arange(files) + (cell * self._width + kind) * files

    def _cost(self) -> Floats:
        cost = np.zeros(self.variables)
        weight = self._scenario.network.far_weight
        for cell in range(len(self._cells)):
            cost[self._columns(cell, 2)] = 1.0
            for c in range(self._classes):
                cost[self._columns(cell, 4 + c)] = -1.0 if c < 2 else -weight
        return cost

    def _upper(self) -> Floats:
        upper = np.full(self.variables, np.inf)
        segments = float(self._scenario.catalogue.segments)
        for number, cell in enumerate(self._cells):
            for kind in (0, 1, 2):
                upper[self._columns(number, kind)] = segments
            own = np.zeros(self._scenario.files)
            if cell.own >= 0:
                own[cell.own] = segments
            upper[self._columns(number, 3)] = own
            for c in range(self._classes):
                upper[self._columns(number, 4 + c)] = cell.downloads[:, c] * segments
        return upper

    def _rows(self) -> _Rows:
        rows = _Rows()
        quota = float(self._scenario.donors.quota_segments)
        nothing = np.zeros(self._scenario.files)
        for number, cell in enumerate(self._cells):
            held, end, filled, own = (self._columns(number, kind) for kind in range(4))
            carried = [(self._columns(cell.before, 1), -1.0)] if cell.before >= 0 else []
            for left, there in ((held, cell.own_share), (end, 1.0)):
                rows.add(nothing, (left, 1.0), (filled, -1.0), (own, -there), *carried)
                rows.add_sum(quota, left)
            self._fill_rows(rows, cell, [(held, 1.0), (own, -cell.own_share), *carried], filled)
            for c in range(self._classes):
                rows.add(nothing, (self._columns(number, 4 + c), 1.0), (held, -cell.downloads[:, c]))
        for cells in self._cells_of_visits():
            every = np.concatenate([self._served(number) for number in cells])
            first, last = self._cells[cells[0]], self._cells[cells[-1]]
            rows.add_sum(first.visit.up * (last.end_s - first.start_s), every)
        self._demand_rows(rows)
        return rows

    def _fill_rows(
        self,
        rows: _Rows,
        cell: _Cell,
        held: list[tuple[NDArray[np.int64], float]],
        filled: NDArray[np.int64],
    ) -> None:
        """Row 7, at some tangents."""
        most = cell.visit.down * (cell.end_s - cell.start_s)
        columns = np.concatenate([*(columns for columns, _ in held), filled])
        ones = np.ones(len(filled))
        for part in _TANGENTS:
            at = part * self._scenario.donors.quota_segments
            if at < most:
                values = np.concatenate([*(ones * value for _, value in held), ones * (at / most - 1.0)])
                rows.add_one(at * at / (2.0 * most), columns, values)

    def _swarm_rows(self, rows: _Rows) -> None:
        """Row 8."""
        for window in range(self._windows):
            here = [number for number, cell in enumerate(self._cells) if cell.window == window]
            opened = [number for number in here if not self._cells[number].visit.restricted]
            span = (window * self._window_s, min((window + 1) * self._window_s, self._scenario.duration_s))
            for cells, classes in ((here, range(self._classes)), (opened, range(1, self._classes, 2))):
                columns = [column for cell in cells for c in classes for column in self._columns(cell, 4 + c)]
                visits = [visit for visit in self._visits if cells is here or not visit.restricted]
                rows.add_sum(self._draws.swarm_carries(visits, *span, hidden_only=cells is opened), columns)

    def _demand_rows(self, rows: _Rows) -> None:
        scenario = self._scenario
        hidden = scenario.network.restricted_share
        late_far, late_near = late_shares(scenario)
        for window in range(self._windows):
            here = [number for number, cell in enumerate(self._cells) if cell.window == window]
            span = (window * self._window_s, min((window + 1) * self._window_s, scenario.duration_s))
            asked = self._rates.mean(*span) * (span[1] - span[0]) * scenario.catalogue.segments
            for c, share in enumerate((1 - hidden, hidden)):
                kinds = [4 + c, 6 + c] if self._near else [4 + c]
                early = (1.0 - late_near) * share
                for file in range(scenario.files):
                    of_file = float(asked[file].sum())
                    rows.add_sum(of_file * early, [self._columns(cell, kind)[file] for cell in here for kind in kinds])
                    if not self._near:
                        continue
                    rows.add_sum(
                        of_file * (1.0 - late_far) * share, [self._columns(cell, 6 + c)[file] for cell in here]
                    )
                    for region in range(scenario.network.regions):
                        near = [cell for cell in here if self._cells[cell].visit.region == region]
                        rows.add_sum(
                            float(asked[file, region]) * early, [self._columns(cell, 4 + c)[file] for cell in near]
                        )

    # --- row 5 --------------------------------------------------------------------------------------------------------

    def _cells_of_visits(self) -> list[list[int]]:
        """The cells of each visit, in order."""
        visits: dict[int, list[int]] = {}
        for number, cell in enumerate(self._cells):
            visits.setdefault(cell.visit.index, []).append(number)
        return list(visits.values())

    def _served(self, number: int) -> NDArray[np.int64]:
        return np.concatenate([self._columns(number, 4 + c) for c in range(self._classes)])

    def _cut(self, rows: _Rows, cells: list[int], solution: Floats) -> None:
        """Rows for a visit, and for each of its windows where it has several."""
        first, last = self._cells[cells[0]], self._cells[cells[-1]]
        drawn = self._draws.of(first.visit, first.start_s, last.end_s)
        window = np.searchsorted([self._cells[number].start_s for number in cells[1:]], drawn.at_s, side="right")
        held = solution[[self._columns(number, 0) for number in cells]][window, drawn.file]
        for part in [range(len(cells))] if len(cells) == 1 else [range(len(cells)), *([k] for k in range(len(cells)))]:
            of_part = np.flatnonzero(np.isin(window, part))
            found = cut(drawn.crowd.only(of_part), held[of_part], first.visit.up)
            counted = of_part[found.counted]
            columns, values = [self._served(cells[place]) for place in part], []
            values = [np.ones(len(every)) for every in columns]
            for place in part:
                columns.append(self._columns(cells[place], 0))
                in_window = drawn.file[counted[window[counted] == place]]
                values.append(-np.bincount(in_window, minlength=self._scenario.files) / drawn.times)
            rows.add_one(found.others / drawn.times, np.concatenate(columns), np.concatenate(values))

    # --- the solver ---------------------------------------------------------------------------------------------------

    def _optimise(self, rows: _Rows) -> Floats:
        return minimise(
            self._cost(),
            self._upper(),
            np.concatenate(rows.row),
            np.concatenate(rows.column),
            np.concatenate(rows.value),
            np.concatenate(rows.limits),
        )


def minimise(
    cost: Floats,
    upper: Floats,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    value: Floats,
    limits: Floats,
) -> Floats:
    """Least `cost @ z` over `0 <= z <= upper` and rows `<= limits`, by HiGHS' interior point without crossover.

    Raises:
        UsageError: `dependency_missing` without the extra.
        ArithmeticError: the solver gave up.
    """
    try:
        import highspy
    except ImportError as error:
        raise UsageError("dependency_missing", "The bound needs: pip install 'distribute-io[simulate]'.") from error
    order = np.lexsort((row, column))
    starts = np.searchsorted(column[order], np.arange(len(cost) + 1))
    program: Any = highspy.HighsLp()  # Any: the binding has no types
    program.num_col_, program.num_row_ = len(cost), len(limits)
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, np.zeros(len(cost)), upper
    program.row_lower_, program.row_upper_ = np.full(len(limits), -np.inf), limits
    program.a_matrix_.start_ = starts
    program.a_matrix_.index_ = row[order]
    program.a_matrix_.value_ = value[order]
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call] # the binding has no types
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("solver", "ipm")
    solver.setOptionValue("run_crossover", "off")
    solver.setOptionValue("threads", 1)
    solver.passModel(program)
    solver.run()
    solution = np.array(solver.getSolution().col_value)
    if len(solution) != len(cost) or solver.getInfo().primal_solution_status != 2:
        raise ArithmeticError("the linear program of the bound was not solved")
    return solution
