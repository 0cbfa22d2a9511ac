"""The columns of a call that a unit is counted by, on both engines."""

from __future__ import annotations

from gonogo.ports.booked_costs import UNLISTED_TIER
from gonogo.records import Unit


def counted_by(unit: Unit, of: str = "") -> tuple[str, str]:
    """Two expressions of a row of `observation`, null where nothing is known.

    The first is what a unit counts; the second any usage from which that could be known, which a
    tool that is free has never had.
    """
    tokens = f"coalesce({of}input_tokens, {of}output_tokens)"
    match unit:
        case "usd":
            booked = f"nullif({of}booked_nano_usd, {UNLISTED_TIER})"
            cost = f"coalesce({booked}, {of}cost_micro_usd)"
            return cost, f"coalesce({of}cost_micro_usd, {of}input_tokens, {of}output_tokens)"
        case "calls":
            return "1", "1"
        case "tokens":
            return tokens, tokens
        case "minutes":
            return f"{of}latency_us", f"{of}latency_us"
