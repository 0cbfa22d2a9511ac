"""Runs a probe for the application: holds its money, asks, records what came, settles."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence

import anyio

from gonogo.answers import ProbeLine, ProbeReport, rfc3339
from gonogo.app.check_ports import Checks
from gonogo.errors import ConfigError, DataError, UnknownTarget
from gonogo.money.prices import TokenUsage, call_nano_usd
from gonogo.prober.golden_run import read_golden
from gonogo.prober.probe_run import Prober, Run, observations, planned_run
from gonogo.records import MICRO, NANO_A_MICRO, Verdict, worst_verdict
from gonogo.settings import ProbeSettings, Settings
from gonogo.trust.writers import PROBE_WRITER

# What a run has asked is recorded even where it is interrupted, within this time.
RECORD_S = 5.0


async def probe_once(app: Checks, names: Sequence[str]) -> ProbeReport:
    """Run the named probes, or all of them, once each.

    Raises:
        UnknownTarget: a name is not configured.
        ConfigError: no probe is.
    """
    probes = probes_named(app.settings, names)
    async with open_prober(app.settings, clock=app.clock) as prober:
        lines = [await run_probe(app, prober, probe) for probe in probes]
    return report(lines, now_ms=app.clock())


def open_prober(settings: Settings, *, clock: Callable[[], int]) -> Prober:
    """Build the prober that carries out runs, at the prices of the settings."""

    def price(name: str, version: str | None, tokens_in: int, tokens_out: int) -> int | None:
        usage = TokenUsage(tokens_in, tokens_out)
        cost = call_nano_usd(name, version, usage, ts_ms=clock(), settings=settings)
        return None if cost is None else round(cost / NANO_A_MICRO)

    folder = settings.config_path.parent if settings.config_path is not None else None
    return Prober(clock=clock, price=price, folder=folder)


def probes_named(settings: Settings, names: Sequence[str]) -> list[ProbeSettings]:
    """The probes with these names; all of them where none is named.

    Raises:
        UnknownTarget: one is not configured.
        ConfigError: none is.
    """
    if not settings.probes:
        raise ConfigError("No probe is configured; add a [probes.NAME] table to gonogo.toml.")
    for name in names:
        if name not in settings.probes:
            advice = "Configure it in gonogo.toml."
            raise UnknownTarget("probe", name, settings.probes, advice)
    return [settings.probes[name] for name in dict.fromkeys(names or settings.probes)]


async def run_probe(app: Checks, prober: Prober, probe: ProbeSettings) -> ProbeLine:
    """Ask once, record every call, and tell what came. A failing dependency is no error here."""
    try:
        run = planned_run(probe, await read_golden(probe))
    except (ConfigError, DataError) as error:
        return _line(Run(probe, (), problem=str(error)))
    reservation = None
    if probe.budget is not None and probe.run_micro_usd_max is not None:
        held = await app.check_budget_with_confidence(
            probe.budget, planned_cost_usd=probe.run_micro_usd_max / MICRO, reserve=True
        )
        if held.reservation is None:
            run.problem = f"nothing asked: {held.summary}"
            return _line(run)
        reservation = held.reservation.id
    try:
        await prober.carry_out(run)
    finally:
        with anyio.move_on_after(RECORD_S, shield=True):
            await _record(app, run, reservation)
    return _line(run)


async def _record(app: Checks, run: Run, reservation: str | None) -> None:
    own = app.settings.dependency(run.probe.dependency)
    evidence = observations(run, own, reservation=reservation)
    if evidence:
        await app.record_evidence(evidence, writer=PROBE_WRITER)
    if reservation is not None:
        await app.settle_reservation(reservation)


def report(lines: Sequence[ProbeLine], *, now_ms: int) -> ProbeReport:
    """One run of each probe, as an answer."""
    bad = [line for line in lines if line.verdict != "go"]
    calls, answered = sum(line.asked for line in lines), sum(line.answered for line in lines)
    said = f"{len(lines)} probe{'s' * (len(lines) != 1)}: {answered} of {calls} calls answered"
    said += f"; {bad[0].probe}: {(bad[0].why or '').rstrip('.')}" if bad else ""
    said += f"; {len(bad) - 1} more not well" if len(bad) > 1 else ""
    return ProbeReport(
        verdict=worst_verdict([line.verdict for line in lines]),
        summary=said.rstrip(".") + ".",
        as_of=rfc3339(now_ms),
        probes=list(lines),
    )


def _line(run: Run) -> ProbeLine:
    answered = [call for call in run.calls if call.reply is not None]
    scores = [call.score for call in run.calls if call.score is not None]
    costs = [call.cost_micro_usd for call in run.calls if call.cost_micro_usd is not None]
    errors = Counter(call.error for call in run.calls if call.error is not None)
    times = [call.latency_ms for call in answered if call.latency_ms is not None]
    verdict, why = _verdict(run, scores)
    return ProbeLine(
        probe=run.probe.name,
        dependency=run.probe.dependency,
        verdict=verdict,
        asked=len(run.calls),
        answered=len(answered),
        checked=len(scores),
        right=statistics.fmean(scores) if scores else None,
        latency_ms=statistics.median(times) if times else None,
        cost_usd=sum(costs) / MICRO if costs else None,
        errors=dict(errors) or None,
        why=why or None,
    )


def _verdict(run: Run, scores: Sequence[float]) -> tuple[Verdict, str]:
    """`no_go`: nothing answered. `unknown`: something here kept it from asking or checking."""
    failed = [call for call in run.calls if call.error is not None]
    odd = [call for call in run.calls if call.problem]
    unchecked = next((call.problem for call in odd if call.score is None), "")
    wrong = sum(score < 1 for score in scores)
    told = f"{len(failed)} of {len(run.calls)} calls failed: {failed[0].note}" if failed else ""
    if run.is_unanswered:
        return "no_go", told
    if run.problem or unchecked:
        return "unknown", run.problem or unchecked
    if failed or wrong:
        answers = f"{wrong} of {len(scores)} answers wrong" if wrong else ""
        answers += f" ({odd[0].problem})" if odd else ""
        return "caution", "; ".join(part for part in (told.rstrip("."), answers) if part)
    return "go", ""
