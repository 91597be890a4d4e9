"""Does a page take what four unequal mirrors (5, 2, 1 and 0.5 MiB/s) can give together?

Options: `--mib N` (default 64), `--rounds N` (default 3). Each mirror has a true token bucket that all its requests
share. The figure is the share of the sum of the four rates, from the click until everything is verified and stored,
`resolve` and manifest included; aria2c with its defaults and the four addresses beside it, which checks nothing.
"""

from __future__ import annotations

import argparse

from bench.page_runs import FILE, MIB, bench_stage, make_served, publish, run_aria2c
from bench.record import Bar, Comparison
from tests.harness.mirrors import start_mirror

_RATES_MIB_PER_S = (5.0, 2.0, 1.0, 0.5)
_STORED = "page: verified and stored"
_ARIA2C = "aria2c's defaults, four addresses, unchecked"
_SUM = "the sum of the rates"


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="page_unequal_mirrors", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    ideal_s: float = chosen.mib / sum(_RATES_MIB_PER_S)
    with bench_stage() as stage:
        served = make_served(stage, chosen.mib * MIB)
        mirrors = [
            start_mirror(stage, served, rate=f"{rate}MiB/s", name=f"mirror {rate}").url for rate in _RATES_MIB_PER_S
        ]
        pages = publish(stage, served, mirrors)

        def ours() -> float:
            click = pages.click(pages.with_snippet)
            assert click.stored_s is not None
            return ideal_s / click.stored_s

        def aria2c() -> float:
            seconds, _ = run_aria2c(stage, *(f"{mirror}/{FILE}" for mirror in mirrors))
            return ideal_s / seconds

        comparison = Comparison(
            "page_unequal_mirrors",
            (__doc__ or "").splitlines()[0],
            unit="of the sum of rates",
            notes={"mib": chosen.mib, "rates_mib_per_s": list(_RATES_MIB_PER_S)},
        )
        comparison.run({_STORED: ours, _ARIA2C: aria2c, _SUM: lambda: 1.0}, rounds=chosen.rounds)
        return comparison.finish([Bar(_STORED, _SUM, at_least=0.97), Bar(_STORED, _ARIA2C, at_least=1.6)])
