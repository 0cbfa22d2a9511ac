"""Money at the border: checked on its way in. How it reads stands in `text`."""

from __future__ import annotations

import math

from gonogo.errors import ParameterError
from gonogo.records import MICRO

USD_MAX = 1e9


def micro_usd(usd: float, *, name: str) -> int:
    """An amount in integer micro-dollars.

    Raises:
        ParameterError: It is negative, not finite or beyond 1e9 USD; names the argument.
    """
    if isinstance(usd, bool) or not math.isfinite(usd) or not 0 <= usd <= USD_MAX:
        raise ParameterError(f"{name} must be from 0 to 1e9 USD, not {usd!r}.")
    return round(usd * MICRO)
