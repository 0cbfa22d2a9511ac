"""A note on calls that were recorded again at another cost."""

from __future__ import annotations

from gonogo.records import MICRO, NANO_A_MICRO
from gonogo.text.forms import counted, money

__all__ = ["corrections_text"]


def corrections_text(calls: int, change_nano_usd: int) -> str:
    """How many they were, and what they cost now beside before."""
    usd = change_nano_usd / NANO_A_MICRO / MICRO
    change = f"{money(abs(usd))} {'more' if usd > 0 else 'less'}" if usd else "the same"
    known = counted(calls, "call was", "calls were")
    return f"{known} known at another cost, which is corrected: {change} in all."
