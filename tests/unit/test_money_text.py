"""Money and confidences as summaries write them."""

from __future__ import annotations

import pytest

from gonogo.errors import ParameterError
from gonogo.services.budget_wording import Told, confidence_text, verdict_text
from gonogo.services.money import micro_usd, usd_text


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
        (1_234_567_890_000, "$1234567.89"),
    ],
)
def test_money_has_two_decimals_and_below_a_cent_two_digits(micro: int, text: str) -> None:
    """As the contract writes it."""
    assert usd_text(micro) == text


def test_money_comes_in_as_whole_micro_dollars() -> None:
    """Rounded, not cut."""
    assert micro_usd(0.1 + 0.2, name="usd") == 300_000
    assert micro_usd(1e9, name="usd") == 10**15
    with pytest.raises(ParameterError, match=r"usd must be from 0 to 1e9 USD, not -0\.01\."):
        micro_usd(-0.01, name="usd")


def test_a_confidence_is_never_rounded_to_certain_or_past_what_is_required() -> None:
    """99% at most; 94.8% does not read as the 95% that it fails."""
    assert confidence_text(0.7349) == "73%"
    assert confidence_text(0.9995) == "99%"
    assert confidence_text(0.948, 0.95) == "94.8%"
    assert confidence_text(0.41, 0.95) == "41%"


def _told(*, passed: bool, confidence: float, required: float) -> Told:
    return Told(
        passed=passed,
        confidence=confidence,
        required=required,
        remaining=47_230_000,
        projected=12_140_000,
        low=9_800_000,
        high=15_020_000,
        calls=40,
        binding=None,
        held_by_others=0,
        hold=None,
        hold_until="",
        capped=False,
        worst_that_does_not_fit=None,
        calls_that_would_pass=None,
    )


def test_the_verdict_reads_as_the_contract_has_it() -> None:
    """Word for word, passed and failed."""
    assert verdict_text(_told(passed=True, confidence=0.73, required=0.7)) == (
        "Budget check passed with 73% confidence: remaining budget $47.23, projected spend $12.14 "
        "(80% interval $9.80–$15.02) for 40 calls."  # noqa: RUF001 - the contract's dash
    )
    assert verdict_text(_told(passed=False, confidence=0.41, required=0.95)) == (
        "Budget check failed: 41% confidence, 95% required: remaining budget $47.23, projected "
        "spend $12.14 (80% interval $9.80–$15.02) for 40 calls."  # noqa: RUF001 - the same
    )
