"""Many slices, one false-alarm budget: a predictive state a cell, evidence summed over partitions.

Each label belongs to one cell of a partition, so that the cells' candidate starts together are as
many as the labels: the sum over cells keeps the promise of a single stream, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gonogo.detectors.arrays import Floats, check_counts
from gonogo.detectors.pieces import PieceCache, SettledPrefix
from gonogo.detectors.rate.null import GridNull, RateState
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import DataError, ParameterError

# What a cell borrows from all traffic before its likeness to the others is known: without it a
# thin cell's null is too vague to be refuted.
PSEUDO_LABELS = 100.0
# Cells whose spread this prior belief is worth.
_PRIOR_CELLS = 4


@dataclass(frozen=True, slots=True, eq=False)
class CellCounts:
    """One slice's labels and bad outcomes, batch by batch; shapes (batches,), as all cells'.

    `offset`: expected log-odds of each batch less the slice's own, as for `watch_rate`; for all cells or none.
    `settled`: its first batches after the baseline, as for `watch_rate`. `dispersion`: its own, for the rule's.
    """

    segment: str
    n: Floats
    bad: Floats
    offset: Floats | None = None
    settled: SettledPrefix | None = None
    dispersion: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Cells that do not overlap, and their share of the false-alarm budget."""

    name: str
    cells: Sequence[CellCounts]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class CellFinding:
    """One slice: bad rates before and since, and its own evidence (weighted, as it is summed).

    `drifted`: one of the fewest slices without which there would be no alarm.
    """

    segment: str
    n: int
    bad_rate: float
    baseline_n: int
    baseline_bad_rate: float
    evidence_nats: float
    drifted: bool


@dataclass(frozen=True, slots=True, eq=False)
class SliceWatch:
    """The slices' evidence together. `evidence_nats` has shape (batches after the baseline,)."""

    evidence_nats: Floats
    needed_nats: float
    findings: tuple[CellFinding, ...]  # worst first

    @property
    def alarmed(self) -> bool:
        """Whether some slice has drifted, as of the last batch."""
        return any(finding.drifted for finding in self.findings)


def watch_slices(
    partitions: Sequence[Partition],
    rule: RateRule,
    *,
    baseline: int,
    batch_hours: int = 1,
    kept: PieceCache[RateWatch] | None = None,
) -> SliceWatch:
    """Weigh whether some slice has gone bad (by the rule, or well).

    Every cell is a stream of its own that begins after the baseline, its null knowing the cell's
    baseline counts and `PSEUDO_LABELS` at the rate of all traffic. Evidence is the weighted sum
    over all cells. While labels are exchangeable within each cell, its mean after n labels is at
    most n, so that it reaches `rule.needed` within n labels with probability at most n / needed.
    A cell that alone is enough is held as an episode until it has recovered.

    Args:
        partitions: Each splits the same traffic into cells; weights sum to at most 1.
        rule: What to look for. A declared rate holds for every cell.
        baseline: Batches at the beginning that are the baseline, 0 or more.
        batch_hours: Hours that a batch spans, for recovery.
        kept: Pieces of earlier runs of cells, which are not run again.

    Raises:
        DataError: counts are malformed, or cells have different numbers of batches.
        ParameterError: weights exceed 1 or are not positive, or `baseline` exceeds the batches.
    """
    weights = [partition.weight for partition in partitions]
    if any(w <= 0 for w in weights) or sum(weights) > 1 + 1e-9:
        raise ParameterError(
            f"Partition weights {weights} need to be above 0 and sum to at most 1."
        )
    cells = [(part.weight, cell) for part in partitions for cell in part.cells]
    lengths = {len(cell.n) for _, cell in cells}
    if len(lengths) > 1:
        raise DataError(f"Cells have {sorted(lengths)} batches; they need the same.")
    batches = lengths.pop() if lengths else 0
    if not 0 <= baseline <= batches:
        raise ParameterError(f"baseline={baseline} of {batches} batches.")
    total = np.full(batches - baseline, -math.inf)
    last: list[float] = []
    for part in partitions:
        pooled = _pooled(part.cells, baseline)
        own = replace(rule, needed=rule.needed / part.weight)
        for cell in part.cells:
            watch = _watch_cell(cell, own, pooled, baseline, batch_hours, kept)
            nats = watch.evidence_nats + math.log(part.weight)
            total = np.logaddexp(total, nats)
            last.append(float(nats[-1]) if nats.size else -math.inf)
    return SliceWatch(total, rule.needed_nats, _ranked(cells, last, rule, baseline))


