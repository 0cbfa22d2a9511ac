"""Rules of a drift report: change against means, interval against status, evidence against evidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from gonogo.answers import DriftReport
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer

QUALITY = ("outcome", "error")
LOG10_E_MAX = 300
# Narrower intervals may lose their room to rounding.
ROOM_FROM = 0.005
ALLOWED = {
    "stable": {"go", "caution"},
    "improved": {"go", "caution"},
    "degraded": {"no_go", "caution"},
    "shifted": {"caution"},
    "recovering": {"caution"},
    "insufficient_data": {"unknown"},
}


@of_answer(DriftReport)
def a_status_has_its_verdict(said: Exchange[DriftReport]) -> Iterator[str]:
    """Each status comes with the verdicts that it can have."""
    answer = said.answer
    if answer.verdict not in ALLOWED.get(answer.status, {answer.verdict}):
        yield f"{answer.status} is {answer.verdict}"


@of_answer(DriftReport)
def degraded_never_holds_zero(said: Exchange[DriftReport]) -> Iterator[str]:
    """What is called degraded or improved has an interval of change that excludes no change."""
    answer = said.answer
    interval = answer.change.interval95 if answer.change else None
    if answer.status in ("degraded", "improved") and answer.verdict != "caution" and interval:
        low, high = interval
        if low <= 0 <= high:
            yield f"{answer.status}, change {low} to {high}"


@of_answer(DriftReport)
def stable_beside_a_change_says_why(said: Exchange[DriftReport]) -> Iterator[str]:
    """What is called stable beside an interval that leaves out 0 says why it is, in words."""
    answer = said.answer
    interval = answer.change.interval95 if answer.change else None
    if answer.status != "stable" or interval is None:
        return
    low, high = interval
    is_said = "of one look" in answer.summary or answer.mix is not None
    if not (low <= 0 <= high or is_said):
        yield f"stable, change {low} to {high}: {answer.summary!r}"


@of_answer(DriftReport)
def a_change_is_current_less_baseline(said: Exchange[DriftReport]) -> Iterator[str]:
    """`change.absolute` is `current.mean` less `baseline.mean`; `relative` is of the baseline."""
    answer = said.answer
    before = answer.baseline.mean if answer.baseline else None
    now = answer.current.mean if answer.current else None
    if answer.change is None or before is None or now is None:
        return
    slack = _last_digit(before) + _last_digit(now) + _last_digit(answer.change.absolute)
    if abs(now - before - answer.change.absolute) > slack:
        yield f"{before} → {now} is told as {answer.change.absolute:+}"
    relative = answer.change.relative
    if relative is None or not before:
        return
    slack += abs(before) * _last_digit(relative) + abs(relative) * _last_digit(before)
    if abs(relative * before - answer.change.absolute) > slack:
        yield f"{answer.change.absolute:+} of {before} is told as {relative:+} of it"


@of_answer(DriftReport)
def a_mean_lies_in_its_interval(said: Exchange[DriftReport]) -> Iterator[str]:
    """Current mean, change and trend lie in the intervals that are told beside them."""
    answer = said.answer
    told = [("current.mean", part.mean, part.interval95) for part in [answer.current] if part]
    told += [("change", part.absolute, part.interval95) for part in [answer.change] if part]
    told += [("trend", part.per_day, part.interval95) for part in [answer.trend] if part]
    told += [("estimate", part.mean, part.interval95) for part in [answer.estimate] if part]
    for name, value, interval in told:
        if value is None or interval is None:
            continue
        low, high = interval
        if not low - _last_digit(low) <= value <= high + _last_digit(high):
            yield f"{name} {value} lies outside {low} to {high}"


@of_answer(DriftReport)
def a_change_has_room_in_its_interval(said: Exchange[DriftReport]) -> Iterator[str]:
    """No end of its interval is the change of a rate itself, but where the rate can go no further."""
    answer = said.answer
    change, now, before = answer.change, answer.current, answer.baseline
    if answer.metric not in QUALITY or change is None or change.interval95 is None:
        return
    bounds = (0.0, 1.0)
    if now is None or before is None or now.mean in bounds or before.mean in bounds:
        return
    low, high = change.interval95
    if high - low > ROOM_FROM and (change.absolute <= low or change.absolute >= high):
        yield f"change {change.absolute:+} is an end of {low} to {high}"


@of_answer(DriftReport)
def evidence_is_one_number(said: Exchange[DriftReport]) -> Iterator[str]:
    """`log10_e` is the logarithm of `e_value`, and a stable stream has not reached its alarm."""
    evidence = said.answer.evidence
    if evidence is None:
        return
    if 0 < evidence.e_value < 10.0**LOG10_E_MAX and (
        abs(math.log10(evidence.e_value) - evidence.log10_e) > 0.001 + _last_digit(evidence.log10_e)
    ):
        yield f"e_value {evidence.e_value} beside log10_e {evidence.log10_e}"


@of_answer(DriftReport)
def an_onset_lies_in_its_range(said: Exchange[DriftReport]) -> Iterator[str]:
    """The onset lies between its earliest and its latest, and not ahead of the question."""
    onset = said.answer.onset
    if onset is None:
        return
    if not onset.earliest <= onset.ts <= onset.latest:
        yield f"{onset.ts} lies outside {onset.earliest} to {onset.latest}"
    if onset.ts > said.answer.as_of:
        yield f"since {onset.ts}, asked at {said.answer.as_of}"


@of_answer(DriftReport)
def golden_pairs_add_up(said: Exchange[DriftReport]) -> Iterator[str]:
    """Worse, better and same items are all items."""
    golden = said.answer.golden
    if golden is not None and golden.worse + golden.better + golden.same != golden.items:
        yield f"{golden.worse} + {golden.better} + {golden.same} of {golden.items}"


@of_answer(DriftReport)
def a_slice_s_change_is_its_means(said: Exchange[DriftReport]) -> Iterator[str]:
    """The change of a slice is its mean less its baseline's."""
    for part in said.answer.segments or ():
        slack = sum(map(_last_digit, (part.mean, part.baseline_mean, part.change)))
        if abs(part.mean - part.baseline_mean - part.change) > slack:
            yield f"{part.segment}: {part.baseline_mean} → {part.mean} told as {part.change:+}"


