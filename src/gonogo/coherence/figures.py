"""Numbers inside words: where they stand, how exactly they are said, and whether a value is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_FIGURE = re.compile(
    r"(?:(?P<over>\bover |\bmore than |\bat least |[>≥] ?)|(?P<under>\bunder |\bless than |\bat most |[<≤] ?))?(?<![\w.])(?P<sign>[-+\u2212]?)(?P<money>\$?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<power>e[-+]?\d+)?"
    r"(?P<percent>\s?%)?(?P<points> points?\b)?(?![\w]|[.:,-]\d)"
)
# Not "3,559 of 10", evidence beside what is needed: of ten at most ten are meant.
_RATIO = re.compile(
    r"(?<![\w.,])(?:(\d|10) (?:in|of) (10)|(\d{1,2}|100) (?:in|of) (100)|(\d{1,3}|1000) (?:in|of) (1,000))\b(?! calls)"
)
_TIME = re.compile(
    r"\d{4}-\d\d(?:-\d\d)?(?:[T ]\d\d(?::?\d\d)?(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\b\d\d:\d\d(?::\d\d)?\b"
)
# Where an e-value is capped in the object (`log10_e` is exact), and a float nearly ends.
POWER_MAX = 300


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is said; `half` is half a unit of its last digit."""

    said: str
    value: float
    half: float
    money: bool = False
    percent: bool = False
    bound: str = ""
    points: bool = False

    def means(self, value: float) -> bool:
        """Whether a value, rounded as this figure is, is this figure; its sign may stand in a verb."""
        if self.points and not self.percent:  # of a score, or of a rate
            return replace(self, points=False).means(value) or replace(self, percent=True).means(
                value
            )
        scaled = 100 * value if self.percent else value
        if self.bound:
            return scaled >= self.value if self.bound == "over" else scaled <= self.value
        slack = self.half * (1 + 1e-6) + 1e-9 * abs(scaled)
        return abs(abs(scaled) - abs(self.value)) <= slack


def figures(text: str) -> Iterator[Figure]:
    """Every figure in a text; times, and "7 in 10" as its share, are no counts."""
    bare = _TIME.sub(" ", text)
    for found in _RATIO.finditer(bare):
        good, all_of = (int(part.replace(",", "")) for part in found.groups() if part)
        yield Figure(found[0], 100 * good / all_of, 50 / all_of, percent=True)
    for found in _FIGURE.finditer(_RATIO.sub(" ", bare)):
        digits = found["digits"].replace(",", "")
        scale = 10.0 ** min(int(found["power"][1:]), POWER_MAX) if found["power"] else 1.0
        decimals = len(digits.partition(".")[2])
        yield Figure(
            found[0].strip(),
            float(digits) * scale * (-1 if found["sign"] in ("-", "\u2212") else 1),
            0.5 * 10.0**-decimals * scale,
            money=bool(found["money"]),
            percent=bool(found["percent"]),
            bound="over" if found["over"] else "under" if found["under"] else "",
            points=bool(found["points"]),
        )


def without(text: str, parts: Iterable[str]) -> str:
    """The text with these parts taken out, the longest first, but not out of a longer number."""
    for part in sorted({p for p in parts if p}, key=len, reverse=True):
        if part in text:
            text = re.sub(rf"(?<![\w.,]){re.escape(part)}(?!\w|[.,]\d)", " ", text)
    return text
