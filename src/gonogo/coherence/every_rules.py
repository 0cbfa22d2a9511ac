"""Rules of every answer: its form, its words, its times."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from gonogo.answers import Answer, DependencyList, DriftReport, IncidentList
from gonogo.coherence.exchanges import Exchange, leaves, pairs, text_of
from gonogo.coherence.rules import of_answer
from gonogo.errors import plain

VERDICT_EXIT = {"go": 0, "caution": 1, "no_go": 2, "unknown": 3}
CHECKS = frozenset(
    {
        "check_model_drift",
        "get_trust_score_health",
        "check_budget_with_confidence",
        "preflight",
    }
)
ECHOED = ("segment", "metric", "since", "until", "dependency", "status", "query")
SENTENCE_WORDS_MIN = 4
NOUNS = frozenset(
    {
        *("label", "call", "observation", "item", "outcome", "dependency", "incident", "day"),
        *("hour", "value", "pair", "version", "slice", "minute", "check", "token", "reservation"),
    }
)
COUNTED = re.compile(
    r"(?<![\w.,$@:-])(0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*) "
    r"(priced |open |good |stored |paired )?([a-z]+)\b"
)
TIME_NAMES = ("ts", "start", "end", "as_of", "since", "earliest", "latest", "expires_at")


@of_answer(Answer)
def no_field_is_empty_or_endless(said: Exchange[Answer]) -> Iterator[str]:
    """A field that would be null is left out; no number is NaN or infinite."""
    for path, value in leaves(said.answer.as_object() if said.wire is None else said.wire):
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            yield f"{path} is {value}"


@of_answer(Answer)
def the_wire_carries_what_was_meant(said: Exchange[Answer]) -> Iterator[str]:
    """Reading the object back gives the same object: nothing is rounded or named in two ways."""
    if said.wire is not None and said.answer.as_object() != dict(said.wire):
        told = dict(leaves(said.answer.as_object()))
        for path, value in leaves(said.wire):
            if told.get(path) != value:
                yield f"{path} came as {value!r} and reads {told.get(path)!r}"


@of_answer(Answer)
def no_word_is_a_program_s(said: Exchange[Answer]) -> Iterator[str]:
    """Words hold no None, nan, inf, empty brackets, or a value with sixteen digits."""
    for word in re.findall(
        r"(?<![\w'\"/-])(?:None|nan|NaN|inf|-inf|\(\)|\{\}|\[\])(?![\w'\"/-])", _words(said)
    ):
        yield f"{word!r} in {said.text or said.answer.summary!r}"
    for digits in re.findall(r"\d\.\d{9,}", _words(said)):
        yield f"{digits} in the words"


@of_answer(Answer)
def the_words_begin_with_verdict_and_summary(said: Exchange[Answer]) -> Iterator[str]:
    """The text's first line is the object's verdict and summary, and says the verdict once."""
    answer = said.answer
    head = f"{answer.verdict.upper()}: {plain(answer.summary, 2000)}"
    if said.text and not said.text.startswith(head):
        yield f"{said.text.splitlines()[0]!r} instead of {head!r}"
    repeated = answer.verdict.replace("_", "[-_ ]?")
    if re.match(rf"{repeated}\s*[:,]", answer.summary, re.IGNORECASE):
        yield f"the verdict is said twice: {head[:60]!r}"


@of_answer(Answer)
def the_exit_status_is_the_verdict(said: Exchange[Answer]) -> Iterator[str]:
    """A command that checks exits 0 go, 1 caution, 2 no_go, 3 unknown."""
    if said.exit_status is not None and said.tool in CHECKS:
        expected = VERDICT_EXIT[said.answer.verdict]
        if said.exit_status != expected:
            yield f"exit status {said.exit_status} for {said.answer.verdict}"


@of_answer(Answer)
def no_sentence_is_said_twice(said: Exchange[Answer]) -> Iterator[str]:
    """Outside its tables a text says each sentence once."""
    told: Counter[str] = Counter()
    for line in text_of(said).lines:
        body = line.partition(": ")[2] if re.match(r"[\w ]+: ", line) else line
        told.update(
            sentence
            for part in re.split(r"(?<=[.;:?!])\s+", body)
            if len((sentence := part.strip(" .;:").lower()).split()) >= SENTENCE_WORDS_MIN
        )
    yield from (f"{n} times {sentence!r}" for sentence, n in told.items() if n > 1)


@of_answer(Answer)
def one_is_singular_and_two_are_plural(said: Exchange[Answer]) -> Iterator[str]:
    """A count agrees with its noun: 1 call, 2 calls, 0 calls."""
    for number, adjective, noun in COUNTED.findall(_words(said)):
        singular = noun.removesuffix("s") if noun != "dependencies" else "dependency"
        if singular not in NOUNS:
            continue
        is_plural = noun != singular
        if is_plural == (number == "1"):
            yield f"'{number} {adjective}{noun}' in {_words(said)[:200]!r}"


@of_answer(Answer)
def an_interval_runs_upwards(said: Exchange[Answer]) -> Iterator[str]:
    """In every interval the low end is at most the high one."""
    for path, (low, high) in pairs(said.answer.as_object()):
        if low > high:
            yield f"{path} is {low} to {high}"


@of_answer(Answer)
def probabilities_lie_in_0_to_1(said: Exchange[Answer]) -> Iterator[str]:
    """Confidences, shares, rates and chances lie in 0 to 1."""
    names = ("confidence", "share", "rate", "p_success", "p_better", "p_value", "ece", "brier")
    for path, value in leaves(said.answer.as_object()):
        name = path.rpartition(".")[2]
        if name not in names or "arguments" in path or isinstance(value, bool):
            continue
        if isinstance(value, int | float) and not 0 <= value <= 1:
            yield f"{path} is {value}"


@of_answer(Answer)
def times_are_rfc_3339_in_utc(said: Exchange[Answer]) -> Iterator[str]:
    """Every time is RFC 3339 in UTC, and a period does not end before it starts."""
    told = said.answer.as_object()
    times = {}
    for path, value in leaves(told):
        name = path.rpartition(".")[2]
        if name in TIME_NAMES and isinstance(value, str) and "arguments" not in path:
            if not value.endswith("Z") or _moment(value) is None:
                if name != "since":
                    yield f"{path} is {value!r}"
                continue
            times[path] = value
    for path, start in times.items():
        end = times.get(f"{path.removesuffix('start')}end") if path.endswith("start") else None
        if end is not None and _before(end, start):
            yield f"{path} is {start}, its end {end}"


@of_answer(Answer)
def the_data_are_as_old_as_is_said(said: Exchange[Answer]) -> Iterator[str]:
    """An age is not negative, and the newest time of the answer agrees with it."""
    age, newest = said.answer.data_age_s, getattr(said.answer, "newest_ts", None)
    if age is not None and age < 0:
        yield f"data_age_s is {age}"
    if age is None or newest is None:
        return
    asked, seen = _moment(said.answer.as_of), _moment(newest)
    if asked is None or seen is None:
        return
    apart = (asked - seen).total_seconds()
    if apart >= 0 and abs(apart - age) > 1:
        yield f"data_age_s is {age}, newest_ts {newest} as of {said.answer.as_of}"


@of_answer(DriftReport, IncidentList, DependencyList)
def the_question_is_echoed(said: Exchange[Answer]) -> Iterator[str]:
    """What was asked about stands in the object and in the summary: a slice, a time, a name, a state."""
    told = said.answer.as_object()
    for name in ECHOED:
        given = said.asked.get(name)
        if not given or given == "all":
            continue
        if not told.get(name):
            yield f"{name}={given} is not in the object"
        elif plain(str(told[name]))[:10] not in said.answer.summary:
            yield f"{name}={given} is not in {said.answer.summary!r}"


def _words(said: Exchange[Answer]) -> str:
    return said.text or said.answer.summary


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _before(one: str, other: str) -> bool:
    first, second = _moment(one), _moment(other)
    return first is not None and second is not None and first < second
