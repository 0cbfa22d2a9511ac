"""A whole drill: copy the store, read what is healthy of it, play every replicate."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import anyio.to_process

from gonogo.answers import DriftReport
from gonogo.answers.drill_report import DrillReport
from gonogo.app import Gonogo
from gonogo.app.parts import Stores, open_stores
from gonogo.drift.baseline import BASELINE_DECISION
from gonogo.drill.golden_runs import RUNS_MIN, runs_seen
from gonogo.drill.healthy_history import SOURCE_DAYS_MAX, HealthyHistory, read_past, refuse_thin
from gonogo.drill.played_budgets import covering, covers_cost
from gonogo.drill.rehearsal import rehearse
from gonogo.drill.sandbox import sandboxed
from gonogo.drill.scenarios import MixMove, mix_move
from gonogo.drill.trial import Trial, TrialInputs
from gonogo.errors import NotEnoughData, ParameterError, UnknownTarget
from gonogo.fallback.conditions import DRILL
from gonogo.money.scopes import matched
from gonogo.ports.routes import UNMEASURED, split_version
from gonogo.records import DAY_MS, HOUR_MS, Dependency
from gonogo.settings import DependencySettings, Settings
from gonogo.store.postgres.address import is_address

WORKERS_MAX = 8
NO_GOLDEN_SET = (
    f"no golden set was asked on {RUNS_MIN} healthy days (observations with `item`), so that a loss which the "
    "traffic does not show stays unseen"
)
NO_SLICE = "no declared slice (`segments`) is answered so much worse than the rest that more of it moves the whole"


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """The parameters of a drill. `answer_after_min`: a person approves so late; None: nobody does."""

    dependency: str
    scenarios: tuple[str, ...]
    replicates: int
    seed: int
    days: int
    answer_after_min: float | None = None


def chosen_dependency(settings: Settings, named: str | None) -> str:
    """The dependency that was named, or the only one with a fallback ladder.

    Raises:
        ParameterError: none or several have one.
    """
    if named is not None:
        return named
    ladders = [name for name, own in settings.dependencies.items() if own.fallback]
    if len(ladders) != 1:
        told = f"these have a fallback: {', '.join(ladders)}" if ladders else "none has a fallback"
        raise ParameterError(f"Name what to rehearse with --dependency; {told}.")
    return ladders[0]


async def prepare(
    settings: Settings, asked: DrillRequest, *, clock: Callable[[], int]
) -> TrialInputs:
    """Copy the store and read the healthy history out of the copy; the store itself is only read.

    Raises:
        NotEnoughData: there is too little healthy history to rehearse on.
        UnknownTarget: nothing is known of the dependency.
    """
    now_ms = clock()
    async with _copied(settings, lambda: now_ms) as app:
        stores = await app.stores()
        known = await stores.telemetry.dependency(asked.dependency)
        if known is None:
            names = await stores.telemetry.names()
            raise UnknownTarget("dependency", asked.dependency, names, "Record observations first.")
        # As of its newest call: a history that has ended can be rehearsed on too.
        now_ms = min(now_ms, known.newest_ts_ms + HOUR_MS)
        report = await app.check_model_drift(asked.dependency)
        begin_ms = _healthy_until(report, now_ms)
        since_ms = _ms(report.baseline.start) if report.baseline and report.baseline.start else 0
        accepted = await stores.decisions.decisions(
            dependency=asked.dependency, kind=BASELINE_DECISION, limit=1
        )
        pasts = await _pasts(stores, settings, asked.dependency, since_ms, begin_ms)
    answer_min = asked.answer_after_min
    past = pasts[asked.dependency]
    min_effect = settings.dependency(asked.dependency).min_effect
    mix = mix_move(past.calls, past.segments, min_effect=min_effect)
    return TrialInputs(
        dependency=asked.dependency,
        settings=sandboxed(settings, Path("sandbox.db")),
        actuators=tuple(settings.actuators),
        receivers=tuple(settings.notify),
        gaps=tuple(
            gaps(settings, asked.dependency, known={n: past.known for n, past in pasts.items()})
        ),
        pasts=pasts,
        accepted=tuple(accepted),
        begin_ms=begin_ms,
        days=asked.days,
        seed=asked.seed,
        answer_after_ms=None if answer_min is None else round(answer_min * 60_000),
        mix=mix,
        left_out=MappingProxyType(dict(_left_out(settings, past, mix))),
    )


def _left_out(
    settings: Settings, past: HealthyHistory, mix: MixMove | None
) -> Iterator[tuple[str, str]]:
    """The scenarios for which there is no evidence to play, and what lacks."""
    if runs_seen(past) < RUNS_MIN:
        yield "golden", NO_GOLDEN_SET
    if mix is None:
        yield "mix", NO_SLICE
    if not covering(settings, past.known.name, past.calls):
        yield "runaway", "no budget counts its calls"


async def note_drill(app: Gonogo, report: DrillReport) -> DrillReport:
    """Write what a rehearsal found into the user's decision log, as one action."""
    app.refuse_read_only("note a drill")
    stores = await app.stores()
    asked = {
        "dependency": report.dependency,
        "replicates": report.replicates,
        "days": report.days,
        "seed": report.seed,
    }
    return await stores.acted(DRILL, asked, report, now_ms=app.clock())


