"""Calls of one dependency, spread evenly over days, whose outcomes hang on no die."""

from __future__ import annotations

from gonogo.records import DAY_MS, Observation

# Its multiples lie evenly in the unit interval, as draws do on average.
GOLDEN_RATIO = (5**0.5 - 1) / 2


def spread_calls(
    now_ms: int,
    n: int,
    good: float,
    *,
    days: float,
    until_days: float = 0.0,
    failed: float = 0.0,
    item: str | None = None,
) -> list[Observation]:
    """So many calls of `triage`, spread over some days until so many days ago."""
    return [
        Observation(
            dependency="triage",
            ts_ms=now_ms - round(((i + 0.5) / n * days + until_days) * DAY_MS),
            outcome=float(i * GOLDEN_RATIO % 1 < good),
            error="timeout" if i * GOLDEN_RATIO % 1 < failed else None,
            item=item and f"{item}{i % 8}",
        )
        for i in range(n)
    ]
