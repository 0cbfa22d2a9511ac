"""How long an incident blocks after its end, and how often "over" is said while it still lasts.

    python benchmarks/recovery.py [--streams N] [--dependencies N]

First the detector over hourly counts, asked at every hour's end; then the whole product: calls in a
SQLite store, two declared keys beside the slices of time, drift asked for every hour with `until`.
300 labels a day, bad rate .06, two weeks of health before, default settings, unless said. Figures
stand beside those asked for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np

from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.rate.dispersion import weekly_offsets
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule, needed_for
from gonogo.records import HOUR_MS, Observation
from gonogo.settings import Settings

A_DAY, RATE, HEALTHY_DAYS, DAY_HOURS, WEEK_HOURS = 300, 0.06, 14, 24, 168
QUALITY_SHARE = 0.3  # of the dependency's false alarms: outcomes
START_MS = 1_780_272_000_000  # a Monday, 00:00 UTC
GO, NO_GO, RECOVERING = 0, 1, 2
VERDICTS = {"go": GO, "no_go": NO_GO, "caution": RECOVERING, "unknown": GO}


@dataclass(frozen=True)
class Trouble:
    """An incident: its bad rates hour by hour, labels a day, healthy days before and after."""

    name: str
    rates: Sequence[float]
    a_day: int = A_DAY
    before: int = HEALTHY_DAYS
    after: int = 10
    usual: float = RATE
    asked: str = ""
    season: bool = False

    @property
    def first(self) -> int:
        """The hour in which it begins."""
        return self.before * DAY_HOURS

    @property
    def last(self) -> int:
        """The first hour after it."""
        return self.first + len(self.rates)

    def hourly(self) -> Floats:
        """The bad rate of every hour; with a season, nights are three times as bad as days."""
        rate = np.full(self.last + self.after * DAY_HOURS, self.usual)
        rate[self.first : self.last] = self.rates
        if self.season:
            night = np.arange(len(rate)) % DAY_HOURS < 8
            odds = rate / np.maximum(1 - rate, 1e-9) * np.where(night, 3, 1)
            rate = odds / (1 + odds)
        return rate


def statuses(trouble: Trouble, seed: int) -> Ints:
    """What the detector says after each hour."""
    rng, rate = np.random.default_rng((11, seed)), trouble.hourly()
    n = rng.poisson(trouble.a_day / DAY_HOURS, len(rate))
    bad = rng.binomial(n, rate)
    seen = np.flatnonzero(n)
    needed = needed_for(labels_per_day=trouble.a_day, false_alarms_per_year=QUALITY_SHARE)
    offset = None
    if trouble.season:
        learned = slice(0, trouble.first)
        week = np.arange(trouble.first) % WEEK_HOURS
        offset = weekly_offsets(n[learned], bad[learned], week)[seen % WEEK_HOURS]
    watch = watch_rate(n[seen], bad[seen], RateRule(needed=needed), stamp=seen, offset=offset)
    said = np.where(watch.recovering, RECOVERING, np.where(watch.latched, NO_GO, GO))
    newest = np.searchsorted(seen, np.arange(len(rate)), "right") - 1
    told: Ints = np.where(newest >= 0, said[np.maximum(newest, 0)], GO)
    return told


def ends(streams: int) -> None:
    """Hours of no_go and of "recovering" after the end, where there was an alarm before it."""
    print("after the end, hours          alarmed  no_go median / 90 %  recovering median  asked")
    for trouble in (
        Trouble("errors of 1 h", [1.0], asked="1 / 2"),
        Trouble("errors of 2 h", [1.0] * 2, asked="1 / 2"),
        Trouble("errors of 2 h, day and night", [1.0] * 2, season=True, asked="1 / 2"),
        Trouble("6 h at half", [0.5] * 6, asked="1 / 3"),
        Trouble("6 h at half, day and night", [0.5] * 6, season=True, asked="1 / 3"),
        Trouble("six days at .11", [0.11] * 144, after=30),
        Trouble("15 a day: 6 h of errors", [1.0] * 6, 15, 60, 60, usual=0.005, asked="6"),
        Trouble("15 a day: 72 h at half", [0.5] * 72, a_day=15, before=60, after=60, asked="25"),
    ):
        blocked, careful = [], []
        for seed in range(streams):
            said = statuses(trouble, seed)
            if (said[trouble.first : trouble.last] == NO_GO).any():
                after = said[trouble.last :]
                blocked.append(int((after == NO_GO).sum()))
                careful.append(int((after == RECOVERING).sum()))
        shown = f"  {trouble.name:28}{len(blocked) / streams:9.2f}"
        if blocked:
            shown += f"{np.median(blocked):14.0f} / {np.quantile(blocked, 0.9):3.0f}"
            shown += f"{np.median(careful):18.0f}"
        print(f"{shown}  {trouble.asked}", flush=True)


def lasting(streams: int) -> None:
    """Share of streams told "go", or ever "recovering", while the trouble lasts."""
    slide = (0.06 + 0.05 * np.arange(504) / 504).tolist()
    gentle = (0.06 + 0.03 * np.arange(240) / 240).tolist()
    print(
        "\nwhile it lasts                alarmed    go  asked  ever recovering  no_go of the time"
    )
    for trouble in (
        Trouble(".11 for 6 days", [0.11] * 144, after=0, asked=".01"),
        Trouble(".11 for 20 days", [0.11] * 480, after=0, asked=".01"),
        Trouble(".11, day and night", [0.11] * 480, after=0, season=True, asked=".01"),
        Trouble("21-day slide to .11, pauses", slide + [0.11] * 144, after=0, asked=".05"),
        Trouble("10-day slide to .09, pauses", gentle + [0.09] * 240, after=0, asked=".05"),
        Trouble(".11 for 60 days, 60 a day", [0.11] * 1440, a_day=60, before=30, after=0),
        Trouble("2 h bad, 6 h good", ([1.0] * 2 + [RATE] * 6) * 60, after=0, asked="0"),
    ):
        found, over, back, bad = 0, 0, 0, []
        for seed in range(streams):
            said = statuses(trouble, seed)[trouble.first :]
            alarms = np.flatnonzero(said != GO)
            if not alarms.size:
                continue
            later = said[alarms[0] :]
            found += 1
            over += bool((later == GO).any())
            back += bool((later == RECOVERING).any())
            bad.append(float((later == NO_GO).mean()))
        told = f"{over / max(found, 1):8.3f}{trouble.asked:>6}{back / max(found, 1):15.3f}"
        mean = f"{np.mean(bad):17.3f}" if bad else ""
        print(f"  {trouble.name:28}{found / streams:8.2f}{told}{mean}", flush=True)


@dataclass(frozen=True)
class Outage:
    """Trouble of the whole product, in minutes from the end of the healthy days."""

    name: str
    spells: Sequence[tuple[int, int]]  # first minute, minutes
    bad: float
    days: int
    as_errors: bool = True
    asked: str = ""


def calls(outage: Outage, seed: int) -> list[Observation]:
    """Every call of one dependency, some of them bad by themselves, all of them in two keys."""
    rng = np.random.default_rng((12, seed))
    minutes = (HEALTHY_DAYS + outage.days) * DAY_HOURS * 60
    at = np.sort(rng.integers(0, minutes * 60_000, rng.poisson(A_DAY * minutes / 1440)))
    since = at / 60_000 - HEALTHY_DAYS * 1440
    hit = np.zeros(len(at), dtype=np.bool_)
    for first, length in outage.spells:
        hit |= (since >= first) & (since < first + length)
    hit &= rng.random(len(at)) < outage.bad
    wrong = rng.random(len(at)) < RATE
    tier, region = rng.choice(["a", "b", "c"], len(at)), rng.choice(["eu", "us"], len(at))
    return [
        Observation(
            dependency="m",
            ts_ms=(ts_ms := START_MS + int(at[i])),
            outcome=None if hit[i] and outage.as_errors else float(not (wrong[i] or hit[i])),
            outcome_ts_ms=None if hit[i] and outage.as_errors else ts_ms,
            error="timeout" if hit[i] and outage.as_errors else None,
            segments={"tier": str(tier[i]), "region": str(region[i])},
        )
        for i in range(len(at))
    ]


async def asked_hourly(outage: Outage, seed: int, folder: Path) -> Ints:
    """What drift says at the end of each hour from the first spell's on."""
    end_ms = START_MS + (HEALTHY_DAYS + outage.days) * DAY_HOURS * HOUR_MS
    settings = Settings(store=str(folder / f"{seed}.db"))
    said = []
    async with Gonogo(settings, clock=lambda: end_ms) as app:
        telemetry = (await app.stores()).telemetry
        observations = calls(outage, seed)
        for low in range(0, len(observations), 1000):
            await telemetry.record(observations[low : low + 1000], end_ms)
        for hour in range(HEALTHY_DAYS * DAY_HOURS, (HEALTHY_DAYS + outage.days) * DAY_HOURS):
            until = rfc3339(START_MS + (hour + 1) * HOUR_MS - 1)
            report = await app.check_model_drift("m", until=until)
            said.append(VERDICTS[report.verdict])
    return np.array(said)


