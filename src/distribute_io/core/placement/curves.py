"""How much a busy donor still serves, in closed forms without special functions.

A donor with load `z` (bytes asked of it within the time that a request waits, over what its uplink carries in that
time) serves the share `(1 + z^p)^(-1/p)` of what it is asked: all of it when idle, `1/z` when swamped. `p` says how
sharp the knee is: a Poisson stream of single requests has `(1 - e^-z)/z`, close to p = 1.5; requests spread evenly
have `min(1, 1/z)`, p without bound. A request is many segments, which come from several donors: in between.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Loads = TypeVar("Loads", Floats, Singles)
"""As precise as they come in, shares go out."""


def served_share(load: Loads, sharpness: float) -> Loads:
    """The share of what it is asked that a donor of this load serves."""
    if sharpness == 2.0:  # roots are five times as fast as powers
        return np.asarray(1.0 / np.sqrt(1.0 + load * load), dtype=load.dtype)
    if sharpness == 4.0:
        square = load * load
        return np.asarray(1.0 / np.sqrt(np.sqrt(1.0 + square * square)), dtype=load.dtype)
    return np.asarray((1.0 + load**sharpness) ** (-1.0 / sharpness), dtype=load.dtype)


def marginal_share(load: Loads, sharpness: float) -> Loads:
    """The share of a little more that it would serve: the derivative of load times `served_share`."""
    square = load * load
    if sharpness == 2.0:
        return np.asarray(1.0 / ((1.0 + square) * np.sqrt(1.0 + square)), dtype=load.dtype)
    if sharpness == 4.0:
        power = 1.0 + square * square
        return np.asarray(1.0 / (power * np.sqrt(np.sqrt(power))), dtype=load.dtype)
    return np.asarray((1.0 + load**sharpness) ** (-1.0 - 1.0 / sharpness), dtype=load.dtype)


def marginal_share_of_one(sharpness: float) -> Callable[[float], float]:
    """`marginal_share` for single loads: an array of one costs ten times as much."""
    if sharpness == 4.0:
        return _marginal_share_4
    return lambda load: float((1.0 + load**sharpness) ** (-1.0 - 1.0 / sharpness))


def _marginal_share_4(load: float) -> float:
    square = load * load
    power = 1.0 + square * square
    return 1.0 / (power * sqrt(sqrt(power)))
