"""What a placer knows of the demand: the coordinator's own forecast, or the truth."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from distribute_io.simulate.people import Floats, Rates, Request
from distribute_io.simulate.scenario import Scenario


class Forecast(Protocol):
    """Downloads per second of each file and region, as somebody expects them."""

    def asked(self, request: Request) -> None:
        """A download began."""

    def rates(self, now_s: float) -> Floats:
        """What is expected now."""


class TrueRates:
    """The truth, without its moments."""

    def __init__(self, scenario: Scenario) -> None:
        self._rates = Rates(scenario)

    def asked(self, request: Request) -> None:
        """Nothing new."""

    def rates(self, now_s: float) -> Floats:
        """The true rates at this moment."""
        return self._rates.at(now_s)


class CountedRates:
    """Counts with exponential forgetting over a quarter of an hour, an equal share for each file at first."""

    HALF_LIFE_S = 900.0
    FIRST = 0.5
    """Downloads that each file is believed to have had before the first."""

    def __init__(self, scenario: Scenario) -> None:
        self._counts: Floats = Rates(scenario).at(0.0) * 0 + self.FIRST / scenario.network.regions
        self._at_s = 0.0

    def asked(self, request: Request) -> None:
        """A download began."""
        self._forget(request.at_s)
        self._counts[request.file, request.region] += 1.0

    def rates(self, now_s: float) -> Floats:
        """Counts over their mean age, as long as there was time to count."""
        self._forget(now_s)
        life_s = self.HALF_LIFE_S / 0.6931471805599453
        window_s = life_s * (1 - 0.5 ** (max(now_s, 60.0) / self.HALF_LIFE_S))
        return np.asarray(self._counts / window_s, dtype=np.float64)

    def _forget(self, now_s: float) -> None:
        self._counts = self._counts * 0.5 ** (max(0.0, now_s - self._at_s) / self.HALF_LIFE_S)
        self._at_s = max(now_s, self._at_s)
