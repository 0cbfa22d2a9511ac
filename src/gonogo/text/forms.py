"""Single values in words: the only place that formats them, so that no two texts disagree.

A value is rounded once, where the answer is made (`answers.base`); these forms show that value with
the digits it has, and where they show fewer, halves go away from zero, of the digits that the value
is written with: so does the panel (`panel/format.js`), where $0.015 is $0.02 too and not the $0.01
of its binary fraction. Services, summaries, tables and the command line all use them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from gonogo.errors import plain

if TYPE_CHECKING:
    from gonogo.answers import Evidence, TargetShare
    from gonogo.records import Unit

ROWS_MAX = 12
CELL_CHARS_MAX = 200
MONEY_DIGITS_FROM_USD = 0.01
MINUTE_DIGITS_FROM = Decimal("0.1")
# From a million on the exponent is what matters; below a ten-thousandth it is shorter.
EXPONENT_FROM, EXPONENT_BELOW = 1e6, 1e-4
# Of a probability near 0 or 1 every digit counts: 99.95% is not 100%, and not 99%.
WHOLE_PERCENT_FROM, WHOLE_PERCENT_TO = 0.01, 0.99
# What an answer caps an e-value at; beyond it the logarithm says how large it is.
LOG10_E_SHOWN_MAX = 300
TO = "\N{EN DASH}"

Cell = str | float | tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Table:
    """A small table; `left_out` rows are only in the structured answer."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def number(value: float) -> str:
    """A count in full, any other number in at most four significant digits."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return f"{value:g}"  # an argument that is about to be refused
    short = f"{value:.4g}"
    size = abs(float(short))
    if size and not EXPONENT_BELOW <= size < EXPONENT_FROM:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{float(short):,.0f}" if "e" in short or size >= 1000 else short  # noqa: PLR2004


def signed(value: float) -> str:
    """A change, with its sign; no change has none."""
    return f"+{number(value)}" if value > 0 else number(value + 0.0)


def alike(values: Sequence[float]) -> list[str]:
    """Changes that are read together, as a change and its interval: all with the same decimals.

    Those are what four significant digits of the largest need; numbers that are written with an
    exponent stand as they are.
    """
    largest = max((abs(value) for value in values), default=0.0)
    if not EXPONENT_BELOW <= largest < EXPONENT_FROM:
        return [signed(value) for value in values]
    decimals = max(3 - math.floor(math.log10(largest)), 0)
    # Not more than any of them has: 0.04 and -0.01 are not 0.04000 and -0.01000.
    while decimals and all(round(value, decimals - 1) == value for value in values):
        decimals -= 1
    told = [f"{round(value, decimals) + 0.0:+,.{decimals}f}" for value in values]
    return [text.lstrip("+") if float(text.replace(",", "")) == 0 else text for text in told]


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number of things: "1 observation", "1,080 labels"."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def percent(share: float, *, apart_from: float | None = None) -> str:
    """A probability in percent; with the digits that keep it from reading as 0, 1 or `apart_from`.

    It is the object's, which has four decimals.
    """
    exact = _hundredfold(round(share, 4))
    if WHOLE_PERCENT_FROM <= share < WHOLE_PERCENT_TO or share > 1:
        for digits in range(3):
            told = _decimals(exact, digits)
            if apart_from is None or float(told) != round(100 * apart_from, 2):
                return f"{told}%"
    return f"{exact.normalize():f}%"


def rate_text(share: float) -> str:
    """A measured rate in percent, to a tenth; where that would read as none or all, with more."""
    if share == 0 or 0.001 <= share < 0.9995 or share >= 1:  # noqa: PLR2004
        return f"{_decimals(_hundredfold(share), 1)}%"
    return f"{100 * share:.2g}%" if share < 0.5 else f"{100 * share:.4g}%"  # noqa: PLR2004


def _hundredfold(share: float) -> Decimal:
    """A share in percent, as exactly as it is written."""
    return 100 * Decimal(repr(float(share)))


def _decimals(value: Decimal, digits: int) -> str:
    """A number with so many decimals; halves go away from zero."""
    return f"{value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"


def share_text(part: float) -> str:
    """A share of traffic, with every digit that a route can have."""
    return f"{100 * part:.4g}%"


def money(usd: float) -> str:
    """An amount: two decimals, below one cent two significant digits."""
    if usd < 0:
        return f"-{money(-usd)}"
    exact = Decimal(repr(float(usd)))
    if 0 < usd < MONEY_DIGITS_FROM_USD:
        return f"${_decimals(exact, 1 - exact.adjusted()).rstrip('0')}"
    return f"${_decimals(exact, 2)}"


def amount_text(amount: float, unit: Unit) -> str:
    """An amount of what a budget counts, with its noun; money as `money`."""
    if unit == "usd":
        return money(amount)
    if unit == "minutes":
        exact = Decimal(repr(float(amount)))
        digits = 1 - exact.adjusted() if 0 < abs(exact) < MINUTE_DIGITS_FROM else 2
        shown = _decimals(exact, digits).rstrip("0").rstrip(".")
        return f"{shown} {'minute' if shown == '1' else 'minutes'}"
    return counted(round(amount), unit.removesuffix("s"))


def amount_span(low: float, high: float, unit: Unit) -> str:
    """An interval of what a budget counts, with its noun once."""
    first = amount_text(low, unit)
    return f"{first if unit == 'usd' else first.rpartition(' ')[0]}{TO}{amount_text(high, unit)}"


def as_shown(usd: float) -> float:
    """The amount that `money` shows: what is said to be the difference of two is that of these."""
    return float(money(usd).replace("$", "").replace(",", ""))


def e_value(value: float, log10: float | None = None) -> str:
    """An e-value; where it is capped, by its exponent."""
    if log10 is not None and log10 >= LOG10_E_SHOWN_MAX:
        return f"1e{log10:.0f}"
    return number(float(value))


def evidence(found: Evidence) -> str:
    """Evidence beside the amount that is needed: "1.609e6 (73,050 needed)"."""
    return f"{e_value(found.e_value, found.log10_e)} ({number(found.needed)} needed)"


def duration(seconds: int) -> str:
    """A length of time in its largest whole unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def span(ms: int) -> str:
    """A duration in its two largest units: "2 d 3 h", "1 h 5 min", "40 s"."""
    seconds = max(ms, 0) // 1000
    if seconds < 2 * 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"  # noqa: PLR2004


