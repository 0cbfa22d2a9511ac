"""The drift of a fallback target, as it stands, and without what those recorded who ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.ports.signal_reads import ReportTelemetry
from gonogo.ports.standing_verdicts import part_verdict
from gonogo.records import DAY_MS, Verdict, worst_verdict
from gonogo.text.forms import actor_name

if TYPE_CHECKING:
    from gonogo.drift.drift_memory import DriftMemory
    from gonogo.ports.telemetry import DecisionLog
    from gonogo.settings import Settings

ILL: tuple[Verdict, ...] = ("caution", "no_go")


class TargetDrift:
    """The drift of targets, worked out once for a plan that chooses, judges and judges again.

    `memory`: of the process's other checks, where it has one.
    """

    def __init__(
        self,
        telemetry: ReportTelemetry,
        log: DecisionLog,
        settings: Settings,
        memory: DriftMemory | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._log = log
        self._settings = settings
        self._memory = memory

    async def look(self, name: str, *, without: Sequence[str], now_ms: int) -> tuple[Verdict, str]:
        """The worse of a target's drift by all records, and by those of others than `without`; in words where it is ill.

        What is found of the whole stands from then on, as if somebody had asked.
        """
        from gonogo.drift.drift_check import check_drift
        from gonogo.drift.drift_memory import DriftMemory
        from gonogo.drift.finding import DriftQuestion
        from gonogo.trust.writers import doubts_about

        self._memory = self._memory or DriftMemory()
        check = partial(
            check_drift,
            self._telemetry,
            self._log,
            self._settings,
            DriftQuestion(dependency=name),
            now_ms=now_ms,
            memory=self._memory,
        )
        doubts = partial(doubts_about, self._telemetry, self._settings, name, now_ms=now_ms)
        report = await check(doubts=doubts)
        self._log.say({name: part_verdict("drift", report, now_ms=now_ms)})
        found, why = report.verdict, f"drift {report.verdict}" if report.verdict in ILL else ""
        since_ms = now_ms - DAY_MS
        if without and await _recorded(self._telemetry, name, without, since_ms=since_ms):
            alone = (await check(without=without)).verdict
            if alone in ILL and worst_verdict([alone, found]) != found:
                return alone, not_counting(f"drift {alone}", without)
        return found, why


async def _recorded(
    telemetry: ReportTelemetry, name: str, writers: Sequence[str], *, since_ms: int
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
