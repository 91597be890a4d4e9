"""The rules that the planner is compared with, each as its authors or the field would run it.

| name | rule |
| --- | --- |
| `http` | nobody holds anything |
| `lru` | donors hold what they downloaded for themselves, the latest first (NetSession, Maygh, WebTorrent) |
| `uniform` | the same number of copies of every file |
| `proportional` | copies of a file in proportion to its demand |
| `square-root` | in proportion to the square root of it (Cohen and Shenker 2002) |
| `rarest` | whatever has the fewest copies (BitTorrent) |
| `top` | every donor holds the hottest file |
| `rendezvous` | a hash of donor and segment, whatever the demand |
| `leconte` | a copy for what fell through to the mirrors, at random in place of another (Leconte and others 2015) |

Those that need the demand count it (`CountedRates`). Where a rule has a target, standing donors swap one segment at a
time while a file has far too many copies and another far too few: a rule is not held back by what it did before.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from distribute_io.simulate import masks
from distribute_io.simulate.forecasts import Forecast
from distribute_io.simulate.parties import Donor, Download
from distribute_io.simulate.people import Floats, Request
from distribute_io.simulate.swarm import Swarm

_TOLERANCE = 0.25
"""A file has far too many or too few copies beyond this share of what it should have."""


class Nobody:
    """Nobody holds anything; the others build on it."""

    name = "http"

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """Nothing."""

    def left(self, swarm: Swarm, donor: Donor) -> None:
        """Nothing."""

    def tick(self, swarm: Swarm) -> None:
        """Nothing."""

    def asked(self, swarm: Swarm, request: Request) -> None:
        """Nothing."""

    def fell_through(self, swarm: Swarm, download: Download, segments: int) -> None:
        """Nothing."""

    def own_download(self, swarm: Swarm, donor: Donor, file: int) -> None:
        """What was held before stays; the own download is not kept."""
        target = {name: mask for name, mask in donor.target.items() if mask}
        swarm.assign(donor, target)


class HoldOwn(Nobody):
    """`lru`."""

    name = "lru"

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """What it kept from its last visit."""
        donor.target = dict(donor.holdings)

    def own_download(self, swarm: Swarm, donor: Donor, file: int) -> None:
        """The new file first, as much as there is room for; then what was held before."""
        segments = swarm.scenario.catalogue.segments
        order = list(range(segments))
        swarm.rng.shuffle(order)
        room = swarm.scenario.donors.quota_segments
        kept = sum(1 << index for index in order[:room])
        target = {file: kept}
        room -= kept.bit_count()
        for other, mask in donor.target.items():
            if other != file and room > 0:
                part = masks.indices(mask)[:room]
                target[other] = sum(1 << index for index in part)
                room -= len(part)
        swarm.assign(donor, target)


class Shares(Nobody):
    """Copies of each file in proportion to a function of its demand."""

    def __init__(self, name: str, weigh: Callable[[Floats], Floats], forecast: Forecast) -> None:
        self.name = name
        self._weigh = weigh
        self._forecast = forecast

    def asked(self, swarm: Swarm, request: Request) -> None:
        """Counted."""
        self._forecast.asked(request)

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """Filled with what lacks most."""
        self._fill(swarm, donor, dict(donor.holdings))

    def own_download(self, swarm: Swarm, donor: Donor, file: int) -> None:
        """Its own download replaces what it would have to be pushed of the same file."""
        target = {name: mask for name, mask in donor.target.items() if mask}
        free = masks.indices(donor.holdings.get(file, 0))
        swarm.rng.shuffle(free)
        wanted = target.get(file, 0).bit_count()
        target[file] = sum(1 << index for index in free[:wanted])
        swarm.assign(donor, {name: mask for name, mask in target.items() if mask})

    def tick(self, swarm: Swarm) -> None:
        """One swap for each donor while shares are far off."""
        copies = count_copies(swarm)
        wanted = self._wanted(swarm)
        for donor in swarm.donors.values():
            surplus = copies.sum(axis=1) - wanted
            held = [file for file, mask in donor.holdings.items() if mask and donor.target.get(file)]
            if not held or donor.coming:
                continue
            over = max(held, key=lambda file: (surplus[file], -file))
            under = int(np.argmin(surplus))
            limit = _TOLERANCE * np.maximum(wanted, 1.0)
            if surplus[over] <= limit[over] or surplus[under] >= -limit[under] or surplus[under] > -2:
                continue
            lacking = masks.full(len(copies[under])) & ~donor.target.get(under, 0)
            if not lacking:
                continue
            out = max(masks.indices(donor.target[over]), key=lambda index: (copies[over, index], index))
            into = min(masks.indices(lacking), key=lambda index: (copies[under, index], index))
            target = dict(donor.target)
            target[over] &= ~(1 << out)
            target[under] = target.get(under, 0) | 1 << into
            copies[over, out] -= 1
            copies[under, into] += 1
            swarm.assign(donor, {file: mask for file, mask in target.items() if mask})

    def _wanted(self, swarm: Swarm) -> Floats:
        slots = swarm.scenario.donors.quota_segments * max(1, len(swarm.donors))
        weights = self._weigh(self._forecast.rates(swarm.now_s).sum(axis=1))
        most = swarm.scenario.catalogue.segments * max(1, len(swarm.donors))
        wanted = np.minimum(slots * weights / max(weights.sum(), 1e-12), most)
        return np.asarray(wanted, dtype=np.float64)

    def _fill(self, swarm: Swarm, donor: Donor, target: dict[int, int]) -> None:
        copies = count_copies(swarm)
        totals = copies.sum(axis=1)
        wanted = self._wanted(swarm)
        room = swarm.scenario.donors.quota_segments - sum(mask.bit_count() for mask in target.values())
        noise = np.array([swarm.rng.random() for _ in wanted]) * 1e-3
        for _ in range(room):
            file = int(np.argmin(totals / np.maximum(wanted, 1e-9) + noise))
            lacking = masks.indices(masks.full(copies.shape[1]) & ~target.get(file, 0))
            if not lacking:
                totals[file] = np.inf
                continue
            swarm.rng.shuffle(lacking)
            into = min(lacking, key=lambda index: copies[file, index])
            target[file] = target.get(file, 0) | 1 << into
            copies[file, into] += 1
            totals[file] += 1
        swarm.assign(donor, target)


class Rendezvous(Shares):
    """`rendezvous`: the segments with the highest hash of donor and segment."""

    def __init__(self, forecast: Forecast) -> None:
        super().__init__("rendezvous", lambda rates: rates, forecast)

    def tick(self, swarm: Swarm) -> None:
        """Nothing changes."""

    def _fill(self, swarm: Swarm, donor: Donor, target: dict[int, int]) -> None:
        files, segments = swarm.scenario.catalogue.files, swarm.scenario.catalogue.segments
        ranked = sorted(
            (blake2b(f"{donor.visit.person}/{file}/{index}".encode(), digest_size=8).digest(), file, index)
            for file in range(files)
            for index in range(segments)
        )
        chosen: dict[int, int] = {}
        for _, file, index in ranked[: swarm.scenario.donors.quota_segments]:
            chosen[file] = chosen.get(file, 0) | 1 << index
        swarm.assign(donor, chosen)


class Leconte(Nobody):
    """`leconte`: each loss adds a copy with probability `GAIN`, in an empty place or in place of one drawn evenly."""

    name = "leconte"
    GAIN = 0.05

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """Empty places are filled by losses."""
        donor.target = dict(donor.holdings)

    def fell_through(self, swarm: Swarm, download: Download, segments: int) -> None:
        """Add copies of what was lost."""
        file = download.request.file
        everything = masks.full(swarm.scenario.catalogue.segments)
        quota = swarm.scenario.donors.quota_segments
        here = list(swarm.donors.values())
        for _ in range(segments):
            empty = [donor for donor in here if donor.held() + len(donor.coming) < quota]
            if not here or swarm.rng.random() >= (1.0 if empty else self.GAIN):
                continue
            donor = swarm.rng.choice(empty or here)
            lacking = masks.indices(everything & ~donor.target.get(file, 0))
            if not lacking:
                continue
            target = dict(donor.target)
            if not empty:
                held = [(name, index) for name, mask in target.items() for index in masks.indices(mask)]
                name, index = swarm.rng.choice(held)
                target[name] &= ~(1 << index)
            target[file] = target.get(file, 0) | 1 << swarm.rng.choice(lacking)
            swarm.assign(donor, {name: mask for name, mask in target.items() if mask})


def count_copies(swarm: Swarm) -> Floats:
    """Copies of each segment, held or on the way, `[file, segment]`."""
    copies = np.zeros((swarm.scenario.files, swarm.scenario.catalogue.segments))
    for donor in swarm.donors.values():
        for file, mask in donor.target.items():
            for index in masks.indices(mask):
                copies[file, index] += 1
    return copies


def _hottest(rates: Floats) -> Floats:
    weights = np.zeros_like(rates)
    weights[int(np.argmax(rates))] = 1.0
    return weights


def make_baseline(name: str, forecast: Forecast) -> Nobody:
    """A baseline by its name."""
    weighers: dict[str, Callable[[Floats], Floats]] = {
        "uniform": lambda rates: np.asarray(rates > 0, dtype=np.float64),
        "proportional": lambda rates: rates,
        "square-root": np.sqrt,
        "top": _hottest,
    }
    if name in weighers:
        return Shares(name, weighers[name], forecast)
    if name == "rarest":
        return Rarest(forecast)
    if name == "rendezvous":
        return Rendezvous(forecast)
    return {"http": Nobody, "lru": HoldOwn, "leconte": Leconte}[name]()


class Rarest(Shares):
    """`rarest`: the segments with the fewest copies, of whatever file; standing donors keep what they have."""

    def __init__(self, forecast: Forecast) -> None:
        super().__init__("rarest", np.ones_like, forecast)

    def tick(self, swarm: Swarm) -> None:
        """Nothing changes."""


BASELINES = ("http", "lru", "uniform", "proportional", "square-root", "rarest", "top", "rendezvous", "leconte")
