"""The real planner in a simulated swarm: what the coordinator would tell it, and carrying out what it says.

`PlannedPlacer` learns demand and stays as the coordinator does (`core.demand`, `core.placement.stays`). `OraclePlacer`
is the same planner given each file's true rate at the moment and each donor's true stay: what forecasting costs.
"""

from __future__ import annotations

import time
from typing import Final

from distribute_io.core.demand.book import Announcement, DemandBook
from distribute_io.core.placement.model import (
    LOOK_AGAIN_S,
    DonorView,
    Expectation,
    FileView,
    Policy,
    RegionRates,
    Snapshot,
)
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.stays import DonorKind, Stays
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.simulate import masks
from distribute_io.simulate.matchers import nat_class, region_name
from distribute_io.simulate.parties import Donor, Download
from distribute_io.simulate.people import Floats, Rates, Request
from distribute_io.simulate.scenario import Scenario
from distribute_io.simulate.swarm import Swarm

_EPOCH_US: Final = 1_700_000_000_000_000
"""When virtual time begins, in microseconds since 1970: demand has hours of the day."""


class PlannedPlacer:
    """The planner with what it learns."""

    name = "planned"

    def __init__(self, scenario: Scenario, policy: Policy | None = None) -> None:
        self.scenario = scenario
        self.policy = policy or Policy(far_weight=scenario.network.far_weight)
        self.join_s: list[float] = []
        self.full_s: list[float] = []
        self._book = DemandBook()
        self._stays = Stays()
        self._kind: DonorKind = "native" if scenario.donors.native else "browser"
        catalogue = scenario.catalogue
        self._file_ids = [FileId(f"{file:064x}") for file in range(scenario.files)]
        self._numbers = {file_id: number for number, file_id in enumerate(self._file_ids)}
        self._views = [
            FileView(
                file_id=file_id,
                cause=CauseId(f"cause-{number * catalogue.causes // scenario.files}"),
                segments=catalogue.segments,
                size_bytes=catalogue.segments * catalogue.segment_bytes,
                segment_size_bytes=catalogue.segment_bytes,
            )
            for number, file_id in enumerate(self._file_ids)
        ]
        self._known = 0
        self._looked_s = -LOOK_AGAIN_S
        self._has_left = False
        self._publish(0.0)

    # --- what is told to the coordinator ------------------------------------------------------------------------------

    def asked(self, swarm: Swarm, request: Request) -> None:
        """Counted."""
        self._publish(request.at_s)
        nat = nat_class(restricted=request.restricted)
        self._book.asked(self._file_ids[request.file], region_name(request.region), nat, _us(request.at_s))
        self._look_again(swarm)

    def fell_through(self, swarm: Swarm, download: Download, segments: int) -> None:
        """Counted."""
        share = min(1.0, segments / self.scenario.catalogue.segments)
        region = region_name(download.request.region)
        self._book.fell_through(self._file_ids[download.request.file], region, share, _us(swarm.now_s))

    def left(self, swarm: Swarm, donor: Donor) -> None:
        """A stay is over: what only this donor held is with nobody now.

        Who leaves in the same second is still there, and may be told to fetch something: so it is with the coordinator.
        """
        self._stays.ended(self._kind, donor.visit.end_s - max(0.0, donor.visit.start_s))
        self._has_left = True
        self._look_again(swarm)

    # --- planning -----------------------------------------------------------------------------------------------------

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """Planned at once."""
        self._publish(swarm.now_s)
        began = time.perf_counter()
        self._plan(swarm, joining=frozenset({_session(donor)}), standing=frozenset())
        self.join_s.append(time.perf_counter() - began)

    def tick(self, swarm: Swarm) -> None:
        """All that are here are looked at again."""
        self._publish(swarm.now_s)
        began = time.perf_counter()
        self._looked_s, self._has_left = swarm.now_s, False
        self._plan(swarm, joining=frozenset(), standing=None)
        self.full_s.append(time.perf_counter() - began)

    def _look_again(self, swarm: Swarm) -> None:
        if self._has_left and swarm.now_s - self._looked_s >= LOOK_AGAIN_S:
            self.tick(swarm)

    def own_download(self, swarm: Swarm, donor: Donor, file: int) -> None:
        """The plan keeps the best of it."""
        self._plan(swarm, joining=frozenset(), standing=frozenset({_session(donor)}))

    def _plan(self, swarm: Swarm, joining: frozenset[SessionId], standing: frozenset[SessionId] | None) -> None:
        snapshot = Snapshot(
            now_us=_us(swarm.now_s),
            donors=[self._view(swarm, donor) for donor in swarm.donors.values()],
            files=self._views[: self._known],
            demand=self.expectations(swarm),
            down_bytes_per_s=self.scenario.network.down_median_bit_per_s / 8.0,
            is_guess=self._book.is_guess,
            joining=joining,
            standing=standing,
        )
        for assignment in plan(snapshot, self.policy, swarm.rng).assignments:
            donor = swarm.donors[int(assignment.session_id, 16)]
            target = {self._numbers[file_id]: masks.from_runs(runs) for file_id, runs in assignment.files}
            swarm.assign(donor, target)

    def _view(self, swarm: Swarm, donor: Donor) -> DonorView:
        visit = donor.visit
        size = self.scenario.catalogue.segment_bytes
        return DonorView(
            session_id=_session(donor),
            storage_bytes=self.scenario.donors.quota_segments * size + self.policy.reserve_bytes,
            up_bytes_per_s=int(visit.up * size),
            joined_at_us=_us(max(0.0, visit.start_s)),
            region=region_name(visit.region),
            nat=nat_class(restricted=visit.restricted),
            stay_left_s=self.stay_left_s(swarm, donor),
            holdings=self._runs(donor.holdings),
            coming=self._runs(donor.lacking()),
        )

    def _runs(self, held: dict[int, int]) -> dict[FileId, Runs]:
        return {self._file_ids[file]: masks.to_runs(mask) for file, mask in held.items()}

    # --- what is believed ---------------------------------------------------------------------------------------------

    def expectations(self, swarm: Swarm) -> tuple[Expectation, ...]:
        """What is believed of the demand."""
        return self._book.expectations(_us(swarm.now_s))

    def stay_left_s(self, swarm: Swarm, donor: Donor) -> float:
        """How long it is believed to stay."""
        age_s = swarm.now_s - max(0.0, donor.visit.start_s)
        return self._stays.left_s(self._kind, max(0.0, age_s))

    def _publish(self, now_s: float) -> None:
        """Files become known when they are there, the new one of a flash crowd when it is announced or released."""
        flash = self.scenario.demand.flash
        count = self.scenario.catalogue.files
        if flash and flash.new_file and now_s >= flash.at_s - (flash.announced_before_s or 0.0):
            count += 1
        while self._known < count:
            file_id = self._file_ids[self._known]
            self._book.published(file_id, _us(now_s))
            if flash and self._known >= self.scenario.catalogue.files and flash.announced_before_s is not None:
                downloads = round(Rates(self.scenario).announced_downloads())
                self._book.announce(Announcement(file_id=file_id, release_at_us=_us(flash.at_s), downloads=downloads))
            self._known += 1


