"""Planning those who join a large swarm, from a short list of rows for each region, made at the last look at all.

Rules:

1. A donor is filled by the rule for all (`fill.py`), over the rows that would be worth most to one of its region
   and NAT class and those that it holds itself. What it takes is on the lists at once, for all regions: so a burst of
   joiners spreads.
2. It is filled, and swaps nothing: that is for the next look at all. What it holds and the lists do not name stays in
   its target, and its room is less by it.
3. A donor that holds more than it has room for is not planned here: what it should keep is not on the lists.
4. A list of which half was taken is `used_up` where there are other rows; it still serves until there is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from distribute_io.core import runs as sets
from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.board import target_of
from distribute_io.core.placement.fill import Fill, Room, Ties, fill
from distribute_io.core.placement.groups import NOBODY, groups_of
from distribute_io.core.placement.model import Assignment, DonorView, FileView, Policy
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.part import Columns, Part
from distribute_io.core.placement.planner import push_bytes_max
from distribute_io.core.placement.readings import Held
from distribute_io.core.placement.rows import Flags, Floats, Ints
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId

CANDIDATES: Final = 256
"""Rows of a list that one donor's fill looks at, or four times what it may take."""

_ORDER_FOR_PICKS: Final = 64
"""After so many picks a list is put in order again."""

_PICKS_MAX: Final = 1_024
"""Rows that one donor is given at a time, about."""

_SETS_OF_CAUSES_MAX: Final = 64
"""Sets of causes whose files are remembered; to find them takes a tenth of a millisecond for each thousand files."""

_NO_ROWS: Final[Ints] = np.zeros(0, dtype=np.int64)
_NO_SHARES: Final[Floats] = np.zeros(0)


class RegionList:
    """The rows that are worth most in one region. Its columns change with each pick."""

    __slots__ = ("area", "near_open", "near_restricted", "order", "picks", "picks_in_order", "rows")

    def __init__(self, area: int, rows: Ints, near: tuple[Floats, Floats] | None) -> None:
        """Keep the list.

        Args:
            area: the region's number in the outlook.
            rows: positions in the columns, ascending.
            near: of these rows, what is missed by the region's holders.
        """
        self.area, self.rows = area, rows
        self.near_open: Floats | None = None
        self.near_restricted: Floats | None = None
        if near is not None:
            self.near_open, self.near_restricted = near
        self.order: dict[bool, Ints] = {}
        """Places in `rows`, the most valuable first, for restricted and for open donors, as they were lately."""
        self.picks = 0
        self.picks_in_order = 0


class JoinLists:
    """What the last look at all donors found, for those who come after it."""

    __slots__ = ("columns", "outlook", "regions", "rows")

    def __init__(self, columns: Columns, outlook: Outlook, regions: Mapping[str, RegionList], rows: int) -> None:
        """Keep the parts.

        Args:
            columns: of all rows on any list.
            outlook: the demand for their files.
            regions: by coarse region; the empty one is for those that no other is for.
            rows: how many there are, listed or not.
        """
        self.columns, self.outlook, self.regions, self.rows = columns, outlook, regions, rows


