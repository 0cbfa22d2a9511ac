"""`get_trust_score_health` without a name: the whole fleet, and what changed since yesterday.

`fleet_scores` scores what is due and puts the standing verdicts together; this tells them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Literal

from gonogo.answers import FleetLine, NextAction, ScoreHealth, TrustReport, in_points, rfc3339
from gonogo.ports.standing_verdicts import by_severity, standing_now
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import FleetRow, TrustTelemetry
from gonogo.records import MICRO, VERDICTS_BY_SEVERITY, Verdict, worst_verdict
from gonogo.settings import Settings
from gonogo.text.forms import counted, number
from gonogo.text.row_notes import age_s, ahead_names_note, newest_ahead
from gonogo.text.trust_summary import doubts_text, points, suspicion
from gonogo.trust.fleet_scores import SMALL_FLEET_MAX, Fleet, Suspicion, always, look_at_fleet
from gonogo.trust.score_health import own_health
from gonogo.trust.trust_estimate import trust_estimates

# Of these, with the most observations, the scores are held against what came.
MEASURED_MAX = 8
LINES_BRIEF = 20
LINES_FULL = 200
CHANGE_SHOWN_E6 = 50_000
CHANGES_NAMED = 3
ACTIONS = 2


async def check_fleet(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    *,
    now_ms: int,
    detail: Literal["brief", "full"] = "brief",
    has_time: Callable[[], bool] = always,
    suspicion: Suspicion | None = None,
    shadows: Collection[str] = (),
) -> TrustReport:
    """Score all dependencies, one line each, lowest lower bound first, and judge whether the scores came true.

    Every dependency is counted, and scored while there is time. Whether scores came true is
    measured on a few dependencies; of a large fleet only in full. `shadows`: see `look_at_fleet`.
    """
    fleet = await look_at_fleet(
        telemetry,
        log,
        settings,
        now_ms=now_ms,
        has_time=has_time,
        suspicion=suspicion,
        shadows=shadows,
    )
    rows = fleet.rows
    shown = _shown(fleet, LINES_FULL if detail == "full" else LINES_BRIEF)
    lines = [_line(settings, row, fleet, now_ms) for row in shown]
    health = None
    if len(rows) <= SMALL_FLEET_MAX or detail == "full":
        health = await _health(telemetry, log, settings, rows, now_ms, detail)
    newest = max((t for row in rows if (t := row.newest_ts_ms) <= now_ms), default=None)
    latest_ms = max((row.newest_ts_ms for row in rows), default=None)
    ahead = {}
    if newest_ahead(latest_ms, now_ms) is not None:
        found = ((row.name, newest_ahead(row.newest_ts_ms, now_ms)) for row in rows)
        ahead = {name: one for name, one in found if one is not None}
    return TrustReport(
        verdict=worst_verdict(list(set(fleet.verdicts.values()))),
        summary=_summary(
            fleet, len(shown), _line(settings, rows[0], fleet, now_ms) if rows else None
        )
        + ahead_names_note(ahead),
        as_of=rfc3339(now_ms),
        data_age_s=age_s(newest, now_ms),
        next_actions=_next_actions(settings, fleet, now_ms),
        upstream=None,
        provider_suspected=fleet.suspected,
        score_health=health,
        fleet=lines,
        total=len(rows),
        verdicts=by_severity(_counts(fleet)),
        waiting=fleet.waiting or None,
    )


async def _health(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    rows: Sequence[FleetRow],
    now_ms: int,
    detail: Literal["brief", "full"],
) -> ScoreHealth:
    names = [row.name for row in sorted(rows, key=lambda row: (-row.n, row.name))[:MEASURED_MAX]]
    first = await log.first_scored(names)
    known = [one for name in first if (one := await telemetry.dependency(name)) is not None]
    estimates = await trust_estimates(telemetry, settings, known, now_ms)
    return own_health(estimates, first, settings, detail=detail)


def _shown(fleet: Fleet, most: int) -> list[FleetRow]:
    """The worst by verdict, then by lower bound; in the order of their lower bounds."""
    if len(fleet.rows) <= most:
        return fleet.rows
    found: list[int] = []
    for verdict in reversed(VERDICTS_BY_SEVERITY):
        verdicts = enumerate(fleet.verdicts.values())
        alike = (at for at, one in verdicts if one == verdict)
        found += islice(alike, most - len(found))
    return [fleet.rows[at] for at in sorted(found)]


def _line(settings: Settings, row: FleetRow, fleet: Fleet, now_ms: int) -> FleetLine:
    now = standing_now(settings, row.name, row.standing, now_ms)
    told = _points(row)
    return FleetLine(
        dependency=row.name,
        score=None if told is None else told[0],
        interval90=None if told is None else told[1:],
        verdict=now.verdict,
        as_of=None if now.as_of_ms is None else rfc3339(now.as_of_ms),
        drift=now.drift,
        ahead=newest_ahead(row.newest_ts_ms, now_ms),
        changed=_changed(row),
        upstream=fleet.upstream.get(row.name),
        doubtful=None if (doubt := fleet.doubtful.get(row.name)) is None else doubt.writer,
    )


def _points(row: FleetRow) -> tuple[float, float, float] | None:
    """Score and interval in points; None without a score."""
    if row.score_e6 is None or row.lower_e6 is None or row.upper_e6 is None:
        return None
    score, low, high = (e6 / MICRO for e6 in (row.score_e6, row.lower_e6, row.upper_e6))
    return in_points(score), in_points(low), in_points(high)


def _changed(row: FleetRow) -> str | None:
    """Describe the change since the last earlier day with a score; None where there is none."""
    if row.earlier_score_e6 is None or row.score_e6 is None:
        return None
    moved = abs(row.score_e6 - row.earlier_score_e6) >= CHANGE_SHOWN_E6
    if row.earlier_verdict == row.verdict and not moved:
        return None
    return f"was {row.earlier_verdict}, {number(in_points(row.earlier_score_e6 / MICRO))}"


def _summary(fleet: Fleet, shown: int, lowest: FleetLine | None) -> str:
    rows = fleet.rows
    if not rows:
        return "Nothing is recorded yet, so nothing can be trusted. Record observations first."
    told = [f"{n:,} {verdict}" for verdict, n in by_severity(_counts(fleet)).items()]
    told += [f"{fleet.waiting:,} not scored yet"] if fleet.waiting else []
    known = counted(len(rows), "dependency", "dependencies")
    said = f"{known}: {', '.join(told)}."
    if fleet.waiting:
        said += f" {len(rows) - fleet.waiting:,} are scored so far; ask again for the rest."
    if lowest is not None and lowest.score is not None:
        said += f" Lowest score: {lowest.dependency}, trust"
        said += f" {points(lowest.score, lowest.interval90)}."
    if fleet.suspected is not None:
        said += f" {suspicion(fleet.suspected)}"
    said += doubts_text({name: doubt.writer for name, doubt in fleet.doubtful.items()})
    followed = (row for row in rows if row.earlier_score_e6 is not None)
    changed = [f"{row.name} ({new})" for row in followed if (new := _changed(row))]
    if changed:
        more = f" and {len(changed) - CHANGES_NAMED:,} more" if len(changed) > CHANGES_NAMED else ""
        said += f" Changed since the day before: {', '.join(changed[:CHANGES_NAMED])}{more}."
    return said + (f" The worst {shown} are listed." if len(rows) > shown else "")


def _counts(fleet: Fleet) -> Counter[Verdict]:
    """Count dependencies by verdict; those that wait for a score and have nothing else count at none."""
    counts = Counter(fleet.verdicts.values())
    counts["unknown"] -= fleet.waiting_unknown
    return counts


def _next_actions(settings: Settings, fleet: Fleet, now_ms: int) -> list[NextAction]:
    worst: tuple[Verdict, ...] = ("no_go", "caution")
    bad = [row for each in worst for row in fleet.rows if fleet.verdicts[row.name] == each]
    actions = []
    for row in bad[:ACTIONS]:
        now = standing_now(settings, row.name, row.standing, now_ms)
        by_drift = now.drift == now.verdict and now.trust != now.verdict
        tool = "check_model_drift" if by_drift else "get_trust_score_health"
        why = "what has changed" if by_drift else "its parts and what fails with it"
        arguments: dict[str, object] = {"dependency": row.name}
        actions.append(NextAction(tool=tool, arguments=arguments, reason=f"{now.verdict}: {why}"))
    return actions
