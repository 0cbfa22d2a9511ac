"""Rising factorials: what Beta-binomial chances are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.log_space import log_gamma

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

# Up to so many factors are multiplied, a twentieth of the time of two log-gammas; x up to 1e15
# stays far from the largest float.
_FACTORS_MAX = 16


def log_rising(x: Floats, count: Ints) -> Floats:
    """log(x (x + 1) ... (x + count - 1)) for x > 0 and whole counts; shapes broadcast."""
    most = int(count.max(initial=0))
    product = np.ones(np.broadcast_shapes(x.shape, count.shape))
    for step in range(min(most, _FACTORS_MAX)):
        product *= np.where(count > step, x + step, 1.0)
    logs: Floats = np.log(product)
    if most > _FACTORS_MAX:
        many = np.broadcast_to(count > _FACTORS_MAX, logs.shape)
        start = np.broadcast_to(x, logs.shape)[many]
        logs[many] = log_gamma(start + np.broadcast_to(count, logs.shape)[many]) - log_gamma(start)
    return logs
