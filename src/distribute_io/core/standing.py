"""Who is kept out for a time: decides, does nothing, and knows networks only by the names that it is given.

What a network does wrong is forgotten by and by: a mistake costs nothing, a habit does. Many people may share
a network (a campus, a carrier), so bars are high and bans short at first.

- K1 Each fault counts one, `FAULT_US` takes one away again. A network with `faults_max` of them is kept out for
  `OUT_US`, twice as long each time within a day, up to `OUT_US_MAX`; then it begins with a clean sheet.
- K2 An accusation of wrong bytes suspends that donor for `SUSPEND_US`, twice as long for each further network that
  accuses it. So one proof is enough to put a liar out of use.
- K3 An accuser's word is limited: `ACCUSATIONS_MAX` different donors in `ACCUSE_US` count for one network, further ones
  do not. So a network of liars keeps less than one honest donor out at a time.
- K4 A donor that `ACCUSERS_MAX` networks accused is out of use for `OUT_US_MAX`.
- K5 A new session does not help: where `LIARS_MAX` donors of one network were accused by `LIAR_ACCUSERS` networks each
  within `OUT_US_MAX`, and they are half of these and of the donors that stand there or more, all of them are out of use
  until that time is over. So one network's word alone never reaches the neighbours of whom it accuses.
- K6 A donor complains of a downloader that broke the protocol of an open match. One that `COMPLAINERS_MIN` networks
  complained of within `COMPLAIN_US` is introduced to nobody until fewer did. It has its mirrors meanwhile.
- K7 A new session does not help here either: where `BAD_TAKERS_MAX` downloaders of one network were complained of
  within `COMPLAIN_US`, by as many networks together, and they are half of these and of the downloaders there or more,
  none of them is introduced.

A complaint has no proof, so it takes two networks (K6) and ends soon, and as in K3 a network's complaints count of
`ACCUSATIONS_MAX` networks in `ACCUSE_US`: a donor that complains of everybody keeps nobody out, and two networks of
liars downloaders of no more than four networks at a time.

Everything is bounded; what is full forgets whom it heard of longest ago. Times are microseconds of the caller's clock.
Vectors: `spec/vectors/standing.json`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec import Struct

NETWORKS_MAX: Final = 50_000
DONORS_MAX: Final = 50_000

FAULT_US: Final = 10_000_000
OUT_US: Final = 60_000_000
OUT_US_MAX: Final = 3_600_000_000
_DAY_US: Final = 24 * 3_600_000_000

SUSPEND_US: Final = 60_000_000
ACCUSE_US: Final = 600_000_000
ACCUSATIONS_MAX: Final = 4
ACCUSERS_MAX: Final = 3
LIARS_MAX: Final = 3
LIAR_ACCUSERS: Final = 2
_LIARS_TOLD_MAX: Final = 1_024
"""Liars of one network that are told apart, and downloaders that were complained of."""

COMPLAIN_US: Final = 600_000_000
COMPLAINERS_MIN: Final = 2
BAD_TAKERS_MAX: Final = 3


class _Network(Struct):
    """What is remembered of one network."""

    faults: int = 0
    counted_us: int = 0
    """Up to when `faults` were taken away."""
    bans: int = 0
    out_until_us: int = 0
    accused: dict[str, int] = {}
    """Donors that it accused, and when."""
    complained: dict[str, int] = {}
    """Networks of downloaders that it complained of, and since when."""
    liars: dict[str, int] = {}
    """Donors of this network that `LIAR_ACCUSERS` accused, and since when."""
    complaints: dict[str, dict[str, int]] = {}
    """Downloaders of this network that were complained of, by which networks, and when by each."""


class _Accused(Struct):
    """What is remembered of an accused donor."""

    accusers: set[str]
    out_until_us: int


class Standing:
    """Caller's duties: tell faults, accusations, complaints, who comes and goes; ask before anyone is let in or met."""

    def __init__(self, *, faults_max: int) -> None:
        """Begin with nobody known.

        Args:
            faults_max: faults for which a network is kept out (K1); at least 1.
        """
        self._faults_max = faults_max
        self._networks: OrderedDict[str, _Network] = OrderedDict()
        self._donors: OrderedDict[str, _Accused] = OrderedDict()
        self._here: dict[str, set[str]] = {}
        self._taking: dict[str, set[str]] = {}

    def fault(self, network: str, now_us: int) -> None:
        """A session of this network broke the protocol, or said nothing (K1)."""
        known = self._known(network, now_us)
        known.faults += 1
        if known.faults < self._faults_max:
            return
        known.bans = known.bans + 1 if now_us < known.out_until_us + _DAY_US else 1
        known.out_until_us = now_us + min(OUT_US_MAX, OUT_US << min(known.bans - 1, 16))
        known.faults = 0

    def kept_out_us(self, network: str, now_us: int) -> int:
        """For how long a network is kept out from now on; 0 when it is not."""
        known = self._networks.get(network)
        return 0 if known is None else max(0, known.out_until_us - now_us)

    def donates(self, donor: str, network: str) -> None:
        """A donor of this network is here, until it `left` (K5)."""
        self._here.setdefault(network, set()).add(donor)

    def left(self, donor: str, network: str) -> None:
        """A session donates no longer, if it did."""
        _leave(self._here, donor, network)

    def takes(self, downloader: str, network: str) -> None:
        """A downloader of this network is here, until it `took` (K7)."""
        self._taking.setdefault(network, set()).add(downloader)

    def took(self, downloader: str, network: str) -> None:
        """A session downloads no longer, if it did."""
        _leave(self._taking, downloader, network)

    def accuse(self, donor: str, *, network: str, accuser: str, now_us: int) -> bool:
        """A downloader of network `accuser` had wrong bytes from a donor of `network`; False when it does not count."""
        if not _is_heard(self._known(accuser, now_us).accused, donor, now_us):
            return False
        known = self._donors.setdefault(donor, _Accused(set(), 0))
        self._donors.move_to_end(donor)
        if len(self._donors) > DONORS_MAX:
            self._donors.popitem(last=False)
        if len(known.accusers) < ACCUSERS_MAX:
            known.accusers.add(accuser)
        is_out = len(known.accusers) >= ACCUSERS_MAX  # K4
        out_us = OUT_US_MAX if is_out else SUSPEND_US << (len(known.accusers) - 1)  # K2
        known.out_until_us = max(known.out_until_us, now_us + out_us)
        liars = self._known(network, now_us).liars
        if len(known.accusers) >= LIAR_ACCUSERS and len(liars) < _LIARS_TOLD_MAX:
            liars.setdefault(donor, now_us)
        return True

    def may_give(self, donor: str, network: str, now_us: int) -> bool:
        """Whether a donor may be introduced to anybody (K2, K4, K5)."""
        accused = self._donors.get(donor)
        if accused is not None and now_us < accused.out_until_us:
            return False
        known = self._networks.get(network)
        if known is None:
            return True
        liars = {each for each, at_us in known.liars.items() if now_us < at_us + OUT_US_MAX}
        return len(liars) < LIARS_MAX or 2 * len(liars) < len(liars | self._here.get(network, set()))

    def complain(self, downloader: str, *, network: str, donor_network: str, now_us: int) -> bool:
        """A donor had its protocol broken by a downloader of `network`; False when it does not count."""
        if not _is_heard(self._known(donor_network, now_us).complained, network, now_us):
            return False
        complaints = self._known(network, now_us).complaints
        by = complaints.setdefault(downloader, {})
        by.pop(donor_network, None)
        by[donor_network] = now_us
        if len(by) > BAD_TAKERS_MAX:
            del by[next(iter(by))]
        if len(complaints) > _LIARS_TOLD_MAX:
            del complaints[next(iter(complaints))]
        return True

    def may_take(self, downloader: str, network: str, now_us: int) -> bool:
        """Whether a downloader may be introduced to anybody (K6, K7)."""
        known = self._networks.get(network)
        if known is None or not known.complaints:
            return True
        fresh = {
            each: {by for by, at_us in complaints.items() if now_us < at_us + COMPLAIN_US}
            for each, complaints in known.complaints.items()
        }
        if len(fresh.get(downloader, ())) >= COMPLAINERS_MIN:
            return False
        bad = {each for each, by in fresh.items() if by}
        complainers = set[str]().union(*fresh.values())
        if len(bad) < BAD_TAKERS_MAX or len(complainers) < BAD_TAKERS_MAX:
            return True
        return 2 * len(bad) < len(bad | self._taking.get(network, set()))

    def _known(self, network: str, now_us: int) -> _Network:
        known = self._networks.get(network)
        if known is None:
            known = self._networks[network] = _Network(counted_us=now_us)
            if len(self._networks) > NETWORKS_MAX:
                self._networks.popitem(last=False)
        self._networks.move_to_end(network)
        gone = (now_us - known.counted_us) // FAULT_US
        known.faults = max(0, known.faults - gone)
        known.counted_us += gone * FAULT_US
        for each in [each for each, at_us in known.liars.items() if at_us + OUT_US_MAX <= now_us]:
            del known.liars[each]
        for each in [each for each, by in known.complaints.items() if max(by.values()) + COMPLAIN_US <= now_us]:
            del known.complaints[each]
        return known


def _is_heard(said: dict[str, int], subject: str, now_us: int) -> bool:
    """Whether a network's word on somebody counts; `said` is what it said before (K3)."""
    for each in [each for each, at_us in said.items() if at_us + ACCUSE_US <= now_us]:
        del said[each]
    if subject not in said and len(said) >= ACCUSATIONS_MAX:
        return False
    said.setdefault(subject, now_us)
    return True


def _leave(here: dict[str, set[str]], session: str, network: str) -> None:
    rest = here.get(network, set())
    rest.discard(session)
    if not rest:
        here.pop(network, None)
