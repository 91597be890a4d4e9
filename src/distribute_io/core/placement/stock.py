"""What all donors of a large swarm hold, in flat columns that are kept from one plan to the next.

Rules:

1. Donors have slots, those of a region side by side; a slot's entries are the rows that the donor holds or fetches, in
   ascending order, with the share of each row that it has.
2. A change replaces a donor as a whole. Slots are renumbered by each change; nobody else keeps their numbers.
3. What a plan decides is not written here: it comes back as a change, when it was sent to the donor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, repeat

import msgspec
import numpy as np
from numpy.typing import NDArray

from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.board import target_of
from distribute_io.core.placement.curves import Singles
from distribute_io.core.placement.groups import groups_of
from distribute_io.core.placement.model import DonorView
from distribute_io.core.placement.part import number_of
from distribute_io.core.placement.rows import Ints, Numbers, Rows, begins_of
from distribute_io.core.placement.stays import DonorKind
from distribute_io.ids import SessionId

_NUMBERS = ("region", "network", "provider", "is_open", "is_native", "up_bytes_per_s", "storage_bytes", "joined_at_us")
_TYPES = (np.int32, np.int64, np.int64, np.bool_, np.bool_, np.float64, np.int64, np.int64)


_DONORS_AT_ONCE = 1_024
"""Donors whose objects are there at a time: what is made of them stays in the processor's cache."""


class KnownDonor(msgspec.Struct, frozen=True, gc=False):
    """A donor, and how those of its kind stay."""

    view: DonorView
    kind: DonorKind


def encode_donor(donor: KnownDonor) -> bytes:
    """A donor as it is sent and kept: a tenth of the memory of its objects."""
    return msgspec.msgpack.encode(donor)


_DECODER = msgspec.msgpack.Decoder(KnownDonor)


class Stock:
    """Caller's duties: `change` with the rows of now; `renumber` when the rows become others."""

    def __init__(self) -> None:
        self.ids: list[SessionId] = []
        self.place: dict[SessionId, int] = {}
        self.regions: dict[str, int] = {"": 0}
        """All coarse regions that were named so far."""
        self._encoded: list[bytes] = []
        self._numbers: dict[str, NDArray[np.generic]] = {
            name: np.zeros(0, dtype=kind) for name, kind in zip(_NUMBERS, _TYPES, strict=True)
        }
        self.offsets: Ints = np.zeros(1, dtype=np.int64)
        """First entry of each slot, and the number of entries."""
        self.row: Numbers = np.zeros(0, dtype=np.int32)
        self.share: Singles = np.zeros(0, dtype=np.float32)
        self.serving: Singles = np.zeros(0, dtype=np.float32)
        """With what probability each entry is served when it is asked for; kept from one plan to the next."""

    def __len__(self) -> int:
        return len(self.ids)

    def known(self, slot: int) -> KnownDonor:
        """The donor of a slot."""
        return _DECODER.decode(self._encoded[slot])

    def number(self, name: str) -> NDArray[np.generic]:
        """A column of the donors: `region`, `network` and `provider` (0: none), `is_open`, `is_native`,
        `up_bytes_per_s`, `storage_bytes`, `joined_at_us`."""
        return self._numbers[name]

    def region_of(self, name: str) -> int:
        """The number of a coarse region."""
        return self.regions.setdefault(name, len(self.regions))

    def change(self, rows: Rows, told: Sequence[bytes], gone: Collection[SessionId]) -> None:
        """Put these donors (`encode_donor`) in place of what was known of them, and forget the others."""
        names: list[SessionId] = []
        places: dict[str, tuple[int, int]] = {}
        added: list[tuple[float, ...]] = []
        entries: list[tuple[Ints, Numbers, Singles]] = []
        for start in range(0, len(told), _DONORS_AT_ONCE):
            donors = [_DECODER.decode(data) for data in told[start : start + _DONORS_AT_ONCE]]
            names += [donor.view.session_id for donor in donors]
            added += [self._line(donor, places) for donor in donors]
            entries.append(_entries(rows, donors))
        out = {*names, *gone}
        kept = np.flatnonzero(np.fromiter((name not in out for name in self.ids), dtype=bool, count=len(self.ids)))
        numbers = {
            name: np.concatenate((self._numbers[name][kept], np.array([line[place] for line in added], dtype=kind)))
            for place, (name, kind) in enumerate(zip(_NUMBERS, _TYPES, strict=True))
        }
        order = np.argsort(numbers["region"], kind="stable")
        self._numbers = {name: column[order] for name, column in numbers.items()}
        ids = [self.ids[slot] for slot in kept.tolist()] + names
        encoded = [self._encoded[slot] for slot in kept.tolist()] + list(told)
        self.ids = [ids[slot] for slot in order.tolist()]
        self._encoded = [encoded[slot] for slot in order.tolist()]
        self.place = {name: slot for slot, name in enumerate(self.ids)}
        nothing = _entries(rows, ())
        counts, row, share = (np.concatenate(columns) for columns in zip(nothing, *entries, strict=True))
        begins = np.concatenate((self.offsets[:-1][kept], len(self.row) + np.cumsum(counts) - counts))
        self._take(
            np.concatenate((self.row, row)),
            np.concatenate((self.share, share)),
            np.concatenate((self.serving, share)),
            begins[order],
            np.concatenate((np.diff(self.offsets)[kept], counts))[order],
        )

    def _line(self, donor: KnownDonor, places: dict[str, tuple[int, int]]) -> tuple[float, ...]:
        """The donor's numbers, in the order of `_NUMBERS`; `places` has region and provider by what networks share."""
        view = donor.view
        shared, _, network = view.region.rpartition("/")
        if not network.startswith("n-"):
            shared, network = view.region, ""
        if (place := places.get(shared)) is None:
            place = places[shared] = self.region_of(coarse(shared)), number_of(groups_of(shared)[1])
        return (
            place[0],
            number_of(network),
            place[1],
            view.nat != "restricted",
            donor.kind == "native",
            view.up_bytes_per_s,
            view.storage_bytes,
            view.joined_at_us,
        )

    def renumber(self, before: Rows, now: Rows) -> None:
        """The catalogue became another one: entries of files that are no more go, the others get their new rows."""
        moved = np.array(
            [
                now.first[place] - first if (place := now.place.get(file.file_id)) is not None else -(2**40)
                for file, first in zip(before.files, before.first[:-1].tolist(), strict=True)
            ],
            dtype=np.int64,
        )
        row = self.row + moved[before.file[self.row]] if len(self.row) else self.row.astype(np.int64)
        kept = row >= 0
        slot = np.repeat(np.arange(len(self)), np.diff(self.offsets))[kept]
        counts = np.bincount(slot, minlength=len(self))
        self.offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        row, share, serving = row[kept], self.share[kept], self.serving[kept]
        order = np.lexsort((row, slot))
        self.row, self.share, self.serving = row[order].astype(np.int32), share[order], serving[order]

    def _take(self, row: Numbers, share: Singles, serving: Singles, begins: Ints, counts: Ints) -> None:
        """Put the entries into the order of the slots."""
        self.offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        entries = int(self.offsets[-1])
        self.row = np.empty(entries, dtype=np.int32)
        self.share, self.serving = np.empty(entries, dtype=np.float32), np.empty(entries, dtype=np.float32)
        for first in range(0, len(counts), _DONORS_AT_ONCE):
            slots = slice(first, first + _DONORS_AT_ONCE)
            start, end = int(self.offsets[first]), int(self.offsets[: first + _DONORS_AT_ONCE + 1][-1])
            taken = np.repeat(begins[slots] - self.offsets[:-1][slots], counts[slots])
            taken += np.arange(start, end)
            self.row[start:end], self.share[start:end] = row[taken], share[taken]
            self.serving[start:end] = serving[taken]


