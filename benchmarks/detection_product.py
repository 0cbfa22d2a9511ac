"""What reaches a user: hourly counts and histograms, days that differ, slices, late outcomes.

    python benchmarks/detection_product.py [--streams N]

500 labels a day or about (21 an hour), error rate .06, evidence of 1e5 needed unless said. Each
figure stands beside the one asked for. Outcomes that come late go through a real store and its
answers; everything else through the detectors that the answers are made of.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np

from gonogo.app import Gonogo
from gonogo.detectors import bins
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import from_log_odds
from gonogo.detectors.rate.dispersion import daily_dispersion, hourly_dispersion, weekly_offsets
from gonogo.detectors.rate.onset import fit_onset
from gonogo.detectors.rate.rate_slices import CellCounts, Partition, SliceWatch, watch_slices
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.values.ranks import SparseRows, rank_scores
from gonogo.detectors.values.scale import value_scale
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores
from gonogo.detectors.values.value_watch import value_rule, watch_value_sums
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import DependencySettings, Settings

NEEDED, HOURLY, DAY_HOURS, A_DAY = 1e5, 21, 24, 500
RULE = RateRule(needed=NEEDED)
BASELINE_DAYS, QUIET_DAYS = 28, 40
SLICE_DAYS = 84
WEEKEND = np.arange(BASELINE_DAYS + SLICE_DAYS) % 7 >= 5
SHARES = (0.04, *[0.16] * 6)
SHAPES: dict[str, tuple[bins.Layout, Callable[[Floats], Floats]]] = {
    "latency, lognormal": (bins.LOG, lambda z: np.exp(6 + 0.8 * z)),
    "confidence, logistic": (bins.LOGIT, lambda z: 1 / (1 + np.exp(-2 - 1.2 * z))),
    "score, heavy tails": (bins.SIGNED_LOG, lambda z: np.sinh(2 * z)),
}


def days(streams: int) -> None:
    """Day effects, 28 baseline days: alarms in 40 healthy days; a three-week ramp in 12."""
    print("days that differ, asked daily         false in 40 days  asked   ramp in 12 days  asked")
    baseline = BASELINE_DAYS * DAY_HOURS
    ramp = 0.07 * np.arange(12 * DAY_HOURS) / (21 * DAY_HOURS)
    for spread, quiet, seen in ((0.0, ".14", ".95"), (0.01, ".13", ".90"), (0.02, ".10", "")):
        alarms = found = 0
        for stream in range(streams):
            rng = np.random.default_rng((3, stream, int(1000 * spread)))
            daily = np.clip(0.06 + spread * rng.normal(size=68), 0.002, 0.5)
            rate = np.repeat(daily, DAY_HOURS)
            n, bad = np.full(len(rate), HOURLY), rng.binomial(HOURLY, rate)
            counted = bad[:baseline].reshape(BASELINE_DAYS, -1).sum(axis=1)
            used = daily_dispersion(np.full(BASELINE_DAYS, HOURLY * DAY_HOURS), counted).used
            rule = RateRule(needed=NEEDED, dispersion=used)
            asked = watch_rate(n, bad, rule).evidence_nats[DAY_HOURS - 1 :: DAY_HOURS]
            alarms += bool((asked >= rule.needed_nats).any())
            worse = rng.binomial(HOURLY, rate[baseline : baseline + len(ramp)] + ramp)
            slid = np.concatenate((bad[:baseline], worse))
            episodes = watch_rate(n[: len(slid)], slid, rule).episodes
            found += any(e.side == "up" and e.alarmed >= baseline for e in episodes)
        told = f"{alarms / streams:17.3f}  <= {quiet}{found / streams:17.3f}"
        print(f"  daily sd {spread:.2f}{'':18}{told}  {'>= ' + seen if seen else ''}")


def hours(streams: int) -> None:
    """Hours that hang together, 300 labels a day, learned from two weeks: alarms in 46 days."""
    rule = RateRule(needed=3.7e5, weight_up=1.0)
    print("\nhours that hang together, needed 4e5  false in 46 days  days blocked")
    learned, end, correlation = 14 * DAY_HOURS, 60 * DAY_HOURS, 0.9
    found: dict[str, list[float]] = {"learned from two weeks": [], "told the truth": []}
    for stream in range(streams):
        rng = np.random.default_rng((8, stream))
        usual, level = rng.uniform(0.02, 0.15), np.empty(end)
        now = 0.4 * rng.normal()
        for hour, step in enumerate(0.4 * math.sqrt(1 - correlation**2) * rng.normal(size=end)):
            now = level[hour] = correlation * now + step
        n = rng.poisson(12.5, end).astype(np.float64)
        bad = rng.binomial(n.astype(int), from_log_odds(math.log(usual / (1 - usual)) + level))
        early = slice(0, learned)
        used = hourly_dispersion(np.arange(learned), n[early], bad[early]).used
        inflation = (1 + correlation) / (1 - correlation)
        truth = 1 + 12.5 * 0.4**2 * usual * (1 - usual) * inflation
        for name, dispersion in zip(found, (used, truth), strict=True):
            watch = watch_rate(n, bad, replace(rule, dispersion=dispersion))
            worse = watch.latched & ~watch.recovering
            found[name].append(float(worse[learned::DAY_HOURS].sum()))
    for name, days_blocked in found.items():
        share = np.mean(np.array(days_blocked) > 0)
        print(f"  {name:36}{share:14.3f}{np.mean(days_blocked):14.2f}")


def recovery(streams: int) -> None:
    """Six days at .11, then .06 again."""
    bad_from, bad_to = 4000 // HOURLY, 7000 // HOURLY
    rate = np.full(bad_to + 200, 0.06)
    rate[bad_from:bad_to] = 0.11
    seen, early, after = 0, 0, []
    for stream in range(streams):
        bad = np.random.default_rng((4, stream)).binomial(HOURLY, rate)
        episodes = watch_rate(np.full(len(bad), HOURLY), bad, RULE).episodes
        mine = [e for e in episodes if bad_from <= e.alarmed < bad_to]
        if not mine:
            continue
        over = len(rate) if mine[0].recovered is None else mine[0].recovered
        seen, early = seen + 1, early + (over < bad_to)
        if over >= bad_to:
            after.append((over + 1 - bad_to) * HOURLY)
    print("\nrecovery after six days at .11")
    print(f"  declared while still bad     {early / seen:8.3f}  asked: <= .03")
    print(f"  mean labels after the end    {np.mean(after):8.0f}  asked: <= 800")


def sliced(rng: np.random.Generator, weekend_rate: float) -> SliceWatch:
    """Seven segments by weekday and weekend; the 4 % one may change at weekends."""
    cells = []
    for index, share in enumerate(SHARES):
        n = rng.poisson(A_DAY * share, len(WEEKEND))
        rate = np.full(len(WEEKEND), 0.06)
        if index == 0:
            rate[BASELINE_DAYS:][WEEKEND[BASELINE_DAYS:]] = weekend_rate
        bad = rng.binomial(n, rate)
        for name, inside in (("weekday", ~WEEKEND), ("weekend", WEEKEND)):
            kept = [np.where(inside, x, 0).astype(np.float64) for x in (n, bad)]
            cells.append(CellCounts(f"day_type={name},tier={index}", kept[0], kept[1]))
    rule = RateRule(needed=NEEDED, weight_up=1.0)
    return watch_slices([Partition("day_type,tier", cells)], rule, baseline=BASELINE_DAYS)


def slices(streams: int) -> None:
    """A 4 % slice from .06 to .20 at weekends only, among fourteen cells."""
    delays, named, alarms = [], 0, 0
    for stream in range(streams):
        rng = np.random.default_rng((5, stream))
        found = sliced(rng, 0.2)
        over = np.flatnonzero(found.evidence_nats >= found.needed_nats)
        if over.size:
            delays.append(int(over[0]) + 1)
            named += found.findings[0].segment == "day_type=weekend,tier=0"
        well = sliced(rng, 0.06)
        alarms += bool((well.evidence_nats >= well.needed_nats).any())
    print("\na 4 % slice of 500 a day, .06 to .20 at weekends only")
    print(f"  found within 12 weekends     {len(delays) / streams:8.3f}  asked: >= .93")
    print(f"  mean days                    {np.mean(delays):8.1f}  asked: <= 38")
    print(f"  the slice named              {named / max(len(delays), 1):8.3f}")
    print(f"  false alarms in 84 days      {alarms / streams:8.3f}  promised: <= .42")


def shifted(streams: int) -> None:
    """Real values, a shift of a fifth of a standard deviation, 2,000 of baseline, one by one."""
    print("\na shift of .2 sd, baseline of 2,000: mean values until found (asked: <= 400)")
    rule = ScoreRule(needed=NEEDED)
    for name, (layout, draw) in SHAPES.items():
        cells, early = [], 0
        for batch in (1, HOURLY):
            delays = []
            for stream in range(streams):
                rng = np.random.default_rng((6, stream))
                first = bins.bin_of(layout, draw(rng.normal(size=2000)))
                z = rng.normal(size=8000)
                z[2000:] += 0.2
                rows = len(z) // batch
                places = bins.bin_of(layout, draw(z[: rows * batch]))
                sums = rank_scores(first, np.ones(2000)).sums(
                    SparseRows(rows, np.arange(places.size) // batch, places, np.ones(places.size))
                )
                watch = watch_scores(sums, rule, state=ScoreState.of_baseline(2000, rule))
                over = np.flatnonzero(watch.evidence_nats >= math.log(NEEDED))
                at = (int(over[0]) + 1) * batch if over.size else len(z)
                early += at <= 2000
                if at > 2000:
                    delays.append(at - 2000)
            error = float(np.std(delays)) / math.sqrt(len(delays))
            cells.append(f"{np.mean(delays):6.0f} +-{error:3.0f}")
        told = f"one by one {cells[0]}, hourly counts {cells[1]}"
        print(f"  {name:24}{told}; false in 2,000: {early / 2 / streams:.3f} (promised .02)")


def quiet_values(streams: int) -> None:
    """Ties, wander and a night cycle in healthy values, and in healthy rates."""
    print(f"\nfalse alarms in {QUIET_DAYS} healthy days of 504")
    hours = np.arange(DAY_HOURS * (BASELINE_DAYS + QUIET_DAYS))
    for case, asked in (("plain", ".20"), ("ties", ".20"), ("wander", ".35"), ("night", ".20")):
        of_values, of_rates = 0, 0
        for stream in range(streams):
            rng = np.random.default_rng((7, stream))
            level = np.zeros(len(hours) // DAY_HOURS)
            for day in range(1, len(level)):
                level[day] = 0.9 * level[day - 1] + math.sqrt(0.19) * rng.normal()
            z = rng.normal(size=(hours.size, HOURLY))
            rate = np.full(hours.size, 0.06)
            if case == "wander":
                z += 0.04 * np.repeat(level, DAY_HOURS)[:, None]
                rate = np.clip(rate + 0.005 * np.repeat(level, DAY_HOURS), 0.002, 0.5)
            if case == "night":
                z += 0.5 * np.cos(2 * np.pi * hours / DAY_HOURS)[:, None]
                rate = np.where(hours % DAY_HOURS < 8, 0.12, 0.04)
            x = 1 / (1 + np.exp(-2 - z))
            if case == "ties":
                x[rng.random(x.shape) < 0.6] = 1.0
            of_values += _value_alarm(x, hours)
            of_rates += _rate_alarm(rng.binomial(HOURLY, rate), hours)
        told = f"values {of_values / streams:.3f}"
        if case != "ties":
            told += f", rates {of_rates / streams:.3f}"
        print(f"  {case:24}{told:30}asked: <= {asked}")


def _value_alarm(x: Floats, hours: Ints) -> bool:
    places = np.repeat(hours, HOURLY) * 1000 + bins.bin_of(bins.LOGIT, x.ravel()) + 500
    key, counts = np.unique(places, return_counts=True)
    rows = SparseRows(hours.size, key // 1000, key % 1000 - 500, counts.astype(np.float64))
    baseline = DAY_HOURS * BASELINE_DAYS
    scale = value_scale(rows.cut(0, baseline))
    sums, week = scale.sums(rows), hours % 168
    day = hours // DAY_HOURS
    rule = value_rule(scale, sums, baseline=baseline, needed=NEEDED, day=day, hour_of_week=week)
    watch = watch_value_sums(rule, sums, hour_of_week=week)
    return bool((watch.evidence_nats >= watch.needed_nats).any())


def _rate_alarm(bad: Ints, hours: Ints) -> bool:
    """As an answer does: the weekly expectation first, then what is left of days that differ."""
    baseline, n = DAY_HOURS * BASELINE_DAYS, np.full(len(bad), HOURLY)
    offsets = weekly_offsets(n[:baseline], bad[:baseline], hours[:baseline] % 168)
    by_day = bad[:baseline].reshape(BASELINE_DAYS, -1).sum(axis=1)
    used = daily_dispersion(np.full(BASELINE_DAYS, HOURLY * DAY_HOURS), by_day).used
    rule = RateRule(needed=NEEDED, dispersion=used)
    offset = offsets[hours % 168] if offsets.any() else None
    return bool(watch_rate(n, bad, rule, offset=offset).episodes)


def onset(streams: int) -> None:
    """The onset's interval at the moment of the alarm, steps and a ramp."""
    print(
        "\nonset at the alarm          covered   asked   mean labels off   interval's median labels"
    )
    change = 4000 // HOURLY
    for case, asked in (("step to .11", ".90"), ("step to .13", ".90"), ("three-week ramp", ".85")):
        after = np.full(700, 0.11 if case.endswith("11") else 0.13)
        if case.endswith("ramp"):
            after = 0.06 + 0.07 * np.minimum(np.arange(700) / 500, 1)
        rate = np.concatenate((np.full(change, 0.06), after))
        covered, off, width = 0, [], []
        for stream in range(streams):
            bad = np.random.default_rng((8, stream)).binomial(HOURLY, rate)
            episodes = watch_rate(np.full(len(bad), HOURLY), bad, RULE).episodes
            if not episodes or episodes[0].alarmed < change:
                continue
            seen = episodes[0].alarmed + 1
            fit = fit_onset(np.full(seen, HOURLY), bad[:seen], first=2000 // HOURLY + 1)
            covered += fit.earliest <= change <= fit.latest
            off.append(HOURLY * abs(fit.onset - change))
            width.append(HOURLY * (fit.latest - fit.earliest))
        told = f"{covered / len(off):9.3f}  >= {asked}{np.mean(off):18.0f}{np.median(width):27.0f}"
        print(f"  {case:24}{told}")


async def late_alarm(stream: int, folder: Path) -> bool:
    """Forty daily answers while failures come at once and successes a day later."""
    rng = np.random.default_rng((9, stream))
    own = DependencySettings("m", false_alarms_per_year=365.25 / 200 / 0.3)
    settings = Settings(store=str(folder / f"{stream}.db"), dependencies={"m": own})
    now_ms, start_ms = 0, 1_767_225_600_000
    alarmed = False
    async with Gonogo(settings, clock=lambda: now_ms) as app:
        telemetry = (await app.stores()).telemetry
        waiting: list[Observation] = []
        for day in range(BASELINE_DAYS + QUIET_DAYS):
            wrong = rng.random(A_DAY) < 0.06
            begin = start_ms + day * DAY_MS
            calls = [
                Observation(
                    dependency="m",
                    id=f"{day}-{at}",
                    ts_ms=(ts_ms := begin + at * DAY_MS // A_DAY),
                    outcome=0.0 if wrong[at] else None,
                    outcome_ts_ms=ts_ms if wrong[at] else None,
                )
                for at in range(A_DAY)
            ]
            now_ms = begin + DAY_MS - 1
            await telemetry.record([*calls, *waiting], now_ms)
            waiting = [
                Observation(
                    dependency="m",
                    id=call.id,
                    ts_ms=call.ts_ms,
                    outcome=1.0,
                    outcome_ts_ms=call.ts_ms + DAY_MS - HOUR_MS,
                )
                for call in calls
                if call.outcome is None
            ]
            if day >= BASELINE_DAYS:
                report = await app.check_model_drift("m", metric="outcome")
                alarmed = alarmed or report.status in ("degraded", "improved")
    return alarmed


def late(streams: int) -> None:
    """Outcomes that come late, failures first: the share of stores with any alarm."""
    with tempfile.TemporaryDirectory() as folder:
        alarms = sum(anyio.run(late_alarm, stream, Path(folder)) for stream in range(streams))
    told = f"{alarms / streams:8.3f}  asked: <= .20 (1.00 without waiting)"
    print(f"\noutcomes a day late, failures first, {streams} stores asked daily for 40 days")
    print(f"  any false alarm              {told}")


def main() -> None:
    """Print the figures beside those asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams for each figure")
    streams = parser.parse_args().streams
    for figure in (days, hours, recovery, slices, shifted, quiet_values, onset):
        figure(streams)
    late(max(streams // 10, 2))


if __name__ == "__main__":
    main()
