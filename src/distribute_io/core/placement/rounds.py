"""Plans of a large swarm, round by round: what a process of its own keeps and does.

Rules:

1. It is told what changed since the round before; everything else it has kept. What it decided comes back as a change.
2. A round looks at all donors at once (`survey.py`), and plans those that could gain, the most gainful first, by the
   rule for all (`donor_plan.py`), over the listed rows and their own, until its time is over. Who was not reached is
   looked at again in the next round; joining donors are reached always.
3. Its lists are for those who join until the next round (`join_lists.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, structs

from distribute_io.core.placement.donor_plan import DonorPlanner
from distribute_io.core.placement.downlinks import FIRST_BYTES_PER_S, waits_s
from distribute_io.core.placement.groups import GROUPS_MIN, UNBOUND, groups_of
from distribute_io.core.placement.join_lists import JoinLists, RegionList, put_in_order
from distribute_io.core.placement.model import Assignment, DonorView, Expectation, FileView, Policy, Reason, Rejection
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.part import Alike, Columns, Part
from distribute_io.core.placement.planner import assignment_of, file_weights, push_bytes_max, rejections
from distribute_io.core.placement.readings import DonorDemand, Held
from distribute_io.core.placement.rows import Floats, Ints, Rows
from distribute_io.core.placement.stays import Stays, StaysState
from distribute_io.core.placement.stock import Stock
from distribute_io.core.placement.survey import Asked, Screen, Survey
from distribute_io.core.placement.weigh import reasons_of
from distribute_io.ids import SessionId

CANDIDATES: Final = 384
"""Listed rows that one donor's plan looks at, or four times what it may take."""

_PICKS_MAX: Final = 4_096
_ROWS_PER_DONOR: Final = 256
"""Donors are planned region by region, as many at a time as there are rows for: to come to a region costs a look at all
rows, and who is planned later is left the less valuable ones."""

_AGES_S: Final = np.concatenate((np.zeros(1), np.geomspace(1.0, 30 * 86_400.0, 256)))
"""Ages at which stays are found; between them a line is drawn."""

_SETTLE_STEPS: Final = 3
_SETTLED_SHARE: Final = 0.9
"""With so many donors as they were, one step settles the loads."""


class Changes(Struct, frozen=True, kw_only=True):
    """What became of a swarm since the round before."""

    now_us: int
    whole: bool
    """Whether all that was known before is to be forgotten."""
    donors: Sequence[bytes] = ()
    """New or changed (`encode_donor`)."""
    gone: Sequence[SessionId] = ()
    files: Sequence[bytes] | None = None
    """All files, some at a time (`encode_files`); None: as before."""
    demand: Sequence[bytes] = ()
    """What is expected, some of it at a time (`encode_demand`)."""
    stays: StaysState
    down_bytes_per_s: float = FIRST_BYTES_PER_S
    """How fast downloads go, typically (`downlinks.py`)."""
    is_guess: bool = False
    joining: frozenset[SessionId] = frozenset()
    """Donors that have to be given an assignment."""


def parts_of(changes: Changes, part_bytes: int) -> Iterator[Changes]:
    """The same in parts of about so many bytes of donors, files and demand; the last has all else, too.

    `put_together` makes them one again.
    """
    nothing = Changes(now_us=changes.now_us, whole=changes.whole, stays=changes.stays)
    for name in ("donors", "files", "demand"):
        some: list[bytes] = []
        size = 0
        for data in getattr(changes, name) or ():
            some.append(data)
            size += len(data)
            if size >= part_bytes:
                yield structs.replace(nothing, **{name: some})
                some, size = [], 0
        if some:
            yield structs.replace(nothing, **{name: some})
    yield structs.replace(changes, donors=(), files=None if changes.files is None else (), demand=())


def put_together(parts: Sequence[Changes]) -> Changes:
    """What `parts_of` made, as one."""
    last = parts[-1]
    return structs.replace(
        last,
        donors=[data for part in parts for data in part.donors],
        files=None if last.files is None else [data for part in parts for data in part.files or ()],
        demand=[data for part in parts for data in part.demand],
    )