class OraclePlacer(PlannedPlacer):
    """The same planner with the true rates of each moment and the true stays."""

    name = "oracle"

    def expectations(self, swarm: Swarm) -> tuple[Expectation, ...]:
        """The truth of this moment; of an announced release, the truth of its first half-life."""
        flash = self.scenario.demand.flash
        rates = swarm.rates.at(swarm.now_s)
        expected = [self._expectation(file, rates[file]) for file in range(self._known) if rates[file].sum() > 0]
        if flash and flash.new_file and self._known == self.scenario.files and swarm.now_s < flash.at_s:
            peak = swarm.rates.mean(flash.at_s, flash.at_s + flash.half_life_s)[swarm.rates.flash_file]
            lead_s = flash.at_s - swarm.now_s
            expected.append(self._expectation(swarm.rates.flash_file, peak, lead_s=lead_s))
        return tuple(expected)

    def stay_left_s(self, swarm: Swarm, donor: Donor) -> float:
        """The truth."""
        return max(0.0, donor.visit.end_s - swarm.now_s)

    def _expectation(self, file: int, by_region: Floats, lead_s: float = 0.0) -> Expectation:
        restricted = self.scenario.network.restricted_share
        rows = [
            RegionRates(region_name(region), float(rate) * (1 - restricted), float(rate) * restricted)
            for region, rate in enumerate(by_region)
        ]
        return Expectation(file_id=self._file_ids[file], rates=rows, lead_s=lead_s)


def _us(time_s: float) -> int:
    return _EPOCH_US + round(time_s * 1e6)


def _session(donor: Donor) -> SessionId:
    return SessionId(f"{donor.visit.index:032x}")
