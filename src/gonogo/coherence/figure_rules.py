"""The rule that binds words to numbers: whatever figure is said stands in the object."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from gonogo.answers import Answer
from gonogo.coherence.exchanges import Exchange, leaves, text_of
from gonogo.coherence.figures import Figure, figures, without
from gonogo.coherence.rules import of_answer

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
    told = said.told()
    values = list(_numbers(told))
    strings = [text for path, text in leaves(told) if isinstance(text, str) and path != "summary"]
    strings += [text for _, text in leaves(said.asked) if isinstance(text, str)]
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
    """How long each list is, and how many of what it lists lack a field that others have."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _lists(part, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        yield path, len(value)
        having = Counter(name for part in value if isinstance(part, Mapping) for name in part)
        yield from ((f"{path}[].{name}", len(value) - n) for name, n in having.items())
        for part in value:
            yield from _lists(part, path)
