"""The verdict of a trust score: one rule, whether one dependency is scored or many are.

* `unknown`: fewer than 10 calls, the newest call older than `stale_after`, the
  newest label by more than outcomes take beside that, a
  version that answers now without an outcome of its own (while an older one has some), or a 90 %
  interval wider than half the scale. Thin or stale evidence is never `go`.
* `no_go`: the whole interval lies below the bar, so that it is 95 % sure to be below; `caution` where
  judges gave at least half of the outcomes and errors alone would not, since a judge may have moved. The bar is
  the dependency's own normal (declared baseline outcome, else its longest memory) less its
  `min_effect`, and never under one half, where a call is as likely bad as good.
* `go`: even the interval's lower end is at least one half, and the score is at or above the bar.
* `caution`: anything between; also a dependency without any label, or with outcomes of one side alone (complaints, praise), that is not
  judged by its errors (`measured.judged_by_errors`), because what is not measured cannot be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.answers import in_points
from gonogo.errors import plain
from gonogo.hours.measured import SIDES, OneSided, errors_decide, judged_by_errors
from gonogo.records import HOUR_MS, Verdict
from gonogo.settings import DependencySettings
from gonogo.text.forms import number

if TYPE_CHECKING:
    from gonogo.ports.trust_reads import CallCounts, FleetRow, TrustTelemetry
    from gonogo.records import Dependency, HourCounts

CALLS_MIN = 10
WIDTH_MAX = 0.5
EVEN_CHANCE = 0.5
WIDE = "the interval is wider than half the scale"
LOW = "the interval's lower end is below an even chance"
UNMEASURED = "whether answers are right is not known, no outcome was recorded"


@dataclass(frozen=True, slots=True)
class TrustBasis:
    """The numbers that a verdict rests on; rates are fractions.

    `outcomes_take_s`: how long after its call an outcome comes, where the newest is so old that it matters.
    `unmeasured`: why it is not known whether answers are right; None where some call has an outcome, or
    errors alone decide. `unlabelled`: why the version
    that answers now is not known by the outcomes there are, where it is not. `judges`: who gave at
    least half of the outcomes, where judges did and errors alone do not lie below the bar.
    """

    score: float
    lower: float
    upper: float
    bar: float
    n: int
    newest_ts_ms: int
    newest_label_hour: int | None
    outcomes_take_s: float
    unmeasured: str | None
    unlabelled: str | None = None
    judges: str | None = None


def unmeasured(
    known: Dependency,
    own: DependencySettings,
    side: OneSided | None,
    *,
    has_quality: bool,
) -> str | None:
    """Why it is not known whether answers are right; None where it is, or where errors alone decide."""
    if has_quality or errors_decide(known, own):
        return None
    if side is None:
        return UNMEASURED
    return None if judged_by_errors(known.kind, own) else f"quality is known by {SIDES[side]} alone"


def normal_quality(longest: float, own: DependencySettings) -> float:
    """The share of good answers that is usual: declared, or that of the longest memory."""
    declared = own.baseline.outcome if own.baseline else None
    return longest if declared is None else declared


async def outcomes_take_s(
    telemetry: TrustTelemetry,
    known: Dependency | FleetRow,
    counts: HourCounts | CallCounts,
    own: DependencySettings,
    now_ms: int,
) -> float:
    """How long after their calls outcomes come, as drift waits for them.

    It is read only where the newest outcome would else be too old, and the newest call is not.
    """
    labelled, since_ms = counts.hour[counts.ok_labels > 0], now_ms - own.stale_after_s * 1000
    is_old = labelled.size > 0 and (int(labelled[-1]) + 1) * HOUR_MS < since_ms
    if not is_old or known.newest_ts_ms < since_ms:
        return 0.0
    from gonogo.hours.rate_hours import LAG_METRIC, maturity

    return maturity(await telemetry.histograms(known.name, LAG_METRIC), as_of_ms=now_ms).lag_s


def verdict_of(found: TrustBasis, own: DependencySettings, now_ms: int) -> tuple[Verdict, str]:
    """The verdict by the rules above, and why it is no go."""
    stale_ms = own.stale_after_s * 1000
    label_hour = found.newest_label_hour
    label_age_ms = 0 if label_hour is None else now_ms - (label_hour + 1) * HOUR_MS
    waited_ms = stale_ms + round(found.outcomes_take_s * 1000)
    limit = "an even chance" if found.bar == EVEN_CHANCE else "its normal"
    newest = f"is older than {days(stale_ms)}"
    least = f"{number(in_points(found.bar))}%, the least that {limit} allows"
    by_judges = ""
    if found.judges is not None:
        by_judges = (
            f", by grades of {plain(found.judges, 80)}: model or judge, drift tells them apart"
        )
    are = "is" if found.n == 1 else "are"
    too_few = f"there {are} {found.n} of the {CALLS_MIN} calls that a verdict needs"
    # The first that holds decides.
    rules: list[tuple[bool, Verdict, str]] = [
        (now_ms - found.newest_ts_ms > stale_ms, "unknown", f"the newest call {newest}"),
        (found.n < CALLS_MIN, "unknown", too_few),
        (
            found.upper < found.bar and found.judges is None,
            "no_go",
            f"95% sure to be below {least}",
        ),
        (found.unlabelled is not None, "unknown", found.unlabelled or ""),
        (
            label_age_ms > waited_ms,
            "unknown",
            f"the newest outcome is older than {days(waited_ms)}",
        ),
        (found.upper - found.lower > WIDTH_MAX, "unknown", WIDE),
        (found.lower < EVEN_CHANCE, "caution", LOW),
        (found.score < found.bar, "caution", f"below {least}{by_judges}"),
        (found.unmeasured is not None, "caution", found.unmeasured or ""),
    ]
    return next(((verdict, why) for holds, verdict, why in rules if holds), ("go", ""))


def days(ms: int) -> str:
    """A span in whole days, or hours below two days."""
    hours = round(ms / HOUR_MS)
    return f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} h"  # noqa: PLR2004