def _pooled(cells: Sequence[CellCounts], baseline: int) -> tuple[float, float]:
    """Pseudo-labels for each cell: bad, good. The more alike the cells were, the more of them."""
    n = np.array([cell.n[:baseline].sum() for cell in cells], dtype=np.float64)
    bad = np.array([cell.bad[:baseline].sum() for cell in cells], dtype=np.float64)
    rate = (float(bad.sum()) + 0.5) / (float(n.sum()) + 1)
    one = rate * (1 - rate)
    between = one / (PSEUDO_LABELS + 1)
    seen = n > 0
    if seen.sum() > 1:
        free = float(seen.sum()) - 1
        chance = float((((bad - n * rate)[seen]) ** 2 / n[seen]).sum()) - free * one
        size = float(n.sum() - (n**2).sum() / n.sum())
        found = max(chance / size, 0.0)
        between = (_PRIOR_CELLS * between + free * found) / (_PRIOR_CELLS + free)
    # Cells of which one always fails and one never does differ by more than any law of rates allows.
    labels = max(one / between - 1, 0.0)
    return labels * rate, labels * (1 - rate)


def _watch_cell(
    cell: CellCounts,
    rule: RateRule,
    pooled: tuple[float, float],
    baseline: int,
    batch_hours: int,
    kept: PieceCache[RateWatch] | None,
) -> RateWatch:
    rule = rule if cell.dispersion is None else replace(rule, dispersion=cell.dispersion)
    n, bad = check_counts(cell.n[:baseline], cell.bad[:baseline])
    n, bad = n / rule.dispersion, bad / rule.dispersion
    later, offset = cell.n[baseline:], cell.offset
    if offset is None:
        before, gone_bad = float(n.sum()), float(bad.sum())
        state = RateState(bad=gone_bad + pooled[0], good=before - gone_bad + pooled[1])
    else:
        known = np.array([*bad, pooled[0]]), np.array([*(n - bad), pooled[1]])
        state = (
            GridNull.fresh().after(*known, np.array([*offset[:baseline], 0.0])).keep(RateState())
        )
    return watch_rate(
        later,
        cell.bad[baseline:],
        rule,
        state=state,
        offset=None if offset is None else offset[baseline:],
        stamp=batch_hours * np.arange(len(later)),
        span=batch_hours,
        kept=kept,
        settled=cell.settled,
    )


def _ranked(
    cells: Sequence[tuple[float, CellCounts]],
    nats: Sequence[float],
    rule: RateRule,
    baseline: int,
) -> tuple[CellFinding, ...]:
    order = sorted(range(len(cells)), key=lambda k: (-nats[k], cells[k][1].segment))
    # Evidence that would remain without this cell and all worse ones.
    rest = np.full(len(order) + 1, -math.inf)
    for place in range(len(order) - 1, -1, -1):
        rest[place] = np.logaddexp(rest[place + 1], nats[order[place]])
    found = []
    for place, k in enumerate(order):
        cell = cells[k][1]
        n, before = float(cell.n[baseline:].sum()), float(cell.n[:baseline].sum())
        found.append(
            CellFinding(
                segment=cell.segment,
                n=round(n),
                bad_rate=float(cell.bad[baseline:].sum()) / max(n, 1.0),
                baseline_n=round(before),
                baseline_bad_rate=float(cell.bad[:baseline].sum()) / max(before, 1.0),
                evidence_nats=nats[k],
                drifted=bool(rest[place] >= rule.needed_nats),
            )
        )
    return tuple(found)