def product(dependencies: int) -> None:
    """Hours of no_go after the end, and days blocked, of the whole product."""
    # Tuesdays and Fridays at 02:40 and 15:10.
    weekly = [
        (week * 7 * 1440 + day, 10) for week in range(8) for day in (1440 + 160, 4 * 1440 + 910)
    ]
    print(f"\nthrough the product, {dependencies} dependencies asked every hour")
    print(
        "                              any no_go  no_go after, median / 90 %  asked  blocked days"
    )
    for outage in (
        Outage("errors of 12 min", [(620, 12)], 1.0, 3, asked="1 / 2"),
        Outage("errors of 2 h", [(620, 120)], 1.0, 3, asked="1 / 2"),
        Outage("wrong answers for 2 h", [(620, 120)], 1.0, 3, as_errors=False, asked="1 / 2"),
        Outage("6 h at half, wrong", [(620, 360)], 0.5, 3, as_errors=False, asked="1 / 3"),
        Outage("10 min twice a week, 60 days", weekly, 1.0, 60, asked="blocked .5"),
    ):
        blocked, after = [], []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(dependencies):
                said = anyio.run(asked_hourly, outage, seed, Path(folder))
                over = -(-sum(outage.spells[-1]) // 60)  # the first whole hour after the end
                blocked.append(float((said == NO_GO).sum()) / DAY_HOURS)
                if (said == NO_GO).any():
                    after.append(int((said[over:] == NO_GO).sum()))
        ended = f"{np.median(after):8.0f} / {np.quantile(after, 0.9):3.0f}" if after else ""
        told = f"{len(after) / dependencies:9.2f}{ended:>24}{outage.asked:>14}"
        print(f"  {outage.name:28}{told}{np.mean(blocked):9.2f}", flush=True)


def main() -> None:
    """Print the figures beside those asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="streams for each figure")
    parser.add_argument("--dependencies", type=int, default=12, help="for each row of the product")
    asked = parser.parse_args()
    if asked.streams:
        ends(asked.streams)
        lasting(asked.streams)
    if asked.dependencies:
        product(asked.dependencies)


if __name__ == "__main__":
    main()