def encode_files(files: Sequence[FileView]) -> bytes:
    """Some files as they are sent."""
    return msgspec.msgpack.encode(files)


def encode_demand(demand: Sequence[Expectation]) -> bytes:
    """Some of what is expected, as it is sent."""
    return msgspec.msgpack.encode(demand)


_FILES: Final = msgspec.msgpack.Decoder(list[FileView])
_DEMAND: Final = msgspec.msgpack.Decoder(list[Expectation])


class Round(Struct, frozen=True, kw_only=True):
    """What came of a round."""

    assignments: tuple[Assignment, ...]
    lists: JoinLists
    donors: int
    """That were looked at."""
    gainful: int
    """That could gain, as estimated."""
    planned: int


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a donor holds what it holds, the most useful run first, and what a plan made now would do."""

    holds: tuple[Reason, ...]
    would_fetch: tuple[Reason, ...]
    rejected: tuple[Rejection, ...]


class Rounds:
    """Caller's duties: all changes in order; a `round` after each."""

    def __init__(self, policy: Policy) -> None:
        """Know nothing yet."""
        self._policy = policy
        self._stock = Stock()
        self._rows = Rows((), policy)
        self._spans: list[slice] = []

    def round(self, changes: Changes, *, seed: int, is_over: Callable[[], bool]) -> Round:
        """Take the changes, look at all donors, plan some.

        Args:
            changes: since the round before.
            seed: for what is decided by chance.
            is_over: whether the time for planning has passed; asked before each donor.
        """
        look = self._look(changes, seed)
        stock = self._stock
        joining = {stock.place[name] for name in changes.joining if name in stock.place}
        order = look.gainful(joining)
        assignments: list[Assignment] = []
        planned = 0
        for slot in look.by_region(order):
            if slot not in joining and is_over():
                continue
            planned += 1
            assignment = look.plan(
                slot, changes.now_us, joins=slot in joining, is_guess=changes.is_guess and slot in joining
            )
            if assignment is not None:
                assignments.append(assignment)
        return Round(
            assignments=tuple(assignments),
            lists=look.lists(),
            donors=len(stock),
            gainful=len(order),
            planned=planned,
        )

    def explain(self, changes: Changes, session_id: SessionId, *, seed: int, limit: int) -> Explanation | None:
        """Take the changes, and tell of one donor why it holds what it holds and what a plan would change.

        Args:
            changes: since the round before.
            session_id: which donor.
            seed: for what is decided by chance.
            limit: runs at most that are explained.

        Returns:
            None when there is no such donor. Nothing is decided by it.
        """
        look = self._look(changes, seed)
        slot = self._stock.place.get(session_id)
        if slot is None:
            return None
        is_guess = changes.is_guess and session_id in changes.joining
        return look.explain(slot, changes.now_us, is_guess=is_guess, limit=limit)

    def _look(self, changes: Changes, seed: int) -> _Look:
        """Take the changes and look at all donors."""
        self._change(changes)
        stock, rows, policy = self._stock, self._rows, self._policy
        demand = [expected for some in changes.demand for expected in _DEMAND.decode(some)]
        for expected in demand:
            for rates in expected.rates:
                stock.region_of(rates.region)
        wait_s = waits_s(rows.file_bytes, changes.down_bytes_per_s)
        asked = Asked(self._asked(demand, wait_s), wait_s)
        survey = Survey(stock, rows, policy, left_s=self._left_s(changes), asked=asked, seed=seed)
        changed = len(changes.donors) > (1.0 - _SETTLED_SHARE) * len(stock)
        survey.settle(_SETTLE_STEPS if changed else 1)
        outlook = Outlook.of(demand, rows, stock.regions, file_weights(rows, survey, policy), ahead_s=policy.ahead_s)
        return _Look(stock, rows, policy, survey, outlook, self._spans)

    def _change(self, changes: Changes) -> None:
        if changes.whole:
            self._stock = Stock()
        if changes.files is not None:
            # Files of a cause are neighbours, so that each cause's rows are one span.
            files = [file for some in changes.files for file in _FILES.decode(some)]
            rows = Rows(sorted(files, key=lambda file: (file.cause, file.file_id)), self._policy)
            if len(self._stock):
                self._stock.renumber(self._rows, rows)
            self._rows = rows
            causes = Counter(file.cause for file in rows.files)
            ends = rows.first[np.cumsum([0, *(causes[cause] for cause in sorted(causes))])].tolist()
            self._spans = [slice(start, end) for start, end in pairwise(ends)]
        if changes.donors or changes.gone:
            self._stock.change(self._rows, changes.donors, changes.gone)

    def _left_s(self, changes: Changes) -> Floats:
        """How long each donor stays yet."""
        age_s = np.maximum(0, changes.now_us - self._stock.number("joined_at_us").astype(np.int64)) / 1e6
        stays = Stays(changes.stays)
        browser, native = (
            np.interp(age_s, _AGES_S, [stays.left_s(kind, float(age)) for age in _AGES_S])
            for kind in ("browser", "native")
        )
        return np.where(self._stock.number("is_native"), native, browser)

    def _asked(self, demand: Sequence[Expectation], wait_s: Floats) -> Floats:
        """Requests per second for each file, now or within the time that a request waits."""
        asked = np.zeros(len(self._rows.files))
        for expected in demand:
            place = self._rows.place.get(expected.file_id)
            if place is not None and expected.lead_s <= wait_s[place]:
                asked[place] += sum(rates.open_per_s + rates.restricted_per_s for rates in expected.rates)
        return asked


