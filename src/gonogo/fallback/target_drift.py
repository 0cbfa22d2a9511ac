"""The drift of a fallback target, as it stands, and without what those recorded who ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.ports.standing_verdicts import part_verdict
from gonogo.records import DAY_MS, Verdict, worst_verdict
from gonogo.text.forms import actor_name

if TYPE_CHECKING:
    from gonogo.ports.signal_reads import SignalTelemetry
    from gonogo.ports.telemetry import DecisionLog
    from gonogo.settings import Settings

ILL: tuple[Verdict, ...] = ("caution", "no_go")


async def target_drift(
    telemetry: SignalTelemetry,
    log: DecisionLog,
    settings: Settings,
    name: str,
    *,
    without: Sequence[str],
    now_ms: int,
) -> tuple[Verdict, str]:
    """The worse of its drift now and of that by others than `without`; in words where it is ill.

    What is found of the whole stands from then on, as if somebody had asked.
    """
    from gonogo.drift.drift_check import check_drift
    from gonogo.drift.drift_memory import DriftMemory
    from gonogo.drift.finding import DriftQuestion

    memory, question = DriftMemory(), DriftQuestion(dependency=name)
    check = partial(check_drift, telemetry, log, settings, question, now_ms=now_ms, memory=memory)
    report = await check()
    log.say({name: part_verdict("drift", report, now_ms=now_ms)})
    found, why = report.verdict, f"drift {report.verdict}" if report.verdict in ILL else ""
    if without and await _recorded(telemetry, name, without, since_ms=now_ms - DAY_MS):
        alone = (await check(without=without)).verdict
        if alone in ILL and worst_verdict([alone, found]) != found:
            return alone, not_counting(f"drift {alone}", without)
    return found, why


async def _recorded(
    telemetry: SignalTelemetry, name: str, writers: Sequence[str], *, since_ms: int
) -> bool:
    """Whether some recorded anything of a target since a time."""
    for golden in (False, True):
        part = await telemetry.recorded_by(name, writers, since_ms=since_ms, golden=golden)
        if part.hour.size:
            return True
    return False


def not_counting(why: str, writers: Sequence[str]) -> str:
    """Words on a target, with whose records of the last day were left out."""
    return f"{why}, not counting what {names_of(writers)} recorded in the last day"


def names_of(writers: Sequence[str]) -> str:
    """Writers in words."""
    return plain(" and ".join(map(actor_name, writers)), 80)
