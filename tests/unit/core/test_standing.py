"""core/standing.py: scenarios as data, and that it stays bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core import standing
from distribute_io.core.standing import Standing

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "standing.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_scenario(vector: Vector) -> None:
    known = Standing(faults_max=vector["faults_max"])
    for step in vector["steps"]:
        now_us = step["at_s"] * 1_000_000
        if "fault" in step:
            known.fault(step["fault"], now_us)
        elif "network" in step:
            assert known.kept_out_us(step["network"], now_us) == step["kept_out_s"] * 1_000_000, step
        elif "donates" in step:
            known.donates(step["donates"], step["of"])
        elif "leaves" in step:
            known.left(step["leaves"], step["of"])
        elif "takes" in step:
            known.takes(step["takes"], step["of"])
        elif "took" in step:
            known.took(step["took"], step["of"])
        elif "complain" in step:
            by = step["by"]
            assert (
                known.complain(step["complain"], network=step["of"], donor_network=by, now_us=now_us) == step["counts"]
            )
        elif "downloader" in step:
            assert known.may_take(step["downloader"], step["of"], now_us) == step["may_take"], step
        elif "accuse" in step:
            counts = known.accuse(step["accuse"], network=step["of"], accuser=step["by"], now_us=now_us)
            assert counts == step["counts"], step
        else:
            assert known.may_give(step["donor"], step["of"], now_us) == step["may_give"], step


def test_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "NETWORKS_MAX", 10)
    monkeypatch.setattr(standing, "DONORS_MAX", 10)
    known = Standing(faults_max=1)
    for number in range(100):
        known.fault(f"n{number}", 0)
        known.accuse(f"d{number}", network="m", accuser=f"a{number}", now_us=0)
        known.complain(f"t{number}", network=f"n{number}", donor_network=f"a{number}", now_us=0)
    assert known.kept_out_us("n0", 1) == 0, "the one heard of longest ago is forgotten"
    assert known.kept_out_us("n99", 1) > 0
    assert known.may_give("d0", "elsewhere", 1)
    assert not known.may_give("d99", "elsewhere", 1)