class _Chosen(NamedTuple):
    """One donor before its plan."""

    donor: DonorView
    part: Part
    held: Held
    expected: DonorDemand
    push_bytes: int

    def planner(self, policy: Policy, *, is_guess: bool) -> DonorPlanner:
        """Its planner."""
        allowed = None
        if self.donor.causes:
            allowed = np.array([file.cause in self.donor.causes for file in self.part.rows.files], dtype=bool)
        return DonorPlanner(self.part, self.expected, policy, self.donor, self.held, allowed, is_guess=is_guess)


class _Look:
    """One round's view of the swarm."""

    def __init__(
        self, stock: Stock, rows: Rows, policy: Policy, survey: Survey, outlook: Outlook, spans: Sequence[slice]
    ) -> None:
        self._stock, self._rows, self._policy, self._survey, self._outlook = stock, rows, policy, survey, outlook
        everywhere = survey.everywhere(outlook)
        self._screens: list[Screen] = []
        self._lists: dict[str, RegionList] = {}
        for name, region in stock.regions.items():
            near = survey.near(region)
            screen = survey.region(region, near, everywhere, spans)
            self._screens.append(screen)
            taken = None if near is None else (near[0][screen.rows], near[1][screen.rows])
            self._lists[name] = RegionList(region, screen.rows, taken)
        self._listed = np.unique(np.concatenate([screen.rows for screen in self._screens]))
        self._columns = Columns(
            files=rows.files,
            fixed=(rows.file, rows.start, rows.end, rows.size_bytes, rows.run),
            copies=(survey.miss_open, survey.miss_restricted, survey.serving, survey.copies),
            asked_per_s=survey.asked_per_s,
            wait_s=survey.wait_s,
            alike=(self._alike("network", {}), self._alike("provider", self._provider_shares())),
        )
        self._smallest = int(rows.size_bytes.min(initial=1 << 62))
        self._region = -1
        self._near: tuple[Floats, Floats] | None = None
        self._order: dict[bool, Ints] = {}

    def gainful(self, joining: set[int]) -> list[int]:
        """The donors that have to be planned or could gain, in the order of it."""
        gain = np.concatenate([screen.gain for screen in self._screens])
        gain[list(joining)] = np.inf
        useful = self._stock.number("up_bytes_per_s").astype(np.float64) * np.minimum(self._survey.left_s, 3_600.0)
        order = np.lexsort((-useful, self._stock.number("is_open").astype(np.int8) * -1, -gain))
        return [int(slot) for slot in order[: int((gain > 0.0).sum())]]

    def by_region(self, order: Sequence[int]) -> Iterator[int]:
        """The same, but those of a region together where the gain is not much less."""
        region = self._stock.number("region")
        slots = iter(order)
        at_once = max(4, self._rows.count // _ROWS_PER_DONOR)
        while some := list(islice(slots, at_once)):
            yield from sorted(some, key=lambda slot: int(region[slot]))

    def plan(self, slot: int, now_us: int, *, joins: bool, is_guess: bool) -> Assignment | None:
        """Plan one donor; its assignment if it gets one."""
        chosen = self._choose(slot, now_us)
        donor, part, held = chosen.donor, chosen.part, chosen.held
        planner = chosen.planner(self._policy, is_guess=is_guess)
        target = planner.plan(push_bytes_max=chosen.push_bytes, swaps_max=self._policy.swaps_per_round)
        if not (joins or target.pushed or target.dropped):
            return None
        part.put(held, np.array(target.rows, dtype=np.int64), np.array(target.shares))
        part.commit()
        if self._near is not None and part.near_open is not None and part.near_restricted is not None:
            self._near[0][part.positions], self._near[1][part.positions] = part.near_open, part.near_restricted
        return assignment_of(donor, target, planner.worth, part, self._policy)

    def explain(self, slot: int, now_us: int, *, is_guess: bool, limit: int) -> Explanation:
        """See `Rounds.explain`."""
        chosen = self._choose(slot, now_us)
        donor, part, held = chosen.donor, chosen.part, chosen.held
        holds = reasons_of(part, held, chosen.expected, limit=limit)
        planner = chosen.planner(self._policy, is_guess=is_guess)
        target = planner.plan(push_bytes_max=chosen.push_bytes, swaps_max=self._policy.swaps_per_round)
        part.put(held, np.array(target.rows, dtype=np.int64), np.array(target.shares))
        # Of a file whose other rows were not looked at nobody can say that the donor has all of it.
        here = np.bincount(part.rows.file, minlength=len(part.rows.files))
        is_whole = here == np.diff(self._rows.first)[part.rows.places]
        known = {part.rows.files[place].file_id for place in np.flatnonzero(is_whole).tolist()}
        return Explanation(
            holds=holds,
            would_fetch=assignment_of(donor, target, planner.worth, part, self._policy).reasons,
            rejected=tuple(
                of
                for of in rejections(part.rows.files, donor, target, planner.worth, part.rows)
                if of.reason != "held_already" or of.file_id in known
            ),
        )

    def _choose(self, slot: int, now_us: int) -> _Chosen:
        """One donor and the part of the board that its plan is made of, without it."""
        survey, policy = self._survey, self._policy
        known = self._stock.known(slot).view
        donor = structs.replace(known, stay_left_s=float(survey.left_s[slot]))
        region = int(self._stock.number("region")[slot])
        if region != self._region:
            self._enter(region)
        own, shares, serving, log_miss = survey.entries_of(slot)
        push_bytes = push_bytes_max(donor, now_us, policy)
        positions = np.union1d(own, self._candidates(donor, min(push_bytes, donor.storage_bytes)))
        near = None if self._near is None else (self._near[0][positions], self._near[1][positions])
        part = Part(self._columns, positions, near, policy)
        held = Held(
            rows=np.searchsorted(positions, own),
            shares=shares,
            region=0,
            is_open=donor.nat != "restricted",
            groups=groups_of(donor.region),
            stays=donor.stay_left_s / (donor.stay_left_s + policy.outlasts_s),
            up_bytes_per_s=float(donor.up_bytes_per_s),
        )
        held.serving, held.log_miss = serving, log_miss
        part.lift(held)
        stay_s = min(donor.stay_left_s, policy.horizon_s)
        expected = self._outlook.during_of(part.rows.places, region, stay_s)
        return _Chosen(donor, part, held, expected, push_bytes)

    def lists(self) -> JoinLists:
        """What those who join from now on may be given, with all that was planned."""
        self._leave()
        places = np.unique(self._rows.file[self._listed])
        columns = self._columns.part(self._listed)
        columns.files = [self._rows.files[place] for place in places.tolist()]
        columns.file = np.searchsorted(places, columns.file)
        columns.asked_per_s, columns.wait_s = self._columns.asked_per_s[places], self._columns.wait_s[places]
        networks, providers = self._columns.alike
        columns.alike = networks.renumbered(self._listed), providers.renumbered(self._listed)
        for of in self._lists.values():
            of.rows = np.searchsorted(self._listed, of.rows)
        outlook = self._outlook.of_files(places)
        for of in self._lists.values():
            put_in_order(of, columns, outlook, self._policy)
        return JoinLists(columns, outlook, self._lists, self._rows.count)

    def _enter(self, region: int) -> None:
        """Come to another region: what is near there, and the listed rows in order."""
        self._leave()
        self._region, self._near = region, self._survey.near(region)
        rows = self._screens[region].rows
        changed = self._list_of(region)
        if self._near is not None and changed.near_open is not None and changed.near_restricted is not None:
            self._near[0][rows], self._near[1][rows] = changed.near_open, changed.near_restricted
        put_in_order(changed, self._columns, self._outlook, self._policy)
        self._order = {is_open: changed.rows[order] for is_open, order in changed.order.items()}

    def _leave(self) -> None:
        """Keep what is near now for those who join."""
        if self._region < 0 or self._near is None:
            return
        of = self._list_of(self._region)
        of.near_open, of.near_restricted = self._near[0][of.rows], self._near[1][of.rows]

    def _list_of(self, region: int) -> RegionList:
        return next(of for of in self._lists.values() if of.area == region)

    def _candidates(self, donor: DonorView, room: int) -> Ints:
        order = self._order[donor.nat != "restricted"]
        if donor.causes:
            files = self._rows.files
            order = order[[files[place].cause in donor.causes for place in self._rows.file[order].tolist()]]
        return order[: max(CANDIDATES, 4 * min(_PICKS_MAX, room // self._smallest))]

    def _provider_shares(self) -> dict[int, float]:
        """By provider, the share of its country's donors that have a provider; `UNBOUND` where there are too few."""
        provider, region = (self._stock.number(name).astype(np.int64) for name in ("provider", "region"))
        some = provider > 0
        names, first, donors = np.unique(provider[some], return_index=True, return_counts=True)
        country = region[some][first]
        share = donors / np.bincount(country, donors)[country] if len(names) else donors
        share = np.where(np.bincount(country)[country] >= GROUPS_MIN, share, UNBOUND) if len(names) else share
        return dict(zip(names.tolist(), share.tolist(), strict=True))

    def _alike(self, kind: str, shares: Mapping[int, float]) -> Alike:
        """Networks or providers that hold half of a listed row's copies and more."""
        stock = self._stock
        group = stock.number(kind).astype(np.int64)
        groups = np.unique(group[group > 0])
        if len(groups) < GROUPS_MIN:
            return Alike(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), binds=False)
        listed = np.zeros(self._rows.count, dtype=bool)
        listed[self._listed] = True
        of_entry = np.repeat(group, np.diff(stock.offsets))
        some = listed[stock.row] & (of_entry > 0)
        keys, counts = np.unique((stock.row[some].astype(np.int64) << 32) | of_entry[some], return_counts=True)
        may = np.array([max(self._policy.network_share_max, shares.get(name, 0.0)) for name in groups.tolist()])
        bound = (counts + 1) / may[groups.searchsorted(keys & 0xFFFF_FFFF)] > self._survey.copies[keys >> 32]
        # A provider that is new here may be the only one of its country.
        unknown = UNBOUND if kind == "provider" else 0.0
        return Alike(keys[bound], counts[bound], binds=True, shares=shares, unknown=unknown)
