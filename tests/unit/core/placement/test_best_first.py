"""Rows in the order of their worth while the load grows, against looking at all of them at each pick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.placement.best_first import best_first
from distribute_io.core.placement.curves import marginal_share, marginal_share_of_one, served_share

ROWS = st.lists(st.tuples(st.integers(0, 5), st.floats(0.01, 100.0), st.floats(0.0, 2.0), st.booleans()), max_size=30)


@given(ROWS, st.lists(st.floats(0.0, 3.0), min_size=6, max_size=6))
def test_the_order_is_that_of_looking_at_all_of_them(
    rows: list[tuple[int, float, float, bool]], loads: list[float]
) -> None:
    rows.sort(key=lambda row: row[0])
    files, worth = np.array([row[0] for row in rows], dtype=np.int64), np.array([row[1] for row in rows])
    at_once, on_average = np.array([load if load > 1.0 else 0.0 for load in loads]), 0.0
    adds = np.array([row[2] for row in rows])
    queue = best_first(files, worth, loads=(at_once, on_average), adds=(adds, adds / 3.0), sharpness=2.0)
    left = np.ones(len(rows), dtype=bool)
    best = next(queue)
    while left.any():
        values = np.where(left, worth * marginal_share(at_once[files] + on_average, 2.0), -1.0)
        assert best is not None
        place, value = best
        assert left[place]
        assert value == pytest.approx(values.max()) == pytest.approx(values[place])
        left[place] = False
        _file, _worth, load, taken = rows[place]
        if taken:
            at_once[files[place]] += load / 2.0
            on_average += load / 6.0
            best = queue.send(0.5)
        else:
            best = queue.send(0.0)
    assert best is None


def test_equal_rows_come_in_their_own_order() -> None:
    idle = (np.zeros(2), 0.0)
    queue = best_first(np.array([0, 0, 1]), np.ones(3), loads=idle, adds=(np.zeros(3), np.zeros(3)), sharpness=2.0)
    seen = []
    best = next(queue)
    while best is not None:
        seen.append(best[0])
        best = queue.send(0.0)
    assert sorted(seen) == [0, 1, 2]
    assert seen.index(0) < seen.index(1)


@pytest.mark.parametrize("sharpness", [1.5, 2.0, 3.0, 4.0])
def test_one_load_is_weighed_as_many_are(sharpness: float) -> None:
    loads = np.array([0.0, 0.1, 1.0, 7.0])
    shares = marginal_share(loads, sharpness)
    assert shares == pytest.approx((1.0 + loads**sharpness) ** (-1.0 - 1.0 / sharpness))
    assert [marginal_share_of_one(sharpness)(float(load)) for load in loads] == pytest.approx(shares.tolist())
    assert served_share(loads, sharpness) == pytest.approx((1.0 + loads**sharpness) ** (-1.0 / sharpness))
