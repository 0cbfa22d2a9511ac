"""Money at the border: checked on its way in, written out for people."""

from __future__ import annotations

import math

from gonogo.errors import ParameterError
from gonogo.records import MICRO

USD_MAX = 1e9
_CENT_USD = 0.01


def micro_usd(usd: float, *, name: str) -> int:
    """An amount in integer micro-dollars.

    Raises:
        ParameterError: It is negative, not finite or beyond 1e9 USD; names the argument.
    """
    if isinstance(usd, bool) or not math.isfinite(usd) or not 0 <= usd <= USD_MAX:
        raise ParameterError(f"{name} must be from 0 to 1e9 USD, not {usd!r}.")
    return round(usd * MICRO)


def usd_text(micro: float) -> str:
    """An amount as summaries write it: two decimals, below one cent two significant digits."""
    usd = abs(round(micro)) / MICRO
    sign = "-" if micro < 0 and usd else ""
    if usd == 0 or usd >= _CENT_USD:
        return f"{sign}${usd:.2f}"
    digits = min(1 - math.floor(math.log10(usd)), 6)
    return f"{sign}${usd:.{digits}f}"
