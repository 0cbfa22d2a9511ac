"""How single values read: one writer for money, probabilities, evidence, counts and times."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.answers import BudgetCheck, TrustPart, Window, in_points, rounded
from gonogo.drift.finding import change_of
from gonogo.errors import ParameterError
from gonogo.ports.money import micro_usd
from gonogo.records import MICRO
from gonogo.text.budget_summary import budget_summary
from gonogo.text.forms import (
    alike,
    as_shown,
    counted,
    e_value,
    money,
    number,
    percent,
    rate_text,
    signed,
    span,
    table,
)

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False).map(rounded)
# A mean is zero or of a size that somebody measures.
MEANS = st.just(0.0) | st.floats(1e-9, 1e9).map(rounded)


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (47_230_000, "$47.23"),
        (0, "$0.00"),
        (10_000, "$0.01"),
        (9_876, "$0.0099"),
        (420, "$0.00042"),
        (1, "$0.000001"),
        (-3_100_000, "-$3.10"),
        (1_234_567_890_000, "$1,234,567.89"),
        (15_000, "$0.02"),
        (2_675_000, "$2.68"),
        (9_960, "$0.01"),
        (-125_000, "-$0.13"),
    ],
)
def test_money_has_two_decimals_and_below_a_cent_two_digits(micro: int, text: str) -> None:
    """As the contract writes it."""
    assert money(micro / MICRO) == text


def test_money_comes_in_as_whole_micro_dollars() -> None:
    """Rounded, not cut."""
    assert micro_usd(0.1 + 0.2, name="usd") == 300_000
    assert micro_usd(1e9, name="usd") == 10**15
    with pytest.raises(ParameterError, match=r"usd must be from 0 to 1e9 USD, not -0\.01\."):
        micro_usd(-0.01, name="usd")


def test_a_probability_reads_neither_as_certain_nor_as_what_it_fails() -> None:
    """Near its ends, and near what is required, every digit counts."""
    assert percent(0.7349) == "73%"
    assert percent(0.9995) == "99.95%"
    assert percent(0.0004) == "0.04%"
    assert percent(0.948, apart_from=0.95) == "94.8%"
    assert percent(0.9499, apart_from=0.95) == "94.99%"
    assert percent(0.41, apart_from=0.95) == "41%"


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_percents_keep_the_order_of_what_they_tell(one: int, other: int) -> None:
    """A larger probability never reads as a smaller one, and only 0 and 1 read as sure."""
    low, high = sorted((one / 10_000, other / 10_000))
    said = [float(percent(share).rstrip("%")) for share in (low, high)]
    assert said[0] <= said[1]
    assert (said[0] == 0) == (low == 0)
    assert (said[1] == 100) == (high == 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1080, "1,080"),
        (73_050.0, "73,050"),
        (1_609_000.0, "1.609e6"),
        (1e21, "1e21"),
        (0.9412, "0.9412"),
        (0.001234, "0.001234"),
        (1.5e-7, "1.5e-7"),
        (0.0, "0"),
        (1234.0, "1,234"),
        (100.0, "100"),
    ],
)
def test_a_number_reads_as_a_person_writes_it(value: float, text: str) -> None:
    """Never as 7.305e+04."""
    assert number(value) == text


@given(NUMBERS)
def test_the_words_of_a_number_are_the_number_that_the_object_has(value: float) -> None:
    """The object rounds to four digits, and the words lose none of them."""
    assert float(number(value).replace(",", "")) == value
    assert float(signed(value).replace(",", "")) == value


def test_things_are_counted_in_the_singular_and_the_plural() -> None:
    """One observation, not one observations."""
    assert counted(1, "observation") == "1 observation"
    assert counted(1080, "label") == "1,080 labels"
    assert counted(2, "dependency", "dependencies") == "2 dependencies"


def test_a_capped_e_value_reads_by_its_exponent() -> None:
    """1e300 is what the object holds at most."""
    assert e_value(1e300, 412.3) == "1e412"
    assert e_value(41.5, 1.618) == "41.5"


@pytest.mark.parametrize(
    ("share", "probability", "rate"),
    [
        (0.9005, "90%", "90.1%"),
        (0.0285, "3%", "2.9%"),
        (0.0049, "0.49%", "0.5%"),
        (0.9995, "99.95%", "99.95%"),
        (0.99996, "100%", "100%"),
        (0.00004, "0%", "0.004%"),
        (1.234, "123%", "123.4%"),
    ],
)
def test_halves_of_a_share_go_up_and_only_all_reads_as_all(
    share: float, probability: str, rate: str
) -> None:
    """By the digits that are written: 0.9005 is no 0.90049999."""
    assert (percent(share), rate_text(share)) == (probability, rate)


@pytest.mark.parametrize(("one", "other"), [(0.304, 0.346), (0.0049, 0.00514), (12.345, 0.125)])
def test_a_difference_is_that_of_the_amounts_beside_it(one: float, other: float) -> None:
    """$0.30 and $0.35 differ by $0.05, whatever they were before."""
    shown = [Decimal(money(amount)[1:]) for amount in (one, other)]
    assert Decimal(money(abs(as_shown(one) - as_shown(other)))[1:]) == abs(shown[0] - shown[1])


def test_how_long_something_lasted_has_its_two_largest_units() -> None:
    """Forty seconds are no "0 h 0 min"."""
    told = [span(1000 * s) for s in (40, 119, 120, 3599, 3900, 86_399, 93_600, -5)]
    assert told == [
        *("40 s", "119 s", "2 min", "59 min", "1 h 5 min", "23 h 59 min", "1 d 2 h", "0 s")
    ]


def test_rates_have_a_tenth_of_a_percent() -> None:
    """And below a tenth their first digits: a rare error is not no error."""
    assert rate_text(0.0379) == "3.8%"
    assert rate_text(0.00004) == "0.004%"
    assert rate_text(0.0) == "0.0%"


def test_a_table_has_no_commas_between_thousands() -> None:
    """It leaves as CSV."""
    assert table("t", "a b c", [(1080, 73_050.0, (0.5, 1.0))]).rows == (
        ("1080", "73050", "0.5 to 1"),
    )


@given(MEANS, MEANS, st.floats(0, 1), st.floats(0, 1))
def test_a_change_is_the_difference_of_what_is_shown_within_its_interval(
    before: float, after: float, below: float, above: float
) -> None:
    """What is left over from adding up is no change: -5.551e-16 is 0."""
    raw = (before + before * 1e-14, after + after * 1e-15)
    interval = (raw[1] - raw[0] - below, raw[1] - raw[0] + above)
    change = change_of(*raw, interval95=interval)
    assert change.absolute == pytest.approx(after - before, rel=1e-3, abs=1e-12)
    assert (before == after) <= (change.absolute == 0)
    assert change.interval95 is not None
    assert change.interval95[0] <= change.absolute <= change.interval95[1]
    if change.absolute:
        assert abs(math.log10(abs(change.absolute) / max(before, after))) < 9


def _check(*, passed: bool, confidence: float, required: float) -> BudgetCheck:
    return BudgetCheck(
        verdict="go" if passed else "no_go",
        summary="",
        as_of="2026-04-01T00:00:00Z",
        budget="nightly",
        passed=passed,
        confidence=confidence,
        required_confidence=required,
        limit_usd=60,
        spent_usd=12.77,
        held_usd=0,
        remaining_usd=47.23,
        projected_usd=12.14,
        projected_interval80_usd=(9.8, 15.02),
        planned_calls=40,
        window=Window(kind="day"),
        method="",
    )


def test_the_verdict_on_a_budget_reads_as_the_contract_has_it() -> None:
    """Word for word, passed and failed."""
    assert budget_summary(_check(passed=True, confidence=0.73, required=0.7)) == (
        "Budget check passed with 73% confidence: remaining budget $47.23, projected spend $12.14 "
        "(80% interval $9.80–$15.02) for 40 calls."  # noqa: RUF001 - the contract's dash
    )
    assert budget_summary(_check(passed=False, confidence=0.41, required=0.95)) == (
        "Budget check failed: 41% confidence, 95% required: remaining budget $47.23, projected "
        "spend $12.14 (80% interval $9.80–$15.02) for 40 calls."  # noqa: RUF001 - the same
    )


def test_a_check_says_what_it_was_asked() -> None:
    """The dependency whose calls were planned, and that a cost was declared."""
    check = _check(passed=True, confidence=0.73, required=0.7)
    told = budget_summary(check.model_copy(update={"dependency": "search"}))
    assert told.endswith(" for 40 calls of search.")
    declared = {"planned_calls": None, "planned_cost_usd": 12.14}
    told = budget_summary(check.model_copy(update=declared))
    assert told.endswith("(80% interval $9.80–$15.02), as declared.")  # noqa: RUF001 - the same


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_changes_that_are_read_together_have_the_same_decimals(values: list[float]) -> None:
    """Each within half of the last digit; where one needs an exponent, each as it is by itself."""
    told = alike(values)
    if any("e" in text for text in told):
        assert told == [signed(value) for value in values]
        return
    assert len({len(text.partition(".")[2]) for text in told}) == 1
    half = 0.5 * 10.0 ** -len(told[0].partition(".")[2])
    for text, value in zip(told, values, strict=True):
        assert abs(float(text.replace(",", "")) - value) <= half * (1 + 1e-9)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_is_uncertain_is_never_told_as_certain(chance: float) -> None:
    """Neither a score nor a rate below 1 reads as 100, in the object or in its words."""
    told = in_points(chance)
    assert 0 < told < 100
    assert number(told) not in ("0", "100")
    assert abs(told - 100 * chance) <= 0.051
    rate = TrustPart(rate=chance, interval90=(0, chance), n=1).rate
    assert rate < 1
    assert percent(rate) != "100%"
    assert in_points(told / 100) == told


def test_what_is_certain_is_told_so() -> None:
    """0 and 1 are 0 and 100."""
    assert (in_points(0.0), in_points(1.0), percent(1.0)) == (0, 100, "100%")
