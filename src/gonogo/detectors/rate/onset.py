"""The onset of a change: a step or a ramp fitted to batch counts, with an interval that covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_counts, check_positive, check_vector
from gonogo.detectors.log_space import log_gamma
from gonogo.detectors.rate.null import GRID_STEP, GridNull, PastBatch
from gonogo.detectors.rate.recovery import Change, Hours, Side
from gonogo.errors import NotEnoughData, ParameterError

# Log-likelihood below the best at which an onset is still plausible; calibrated by simulation
# (tests/simulation): .90 or more for steps and .85 for ramps, just after an alarm.
PLAUSIBLE_NATS = 3.4
BLOCKS_MAX = 120
# Lengths of the rise, as parts of the time since the earliest onset; 0 is a step.
_LENGTHS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0)
_FINER = 2.0 ** (np.array([-3, -2, -1, 1, 2, 3]) / 4)
# What a rate is expected to move by, before seeing it: pulls the size of a found change back.
_TYPICAL_CHANGE = 0.07
_EDGE = 1e-6


# An outage is placed by steps of ten minutes, over so many hours before and after.
_PARTS = 6
_HOURS_BEFORE, _HOURS_AFTER = 2, 12
# An outage makes a fifth or more of its calls bad; log-odds.
_LEVELS = np.linspace(-1.4, 6.0, 31)


@dataclass(frozen=True, slots=True)
class OutageFit:
    """The hour in which a short trouble most likely began, and the first and last that may be it."""

    onset: int
    earliest: int
    latest: int


def fit_outage(
    hour: ArrayLike, n: ArrayLike, bad: ArrayLike, *, around: int, rate_before: float
) -> OutageFit:
    """Place the beginning of a trouble of minutes to hours, which fills hours only in part.

    The rate of an hour is rate_before + (level - rate_before) * (part of the hour that lies between
    the beginning and the end); beginnings and ends every ten minutes are equally likely, the level
    has Jeffreys' prior. The central 95 % of the beginning, one step wider, is rounded out to hours.
    Where no label came for long before it, it may have begun at any time since the last one.

    Args:
        hour: Hour of each batch, ascending, shape (batches,); hours without labels may be missing.
        n: Independent labels' worth of each.
        bad: Bad ones among them.
        around: The hour in which it is likely to have begun.
        rate_before: The rate before it, fraction.
    """
    at = np.asarray(hour, dtype=np.int64)
    near = (at >= around - _HOURS_BEFORE) & (at < around + _HOURS_AFTER)
    low, before = around - _HOURS_BEFORE, int(near.argmax())
    known_to = int(at[before - 1]) + 1 if before else low
    at, labels, failures = at[near], np.asarray(n)[near], np.asarray(bad)[near]
    steps = _PARTS * (int(at[-1]) + 1 - low)
    begin, end = np.triu_indices(steps + 1, 1)
    begin, end = begin[begin < steps], end[begin < steps]
    first = _PARTS * (at - low)
    part = np.clip(
        np.minimum(end[:, None], first + _PARTS) - np.maximum(begin[:, None], first), 0, _PARTS
    )
    # Nats of each hour at each level for each part of it that was bad: few enough to look up.
    level = 1 / (1 + np.exp(-_LEVELS))
    share = np.arange(_PARTS + 1)[:, None] / _PARTS
    rate = np.clip(rate_before + share * (level - rate_before), _EDGE, 1 - _EDGE)
    nats = failures[:, None, None] * np.log(rate) + (labels - failures)[:, None, None] * np.log1p(
        -rate
    )
    total = nats[np.arange(len(at))[None, :], part].sum(axis=1)
    total += np.log(level * (1 - level)) / 2
    weight = np.exp(total - total.max()).sum(axis=1)
    begun: Floats = np.bincount(begin, weight, minlength=steps).astype(np.float64)
    return _placed(begun, low, known_to, int(at[0]))


def _placed(begun: Floats, low: int, known_to: int, labelled: int) -> OutageFit:
    """The middle and the central 95 % of when it began, in hours.

    Args:
        begun: Weight of each step of ten minutes from `low` on, shape (steps,).
        low: The hour of the first step.
        known_to: The hour up to which the labels before those steps reach.
        labelled: The first hour from `low` on that has labels.
    """
    width = np.full(len(begun), 1 / _PARTS)
    unseen = _PARTS * (labelled - low)
    if unseen and known_to < low:
        # The steps before the first label stand for all the time since the label before it.
        width[:unseen] = (labelled - known_to) / unseen
        low = known_to
    middles = low + np.cumsum(width) - width / 2
    passed = np.cumsum(begun * width)
    early, middle, late = np.searchsorted(passed / passed[-1], [0.025, 0.5, 0.975]).tolist()
    last = len(begun) - 1
    return OutageFit(
        onset=math.floor(middles[min(middle, last)]),
        earliest=math.floor(middles[early - 1]) if early > unseen else low,
        latest=math.floor(middles[min(late + 1, last)]),
    )


@dataclass(frozen=True, slots=True)
class OnsetFit:
    """The onset of a change, as indices of batches, and its size.

    `earliest <= onset <= latest`; `onset` is the first batch with a changed rate. `moment` is the
    time of it, as likely earlier as later, where any time, and a step and a rise, are equally likely
    beforehand: where no label came for weeks, it may lie among those. `shape` says which of the two
    fits better. `before` and `after` are rates at the two ends, `change` their difference averaged over plausible onsets and shapes
    and shrunk, since a change is looked at only because it looked large; `interval95` is its
    interval.
    """

    onset: int
    earliest: int
    latest: int
    moment: float
    shape: Literal["step", "ramp"]
    before: float
    after: float
    change: float
    interval95: tuple[float, float]


def fit_onset(
    n: ArrayLike,
    bad: ArrayLike,
    *,
    first: int = 1,
    time: ArrayLike | None = None,
    dispersion: float = 1.0,
) -> OnsetFit:
    """Fit "one rate, then another" to counts, by a step or a rise of some length.

    Args:
        n: Labels of each batch, shape (batches,), oldest first, the baseline's included.
        bad: Bad outcomes of each, same shape; fractional outcomes are allowed.
        first: Earliest batch that may be the onset, at least 1 (the end of the baseline).
        time: Stamp of each batch, ascending, any unit; a ramp is linear in it. Default: its index.
        dispersion: Labels that carry one independent label's information; divides the evidence.

    Returns:
        The best fit. The interval holds every onset whose likelihood, under the best shape for
        it, is within `PLAUSIBLE_NATS` of the best.

    Raises:
        DataError: the counts or stamps are malformed.
        ParameterError: `first` leaves no batch, or `dispersion` is not positive.
        NotEnoughData: there are no labels before `first`, or none after.

    Source: profile likelihood of a change point, Hinkley (1970), Biometrika 57(1).
    """
    labels, failures = check_counts(n, bad)
    check_positive(dispersion=dispersion)
    size = len(labels)
    when = np.arange(size, dtype=float) if time is None else check_vector("time", time)
    if not 1 <= first < size or when.shape != labels.shape:
        raise ParameterError(f"first={first} with {size} batches and {len(when)} stamps.")
    if labels[:first].sum() == 0 or labels[first:].sum() == 0:
        raise NotEnoughData("An onset needs labels before and after it; record more outcomes.")
    edges = _edges(labels, first, size)
    fit = _Fits(labels, failures, when, edges, np.array(_LENGTHS), dispersion)
    low, high = fit.plausible()
    # Again with finer blocks where the onset may be, and with lengths about the best.
    # The block that a large step lies in fits neither side of it, and a rise through it may fit better
    # than a step at either end: it is looked into as well.
    fine = [_finer(labels, edges, *span) for span in ((low, high), fit.best_step())]
    edges = np.union1d(edges, np.union1d(*fine))
    fit = _Fits(labels, failures, when, edges, fit.finer_lengths(), dispersion)
    low, high = fit.plausible()
    return fit.result(low, high)


def _edges(labels: Floats, first: int, last: int) -> Ints:
    """Block starts from `first` up to `last`, with about equal labels; 0 begins what is before."""
    cumulated = np.cumsum(labels[first:last])
    wanted = np.linspace(0, cumulated[-1], min(BLOCKS_MAX, last - first) + 1)[:-1]
    return np.union1d([0, first], first + np.searchsorted(cumulated, wanted, "right"))


def _finer(labels: Floats, edges: Ints, low: int, high: int) -> Ints:
    """Smaller blocks from the one before `low` up to `high`."""
    block = max(int(np.searchsorted(edges, low, "right")) - 2, 0)
    return _edges(labels, max(int(edges[block]), int(edges[1])), min(high + 1, len(labels)))


class _Fits:
    """Log-likelihood of every onset (a block's start) and length of rise, over the blocks."""

    def __init__(
        self,
        labels: Floats,
        failures: Floats,
        when: Floats,
        edges: Ints,
        lengths: Floats,
        dispersion: float,
    ) -> None:
        edges = edges[edges < len(labels)]
        self.when, self.starts = when, edges[1:]
        self.ends = np.r_[edges[2:], len(labels)] - 1
        n = np.add.reduceat(labels, edges) / dispersion
        bad = np.add.reduceat(failures, edges) / dispersion
        centre = np.add.reduceat(labels * when, edges) / np.maximum(n * dispersion, _EDGE)
        span = max(float(when[-1] - when[edges[1]]), _EDGE)
        self.lengths = lengths
        begin = when[self.starts]
        passed = centre[None, None, :] - begin[:, None, None]
        rise = np.clip(passed / (np.maximum(lengths, _EDGE) * span)[None, :, None], 0, 1)
        rise[:, 0, :] = np.arange(len(edges))[None, :] > np.arange(len(self.starts))[:, None]
        self._solve(n, bad, rise)

    def _solve(self, n: Floats, bad: Floats, rise: Floats) -> None:
        """Least squares in the rate (exact for a step), then the Bernoulli likelihood there."""
        total, sum_bad = n.sum(), bad.sum()
        mean_rise = rise @ n / total
        spread = np.maximum((rise * rise) @ n - total * mean_rise**2, _EDGE * total)
        slope = (rise @ bad - mean_rise * sum_bad) / spread
        base = sum_bad / total - slope * mean_rise
        rate = np.clip(base[..., None] + slope[..., None] * rise, _EDGE, 1 - _EDGE)
        self.nats = np.log(rate) @ bad + np.log1p(-rate) @ (n - bad)
        middle = float(np.clip(sum_bad / total, 1 / (total + 2), 1 - 1 / (total + 2)))
        self.variance = middle * (1 - middle) / spread
        top = rise[..., -1]
        self.change, self.base = slope * top, base
        self.variance = self.variance * top**2

    def finer_lengths(self) -> Floats:
        """The lengths of ramp that were tried, and some about as long as the best one."""
        ramp = 1 + int(np.argmax(self.nats[:, 1:].max(axis=0)))
        finer: Floats = np.r_[self.lengths, self.lengths[ramp] * _FINER]
        return finer

    def plausible(self) -> tuple[int, int]:
        """The first and last batch that may be the onset."""
        profile = self.nats.max(axis=1)
        inside = np.flatnonzero(profile >= profile.max() - PLAUSIBLE_NATS)
        return int(self.starts[inside[0]]), int(self.ends[inside[-1]])

    def best_step(self) -> tuple[int, int]:
        """The first and last batch of the block with which a step fits best."""
        block = int(np.argmax(self.nats[:, 0]))
        return int(self.starts[block]), int(self.ends[block])

    def result(self, low: int, high: int) -> OnsetFit:
        best, length = np.unravel_index(int(np.argmax(self.nats)), self.nats.shape)
        step, ramp = float(self.nats[:, 0].max()), float(self.nats[:, 1:].max())
        weight = np.exp(self.nats - self.nats.max())
        kept = _TYPICAL_CHANGE**2 / (_TYPICAL_CHANGE**2 + self.variance)
        weight = weight / weight.sum()
        odds = np.full(weight.shape[1], 0.5 / (weight.shape[1] - 1))
        odds[0] = 0.5
        # Each block's time runs from the last batch before it.
        since = self.when[self.starts - 1]
        begun = np.cumsum((weight @ odds) * (self.when[self.ends] - since))
        moment = float(np.interp(begun[-1] / 2, np.r_[0.0, begun], np.r_[since, self.when[-1]]))
        middle = int(np.searchsorted(self.when, moment))
        change = float((weight * kept * self.change).sum())
        second = weight * (kept * self.variance + (kept * self.change) ** 2)
        half = 1.96 * math.sqrt(max(float(second.sum()) - change**2, 0.0))
        before = float(np.clip(self.base[best, length], 0, 1))
        return OnsetFit(
            onset=min(max(middle, low), high),
            earliest=low,
            latest=high,
            moment=min(max(moment, float(self.when[low - 1])), float(self.when[high])),
            shape="step" if step >= ramp else "ramp",
            before=before,
            after=min(max(before + change, 0.0), 1.0),
            change=change,
            interval95=(max(change - half, -1.0), min(change + half, 1.0)),
        )


# Where a change most likely began and how far it went, as seen at the alarm.
#
# For each batch k the evidence for "a new unknown rate since k" is the marginal likelihood of the
# batches from k on under Jeffreys' prior over what the null predicted for them one by one. It is the
# integrated likelihood: the maximised one runs to the beginning of the stream.


@dataclass(frozen=True, slots=True, eq=False)
class Marginals:
    """From each batch to the last: log marginal likelihood, mean rate, its error; shape (n,)."""

    nats: Floats
    rate: Floats
    se: Floats


def change_at_alarm(trail: Sequence[PastBatch], *, side: Side) -> Change:
    """The likeliest change among the batches since the last reset, of which the last alarmed.

    Rates are counted so that up is away from the old rate, on both sides.
    """
    stamp = np.array([passed.stamp for passed in trail], dtype=np.int64)
    bad, good, offset, null_nats, anchor = np.array([passed[1:] for passed in trail]).T
    hours = Hours(stamp, bad, good, offset)
    if side == "down":
        hours, anchor = hours.mirrored(), -anchor
    since = _by_offsets(hours) if offset.any() else _alike(hours)
    gain = since.nats - np.cumsum(null_nats[::-1])[::-1]
    moved = (since.rate > 1 / (1 + np.exp(-anchor))) & (bad + good > 0)
    moved[-1] |= not moved.any()
    first = int(np.argmax(np.where(moved, gain, -math.inf)))
    return Change(
        hours=hours.part(first),
        old=float(anchor[first]),
        rate=float(since.rate[first]),
        se=float(since.se[first]),
    )


def marginals_since(hours: Hours) -> Marginals:
    """The likelihood and the mean of a rate of their own, for the batches from each one on."""
    return _by_offsets(hours) if hours.offset.any() else _alike(hours)


def _alike(hours: Hours) -> Marginals:
    """Log marginal in closed form: ln B(bad + 1/2, good + 1/2) - ln B(1/2, 1/2)."""
    bad, good = (np.cumsum(x[::-1])[::-1] + 0.5 for x in (hours.bad, hours.good))
    both = bad + good
    rate = bad / both
    log_beta = log_gamma(bad) + log_gamma(good) - log_gamma(both)
    return Marginals(log_beta - math.log(math.pi), rate, np.sqrt(rate * (1 - rate) / (both + 1)))


def _by_offsets(hours: Hours) -> Marginals:
    """The log marginal over the null's grid of log-odds, where batches are expected to differ."""
    prior = GridNull.fresh()
    points = GRID_STEP * np.arange(prior.first, prior.first + len(prior.nats), dtype=np.float64)
    nats = np.cumsum(hours.nats(points)[::-1], axis=0)[::-1] + np.array(prior.nats)
    top = nats.max(axis=1, keepdims=True)
    weight = np.exp(nats - top)
    total = weight.sum(axis=1)
    rates = 1 / (1 + np.exp(-points))
    rate = weight @ rates / total
    variance = np.maximum(weight @ rates**2 / total - rate**2, 0.0)
    return Marginals(np.log(total) + top[:, 0], rate, np.sqrt(variance))