class JoinPlanner:
    """Caller's duties: one for each `JoinLists`; `tidy` after a plan."""

    def __init__(self, lists: JoinLists, policy: Policy, shape: Callable[[FileId], FileView | None]) -> None:
        """Keep the parts.

        Args:
            lists: changed with each plan.
            policy: how to plan.
            shape: a published file, or None.
        """
        self._lists, self._policy, self._shape = lists, policy, shape
        columns = lists.columns
        self._places = {file.file_id: place for place, file in enumerate(columns.files)}
        self._first: Ints = np.searchsorted(columns.file, np.arange(len(columns.files) + 1))
        self._smallest = int(columns.size_bytes.min(initial=1 << 62))
        self._given: dict[frozenset[CauseId], Flags] = {}

    @property
    def used_up(self) -> bool:
        """Whether a list should be made anew (rule 4)."""
        return any(
            2 * of.picks > len(of.rows) for of in self._lists.regions.values() if 0 < len(of.rows) < self._lists.rows
        )

    def count(self, donor: DonorView, runs: Mapping[FileId, Runs]) -> None:
        """Put copies on the lists that a donor was given when these were not there yet."""
        region = self._region_of(donor)
        rows, shares = self._held(runs)
        listed = _listed(region, rows)
        part = Part(self._lists.columns, rows, _near(region, listed), self._policy)
        held = _held(donor, self._policy, np.zeros(0, dtype=np.int64), np.zeros(0))
        part.put(held, np.arange(len(rows)), shares)
        part.commit()
        _note_near(region, listed, part)

    def plan(self, donor: DonorView, now_us: int, *, is_guess: bool, is_known: bool) -> Assignment | None:
        """A donor's target, or None where it cannot be found here (rule 3).

        Args:
            donor: whom to plan.
            now_us: the present.
            is_guess: whether to fill without asking what pays.
            is_known: whether the lists count its copies already.
        """
        policy = self._policy
        target = {
            file_id: runs
            for file_id, runs in target_of(donor).items()
            if (shape := self._shape(file_id)) is not None and (not donor.causes or shape.cause in donor.causes)
        }
        held_bytes = sum(self._bytes(file_id, runs) for file_id, runs in target.items())
        room = max(0, donor.storage_bytes - policy.reserve_bytes)
        if held_bytes > room:
            return None
        region = self._region_of(donor)
        rows, shares = self._held(target) if target else (_NO_ROWS, _NO_SHARES)
        push_bytes = min(push_bytes_max(donor, now_us, policy), room - held_bytes)
        places = self._candidates(region, donor, push_bytes)
        places.sort()
        listed, positions = _Listed(places, None), region.rows.take(places)
        if len(rows):
            positions = np.union1d(rows, positions)
            listed = _listed(region, positions)
        part = Part(self._lists.columns, positions, _near(region, listed), policy)
        held = _held(donor, policy, np.searchsorted(positions, rows), shares)
        if is_known:
            part.reckon(held, held.rows, shares)
            part.lift(held)
        stay_s = min(donor.stay_left_s, policy.horizon_s)
        expected = self._lists.outlook.during_of(part.rows.places, region.area, stay_s)
        worth = part.worth(held, expected)
        held_shares = np.zeros(len(positions))
        held_shares[held.rows] = shares
        wanted = (worth > 0.0).nonzero()[0]
        filled = fill(
            part,
            held,
            wanted,
            worth[wanted],
            ties=Ties(part.rows, donor.session_id),
            shares=held_shares if len(rows) else None,
            loads=part.loads(held, held.rows, shares),
            room=Room(room - held_bytes, push_bytes),
            value_min=0.0 if is_guess else policy.return_min,
        )
        part.put(held, *_with(held_shares, filled, part))
        part.commit()
        _note_near(region, listed, part)
        region.picks += len(filled.rows)
        region.picks_in_order += len(filled.rows)
        return self._assignment(donor, target, filled, part)

    def tidy(self) -> None:
        """Put the lists in order again of which much was taken: between two plans, as it takes as long as one."""
        for region in self._lists.regions.values():
            if region.picks_in_order > _ORDER_FOR_PICKS:
                put_in_order(region, self._lists.columns, self._lists.outlook, self._policy)

    def _region_of(self, donor: DonorView) -> RegionList:
        return self._lists.regions.get(coarse(donor.region)) or self._lists.regions[""]

    # --- what may be picked ---

    def _candidates(self, region: RegionList, donor: DonorView, room: int) -> Ints:
        """Where in the list the rows are that are worth most now, of the donor's causes; a copy."""
        is_open = donor.nat != "restricted"
        order = region.order[is_open]
        if donor.causes:
            order = order[self._gives_to(donor.causes)[self._lists.columns.file[region.rows[order]]]]
        return order[: max(CANDIDATES, 4 * min(_PICKS_MAX, room // self._smallest))].copy()

    def _gives_to(self, causes: frozenset[CauseId]) -> Flags:
        """Which files a donor of these causes gives to: found once for each set of causes, of a few sets."""
        given = self._given.get(causes)
        if given is None:
            if len(self._given) >= _SETS_OF_CAUSES_MAX:
                del self._given[next(iter(self._given))]
            files = self._lists.columns.files
            given = np.fromiter((file.cause in causes for file in files), dtype=np.bool_, count=len(files))
            self._given[causes] = given
        return given

    # --- what it holds ---

    def _held(self, target: Mapping[FileId, Runs]) -> tuple[Ints, Floats]:
        """The listed rows that a donor has something of, ascending, and its share of each."""
        rows: list[Ints] = [np.zeros(0, dtype=np.int64)]
        shares: list[Floats] = [np.zeros(0)]
        columns = self._lists.columns
        for file_id, runs in target.items():
            place = self._places.get(file_id)
            if place is None or not runs:
                continue
            at = np.arange(int(self._first[place]), int(self._first[place + 1]))
            edges = np.array(runs, dtype=np.int64)
            until = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(edges[:, 1] - edges[:, 0])))
            below = [_held_below(edges, until, column[at]) for column in (columns.start, columns.end)]
            share = (below[1] - below[0]) / (columns.end[at] - columns.start[at])
            rows.append(at[share > 0.0])
            shares.append(share[share > 0.0])
        row, share = np.concatenate(rows), np.concatenate(shares)
        order = np.argsort(row)
        return row[order], share[order]

    def _bytes(self, file_id: FileId, runs: Runs) -> int:
        shape = self._shape(file_id)
        if shape is None:
            return 0
        return sets.size_bytes(runs, file_bytes=shape.size_bytes, segment_bytes=shape.segment_size_bytes)

    def _assignment(self, donor: DonorView, target: dict[FileId, Runs], fill: Fill, part: Part) -> Assignment:
        """What is pushed, the file with the most valuable row first, and all that the donor keeps (rule 2)."""
        files: dict[FileId, Runs] = {}
        for file_id, runs in _runs_of(fill, part, self._lists.columns.files).items():
            files[file_id] = sets.union(target[file_id], runs) if file_id in target else runs
        for file_id, runs in target.items():
            files.setdefault(file_id, runs)
        held_bytes = sum(
            self._bytes(file_id, sets.intersection(files[file_id], runs))
            for file_id, runs in donor.holdings.items()
            if file_id in files
        )
        coming_bytes = sum(self._bytes(file_id, runs) for file_id, runs in target.items()) - held_bytes
        return Assignment(
            session_id=donor.session_id,
            files=tuple(files.items()),
            lease_us=self._policy.lease_us,
            held_bytes=held_bytes,
            push_bytes=fill.pushed_bytes + coming_bytes,
        )


def _near(region: RegionList, listed: _Listed) -> tuple[Floats, Floats] | None:
    """What is missed near, of some rows; what a region's list does not name counts as not held near."""
    if region.near_open is None or region.near_restricted is None:
        return None
    if listed.known is None:
        return region.near_open.take(listed.places), region.near_restricted.take(listed.places)
    opened, restricted = np.zeros(len(listed.known)), np.zeros(len(listed.known))
    opened[listed.known], restricted[listed.known] = (
        region.near_open[listed.places],
        region.near_restricted[listed.places],
    )
    return opened, restricted


def _note_near(region: RegionList, listed: _Listed, part: Part) -> None:
    """Keep what a plan changed of it."""
    if region.near_open is None or region.near_restricted is None:
        return
    if part.near_open is not None and part.near_restricted is not None:
        known = slice(None) if listed.known is None else listed.known
        region.near_open[listed.places] = part.near_open[known]
        region.near_restricted[listed.places] = part.near_restricted[known]


def _with(shares: Floats, filled: Fill, part: Part) -> tuple[Ints, Floats]:
    """What the donor holds, by row of the part, with what it gets: rows, ascending, and its share of each."""
    shares[filled.rows] = 1.0
    for row, segments in filled.cut.items():
        shares[row] = segments / int(part.rows.end[row] - part.rows.start[row])
    rows = shares.nonzero()[0]
    return rows, shares.take(rows)


def _runs_of(filled: Fill, part: Part, files: Sequence[FileView]) -> dict[FileId, Runs]:
    """The segments that are pushed, by file, in the order in which files come first; `files` are those of all rows."""
    rows, chosen = part.rows, np.array(filled.rows, dtype=np.int64)
    places = rows.places.take(rows.file.take(chosen)).tolist()
    runs: dict[int, list[tuple[int, int]]] = {}
    edges = zip(filled.rows, places, rows.start.take(chosen).tolist(), rows.end.take(chosen).tolist(), strict=True)
    for row, place, start, end in edges:
        run = (start, start + filled.cut[row]) if row in filled.cut else (start, end)
        if place in runs:
            runs[place].append(run)
        else:
            runs[place] = [run]
    return {
        files[place].file_id: sets.normalised(of_file) if len(of_file) > 1 else (of_file[0],)
        for place, of_file in runs.items()
    }


def put_in_order(region: RegionList, columns: Columns, outlook: Outlook, policy: Policy) -> None:
    """Put the rows of a list in the order of their worth, for restricted and for open donors."""
    near = None
    if region.near_open is not None and region.near_restricted is not None:
        near = (region.near_open, region.near_restricted)
    part = Part(columns, region.rows, near, policy)
    expected = outlook.during_of(part.rows.places, region.area, policy.horizon_s)
    nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0)
    for is_open in (False, True):
        anyone = Held(
            rows=nothing, shares=none, region=0, is_open=is_open, groups=NOBODY, stays=1.0, up_bytes_per_s=1.0
        )
        region.order[is_open] = np.argsort(-part.worth(anyone, expected), kind="stable")
    region.picks_in_order = 0


