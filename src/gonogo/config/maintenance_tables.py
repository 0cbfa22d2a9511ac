"""The `[maintenance.NAME]` tables: times that come again in which nobody is woken."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from gonogo.config.schedule_expressions import cron_times
from gonogo.config.tables import Table
from gonogo.config.values import Names, Refusal, Seconds, Zone, text
from gonogo.settings import DAY_S, CronTimes, MaintenanceSettings

__all__ = ["MaintenanceTable"]

REASON_CHARS_MAX = 400


def _week(seconds: int) -> int:
    if seconds > 7 * DAY_S:
        raise Refusal("must be a week or less")
    return seconds


class MaintenanceTable(Table):
    """`[maintenance.NAME]`."""

    dependencies: Names
    times: Annotated[CronTimes, PlainValidator(cron_times)] = Field(alias="cron")
    lasts_s: Annotated[Seconds, AfterValidator(_week)] = Field(alias="lasts")
    timezone: Zone | None = None
    reason: Annotated[str, text(REASON_CHARS_MAX)] | None = None

    def settings(self, name: str) -> MaintenanceSettings:
        """The window as it comes again."""
        return MaintenanceSettings(name, **self.given())
