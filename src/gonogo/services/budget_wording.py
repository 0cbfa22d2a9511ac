"""How a budget verdict reads, in the contract's words."""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.services.money import usd_text


@dataclass(frozen=True, slots=True)
class Told:
    """What the sentence says. Money in micro-dollars."""

    passed: bool
    confidence: float
    required: float
    remaining: int
    projected: int
    low: int
    high: int
    calls: int | None
    binding: tuple[str, int] | None  # the parent that decides, and what it has left
    held_by_others: int
    hold: int | None
    hold_until: str
    capped: bool
    worst_that_does_not_fit: int | None
    calls_that_would_pass: int | None


def confidence_text(confidence: float, required: float | None = None) -> str:
    """A confidence in percent, never 100; with one digit where rounding would hide a failure."""
    percent = min(round(confidence * 100), 99)
    if required is not None and percent >= round(required * 100) and confidence < required:
        return f"{confidence * 100:.1f}%"
    return f"{percent}%"


def verdict_text(told: Told) -> str:
    """One or two sentences: the verdict with its numbers, then what else decides or is held."""
    said = confidence_text(told.confidence, told.required)
    if told.passed:
        first = f"Budget check passed with {said} confidence: "
    elif told.worst_that_does_not_fit is not None:
        first = (
            f"Budget check failed: the worst case of {usd_text(told.worst_that_does_not_fit)} does "
            f"not fit this hard budget ({said} confidence): "
        )
    else:
        required = f"{told.required * 100:g}%"
        first = f"Budget check failed: {said} confidence, {required} required: "
    first += (
        f"remaining budget {usd_text(told.remaining)}, projected spend {usd_text(told.projected)}"
    )
    if told.low != told.high or told.calls is not None:
        first += f" (80% interval {usd_text(told.low)}–{usd_text(told.high)})"  # noqa: RUF001 - the contract's dash
    if told.calls is not None:
        first += f" for {told.calls} call{'' if told.calls == 1 else 's'}"
    rest = _rest(told)
    return f"{first}. {rest}" if rest else f"{first}."


def _rest(told: Told) -> str:
    parts = []
    if told.binding is not None:
        name, left = told.binding
        parts.append(f"parent '{name}' has {usd_text(left)} left and decides")
    if told.hold is not None:
        all_left = ", all that is left," if told.capped else ""
        parts.append(f"{usd_text(told.hold)}{all_left} held until {told.hold_until}")
    if told.held_by_others:
        parts.append(f"others hold {usd_text(told.held_by_others)}")
    if not told.passed and told.calls_that_would_pass:
        calls = told.calls_that_would_pass
        parts.append(f"{calls} call{'' if calls == 1 else 's'} would pass")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