def minute(time: str) -> str:
    """A time of an answer to the minute: 2026-03-01T10:00Z."""
    return f"{time[:16]}Z"


def day(time: str) -> str:
    """The UTC day of a time of an answer."""
    return time[:10]


def named(names: Sequence[str], most: int = 4, *, of: int | None = None) -> str:
    """Names in a row, the first few; how many more there are, `of` in all, is said."""
    more = max(len(names), of or 0) - most
    more_said = f" and {more:,} more" if more > 0 else ""
    return f"{', '.join(plain(name, 80) for name in names[:most])}{more_said}"


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"{_cell(value[0])} to {_cell(value[1])}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain(value, CELL_CHARS_MAX)
    # Without commas between thousands: a table leaves as CSV.
    return number(value).replace(",", "")


def table(name: str, columns: str, rows: Iterable[tuple[Cell, ...]]) -> Table:
    """A table of plain cells; rows beyond what a brief answer shows are counted."""
    kept = [tuple(_cell(cell) for cell in row) for row in rows]
    return Table(name, tuple(columns.split()), tuple(kept[:ROWS_MAX]), max(len(kept) - ROWS_MAX, 0))


def interval(pair: tuple[float, float] | None, level: str) -> str:
    """An interval in brackets after its value; nothing where there is none."""
    return f" ({level} interval {number(pair[0])} to {number(pair[1])})" if pair else ""


def shares(targets: Iterable[TargetShare]) -> str:
    """Traffic by target, the largest share first: "gpt-4 90% + rules:basic 10%"."""
    most_first = sorted(targets, key=lambda target: -target.share)
    return (
        " + ".join(f"{plain(t.target, 200)} {share_text(t.share)}" for t in most_first) or "nothing"
    )


@dataclass(frozen=True, slots=True)
class UnitWords:
    """The words for a unit in summaries and in advice.

    `lacks`: what a call has that cannot be counted; `remedy`: what to do about it; `counted`: an
    observation that can be; `with_it`: what calls are recorded with; `free`: of a tool that never
    had any.
    """

    lacks: str
    remedy: str
    counted: str
    counted_many: str
    with_it: str
    free: str
    projected: str = "projected use"
    cost: str = "used"
    spent: str = "used"


UNIT_WORDS: Mapping[Unit, UnitWords] = {
    "usd": UnitWords(
        "no cost and no known price",
        "Record cost_usd, or add the model to [settings.prices] in gonogo.toml.",
        "priced observation",
        "priced observations",
        "their cost",
        "no call of it ever had a cost",
        "projected spend",
        "cost",
        "spent",
    ),
    # Every call counts as one: nothing lacks anything.
    "calls": UnitWords("", "", "observation", "observations", "their ids", "", "planned"),
    "tokens": UnitWords(
        "no known tokens",
        "Record input_tokens and output_tokens.",
        "observation with tokens",
        "observations with tokens",
        "their tokens",
        "no call of it ever had tokens",
    ),
    "minutes": UnitWords(
        "no known duration",
        "Record latency_ms.",
        "observation with latency_ms",
        "observations with latency_ms",
        "their latency_ms",
        "",
    ),
}


_WORDS = {"person": "a person", "agent": "an agent", "gonogo": "gonogo itself"}


def actor_name(actor: str) -> str:
    """A person's name alone, and what else acted as a noun that stands in a sentence."""
    if actor.startswith("agent:"):
        return f"an agent ({actor.removeprefix('agent:')})"
    return _WORDS.get(actor, actor.removeprefix("person:"))
