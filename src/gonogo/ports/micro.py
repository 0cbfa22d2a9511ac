"""Money at the border: checked on its way in. How it reads stands in `text`."""

from __future__ import annotations

import math

from gonogo.errors import ParameterError
from gonogo.records import AMOUNT_MAX, UNIT_SIZE, Unit


def micro_usd(usd: float, *, name: str, unit: Unit = "usd") -> int:
    """An amount in integer micro-dollars, or in whole numbers of another unit's smallest part.

    Raises:
        ParameterError: It is negative, not finite, beyond 1e9 USD, or a part of a call or a token;
            names the argument.
    """
    size = UNIT_SIZE[unit]
    most = AMOUNT_MAX / size
    if isinstance(usd, bool) or not math.isfinite(usd) or not 0 <= usd <= most:
        of = unit.upper() if unit == "usd" else unit
        limit = f"{most:g}".replace("e+0", "e").replace("e+", "e")
        raise ParameterError(f"{name} must be from 0 to {limit} {of}, not {usd!r}.")
    if size == 1 and not float(usd).is_integer():
        raise ParameterError(f"{name} must be a whole number of {unit}, not {usd!r}.")
    return max(round(usd * size), 1 if usd else 0)  # a little is not nothing
