"""The scores of a whole fleet: every dependency there is, many scored at once, and what is left.

A look scores what has no score, what got new evidence and what has grown old, as long as it has
time; it says how many are left. What it finds is a verdict about the whole, now: it is kept as the
trust part of each standing verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gonogo.answers import SuspectedProvider
from gonogo.ports.standing_verdicts import stale_after_ms
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import FleetRow, KeptScore, TrustTelemetry
from gonogo.records import (
    DAY_MS,
    HOUR_MS,
    Kind,
    PartVerdict,
    StandingVerdict,
    Verdict,
    worst_verdict,
)
from gonogo.settings import Settings
from gonogo.trust.providers import MEMBERS_OF_FLEET_MAX, failing_provider, falling_with
from gonogo.trust.score_many import KindPriors, score_many

# A score moves with time alone as memories fade, from one clock hour to the next. So that a
# fleet tells what each tells alone, scores are made again in each hour; of a large fleet that
# rests, where that would take seconds, after a day.
SMALL_FLEET_MAX = 25
SAME_HOUR_MAX = 250
KEPT_FOR_LARGE_MS = DAY_MS
# Scored in one run; between two runs a look that has had its time ends. So many at most are left
# are scored whatever time it takes: nobody asks a fleet of five hundred twice.
FIRST_RUN = 500
AT_ONCE = 250
# Providers that are looked at, those with the most failing dependencies first.
PROVIDERS_MAX = 8
# Dependencies whose writers are held against their golden sets.
DOUBTED_MAX = 25
_BAD: tuple[Verdict, ...] = ("no_go", "caution")


class Doubt(NamedTuple):
    """Who recorded what disagrees with a golden set, the one with the most calls, and the verdict given that."""

    writer: str
    verdict: Verdict


@dataclass(slots=True)
class Suspicion:
    """A process's findings about shared causes and doubtful writers, with the evidence used: a cache."""

    rests_on: object = None
    found: list[SuspectedProvider] | None = None
    doubts: dict[tuple[str, int, int], Doubt | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Every dependency, lowest lower bound first, with its standing verdict.

    `doubtful`: whose records disagree with the golden set, by dependency.
    `waiting`: how many a look has still to score; `waiting_unknown`: those of which nothing else is
    known either. `upstream`: the worst bad state that each rests on.
    """

    rows: list[FleetRow]
    verdicts: dict[str, Verdict]
    upstream: dict[str, str]
    suspected: SuspectedProvider | None
    doubtful: dict[str, Doubt]
    waiting: int
    waiting_unknown: int


def always() -> bool:
    """All the time that it takes."""
    return True


async def look_at_fleet(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    *,
    now_ms: int,
    has_time: Callable[[], bool] = always,
    suspicion: Suspicion | None = None,
    shadows: Collection[str] = (),
) -> Fleet:
    """Score what is due while there is time, and put the fleet together.

    Args:
        telemetry: Scores, and the evidence for new ones.
        log: Standing verdicts; what is found is said there.
        settings: What depends on what, providers, staleness.
        now_ms: Epoch milliseconds.
        has_time: Asked between runs; the first is always made.
        suspicion: Of an earlier look, where the process keeps it.
        shadows: Names of candidates that are called beside what serves: no dependencies of their own.
    """
    rows = _with_heard(log, await telemetry.fleet())
    if shadows:
        rows = [row for row in rows if row.name not in shadows]
    due = _due(rows, now_ms)
    made: dict[str, KeptScore] = {}
    kinds: dict[Kind | None, KindPriors] = {}
    at_once = len(due) if len(due) <= FIRST_RUN else AT_ONCE
    while due and (not made or has_time()):
        run, due = due[:at_once], due[at_once:]
        scored = await score_many(telemetry, settings, run, now_ms, kinds=kinds)
        await telemetry.keep_scores(scored)
        made |= {score.dependency: score for score in scored}
    waiting = [row for row in due if row.scored_ms is None]
    if made:
        rows = [row.scored(made[row.name]) if row.name in made else row for row in rows]
        rows.sort(key=FleetRow.order)
    suspicion = suspicion or Suspicion()
    doubtful = await doubts_of(
        telemetry,
        settings,
        {row.name: row.rev for row in rows},
        suspicion,
        now_ms=now_ms,
        well={row.name for row in rows if row.trust == "go"},
    )
    rows = _given_doubts(rows, doubtful)
    suspects = await _suspects(telemetry, settings, rows, suspicion, now_ms)
    upstream = _upstream(rows, settings)
    said = _said(rows, made, upstream, suspects, _providers(settings), now_ms)
    log.say(said)
    rows, verdicts = _verdicts(settings, rows, said, now_ms)
    return Fleet(
        rows,
        verdicts,
        {name: f"{other}: trust {verdict}" for name, (other, verdict) in upstream.items()},
        max(suspects, key=lambda one: one.e_value, default=None),
        doubtful,
        len(waiting),
        sum(row.drift is None and row.trust is None for row in waiting),
    )


def _given_doubts(rows: list[FleetRow], doubtful: Mapping[str, Doubt]) -> list[FleetRow]:
    """The rows, their verdicts given whose word is doubtful."""
    return [
        row._replace(verdict=doubtful[row.name].verdict) if row.name in doubtful else row
        for row in rows
    ]


def _due(rows: Sequence[FleetRow], now_ms: int) -> list[FleetRow]:
    """The dependencies to score, in order: those never scored, then changed ones, then old ones."""
    hour_ms = now_ms - now_ms % HOUR_MS
    before_ms = hour_ms if len(rows) <= SAME_HOUR_MAX else now_ms - KEPT_FOR_LARGE_MS
    never, changed, old = [], [], []
    for row in rows:
        if row.scored_ms is None:
            never.append(row)
        elif row.scored_rev != row.rev:
            changed.append(row)
        elif row.scored_ms < before_ms:
            old.append(row)
    return [*never, *changed, *old]


def _upstream(rows: Sequence[FleetRow], settings: Settings) -> dict[str, tuple[str, Verdict]]:
    """The worst bad state of what each depends on, directly or through others."""
    below = {name: settings.all_below(name) for name in settings.dependencies}
    if not any(below.values()):
        return {}
    states = {row.name: row.verdict for row in rows if row.verdict in _BAD}
    found: dict[str, tuple[str, Verdict]] = {}
    for name, others in below.items():
        bad = [(other, states[other]) for other in others if other in states]
        if bad:
            worst = worst_verdict([verdict for _, verdict in bad])
            found[name] = next(one for one in bad if one[1] == worst)
    return found


def _providers(settings: Settings) -> dict[str, str]:
    """Declared providers, which outweigh recorded ones."""
    return {name: own.provider for name, own in settings.dependencies.items() if own.provider}


def _said(
    rows: Sequence[FleetRow],
    made: dict[str, KeptScore],
    upstream: dict[str, tuple[str, Verdict]],
    suspects: Sequence[SuspectedProvider],
    declared: dict[str, str],
    now_ms: int,
) -> dict[str, PartVerdict]:
    """The trust verdicts of this look that are new or have changed."""
    failing = {one.provider for one in suspects}
    said = {}
    for row in rows:
        name, verdict = row.name, row.verdict
        if verdict is None:
            continue
        if name in upstream:
            verdict = worst_verdict([verdict, upstream[name][1]])
        fails = failing and declared.get(name, row.provider) in failing
        if fails:
            verdict = worst_verdict([verdict, "caution"])
        if verdict != row.trust or name in made:
            data_ms = min(row.newest_ts_ms, now_ms) if name in made else row.trust_data_ms
            said[name] = PartVerdict("trust", verdict, now_ms, data_ms)
    return said


async def doubts_of(
    telemetry: TrustTelemetry,
    settings: Settings,
    revs: Mapping[str, int],
    suspicion: Suspicion,
    *,
    now_ms: int,
    well: Collection[str] = (),
) -> dict[str, Doubt]:
    """Whose records disagree with the golden set, where that was asked in the last day.

    Args:
        telemetry: The evidence.
        settings: What scores rest on.
        revs: The dependencies that are looked at, with the `rev` of each.
        suspicion: Of an earlier look, where the process keeps it.
        now_ms: Now.
        well: Those whose trust was last said to be go; of many they come last: a doubt that was said stays.
    """
    asked = await telemetry.golden_lately(start_hour=(now_ms - DAY_MS) // HOUR_MS)
    names = sorted((name for name in asked if name in revs), key=lambda name: name in well)
    before, suspicion.doubts = suspicion.doubts, {}
    for name in names[:DOUBTED_MAX]:
        rests_on = (name, revs[name], now_ms // HOUR_MS)
        if rests_on in before:
            suspicion.doubts[rests_on] = before[rests_on]
            continue
        suspicion.doubts[rests_on] = await _doubt(telemetry, settings, name, now_ms)
    return {name: doubt for (name, _, _), doubt in suspicion.doubts.items() if doubt is not None}


async def _doubt(
    telemetry: TrustTelemetry, settings: Settings, name: str, now_ms: int
) -> Doubt | None:
    from gonogo.trust.estimate_without import judged_estimate
    from gonogo.trust.writers import doubts_about

    doubts = await doubts_about(telemetry, settings, name, now_ms=now_ms)
    if not doubts.named:
        return None
    found = await judged_estimate(telemetry, settings, name, now_ms)
    return Doubt(doubts.named[0].writer, found.verdict)


def _with_heard(log: DecisionLog, rows: list[FleetRow]) -> list[FleetRow]:
    """The rows with what this process has said and may not have been written yet."""
    names = set(log.heard_of)
    if not names:
        return rows
    heard = log.heard({row.name: row.standing for row in rows if row.name in names})
    return [row.saying(heard[row.name]) if row.name in heard else row for row in rows]


def _verdicts(
    settings: Settings, rows: list[FleetRow], said: dict[str, PartVerdict], now_ms: int
) -> tuple[list[FleetRow], dict[str, Verdict]]:
    """The rows with what was just said, and the standing verdict of each."""
    stale_ms = {name: stale_after_ms(settings, name) for name in settings.dependencies}
    usual_ms = stale_after_ms(settings, "")
    if said:
        rows = [
            row.saying(StandingVerdict(None, said[row.name])) if row.name in said else row
            for row in rows
        ]
    verdicts = {row.name: row.verdict_at(now_ms, stale_ms.get(row.name, usual_ms)) for row in rows}
    return rows, verdicts


async def _suspects(
    telemetry: TrustTelemetry,
    settings: Settings,
    rows: Sequence[FleetRow],
    suspicion: Suspicion,
    now_ms: int,
) -> list[SuspectedProvider]:
    """Find dependencies that fail together: declared providers first, those with the most failures.

    Of a small fleet every provider is looked at; of a large one those of which two fail or more.
    """
    declared = _providers(settings)
    is_small = len(rows) <= SMALL_FLEET_MAX
    members: dict[str, list[FleetRow]] = {}
    alone: list[FleetRow] = []
    for row in rows if is_small else [row for row in rows if row.verdict in _BAD]:
        provider = declared.get(row.name, row.provider)
        if provider is not None:
            members.setdefault(provider, []).append(row)
        elif row.verdict in _BAD:
            alone.append(row)
    named = sorted(members, key=lambda one: (-len(members[one]), one))
    if not is_small:
        named = [one for one in named if len(members[one]) > 1][:PROVIDERS_MAX]
    looked_at = [row for one in named for row in members[one]] + alone
    rests_on = (now_ms // HOUR_MS, [(row.name, row.rev, row.verdict) for row in looked_at])
    if suspicion.found is not None and suspicion.rests_on == rests_on:
        return suspicion.found
    found = [
        one
        for name in named
        if (
            one := await failing_provider(
                telemetry, settings, name, now_ms=now_ms, members_max=MEMBERS_OF_FLEET_MAX
            )
        )
        is not None
    ]
    if not found and len(alone) > 1:
        names = [row.name for row in alone]
        pair = await falling_with(telemetry, names, now_ms=now_ms)
        found = [pair] if pair is not None else []
    suspicion.rests_on, suspicion.found = rests_on, found
    return found
