"""Numbers inside words: where they stand, how exactly they are said, and whether a value is meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gonogo.answers import Answer
from gonogo.coherence.exchanges import Exchange, leaves, text_of
from gonogo.coherence.rules import of_answer

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


# How sure an interval is: said beside it, and part of its field's name.
LEVELS = re.compile(
    r"\b(?:80|90|95|99)\s?%(?= interval| sure| \(|,|\)|:| [-+\u2212]?[$]?\d| [-+\u2212]?\d)|\bof 100\b"
)
# What a verdict takes at the least is no number of this answer.
POLICY = re.compile(
    r"… [\d,]+ more\b|\bolder than [\d.]+ \w+|less than half of the [\d.]+|loss of [\d.]+|\b\d+ calls that a verdict needs|\b\d+ are needed(?: over \d+ days)?"
)
CELL_CHARS = 60
PLACE = re.compile(r"\[\d+\]")


@of_answer(Answer)
def a_figure_in_words_is_the_object_s(said: Exchange[Answer]) -> Iterator[str]:
    """Every number that the words say is a number of the object, rounded as it is said."""
    told = said.answer.as_object()
    values = list(_numbers(told))
    strings = [text for path, text in leaves(told) if isinstance(text, str) and path != "summary"]
    strings += [text for _, text in leaves(said.asked) if isinstance(text, str)]
    # A summary quotes a check's reason without the name of the target before it.
    strings += [text.partition(": ")[2] for text in strings]
    text = text_of(said)
    for words in (*text.lines, *(cell for row in text.rows for cell in row)):
        bare = POLICY.sub(" ", LEVELS.sub(" ", without(_uncut(words, strings), strings)))
        for figure in figures(bare):
            if not _stands(figure, values):
                yield f"'{figure.said}' is nowhere in the object, said in {words[:300]!r}"


def _uncut(words: str, strings: list[str]) -> str:
    """The words, or nothing where they are the beginning of a string of the object."""
    if not words.endswith("…"):
        return words
    begun = words.rstrip("…")[:CELL_CHARS]
    return " " if any(begun in text for text in strings) else words


def _stands(figure: Figure, values: list[tuple[str, float]]) -> bool:
    """Whether any value is meant; money is only ever a field of money, or a string of one."""
    for path, value in values:
        name = path.rpartition(".")[2].partition("[")[0]
        if figure.money and "usd" not in name:
            continue
        if figure.means(value):
            return True
        # Points of 100 are said as percents, and a percent is what is missing from the whole.
        if figure.percent and (figure.means(value / 100) or figure.means(1 - value)):
            return True
    return False


def _numbers(told: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """Every number of an object, and how many there are of what it lists."""
    listed: Counter[str] = Counter()
    for path, value in leaves(told):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield path, float(value)
        if isinstance(value, str):
            if value.replace(".", "", 1).isdigit():
                yield path, float(value)
            listed[f"{PLACE.sub('[]', path)}={value}"] += 1
    for path, value in _lists(told):
        yield f"len({path})", float(value)
    yield from ((f"count({what})", float(n)) for what, n in listed.items())


def _lists(value: object, path: str = "") -> Iterator[tuple[str, int]]:
    """The length of each list, and how many of its items lack a field that others have."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _lists(part, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        yield path, len(value)
        having = Counter(name for part in value if isinstance(part, Mapping) for name in part)
        yield from ((f"{path}[].{name}", len(value) - n) for name, n in having.items())
        for part in value:
            yield from _lists(part, path)
