"""A promotion and its trial as answers show them, and in words."""

from __future__ import annotations

import shlex

from gonogo.answers import PromotionState, TrialMetric, rfc3339
from gonogo.fallback.plan import told_targets
from gonogo.fallback.promotion.trial_reading import JudgedMetric, TrialReading
from gonogo.ports.promotions import STAGE_SHARES, Promotion
from gonogo.ports.routes import WHOLE, Route
from gonogo.records import DAY_MS, Dependency
from gonogo.text.forms import minute, number, percent, share_text, signed

_CALLED = {
    "outcome": "quality",
    "error": "errors",
    "latency_p95": "latency",
    "latency_median": "median latency",
    "cost_p95": "cost",
    "cost_median": "median cost",
}


def promotion_state(made: Promotion) -> PromotionState:
    """The stage that a candidate has reached, in the form of an answer."""
    gets = {"running": made.share, "done": WHOLE, "back": 0}[made.status]
    return PromotionState(
        candidate=made.version,
        current=made.current,
        status=made.status,
        stage=len(STAGE_SHARES) if made.status == "done" else made.stage + 1,
        share=gets / WHOLE,
        since=rfc3339(made.since_ms),
        next_shares=[share / WHOLE for share in _later(made)],
        to=made.to / WHOLE,
        policy=made.policy,
        shadow=made.shadow or None,
        why=made.why or None,
    )


def trial_metrics(reading: TrialReading) -> list[TrialMetric]:
    """Every metric's row."""
    from gonogo.detectors.promotion.candidate_trial import OWN_NEEDED, WHOLE_NEEDED

    rows = []
    for one in reading.metrics:
        stage = one.evidence.stage
        own = {"own_e_value": one.evidence.own, "own_needed": OWN_NEEDED[stage]}
        shown = (
            {
                "e_value": one.evidence.whole,
                "needed": WHOLE_NEEDED[stage],
                **(own if one.evidence.own_asked else {}),
            }
            if one.passing
            else {}
        )
        rows.append(
            TrialMetric(
                metric=one.metric,  # type: ignore[arg-type]  # one of METRICS
                n_current=round(one.n_current),
                bad_current=one.bad_current / one.n_current if one.n_current else 0.0,
                n_candidate=round(one.n_candidate),
                bad_candidate=one.bad_candidate / one.n_candidate if one.n_candidate else 0.0,
                passed=one.evidence.passes if one.passing else None,
                **shown,
            )
        )
    return rows


def told_evidence(reading: TrialReading) -> str:
    """Say what has passed and what is missing, a clause."""
    needed = [one for one in reading.metrics if one.passing]
    missing = [one for one in needed if not one.evidence.passes]
    parts = [_told(one) for one in (missing or needed)]
    lead = "not shown yet for" if missing else "shown for"
    return (
        f"that it is not worse by {_points(reading.line)} is {lead} {', '.join(parts)}; "
        f"that it is worse: evidence {number(reading.worse)} of 20"
    )


def _told(one: JudgedMetric) -> str:
    from gonogo.detectors.promotion.candidate_trial import OWN_NEEDED, WHOLE_NEEDED

    stage = one.evidence.stage
    short = one.evidence.whole >= WHOLE_NEEDED[stage] and not one.evidence.passes
    what, wanted = (
        (one.evidence.own, OWN_NEEDED[stage])
        if short
        else (one.evidence.whole, WHOLE_NEEDED[stage])
    )
    own = " by calls of this stage" if short else ""
    return f"{_CALLED[one.metric]} (evidence {number(what)} of {number(wanted)}{own})"


def told_end(route: Route, made: Promotion) -> str:
    """Say how a promotion ended, a sentence without its full stop."""
    if made.status == "done":
        return f"{made.target} has all calls since {minute(rfc3339(made.since_ms))}"
    why = f": {made.why}" if made.why else ""
    return f"{made.target} went back, calls go to {told_targets(route.targets)}{why}"


