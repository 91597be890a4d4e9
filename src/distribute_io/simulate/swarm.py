"""A swarm in virtual time: donors come, fill themselves, serve and go; downloads take from donors and mirrors at once.

Rules:

1. Time goes in steps of `STEP_S`. Within one, a donor's uplink is shared evenly by the connections that use it, a
   downloader's downlink holds, and what a full downloader leaves is given to the others (two rounds).
2. A download receives as much as its downlink takes from the first moment on: mirrors give what donors do not. So no
   download waits for a donor (the scheduler's rule for mirrors, spec/scheduler.md S8 and S9, `balanced`).
3. A connection fetches one segment after another that the donor holds and nobody fetches; those first that fewest of
   the connected donors hold. Mirrors take what no connected donor holds first. When nothing is left to begin, they take
   the far end of what would be last (S10). With `active_max` set only so many of a download's donors count as connected
   here; the others wait for their turn.
4. Introductions are the choice of `core.matching`; a connection begins after `introduction_s` and four round trips.
5. What a donor delivered counts when the segment is whole. If the donor leaves before, it counts as the mirrors'.
6. A donor fetches its target from mirrors segment by segment at its own downlink, an introduction's time after it is
   told (or `fill_after_s`), as it asks donors first. What it is no longer to hold is erased before: it never holds more
   than its storage. Where mirrors are limited, fills and downloads get the same share of what they ask for.
7. Segments of poisoners are thrown away, fetched from a mirror, and the donor is dropped; after three accusers by all.

Delivered = from donors + from mirrors, for every download, to the byte (`Download.check`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from distribute_io.simulate import masks
from distribute_io.simulate.ledger import Ledger
from distribute_io.simulate.links import Links
from distribute_io.simulate.parties import Donor, Download
from distribute_io.simulate.people import People, Rates, Request, Visit
from distribute_io.simulate.scenario import Scenario, path_rates, setups_s

STEP_S: Final = 1.0
REMATCH_S: Final = 4.0
"""A download whose donors do not fill its downlink asks for more so often."""
ACCUSERS: Final = 3
_EPSILON: Final = 1e-9


class Placer(Protocol):
    """Who decides which donor holds what."""

    name: str

    def joined(self, swarm: Swarm, donor: Donor) -> None:
        """A donor came."""

    def left(self, swarm: Swarm, donor: Donor) -> None:
        """A donor went."""

    def tick(self, swarm: Swarm) -> None:
        """Time to plan again, each `plan_every_s`."""

    def asked(self, swarm: Swarm, request: Request) -> None:
        """A download began."""

    def fell_through(self, swarm: Swarm, download: Download, segments: int) -> None:
        """A download is over; so many of its segments came from mirrors."""

    def own_download(self, swarm: Swarm, donor: Donor, file: int) -> None:
        """A donor has all of a file that it downloaded for itself; what is not assigned now is gone."""


class Matcher(Protocol):
    """Whom to introduce."""

    def choose(self, swarm: Swarm, download: Download, missing: int, room: int) -> Sequence[Donor]:
        """At most `room` donors, best first."""


class Swarm:
    """All of it at one moment. The caller runs it to the end with `run`."""

    def __init__(self, scenario: Scenario, people: People, placer: Placer, matcher: Matcher, seed: int) -> None:
        self.scenario = scenario
        self.people = people
        self.rates = Rates(scenario)
        self.placer = placer
        self.matcher = matcher
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.donors: dict[int, Donor] = {}
        self.downloads: dict[int, Download] = {}
        self.holders: list[dict[int, Donor]] = [{} for _ in range(scenario.files)]
        self.ledger = Ledger(scenario)
        self.accusers: dict[int, set[int]] = {}
        self._links = Links()
        self._kept: dict[int, dict[int, int]] = {}
        self._own: list[tuple[float, int, int]] = []
        self._filling: set[int] = set()
        self._mirrors_left: float | None = None  # for downloads in this step, in segments per second; None: no limit
        self._wants_back = {visit.previous for visit in people.visits if visit.previous >= 0}
        self._active_max = scenario.network.active_max
        self._setup_s, self._cap = setups_s(scenario), path_rates(scenario)

    # --- what placers do ----------------------------------------------------------------------------------------------

    def assign(self, donor: Donor, target: dict[int, int]) -> None:
        """Give a donor its whole target: what is not in it is erased, what it lacks is fetched in its order."""
        donor.target = target
        for file in list(donor.holdings):
            keep = donor.holdings[file] & target.get(file, 0)
            if keep:
                donor.holdings[file] = keep
            else:
                del donor.holdings[file]
                self.holders[file].pop(donor.slot, None)
        under_way = donor.coming[:1] if donor.filled > 0 else []
        donor.coming = [entry for entry in under_way if target.get(entry[0], 0) & entry[1]]
        begun = dict(donor.coming)
        if not donor.coming:
            donor.filled = 0.0
        for file, mask in target.items():
            for index in masks.indices(mask & ~donor.holdings.get(file, 0) & ~begun.get(file, 0)):
                donor.coming.append((file, 1 << index))
        assert donor.held() + len(donor.coming) <= self.scenario.donors.quota_segments, "more than its storage"
        if donor.coming:
            if not under_way:
                donor.fills_from_s = self.now_s + self._fill_wait_s(donor)
            self._filling.add(donor.visit.index)

    def _fill_wait_s(self, donor: Donor) -> float:
        after_s = self.scenario.donors.fill_after_s
        if after_s is not None and any(self.holders[file] for file, _ in donor.coming):
            return after_s
        return self.scenario.network.introduction_s

    def run(self, progress: Callable[[float], None] | None = None) -> Ledger:
        """Run to the end of the scenario."""
        scenario = self.scenario
        visits, requests = self.people.visits, self.people.requests
        next_visit = next_request = 0
        next_plan_s = scenario.plan_first_s
        steps = round(scenario.duration_s / STEP_S)
        for step in range(steps):
            self.now_s = step * STEP_S
            self._end_visits()
            while next_visit < len(visits) and visits[next_visit].start_s < self.now_s + STEP_S:
                self._join(visits[next_visit])
                next_visit += 1
            if self.now_s >= next_plan_s:
                self.placer.tick(self)
                self.ledger.observe(self)
                next_plan_s += scenario.plan_every_s
                if progress:
                    progress(self.now_s / scenario.duration_s)
            while next_request < len(requests) and requests[next_request].at_s < self.now_s + STEP_S:
                self._begin(requests[next_request])
                next_request += 1
            self._fill()
            self._transfer()
            self._rematch()
        self.now_s = scenario.duration_s
        for download in self.downloads.values():
            self.ledger.unfinished(download)
        return self.ledger

    # --- donors -------------------------------------------------------------------------------------------------------

    def _join(self, visit: Visit) -> None:
        donor = Donor(visit, self._links.add_donor(visit.up))
        kept = self._kept.pop(visit.previous, {}) if visit.previous >= 0 else {}
        self.donors[visit.index] = donor
        for file, mask in kept.items():
            donor.holdings[file] = mask
            self.holders[file][donor.slot] = donor
        self.placer.joined(self, donor)

    def _end_visits(self) -> None:
        for index in [index for index, donor in self.donors.items() if donor.visit.end_s < self.now_s]:
            donor = self.donors.pop(index)
            donor.left = True
            for link in sorted(donor.connections):
                self._abort(link)
            for file in donor.holdings:
                self.holders[file].pop(donor.slot, None)
            if index in self._wants_back:
                self._kept[index] = donor.holdings
            if donor.filled > 0:
                self.ledger.pushed(self.now_s, donor.filled)
            self._filling.discard(index)
            self._links.remove_donor(donor.slot)
            self.placer.left(self, donor)
        while self._own and self._own[0][0] <= self.now_s:
            _, index, file = self._own.pop(0)
            own = self.donors.get(index)
            if own is not None:
                own.holdings[file] = masks.full(self.scenario.catalogue.segments)
                self.holders[file][own.slot] = own
                own.coming = [entry for entry in own.coming if entry[0] != file]
                own.filled = 0.0 if not own.coming else own.filled
                self.placer.own_download(self, own, file)
                assert own.held() + len(own.coming) <= self.scenario.donors.quota_segments, "more than its storage"

    def _fill(self) -> None:
        share = self._fills_share()
        if not self._filling or self._mirrors_out():
            return
        for index in sorted(self._filling):
            donor = self.donors[index]
            if not donor.coming:
                self._filling.discard(index)
                donor.filled = 0.0
                continue
            if donor.fills_from_s > self.now_s + STEP_S / 2:
                continue
            donor.filled += donor.visit.down * share * STEP_S
            while donor.filled >= 1.0 and donor.coming:
                file, bit = donor.coming.pop(0)
                donor.filled -= 1.0
                self.ledger.pushed(self.now_s, 1.0)
                donor.holdings[file] = donor.holdings.get(file, 0) | bit
                self.holders[file][donor.slot] = donor
                for link in donor.connections:
                    download = self._links.download[link]
                    if download is not None and download.request.file == file:
                        self._count_holders(download)
            if not donor.coming:
                donor.filled = 0.0

    def _fills_share(self) -> float:
        """What mirrors give to fills of what these could take; the rest of the mirrors' limit is the downloads'."""
        limit = self.scenario.trouble.mirror_bit_per_s
        if limit is None:
            return 1.0
        limit, by_s = limit / self.scenario.segment_bits, self.now_s + STEP_S / 2
        filling = (self.donors[index] for index in sorted(self._filling))
        wanted = sum(donor.visit.down for donor in filling if donor.coming and donor.fills_from_s <= by_s)
        share = min(1.0, limit / max(1e-12, wanted + self._links.mirrors_wanted))
        self._mirrors_left = limit - wanted * share
        return share

    def _mirrors_out(self) -> bool:
        outage = self.scenario.trouble.mirror_outage_s
        return outage is not None and outage[0] <= self.now_s < outage[1]

    # --- downloads ----------------------------------------------------------------------------------------------------

    def _begin(self, request: Request) -> None:
        segments = self.scenario.catalogue.segments
        slot = self._links.add_download(request.down)
        # The step begins before the request does.
        self._links.mirror_due[slot] = -request.down * (request.at_s - self.now_s)
        download = Download(request, slot, masks.full(segments), request.at_s)
        self.downloads[request.index] = download
        self._links.downloads[slot] = download
        self.ledger.began(self.now_s)
        self.placer.asked(self, request)
        self._introduce(download, request.at_s)

    def _introduce(self, download: Download, at_s: float) -> None:
        room = self.scenario.network.peers_max - len(download.connections)
        download.asked_s = self.now_s
        if room <= 0 or not download.open:
            return
        chosen = self.matcher.choose(self, download, download.open, room)
        for donor in chosen:
            near = donor.visit.region == download.request.region
            link = self._links.open(donor, download, at_s + self._setup_s[near], self._cap[near])
            donor.connections.add(link)
            download.connections.add(link)
            download.met.add(donor.visit.index)
            self.ledger.introduced(self.now_s)
        if chosen:
            self._count_holders(download)

    def _rematch(self) -> None:
        links = self._links
        always = self._active_max is not None
        for download in self.downloads.values():
            in_need = self.now_s - download.asked_s >= REMATCH_S and not links.is_full(download.slot)
            if download.open and (always or in_need):
                self._introduce(download, self.now_s + STEP_S)

    def _count_holders(self, download: Download) -> None:
        once = twice = 0
        file = download.request.file
        for link in download.connections if self._active_max is None else download.active:
            donor = self._links.donor[link]
            held = donor.holdings.get(file, 0) if donor is not None else 0
            twice |= once & held
            once |= held
        download.once, download.twice = once, twice

    def _transfer(self) -> None:
        """One step of all transfers."""
        links = self._links
        mirrors = 0.0 if self._mirrors_out() else 1.0
        # To the nearest step: no later on average than it is.
        for link in self._promoted(links.ready(self.now_s + STEP_S / 2)):
            self._got_segment(link)
        finished, grown = links.advance(STEP_S, mirrors, self._mirrors_left)
        for link in finished:
            self._got_segment(link)
        for slot in grown:
            download = links.downloads[slot]
            if download is not None:
                self._mirror_takes(download)

    def _promoted(self, ready: list[int]) -> list[int]:
        """Of the connections that can be used and are idle, those that their downloads ask now (rule 3)."""
        if self._active_max is None:
            return ready
        promoted = []
        for link in sorted(ready, key=self._links.number.__getitem__):
            download = self._links.download[link]
            if download is not None and len(download.active) < self._active_max:
                download.active.add(link)
                self._count_holders(download)
                promoted.append(link)
        return promoted

    def _got_segment(self, link: int) -> None:
        """A connection is new and idle, or has its segment whole: count it and begin the next."""
        links = self._links
        donor, download = links.donor[link], links.download[link]
        if donor is None or download is None:
            return
        if not links.fetching[link]:
            if self.is_banned(donor) or not self._begin_segment(link, donor, download, 1.0):
                self._close(link)
                self._maybe_end(download)
            return
        while links.left[link] <= 0:
            if donor.visit.poisoner:
                self._reject(link, donor, download)
                return
            surplus = -float(links.left[link])
            self._credit(link, donor, download, 1.0 - float(links.mirrored[link]))
            if not self._begin_segment(link, donor, download, 1.0 - surplus):
                # It had nothing more to send within this step; the mirrors filled the downlink.
                links.fetching[link] = False
                links.mirror_due[download.slot] += surplus
                self._close(link)
                self._maybe_end(download)
                return

    def _begin_segment(self, link: int, donor: Donor, download: Download, left: float) -> bool:
        choice = donor.holdings.get(download.request.file, 0) & download.open
        if not choice:
            return False
        bit = masks.lowest(choice & ~download.twice or choice)
        download.open &= ~bit
        self._links.begin(link, bit, left)
        return True

    def _credit(self, link: int, donor: Donor, download: Download, share: float) -> None:
        download.donors_segments += share
        self._links.useful[link] += share
        self.ledger.served(self.now_s, share, near=donor.visit.region == download.request.region)

    def _reject(self, link: int, donor: Donor, download: Download) -> None:
        self.ledger.rejected(self.now_s, 1.0)
        accusers = self.accusers.setdefault(donor.visit.person, set())
        accusers.add(download.request.index)
        self._reopen(link, download)
        self._close(link)

    def _reopen(self, link: int, download: Download) -> None:
        """A segment is to be fetched again, also what mirrors sent of it."""
        mirrored = float(self._links.mirrored[link])
        download.mirror_segments -= mirrored
        self.ledger.mirrored(self.now_s, -mirrored)
        download.open |= self._links.bit[link]

    def _banned(self, donor: Donor) -> bool:
        return len(self.accusers.get(donor.visit.person, ())) >= ACCUSERS

    def is_banned(self, donor: Donor) -> bool:
        """Whether enough downloads complained of it."""
        return bool(self.accusers) and self._banned(donor)

    def _abort(self, link: int) -> None:
        """The donor is gone: what it sent of a segment counts as the mirrors', which send the rest."""
        links = self._links
        download = links.download[link]
        if download is not None and links.fetching[link]:
            links.mirror_due[download.slot] += 1.0 - float(links.left[link])
            self._reopen(link, download)
        self._close(link)

    def _close(self, link: int) -> None:
        links = self._links
        donor, download = links.donor[link], links.download[link]
        self.ledger.parted(float(links.useful[link]))
        if donor is not None:
            donor.connections.discard(link)
        if download is not None:
            download.connections.discard(link)
            download.active.discard(link)
            if download.connections or download.open:
                self._count_holders(download)
        links.close(link)

    def _mirror_takes(self, download: Download) -> None:
        """The mirrors have sent a segment's worth or more: which segments were these?"""
        links = self._links
        due = float(links.mirror_due[download.slot])
        taken = 0
        while due >= 1.0 and download.open:
            choice = download.open & ~download.once or self._most_excess(download)
            # Donors begin with the lowest: the mirrors come from the other end.
            bit = 1 << (choice.bit_length() - 1)
            download.open &= ~bit
            due -= 1.0
            taken += 1
        if taken:
            download.mirror_segments += taken
            self.ledger.mirrored(self.now_s, float(taken))
        if not download.open and due > 0:
            due = self._help_the_last(download, due)
        links.mirror_due[download.slot] = due
        self._maybe_end(download)

    def _most_excess(self, download: Download) -> int:
        """What the donor that needs longest for its share holds and few others do (S8's excess)."""
        links = self._links
        worst, longest = download.open, -1.0
        for link in sorted(download.connections):
            donor = links.donor[link]
            assert donor is not None
            held = donor.holdings.get(download.request.file, 0) & download.open
            alone = held & ~download.twice
            if held:
                takes_s = (alone.bit_count() + 0.3 * (held & download.twice).bit_count()) / max(links.rate[link], 1e-3)
                if takes_s > longest:
                    worst, longest = alone or held, takes_s
        return worst

    def _help_the_last(self, download: Download, due: float) -> float:
        """Nothing is left to begin: mirrors send the far ends of what is under way, the longest first."""
        links = self._links
        while due > _EPSILON:
            busy = [link for link in sorted(download.connections) if links.fetching[link]]
            if not busy:
                break
            lefts, rates = links.left[busy], np.maximum(links.rate[busy], 1e-6)
            link = busy[int(np.argmax(lefts / rates))]
            part = min(due, float(links.left[link]))
            links.left[link] -= part
            links.mirrored[link] += part
            due -= part
            download.mirror_segments += part
            self.ledger.mirrored(self.now_s, part)
            if links.left[link] <= _EPSILON:
                donor = links.donor[link]
                assert donor is not None
                if donor.visit.poisoner:
                    self._reject(link, donor, download)
                    break
                self._credit(link, donor, download, 1.0 - float(links.mirrored[link]))
                links.fetching[link] = False
                self._close(link)
        return due

    def _maybe_end(self, download: Download) -> None:
        links = self._links
        if download.open or any(links.fetching[link] for link in download.connections):
            return
        if download.request.index not in self.downloads:
            return
        for link in sorted(download.connections):
            self._close(link)
        del self.downloads[download.request.index]
        spare = min(1.0, max(0.0, float(links.mirror_due[download.slot])) / max(1e-9, download.request.down * STEP_S))
        end_s = self.now_s + STEP_S * (1.0 - spare)
        links.remove_download(download.slot)
        self.ledger.ended(download, end_s)
        self.placer.fell_through(self, download, round(download.mirror_segments))
        if download.request.visit >= 0:
            self._own.append((end_s, download.request.visit, download.request.file))
            self._own.sort()