@of_answer(DriftReport)
def slices_add_up_to_no_more_than_the_whole(said: Exchange[DriftReport]) -> Iterator[str]:
    """The values of one key have no more labels, now, than what they are slices of."""
    answer = said.answer
    now = answer.current
    if now is None or now.since != "onset" or answer.segment or answer.metric not in QUALITY:
        return
    labels = Counter[str]()
    for part in answer.segments or ():
        if "," not in part.segment:
            labels[part.segment.partition("=")[0]] += part.n
    for key, n in labels.items():
        if n > now.n:
            yield f"{n} labels by {key} of {now.n}"


@of_answer(DriftReport)
def what_is_unknown_says_what_is_missing(said: Exchange[DriftReport]) -> Iterator[str]:
    """An answer without enough data says what to record."""
    if said.answer.status == "insufficient_data" and not said.answer.missing:
        yield f"insufficient_data without `missing`: {said.answer.summary!r}"


@of_answer(DriftReport)
def only_outcomes_have_labels(said: Exchange[DriftReport]) -> Iterator[str]:
    """Values of a metric other than quality are called values or calls, not labels."""
    answer = said.answer
    if answer.metric not in QUALITY and "labels against" in answer.summary:
        yield f"{answer.metric}: {answer.summary!r}"


@of_answer(DriftReport)
def the_answer_is_about_what_was_asked(said: Exchange[DriftReport]) -> Iterator[str]:
    """The dependency that was asked about is the one that is answered about, by name in the words."""
    asked = said.asked.get("dependency")
    if asked is not None and asked != said.answer.dependency:
        yield f"asked {asked}, answered {said.answer.dependency}"


def _last_digit(value: float) -> float:
    """Half a unit of the last of four significant digits, and a little for the machine's own."""
    return 0.51 * 10.0 ** (math.floor(math.log10(abs(value))) - 3) if value else 1e-9