class _ReadOnlyGonogo(Gonogo):
    """An application whose sessions cannot write."""

    async def _open(self) -> Stores:
        return await open_stores(self.settings, actor=self.actor, clock=self.clock, looks_only=True)


@asynccontextmanager
async def _copied(settings: Settings, clock: Callable[[], int]) -> AsyncIterator[Gonogo]:
    """An application over a copy; a PostgreSQL store is read in sessions that cannot write."""
    original = _ReadOnlyGonogo(settings, clock=clock, actor="drill")
    if is_address(settings.store):
        async with original:
            yield original
        return
    if not await anyio.Path(settings.store).exists():
        raise NotEnoughData(f"Store '{settings.store}' is not there yet: record observations.")
    with tempfile.TemporaryDirectory(prefix="gonogo-drill-") as folder:
        copy = Path(folder) / "copy.db"
        async with original:
            await original.backup(copy)
        async with Gonogo(sandboxed(settings, copy), clock=clock, actor="drill") as app:
            yield app


def _healthy_until(report: DriftReport, now_ms: int) -> int:
    """The UTC midnight before which the dependency was well."""
    if report.status == "insufficient_data":
        raise NotEnoughData(f"Nothing to rehearse on yet. {report.summary}")
    end_ms = now_ms
    if report.status in ("degraded", "improved"):
        if report.onset is None:
            raise NotEnoughData(
                f"'{report.dependency}' is {report.status} and it is not known since when, so no "
                "healthy history can be told from the rest: rehearse when it is well again."
            )
        end_ms = _ms(report.onset.earliest)
    return end_ms // DAY_MS * DAY_MS


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def _pasts(
    stores: Stores, settings: Settings, dependency: str, since_ms: int, until_ms: int
) -> dict[str, HealthyHistory]:
    """The dependency, the rungs that are measured, and what shares its budgets."""
    read = partial(read_past, stores, until_ms=until_ms)
    found = await read(dependency, since_ms=since_ms)
    pasts = {dependency: refuse_thin(found, dependency)}
    rungs = [
        part
        for target in settings.dependency(dependency).fallback
        for part in (target, split_version(target)[0])
    ]
    names = await stores.telemetry.names()
    shared = [
        name
        for budget in settings.budgets.values()
        if dependency in matched(budget.dependencies, (dependency,))
        for name in matched(budget.dependencies, names)
    ]
    for name in dict.fromkeys((*rungs, *shared)):
        if name not in pasts:
            other = await read(name, since_ms=until_ms - SOURCE_DAYS_MAX * DAY_MS)
            if other is not None:
                pasts[name] = other
    return pasts


