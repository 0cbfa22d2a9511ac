"""Lives of dependencies whose truth is known, and a virtual clock to ask about them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, DependencySettings, Settings, WorkloadSettings

Row = dict[str, object]
Kind = Literal[
    "healthy",
    "collapse",
    "slow fall",
    "incident",
    "weekend",
    "mix",
    "cut off",
    "sparse",
    "stale",
    "unlabelled",
    "no outcomes",
    "complaints",
    "praise",
    "constant",
    "ahead of time",
]
KINDS: tuple[Kind, ...] = (
    "healthy",
    "collapse",
    "slow fall",
    "incident",
    "weekend",
    "mix",
    "cut off",
    "sparse",
    "stale",
    "unlabelled",
    "no outcomes",
    "complaints",
    "praise",
    "constant",
    "ahead of time",
)
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00:00Z, a Monday
DAYS = 28
A_DAY = 36
SATURDAY = 5
LATE_DAYS = 3.0
BATCH = 1000
BUDGETS = ("wide", "tight", "hard")


@dataclass(frozen=True, slots=True)
class Life:
    """One dependency's history up to now."""

    kind: Kind
    seed: int
    name: str

    def rows(self, now_ms: int) -> Iterator[Row]:
        """Its calls, oldest first."""
        dice = random.Random(self.seed)  # noqa: S311 - a simulation
        a_day = 1 if self.kind == "sparse" else A_DAY
        for call in range(DAYS * a_day):
            days_ago = DAYS - (call + 0.5) / a_day
            if self.kind == "stale" and days_ago < 12:
                return
            ts_ms = now_ms - round(days_ago * DAY_MS)
            if self.kind == "ahead of time" and days_ago < 1:
                ts_ms += DAY_MS // 2
            tier = "new" if dice.random() < self._new_share(days_ago) else "old"
            good = dice.random() < self._rate(days_ago, ts_ms, tier)
            yield {
                "dependency": self.name,
                "id": f"{self.name}-{call}",
                "ts": rfc3339(ts_ms),
                "version": "2" if self.kind == "unlabelled" and days_ago < LATE_DAYS else "1",
                "latency_ms": 200 if self.kind == "constant" else round(dice.gauss(400, 40), 1),
                "cost_usd": 0.002
                if self.kind == "constant"
                else round(dice.uniform(0.001, 0.003), 6),
                # Answers that are cut off are wrong, and no others are: the key says what happened.
                "segments": {"ended": "stop" if good else "length"}
                if self.kind == "cut off"
                else {"tier": tier},
            } | self._outcome(days_ago, ts_ms, good=good)

    def _new_share(self, days_ago: float) -> float:
        return 0.7 if self.kind == "mix" and days_ago < LATE_DAYS + 3 else 0.2

    def _rate(self, days_ago: float, ts_ms: int, tier: str) -> float:
        weekend = datetime.fromtimestamp(ts_ms / 1000, UTC).weekday() >= SATURDAY
        half = DAYS / 2
        bad = {
            "collapse": (days_ago < LATE_DAYS, 0.3),
            "slow fall": (days_ago < half, 0.95 - 0.35 * (1 - days_ago / half)),
            "incident": (6 < days_ago < 8, 0.2),
            "weekend": (weekend and days_ago < half, 0.5),
            "mix": (tier == "new", 0.7),
            "cut off": (days_ago < LATE_DAYS, 0.5),
            "constant": (True, 1.0),
            "praise": (True, 0.3),
        }
        now, rate = bad.get(self.kind, (False, 0.0))
        return rate if now else 0.95

    def _outcome(self, days_ago: float, ts_ms: int, *, good: bool) -> Row:
        if self.kind == "no outcomes" or (self.kind == "unlabelled" and days_ago < LATE_DAYS):
            return {}
        if (self.kind, good) in (("complaints", True), ("praise", False)):
            return {}
        return {"outcome": int(good), "outcome_ts": rfc3339(ts_ms)}


@dataclass(slots=True)
class World:
    """A real store with lives in it, and a clock that a test moves."""

    folder: Path
    lives: tuple[Life, ...]
    now_ms: int = NOON_MS
    harmed_days: float = 0.0
    twice: bool = False
    app: Gonogo = field(init=False)

    def __post_init__(self) -> None:
        self.app = Gonogo(self.settings(), clock=lambda: self.now_ms)

    def settings(self) -> Settings:
        """Budgets of each sort, one workload of all, and a way back for the first life."""
        names = [life.name for life in self.lives]
        own = DependencySettings(
            names[0], kind="model", fallback=(*names[1:2], "rules:simple"), fallback_policy="allow"
        )
        budgets = {
            "wide": BudgetSettings("wide", 90_000_000, dependencies=tuple(names)),
            "tight": BudgetSettings("tight", 3_000_000, dependencies=(names[0],)),
            "hard": BudgetSettings(
                "hard",
                9_000_000,
                dependencies=tuple(names[-1:]),
                hard=True,
                required_confidence=0.95,
            ),
        }
        work = WorkloadSettings("work", dict.fromkeys(names, 50), budget="wide")
        return Settings(
            store=str(self.folder / "gonogo.db"),
            dependencies={names[0]: own},
            budgets=budgets,
            workloads={"work": work},
        )

    def rows(self) -> list[Row]:
        """Every call of every life; harmed: every second good one of the newest days is bad."""
        rows: list[Row] = []
        for life in self.lives:
            for place, row in enumerate(life.rows(self.now_ms)):
                late = str(row["ts"]) >= rfc3339(self.now_ms - round(self.harmed_days * DAY_MS))
                harmed = late and self.harmed_days and place % 2 and "outcome" in row
                rows.append(row | ({"outcome": 0} if harmed else {}))
                if self.twice:
                    rows.append({**rows[-1], "id": f"{row['id']}-again"})
        return rows

    async def begin(self) -> None:
        """Record every life."""
        rows = self.rows()
        for start in range(0, len(rows), BATCH):
            await self.app.record_observations(rows[start : start + BATCH])
