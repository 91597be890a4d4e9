"""Is a download in a hidden tab as fast as in a visible one?

Chromium, a true background tab whose timers are held back, one nginx. Options: `--mib N` (default 1024), `--rounds N`
(default 3). The figure is from the click until everything is verified and stored.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from bench.nginx import start_nginx
from bench.page_runs import CLICK_TIME, ENDED, MIB, bench_stage, make_served, milestones, publish
from bench.record import Bar, Comparison
from tests.harness.browser import wait_for_value
from tests.harness.chromium_tabs import run_chromium_tabs

_HIDDEN, _VISIBLE = "hidden tab", "visible tab"


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="page_hidden", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    size_mib: int = chosen.mib
    with bench_stage() as stage:
        served = make_served(stage, size_mib * MIB)
        pages = publish(stage, served, [start_nginx(stage, served)])

        def rate(*, hidden: bool) -> float:
            folder = Path(tempfile.mkdtemp(prefix="tabs-", dir=stage.folder))
            try:
                with run_chromium_tabs(folder) as browser:
                    page = browser.new_page()
                    page.goto(pages.with_snippet)
                    page.evaluate(CLICK_TIME)
                    page.click("#file")
                    if hidden:
                        page.cover()
                    wait_for_value(page, ENDED, "the end of the download", timeout_s=120)
                    if page.evaluate("document.visibilityState") != ("hidden" if hidden else "visible"):
                        raise RuntimeError("the tab is not as it should be")
                    stored_s, _ = milestones(page)
                    assert stored_s is not None
                    return size_mib / stored_s
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        comparison = Comparison("page_hidden", (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"mib": size_mib})
        comparison.run({_VISIBLE: lambda: rate(hidden=False), _HIDDEN: lambda: rate(hidden=True)}, rounds=chosen.rounds)
        return comparison.finish([Bar(_HIDDEN, _VISIBLE, at_least=0.8)])
