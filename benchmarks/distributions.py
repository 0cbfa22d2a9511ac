"""How distributions, mixes and outputs are judged: fixed thresholds beside tests and evidence.

    python benchmarks/distributions.py [--quick]

Every row of a table sees the same samples in the same run. "false" is the share of healthy ones that
are flagged, at one look for the first and third table and in 40 daily looks for the second; the
other columns are shares of changed ones that are found. Thresholds are the defaults of monitoring
tools, as formulas: PSI .1 and .2, Wasserstein distance .1 sd. KS and chi-squared are at p < .01.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.outputs.semantic import sample_change
from gonogo.detectors.shares.categories import category_dispersion, watch_categories
from gonogo.detectors.values.shapes import ShapeChange, group_edges, grouped, shape_change

REFERENCE, EDGES = 2000, np.linspace(0, 1, 101)
LEVEL = 0.01
DAYS, BASELINE, A_DAY = 54, 14, 200
SHARES = np.array([0.5, 0.3, 0.17, 0.03])
NEEDED = 200.0 * A_DAY

Draw = Callable[[np.random.Generator, int], Floats]
SCORES: dict[str, Draw] = {
    "false": lambda rng, n: rng.beta(8, 2, n),
    "mean -.02": lambda rng, n: rng.beta(8, 2, n) - 0.02,
    "mean -.04": lambda rng, n: rng.beta(8, 2, n) - 0.04,
    "wider": lambda rng, n: rng.beta(4, 1, n),
}


def _ks_p(before: Floats, after: Floats) -> float:
    """Kolmogorov's asymptotic tail for two samples, by their histograms."""
    n, m = before.sum(), after.sum()
    ks = float(np.abs(np.cumsum(before / n - after / m)).max())
    root = math.sqrt(n * m / (n + m))
    reach = (root + 0.12 + 0.11 / root) * ks
    tail = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * reach) ** 2) for k in range(1, 101))
    return min(max(tail, 0.0), 1.0) if reach > 0.2 else 1.0


RULES: dict[str, Callable[[ShapeChange, float], bool | None]] = {
    "PSI >= .1": lambda found, _: found.psi >= 0.1,
    "PSI >= .2": lambda found, _: found.psi >= 0.2,
    "W1 >= .1 sd": lambda found, _: found.w1_sd >= 0.1,
    "KS p < .01": lambda _, ks_p: ks_p < LEVEL,
    "gonogo: PSI as chi-squared, p < .01": lambda found, _: (
        None if found.p_value is None else found.p_value < LEVEL
    ),
}


def _histogram(values: Floats) -> Floats:
    return np.histogram(np.clip(values, 0, 1), EDGES)[0].astype(np.float64)


def one_look(samples: int, size: int) -> None:
    """Scores Beta(8, 2), 2,000 of them as reference, held against a window."""
    rng, bins = np.random.default_rng(1), np.arange(100)
    centre = (EDGES[1:] + EDGES[:-1]) / 2
    flagged: dict[str, dict[str, list[bool | None]]] = {
        rule: {kind: [] for kind in SCORES} for rule in RULES
    }
    for kind, draw in SCORES.items():
        for _ in range(samples):
            before = _histogram(SCORES["false"](rng, REFERENCE))
            after = _histogram(draw(rng, size))
            found, ks_p = shape_change(bins, centre, before, after), _ks_p(before, after)
            for rule, flag in RULES.items():
                flagged[rule][kind].append(flag(found, ks_p))
    _print(f"scores, one window of {size}", list(SCORES))
    for rule, kinds in flagged.items():
        _row(rule, [_share(values) for values in kinds.values()])


