"""The demand as columns, to be weighed for one donor's stay after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from distribute_io.core.placement.model import Expectation
from distribute_io.core.placement.readings import DonorDemand
from distribute_io.core.placement.rows import Floats, Ints, Rows


class Outlook:
    """Expectations, by file. Immutable once made."""

    __slots__ = (
        "_bounds",
        "_file",
        "_files",
        "_is_plain",
        "_lasts_s",
        "_lead_s",
        "_open",
        "_open_sum",
        "_restricted",
        "_restricted_sum",
    )

    def __init__(
        self,
        *,
        files: int,
        file: Ints,
        lead_s: Floats,
        lasts_s: Floats,
        rates: tuple[Floats, Floats],
        sums: tuple[Floats, Floats],
    ) -> None:
        """Keep the columns.

        Args:
            files: how many there are.
            file: of each expectation, ascending.
            lead_s: when it begins.
            lasts_s: how long it lasts.
            rates: downloads per second by expectation and region, of open and of restricted downloaders.
            sums: the same of all regions together.
        """
        self._files, self._file, self._lead_s, self._lasts_s = files, file, lead_s, lasts_s
        self._open, self._restricted = rates
        self._open_sum, self._restricted_sum = sums
        self._bounds: Ints | None = None
        """Each file's first expectation, and how many there are: found when it is asked for."""
        self._is_plain: bool | None = None
        """Whether each file has one expectation, and all are steady: found when it is asked for."""

    @classmethod
    def of(
        cls, demand: Sequence[Expectation], rows: Rows, region: Mapping[str, int], weights: Floats, *, ahead_s: float
    ) -> Outlook:
        """What is expected of the files that there are rows of.

        Args:
            demand: the expectations.
            rows: of all files.
            region: places of the regions by name.
            weights: what a request of each file counts.
            ahead_s: what begins later than that is left out.
        """
        kept = [expected for expected in demand if expected.file_id in rows.place and expected.lead_s <= ahead_s]
        kept.sort(key=lambda expected: rows.place[expected.file_id])
        file = np.array([rows.place[expected.file_id] for expected in kept], dtype=np.int64)
        opened, restricted = np.zeros((len(kept), len(region))), np.zeros((len(kept), len(region)))
        for place, expected in enumerate(kept):
            for rates in expected.rates:
                area = region[rates.region]
                opened[place, area] += rates.open_per_s
                restricted[place, area] += rates.restricted_per_s
        factor = weights[file][:, None]
        opened *= factor
        restricted *= factor
        return cls(
            files=len(rows.files),
            file=file,
            lead_s=np.array([expected.lead_s for expected in kept]),
            lasts_s=np.array([expected.lasts_s for expected in kept]),
            rates=(opened, restricted),
            sums=(opened.sum(axis=1), restricted.sum(axis=1)),
        )

    @property
    def is_steady(self) -> bool:
        """Whether all that is expected is there now and stays: then a longer stay is worth more of the same."""
        return not self._lead_s.any() and not np.isfinite(self._lasts_s).any()

    def during(self, stay_s: float, area: int) -> DonorDemand:
        """Expected requests while a donor stays whose remaining stay is exponential with this mean.

        Of what begins after `lead_s` it sees `stay * e^(-lead/stay)` seconds, less those after its end.
        """
        demand = DonorDemand(self._files)
        if not len(self._file) or stay_s <= 0:
            return demand
        seen_s = stay_s * (np.exp(-self._lead_s / stay_s) - np.exp(-(self._lead_s + self._lasts_s) / stay_s))
        demand.open_everywhere = self._by_file(seen_s * self._open_sum)
        demand.restricted_everywhere = self._by_file(seen_s * self._restricted_sum)
        demand.open_near = self._by_file(seen_s * self._open[:, area])
        demand.restricted_near = self._by_file(seen_s * self._restricted[:, area])
        return demand

    def during_of(self, files: Ints, area: int, stay_s: float) -> DonorDemand:
        """The same for some files (ascending), numbered anew, and a donor of the region `area`."""
        if self._is_plain is None:
            self._is_plain = self.is_steady and np.array_equal(self._file, np.arange(self._files))
        if not self._is_plain or stay_s <= 0:
            return self.of_files(files, area).during(stay_s, 0)
        demand = DonorDemand(0)  # every second of the stay counts: the same numbers, in a fifth of the time
        demand.open_everywhere = stay_s * self._open_sum.take(files)
        demand.restricted_everywhere = stay_s * self._restricted_sum.take(files)
        demand.open_near = stay_s * self._open[files, area]
        demand.restricted_near = stay_s * self._restricted[files, area]
        return demand

    def of_files(self, files: Ints, area: int | None = None) -> Outlook:
        """The same for some files (ascending), numbered anew; with `area` for one region only, then number 0."""
        if self._bounds is None:
            self._bounds = self._file.searchsorted(np.arange(self._files + 1))
        first = self._bounds.take(files)
        counts = self._bounds.take(files + 1) - first
        local = np.repeat(np.arange(len(files)), counts)
        kept = np.repeat(first - np.cumsum(counts) + counts, counts)
        kept += np.arange(len(kept))
        if area is None:
            rates = self._open[kept], self._restricted[kept]
        else:
            rates = self._open[kept, area][:, None], self._restricted[kept, area][:, None]
        return Outlook(
            files=len(files),
            file=local,
            lead_s=self._lead_s.take(kept),
            lasts_s=self._lasts_s.take(kept),
            rates=rates,
            sums=(self._open_sum.take(kept), self._restricted_sum.take(kept)),
        )

    def _by_file(self, requests: Floats) -> Floats:
        return np.asarray(np.bincount(self._file, requests, self._files), dtype=np.float64)
