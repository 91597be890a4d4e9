"""How much a busy donor still serves, in closed forms without special functions.

A donor with load `z` (bytes asked of it within the time that a request waits, over what its uplink carries in that
time) serves the share `(1 + z^p)^(-1/p)` of what it is asked: all of it when idle, `1/z` when swamped. `p` says how
sharp the knee is: a Poisson stream of single requests has `(1 - e^-z)/z`, close to p = 1.5; requests known to the byte
have `min(1, 1/z)`, p without bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def served_share(load: Floats, sharpness: float) -> Floats:
    """The share of what it is asked that a donor of this load serves."""
    return np.asarray((1.0 + load**sharpness) ** (-1.0 / sharpness), dtype=np.float64)


def marginal_share(load: Floats, sharpness: float) -> Floats:
    """The share of a little more that it would serve: the derivative of load times `served_share`."""
    return np.asarray((1.0 + load**sharpness) ** (-1.0 - 1.0 / sharpness), dtype=np.float64)