def _entries(rows: Rows, donors: Sequence[KnownDonor]) -> tuple[Ints, Numbers, Singles]:
    """How many rows each of some donors has, and all of these rows with their shares."""
    # Flat lists by `chain`: a loop over each run of each donor takes three times as long.
    targets = [target_of(donor.view) for donor in donors]
    held = list(chain.from_iterable(target.values() for target in targets))
    found = map(rows.place.get, chain.from_iterable(targets), repeat(-1))
    place = np.fromiter(found, dtype=np.int64, count=len(held))
    slot = np.repeat(np.arange(len(donors)), [len(target) for target in targets])
    counts = np.fromiter(map(len, held), dtype=np.int64, count=len(held))
    edges = chain.from_iterable(chain.from_iterable(held))
    start, end = np.fromiter(edges, dtype=np.int64, count=2 * int(counts.sum())).reshape(-1, 2).T
    slot, place = np.repeat(slot, counts), np.repeat(place, counts)
    slot, place, start, end = (column[place >= 0] for column in (slot, place, start, end))
    if not len(slot):
        nothing = np.zeros(len(donors), dtype=np.int64)
        return nothing, np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    end = np.minimum(end, rows.segments[place])
    slot, place, start, end = (column[start < end] for column in (slot, place, start, end))
    step = rows.step[place]
    first = start // step
    # Runs are put in order, not the rows that they become: these are many times as many.
    order = np.argsort(slot * rows.count + rows.first[place] + first, kind="stable")
    slot, place, start, end, step, first = (column[order] for column in (slot, place, start, end, step, first))
    counts = (end - 1) // step - first + 1
    run = np.repeat(np.arange(len(slot)), counts)
    within = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = rows.first[place[run]] + within
    unit, size = rows.segment_bytes[place[run]], rows.file_bytes[place[run]]
    low = np.maximum(start[run], within * step[run]) * unit
    high = np.minimum(np.minimum(end[run], (within + 1) * step[run]) * unit, size)
    share = (high - low) / rows.size_bytes[row]
    slot = slot[run]
    begins = np.flatnonzero(begins_of(row) | begins_of(slot))
    share = np.add.reduceat(share, begins)
    per_slot = np.bincount(slot[begins], minlength=len(donors))
    return per_slot, row[begins].astype(np.int32), share.astype(np.float32)