def told_silence(known: Dependency, made: Promotion, now_ms: int) -> str | None:
    """Say that the candidate had no call for a day or more, and where to look; None where it had one."""
    newest = {one.version: one.newest_ts_ms for one in known.versions}
    last_ms = max(made.since_ms, newest.pop(made.version, 0))
    if now_ms - last_ms < DAY_MS:
        return None
    others_ms = max(newest.values(), default=0)
    if now_ms - others_ms >= DAY_MS:
        since = minute(rfc3339(max(last_ms, others_ms)))
        return f"no call of {known.name} came since {since}, of any version"
    since = minute(rfc3339(last_ms))
    return (
        f"no call of {made.version} came since {since}, though others of {known.name} did: does the "
        f"application call what {shlex.join(['gonogo', 'route', known.name])} answers, and record "
        f"its version? {told_share(made)} of few sticky keys may be nobody"
    )


def told_shadow(
    known: Dependency, beside: Dependency | None, made: Promotion, now_ms: int
) -> str | None:
    """Say that no shadow call came for a day while calls were served, and where to look; None otherwise."""
    if not made.is_shadowed:
        return None
    seen = beside.versions if beside is not None else ()
    last_ms = max([made.since_ms, *(v.newest_ts_ms for v in seen if v.version == made.version)])
    if now_ms - last_ms < DAY_MS or now_ms - known.newest_ts_ms >= DAY_MS:
        return None
    return (
        f"no call of {made.version} beside those served came since {minute(rfc3339(last_ms))}: does "
        f"the application call what gonogo.shadow names, and record it as {made.shadow} with its version?"
    )


def told_worse(reading: TrialReading) -> str:
    """Name the metrics with most evidence for worse, with both rates."""
    speaks = sorted(reading.metrics, key=lambda one: -one.evidence.worse)[:1]
    parts = [
        f"{_CALLED[one.metric]}: bad calls {_rate(one.bad_current, one.n_current)} to "
        f"{_rate(one.bad_candidate, one.n_candidate)} of {number(round(one.n_candidate))}"
        for one in speaks
    ]
    return f"{', '.join(parts)}, evidence {number(reading.worse)} of 20"


def told_difference(reading: TrialReading) -> str | None:
    """The difference in good outcomes with its interval, as often as one likes; None before it is known."""
    if reading.interval95 is None or reading.level is None:
        return None
    low, high = (100 * bound for bound in reading.interval95)
    if low > 0:
        said = f"better by {number(round(low, 1))} to {number(round(high, 1))} points"
    elif high < 0:
        said = f"worse by {number(round(-high, 1))} to {number(round(-low, 1))} points"
    else:
        said = f"{signed(round(low, 1))} to {signed(round(high, 1))} points from the current one"
    which = "worse" if high + low < 0 else "better"
    return (
        f"{said} (95%, asked as often as you like); {which} at all: level {percent(reading.level)}"
    )


def told_share(made: Promotion) -> str:
    """Say which share it gets now."""
    return share_text(made.share / WHOLE)


def told_way(made: Promotion) -> str:
    """Say what it is compared with, and the stages that follow."""
    against = made.current or "calls without a version"
    later = _later(made)
    if not later:
        return f"held against {against}, and no more"
    stages = " → ".join(share_text(share / WHOLE) for share in later)
    waits = "" if made.policy in ("allow", "confirm") else " and a person's yes"
    beside = (
        f"; the application calls it beside each call, too, and records that as {made.shadow}"
        if made.is_shadowed
        else ""
    )
    return f"held against {against}; then {stages}, each on evidence that it is not worse{waits}{beside}"


def _later(made: Promotion) -> list[int]:
    """The shares that follow, in ten-thousandths; none where its way is over."""
    gets = made.share
    if not made.is_running or made.is_at_end:
        return []
    return [share for share in STAGE_SHARES if gets < share < made.to] + [made.to]


def _points(line: float) -> str:
    return f"{number(round(100 * line))} points"


def _rate(bad: float, n: float) -> str:
    return percent(bad / n) if n else "none"
