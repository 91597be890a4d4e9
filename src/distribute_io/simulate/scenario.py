"""A scenario: everything that a run depends on besides the seed and the policy, as data.

Rules:

1. A scenario is a TOML file with the fields below; what it leaves out has the default, which is the base scenario of
   `docs/explanation/placement.md`. Unknown keys are refused.
2. Units stand last in a name; amounts of data are counted in segments of `segment_bytes` inside the simulator.
3. Same scenario, seed and policy: same result.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from math import erf, exp, inf, log, sqrt
from pathlib import Path
from typing import Final, Literal

import msgspec

from distribute_io.errors import UsageError


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Donors(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gives, for how long, how fast."""

    native: bool = False
    """Programs on servers (`dio donate`) instead of pages: believed to stay for long before anything was seen."""
    as_many_in_each_region: bool = False
    """Instead of by chance."""
    online: int = 30
    """Donors at once, on average."""
    pool_share: float = 0.3
    """Of these, the ones that leave a page or a program open for long."""
    pool_half_life_s: float = 72_000.0
    """Time after which half of the pool's donors have left."""
    stay_median_s: float = 300.0
    """Median stay of the others, the visitors; log-normal."""
    stay_sigma: float = 1.2
    return_chance: float = 0.3
    """Chance that a visitor comes back, with what it held."""
    return_after_mean_s: float = 1200.0
    """Mean time until then."""
    downloads_chance: float = 0.5
    """Chance that a new visitor downloads a file when it comes."""
    quota_segments: int = 16
    up_median_bit_per_s: float = 5e6
    """Uplinks are log-normal, clipped to the two below."""
    up_sigma: float = 1.0
    up_min_bit_per_s: float = 0.2e6
    up_max_bit_per_s: float = 50e6
    fill_after_s: float | None = None
    """From an assignment of what others hold to the first byte of it: these are asked first, and serve downloads before
    they fill. None: an introduction's time, as where nobody holds it."""


