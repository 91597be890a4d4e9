"""An operator's own figures in place of a scenario's: visitors, stays, uplinks, files, demand."""

from __future__ import annotations

from math import ceil

import msgspec

from distribute_io.errors import UsageError
from distribute_io.simulate.scenario import Scenario
from distribute_io.units import format_rate, format_size

DETAILED_WORK_MAX = 400_000_000.0
"""Donors times segments of the catalogue times seconds that the detailed model takes on; above it, the coarse."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked; None leaves the scenario's own."""

    visitors: int | None = None
    """Donors online at a time."""
    stay_s: float | None = None
    """Median stay of those who do not stay for hours."""
    storage_bytes: int | None = None
    up_bytes_per_s: int | None = None
    down_bytes_per_s: int | None = None
    file_bytes: int | None = None
    files: int | None = None
    downloads_per_hour: float | None = None
    hours: float | None = None


def ask(scenario: Scenario, question: Question) -> Scenario:
    """The scenario with the figures of the question.

    Raises:
        UsageError: `bad_argument` for a figure that is not above 0.
    """
    for name in question.__struct_fields__:
        value = getattr(question, name)
        if value is not None and value <= 0:
            raise UsageError("bad_argument", f"{name.replace('_', ' ')} has to be more than 0.")
    if all(getattr(question, name) is None for name in question.__struct_fields__):
        return scenario
    replace = msgspec.structs.replace
    donors, catalogue, network = scenario.donors, scenario.catalogue, scenario.network
    if question.file_bytes is not None:
        catalogue = replace(catalogue, segments=max(1, ceil(question.file_bytes / catalogue.segment_bytes)))
    if question.files is not None:
        catalogue = replace(catalogue, files=question.files)
    if question.visitors is not None:
        donors = replace(donors, online=question.visitors)
    if question.stay_s is not None:
        donors = replace(donors, stay_median_s=question.stay_s)
    if question.storage_bytes is not None:
        donors = replace(donors, quota_segments=max(1, question.storage_bytes // catalogue.segment_bytes))
    if question.up_bytes_per_s is not None:
        up = question.up_bytes_per_s * 8.0
        donors = replace(
            donors,
            up_median_bit_per_s=up,
            up_min_bit_per_s=min(donors.up_min_bit_per_s, up),
            up_max_bit_per_s=max(donors.up_max_bit_per_s, up),
        )
    if question.down_bytes_per_s is not None:
        down = question.down_bytes_per_s * 8.0
        network = replace(
            network,
            down_median_bit_per_s=down,
            down_min_bit_per_s=min(network.down_min_bit_per_s, down),
            down_max_bit_per_s=max(network.down_max_bit_per_s, down),
        )
    asked = replace(
        scenario,
        title="Your own figures",
        donors=donors,
        catalogue=catalogue,
        network=network,
        duration_s=scenario.duration_s if question.hours is None else question.hours * 3600.0,
    )
    if question.downloads_per_hour is not None:
        now_per_hour = asked.downloads_per_s * 3600.0
        load = asked.demand.load * question.downloads_per_hour / now_per_hour
        asked = replace(asked, demand=replace(asked.demand, load=load))
    asked = replace(asked, about=_in_words(asked))
    work = float(donors.online) * catalogue.files * catalogue.segments * asked.duration_s
    return replace(asked, kind="coarse") if work > DETAILED_WORK_MAX else asked


def _in_words(asked: Scenario) -> str:
    """What the answer is for: the figures that were given, and the scenario's where none was."""
    donors, catalogue = asked.donors, asked.catalogue
    return (
        f"{donors.online:,} donors online, half of them longer than {donors.stay_median_s / 60:g} min, each with "
        f"{format_size(donors.quota_segments * catalogue.segment_bytes)} of room and "
        f"{format_rate(donors.up_median_bit_per_s / 8)} at the median; {catalogue.files:,} files of "
        f"{format_size(catalogue.segments * catalogue.segment_bytes)}; {asked.downloads_per_s * 3600:,.0f} downloads "
        f"an hour for {asked.duration_s / 3600:g} h. What was not given is as in the scenario."
    )
