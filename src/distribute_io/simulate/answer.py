"""The operator's question, "with visitors like these, what will it save me?", answered in words."""

from __future__ import annotations

from distribute_io.simulate.ledger import Outcome
from distribute_io.simulate.scenario import Scenario
from distribute_io.units import format_rate, format_size


def answer(scenario: Scenario, outcome: Outcome) -> str:
    """A short paragraph. What is counted is net: filling donors is subtracted."""
    hours = scenario.duration_s / 3600
    saved = outcome.net_offload * outcome.delivered_bytes
    donors = scenario.donors
    who = (
        f"With {donors.online:,} donors online at a time, each with {_storage(scenario)} of room and "
        f"{format_rate(donors.up_median_bit_per_s / 8)} of uplink at the median"
    )
    asked = f"{outcome.downloads:,} downloads ({format_size(outcome.delivered_bytes)}) in {hours:g} hours"
    how = " Donors were reckoned by classes, not one by one." if scenario.kind == "coarse" else ""
    if outcome.net_offload <= 0:
        return (
            f"{who}, donors would save you nothing of {asked}: filling them costs more than they serve. "
            f"Ask for longer stays or more room, or wait for more downloads.{how}"
        )
    ratio = outcome.completion_ratio[1]
    slower = (
        "no download takes longer than from mirrors alone"
        if ratio <= 1.01
        else (f"of 20 downloads 19 take at most {ratio:.2f} times as long as from mirrors alone")
    )
    return (
        f"{who}, your mirrors send {outcome.net_offload:.0%} less: {format_size(saved)} of {asked}. "
        f"Donors deliver {outcome.gross_offload:.0%} of all bytes; filling them takes back "
        f"{outcome.gross_offload - outcome.net_offload:.0%}. The mirrors' busiest minute is "
        f"{format_rate(outcome.mirror_peak_bytes_per_s)}; {slower}.{how}"
    )


def _storage(scenario: Scenario) -> str:
    return format_size(scenario.donors.quota_segments * scenario.catalogue.segment_bytes)