class Catalogue(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What there is to hold."""

    files: int = 12
    segments: int = 50
    """Segments of each file."""
    segment_bytes: int = 1 << 20
    zipf: float = 0.8
    """Exponent of the popularity of the files."""
    causes: int = 1
    """The files belong to so many causes, equally many to each: the most popular ones to the first."""


class Flash(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file's demand rises far above all other demand."""

    at_s: float = 2400.0
    times: float = 3.0
    """Peak, as a multiple of all other demand together."""
    rise_s: float = 120.0
    half_life_s: float = 1200.0
    downloads: float | None = None
    """Downloads of it in all, instead of `times`."""
    new_file: bool = False
    """A file that did not exist before; else the coldest of the catalogue."""
    announced_before_s: float | None = None
    """How long before the publisher says so; None: never."""
    announced_share: float = 0.8
    """The publisher's number of downloads, as a share of those that come."""


class Demand(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for."""

    load: float = 0.35
    """Bytes asked for, as a share of what all donors together could send at their mean uplink."""
    day_s: float = 10_800.0
    day_amplitude: float = 0.0
    """Swing of each region's demand around its mean over a day; the regions' phases are evenly apart."""
    moves_at_s: tuple[float, ...] | None = None
    """The files are in as many groups as there are regions, and each region asks for one group; from each of these
    moments on for the next. None: every region asks for every file."""
    flash: Flash | None = None


class Network(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Regions, NATs and links."""

    regions: int = 3
    restricted_share: float = 0.5
    """Peers behind a restricted NAT, donors and downloaders alike; two of them cannot connect."""
    far_weight: float = 1.0
    """What a byte is worth that comes from another region, to the planner (`far_byte_weight` of a coordinator) and in
    the weighted net offload."""
    down_median_bit_per_s: float = 14e6
    """What a downloader can receive, and gets of the mirrors alone; log-normal. 50 MiB take 30 s at the median."""
    down_sigma: float = 0.5
    down_min_bit_per_s: float = 2e6
    down_max_bit_per_s: float = 200e6
    rtt_near_ms: float = 30.0
    rtt_far_ms: float = 150.0
    loss: float = 0.0002
    """Loss of packets between peers; bounds the rate of one connection (Mathis et al. 1997)."""
    introduction_s: float = 0.2
    """From the request to an open channel, besides four round trips between the two: what `python -m bench
    peers_first_byte` has to the first byte, where these are nothing (0.18 s)."""
    peers_max: int = 16
    """Donors that a downloader has open at once."""
    active_max: int | None = None
    """As `core.peer_roster` has it: of these so many are asked at once, in the order of their introduction, and who
    left is replaced at once. None: all are asked, and others looked for while they do not fill the downlink."""
    takers_max: int = 8
    """Downloaders that a donor serves at once."""


class Trouble(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong."""

    poisoner_share: float = 0.0
    """Donors that send wrong bytes."""
    mirror_outage_s: tuple[float, float] | None = None
    """From when to when no mirror answers."""
    mirror_bit_per_s: float | None = None
    """What all mirrors together can send, to downloads and to donors that fill themselves; None: as much as is asked of
    them."""


class Scenario(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    title: str
    about: str
    duration_s: float = 5400.0
    kind: Literal["detailed", "coarse"] = "detailed"
    """`detailed`: every segment of every download; `coarse`: classes of donors and files, for millions."""
    plan_every_s: float = 30.0
    """Time between two plans for standing donors."""
    plan_first_s: float = 0.0
    """Time of the first of them."""
    bound_window_s: float = 600.0
    """Windows of the bound; shorter ones make it tighter and slower."""
    donors: Donors = Donors()
    catalogue: Catalogue = Catalogue()
    demand: Demand = Demand()
    network: Network = Network()
    trouble: Trouble = Trouble()

    @property
    def segment_bits(self) -> float:
        """Bits of one segment."""
        return self.catalogue.segment_bytes * 8.0

    @property
    def files(self) -> int:
        """Files, the flash crowd's new one included."""
        flash = self.demand.flash
        return self.catalogue.files + (1 if flash and flash.new_file else 0)

    @property
    def up_mean_segments_per_s(self) -> float:
        """Mean uplink of the clipped log-normal distribution, in segments per second."""
        donors = self.donors
        return (
            clipped_lognormal_mean(
                donors.up_median_bit_per_s, donors.up_sigma, donors.up_min_bit_per_s, donors.up_max_bit_per_s
            )
            / self.segment_bits
        )

    @property
    def flash_peak_per_s(self) -> float:
        """Downloads per second of the flash crowd's file at its peak; 0 without one."""
        flash = self.demand.flash
        if flash is None:
            return 0.0
        if flash.downloads is not None:
            return flash.downloads / (flash.rise_s / 2 + flash.half_life_s / log(2))
        return flash.times * self.downloads_per_s

    @property
    def downloads_per_s(self) -> float:
        """All ordinary demand together: `load` of what the donors could send."""
        return self.demand.load * self.donors.online * self.up_mean_segments_per_s / self.catalogue.segments


_PACKET_BITS: Final = 1200 * 8


def setups_s(scenario: Scenario) -> tuple[float, float]:
    """How long until a downloader's connection to a donor can be used: one far away, one near."""
    network = scenario.network
    far, near = (network.introduction_s + 4 * ms / 1000 for ms in (network.rtt_far_ms, network.rtt_near_ms))
    return far, near


def path_rates(scenario: Scenario) -> tuple[float, float]:
    """Segments per second that one connection carries at the scenario's loss (Mathis et al. 1997), far and near; no
    bound without loss."""
    network = scenario.network
    if network.loss <= 0:
        return inf, inf
    far, near = (
        1.22 * _PACKET_BITS / (ms / 1000 * network.loss**0.5) / scenario.segment_bits
        for ms in (network.rtt_far_ms, network.rtt_near_ms)
    )
    return far, near


def clipped_lognormal_mean(median: float, sigma: float, low: float, high: float) -> float:
    """Mean of a log-normal variable that is cut to `[low, high]` (its mass outside sits on the ends)."""
    if sigma == 0.0:
        return min(max(median, low), high)

    def below(x: float) -> float:
        return 0.5 * (1.0 + erf(x / sqrt(2.0)))

    a, b = log(low / median) / sigma, log(high / median) / sigma
    middle = median * exp(sigma * sigma / 2.0) * (below(b - sigma) - below(a - sigma))
    return low * below(a) + middle + high * (1.0 - below(b))


SUFFIX: Final = ".toml"


def scenario_names() -> list[str]:
    """The scenarios that come with the program."""
    folder = resources.files("distribute_io.simulate") / "scenarios"
    return sorted(entry.name.removesuffix(SUFFIX) for entry in folder.iterdir() if entry.name.endswith(SUFFIX))


def load_scenario(name: str) -> Scenario:
    """A scenario by its name, or by the path of a TOML file.

    Raises:
        UsageError: `bad_argument` when there is no such scenario, or it breaks its shape.
    """
    path = Path(name)
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise UsageError("bad_argument", f"There is no scenario file {name}.")
        text = path.read_text(encoding="utf-8")
    elif name in scenario_names():
        text = (resources.files("distribute_io.simulate") / "scenarios" / (name + SUFFIX)).read_text(encoding="utf-8")
    else:
        raise UsageError(
            "bad_argument", f"There is no scenario {name!r}; there are {', '.join(scenario_names())}, or a .toml file."
        )
    try:
        return msgspec.convert(tomllib.loads(text), Scenario)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise UsageError("bad_argument", f"Scenario {name}: {error}.") from error