def _share(values: list[bool | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def forty_days(streams: int) -> None:
    """A mix of four categories, 200 a day, asked every day; what is new moves on day 20."""
    kinds = {
        "false": SHARES,
        "3% -> 8%": [0.47, 0.28, 0.17, 0.08],
        "3% -> 5%": [0.49, 0.29, 0.17, 0.05],
    }
    rng = np.random.default_rng(2)
    rules = ("PSI of the day >= .1", "chi-squared of the day, p < .01", "gonogo: evidence")
    for spread in (0.0, 0.3):
        found: dict[str, list[float]] = {rule: [] for rule in rules}
        for after in kinds.values():
            hits: dict[str, int] = dict.fromkeys(rules, 0)
            for _ in range(streams):
                days = _mixes(rng, spread, np.asarray(after))
                day_psi, day_p = _daily(days)
                hits[rules[0]] += bool((day_psi >= 0.1).any())
                hits[rules[1]] += bool((day_p < LEVEL).any())
                learned = category_dispersion(days[:BASELINE], trimmed=False)
                watch = watch_categories(
                    days, list("abcd"), baseline=BASELINE, needed=NEEDED, dispersion=learned
                )
                hits[rules[2]] += bool(watch.latched.any())
            for rule in rules:
                found[rule].append(hits[rule] / streams)
        told = "days alike" if not spread else "days that differ (sd .3 in log-odds)"
        _print(f"mix of categories, 40 daily looks, {told}; promise .20", list(kinds))
        for rule in rules:
            _row(rule, found[rule])


def _mixes(rng: np.random.Generator, spread: float, after: Floats) -> Floats:
    shares = np.where(np.arange(DAYS)[:, None] < BASELINE + 20, SHARES, after)
    shares = shares * np.exp(rng.normal(0, spread, shares.shape)) if spread else shares
    counted: Floats = rng.multinomial(A_DAY, shares / shares.sum(axis=1, keepdims=True)).astype(
        np.float64
    )
    return counted


def _daily(days: Floats) -> tuple[Floats, Floats]:
    """Each day's PSI, and its p-value as chi-squared, against the baseline."""
    bins, before = np.arange(4), days[:BASELINE].sum(axis=0)
    centre = bins.astype(np.float64)
    found = [shape_change(bins, centre, before, day) for day in days[BASELINE:]]
    p = [1.0 if change.p_value is None else change.p_value for change in found]
    return np.array([change.psi for change in found]), np.array(p)


def wider_days(streams: int) -> None:
    """Shape evidence from grouped daily histograms, the mean unchanged."""
    rng, bins = np.random.default_rng(3), np.arange(-60, 61)
    found = []
    for factor in (1.0, 1.25, 1.5):
        delays = []
        for _ in range(streams):
            scale = np.where(np.arange(DAYS) < BASELINE + 20, 10.0, 10.0 * factor)[:, None]
            values = np.clip(np.rint(rng.normal(size=(DAYS, A_DAY)) * scale), -60, 60)
            before = np.bincount(values[:BASELINE].astype(np.int64).ravel() + 60, minlength=121)
            table = grouped(
                group_edges(bins, before),
                np.arange(DAYS).repeat(A_DAY),
                values.astype(np.int64).ravel(),
                np.ones(values.size),
                DAYS,
            )
            names = [str(k) for k in range(table.shape[1])]
            watch = watch_categories(table, names, baseline=BASELINE, needed=NEEDED)
            delays.append(bool(watch.latched.any()))
        found.append(float(np.mean(delays)))
    _print(
        "shape of a distribution, 40 daily looks, 20 of them changed; promise .20",
        ["false", "sd x 1.25", "sd x 1.5"],
    )
    _row("gonogo: evidence over ten groups", found)


def outputs(samples: int) -> None:
    """Vectors of 64 numbers, 160 of the baseline against 80 new ones, p < .05."""
    rng = np.random.default_rng(4)

    def topic(x: Floats) -> Floats:
        return np.where(np.arange(len(x))[:, None] < len(x) // 10, x + 1.0, x)

    kinds: dict[str, Callable[[Floats], Floats]] = {
        "false": lambda x: x,
        "mean +.1": lambda x: x + 0.1,
        "10% new topic": topic,
        "spread x 1.1": lambda x: x * 1.1,
    }
    found = []
    for change in kinds.values():
        hits = 0
        for k in range(samples):
            before, after = rng.normal(size=(160, 64)), change(rng.normal(size=(80, 64)))
            hits += sample_change(before, after, seed=k, permutations=199).p_value < 0.05
        found.append(hits / samples)
    _print("outputs, one look", list(kinds))
    _row("gonogo: energy distance and MMD, p < .05", found)


def _print(title: str, columns: list[str]) -> None:
    print(f"\n{title}\n{'':42}" + "".join(f"{column:>15}" for column in columns))


def _row(name: str, shares: list[float | None] | list[float]) -> None:
    told = ["too few values" if share is None else f"{share:.2f}" for share in shares]
    print(f"{name:42}" + "".join(f"{share:>15}" for share in told))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the samples")
    some = 1 if parser.parse_args().quick else 5
    for size in (50, 200, 500):
        one_look(60 * some, size)
    forty_days(20 * some)
    wider_days(10 * some)
    outputs(20 * some)


if __name__ == "__main__":
    main()
