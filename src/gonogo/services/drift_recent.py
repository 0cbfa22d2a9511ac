"""Drift reports that still stand: the same evidence, and nothing that time alone would turn."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from gonogo.answers import DriftReport, rfc3339
from gonogo.records import HOUR_MS

if TYPE_CHECKING:
    from gonogo.records import Mark
    from gonogo.services.drift_data import Maturity
    from gonogo.services.drift_finding import DriftQuestion

RECENT_MAX = 512
# How stale the data are is told in tenths of days.
STALE_TOLD_MS = 60_000


class RecentReports:
    """The newest report on each question, with the mark it was made from and how long it is good."""

    def __init__(self) -> None:
        self._kept: OrderedDict[DriftQuestion, tuple[Mark, int, DriftReport]] = OrderedDict()

    def report(self, question: DriftQuestion, mark: Mark, *, now_ms: int) -> DriftReport | None:
        """The report as it would be made anew now; None where it might differ."""
        made_from, until_ms, report = self._kept.get(question, (None, 0, None))
        if report is None or made_from is None or now_ms >= until_ms:
            return None
        if (made_from.rev, made_from.accepted) != (mark.rev, mark.accepted):
            return None
        age_s = max(0, (now_ms - mark.newest_ts_ms) // 1000)
        return report.model_copy(update={"as_of": rfc3339(now_ms), "data_age_s": age_s})

    def keep(
        self, question: DriftQuestion, mark: Mark, report: DriftReport, *, until_ms: int
    ) -> None:
        """Keep a report; the one longest unasked for gives way."""
        self._kept[question] = mark, until_ms, report
        self._kept.move_to_end(question)
        if len(self._kept) > RECENT_MAX:
            self._kept.popitem(last=False)


def good_until_ms(maturity: Maturity, *, stale_at_ms: int | None, now_ms: int) -> int:
    """When time alone may turn a report: the next hour, hours that ripen, data that grow stale."""
    turns = [(now_ms // HOUR_MS + 1) * HOUR_MS]
    if not maturity.prompt:
        turns.append(round((maturity.end_hour(now_ms) + 1) * HOUR_MS + maturity.lag_s * 1000))
    if stale_at_ms is not None:
        turns.append(stale_at_ms + 1 if stale_at_ms >= now_ms else now_ms + STALE_TOLD_MS)
    return min(turns)