class _Listed(NamedTuple):
    """Where some positions are in a region's list."""

    places: Ints
    """Of those that are."""
    known: Flags | None
    """Which are; None: all."""


def _listed(region: RegionList, positions: Ints) -> _Listed:
    """Find some positions in a region's list."""
    if not len(region.rows):
        return _Listed(_NO_ROWS, np.zeros(len(positions), dtype=np.bool_))
    places = np.minimum(region.rows.searchsorted(positions), len(region.rows) - 1)
    known = region.rows.take(places) == positions
    return _Listed(places, None) if known.all() else _Listed(places[known], known)


def _held_below(edges: Ints, until: Ints, segments: Ints) -> Ints:
    """How many segments of the runs lie below each of some segments."""
    run = np.searchsorted(edges[:, 0], segments, "right")
    inside = np.minimum(segments, edges[run - 1, 1]) - edges[run - 1, 0]
    return np.where(run > 0, until[run - 1] + inside, 0)


def _held(donor: DonorView, policy: Policy, rows: Ints, shares: Floats) -> Held:
    return Held(
        rows=rows,
        shares=shares,
        region=0,
        is_open=donor.nat != "restricted",
        groups=groups_of(donor.region),
        stays=donor.stay_left_s / (donor.stay_left_s + policy.outlasts_s),
        up_bytes_per_s=float(donor.up_bytes_per_s),
    )