async def play(
    ground: TrialInputs, asked: DrillRequest, *, progress: Callable[[Trial], None]
) -> list[Trial]:
    """Play every replicate of every scenario, on all cores; `progress` hears of each.

    Returns:
        The trials, by scenario as asked and replicate, whatever the order they ended in.
    """
    trials: dict[tuple[str, int], Trial] = {}
    workers = anyio.CapacityLimiter(min(os.cpu_count() or 1, WORKERS_MAX))

    async def one(path: str, name: str, replicate: int) -> None:
        trial = await anyio.to_process.run_sync(
            _trial, path, name, replicate, limiter=workers, cancellable=True
        )
        trials[name, replicate] = trial
        progress(trial)

    names = playable(ground, asked)
    wanted = [(name, at) for at in range(asked.replicates) for name in names]
    with tempfile.TemporaryDirectory(prefix="gonogo-drill-") as folder:
        path = Path(folder) / "ground.pickle"
        with path.open("wb") as file:
            _Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(ground)
        try:
            async with anyio.create_task_group() as tasks:
                for name, replicate in wanted:
                    tasks.start_soon(one, str(path), name, replicate)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [trials[name, at] for name in names for at in range(asked.replicates)]


def playable(ground: TrialInputs, asked: DrillRequest) -> list[str]:
    """The scenarios that were asked for and that the history has evidence to play."""
    return [name for name in asked.scenarios if name not in ground.left_out]


def _trial(path: str, name: str, replicate: int) -> Trial:
    return anyio.run(rehearse, _ground_at(path), name, replicate)


@cache
def _ground_at(path: str) -> TrialInputs:
    with Path(path).open("rb") as file:
        ground: TrialInputs = pickle.load(file)  # noqa: S301 - written by the process that started this
    return ground


def _frozen(items: dict[object, object]) -> MappingProxyType[object, object]:
    return MappingProxyType(items)


class _Pickler(pickle.Pickler):
    """Settings hold read-only mappings, which pickle does not know."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as pickle declares it
        if isinstance(value, MappingProxyType):
            return _frozen, (dict(value),)
        return NotImplemented


def gaps(settings: Settings, dependency: str, *, known: Mapping[str, Dependency]) -> Iterator[str]:
    """The missing steps, one line each. `known`: what was recorded of it and of its rungs."""
    own = settings.dependency(dependency)
    yield from _of_the_ladder(settings, own, known)
    if own.fallback_policy in ("ask", "person"):
        yield f"fallback_policy is {own.fallback_policy}: nothing is switched until a person answers."
    if own.fallback_policy == "deny":
        yield "fallback_policy is deny: gonogo switches nothing."
    if own.fallback and own.recovery_share == 0:
        yield "recovery_share is 0: a primary that recovers is not seen, the way back needs a person."
    if not covers_cost(settings, dependency):
        yield f"No budget counts the cost of {dependency}: a cost that rises is seen, not stopped."
    if not settings.notify:
        yield "Nobody is told of an incident: configure [settings.notify.NAME]."
    if len(settings.notify) == 1:
        yield (
            f"{next(iter(settings.notify))} alone is told of incidents: while it does not answer "
            "nobody is; configure a second [settings.notify.NAME]."
        )


def _of_the_ladder(
    settings: Settings, own: DependencySettings, known: Mapping[str, Dependency]
) -> Iterator[str]:
    if not own.fallback:
        yield f"No fallback is configured: set fallback = ['…'] under [dependencies.\"{own.name}\"]."
        return
    for rung in own.fallback:
        if _is_measured(rung) and not {rung, split_version(rung)[0]} & _known(rung, known):
            yield f"Nothing is recorded of {rung}: probe it, so that its health is known in time."
    if _is_measured(own.fallback[-1]):
        yield "The ladder ends with something that can break too: end it with rules:NAME or human."
    provider = _provider(settings, own.name, known)
    others = {_provider(settings, rung, known) for rung in own.fallback}
    if provider is not None and others == {provider}:
        yield (
            f"Every rung is of provider {provider}, as {own.name} is: one outage of it takes them "
            "all; add one of another provider, rules:NAME or human."
        )


def _is_measured(rung: str) -> bool:
    return rung not in UNMEASURED and not rung.startswith("rules:")


def _known(rung: str, known: Container[str]) -> set[str]:
    return {name for name in (rung, split_version(rung)[0]) if name in known}


def _provider(settings: Settings, rung: str, known: Mapping[str, Dependency]) -> str | None:
    """The provider of a rung; None where it has none, or none is declared."""
    if not _is_measured(rung):
        return None
    name = rung if rung in known else split_version(rung)[0]
    stated = settings.dependency(name).provider
    return stated or (known[name].provider if name in known else None)
