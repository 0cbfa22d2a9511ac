"""Which metrics a promotion is judged by, what each has to exclude, and how much each may send back."""

from __future__ import annotations

from gonogo.detectors.promotion.hour_evidence import LINES

__all__ = ["ERROR_LINES", "METRICS", "PASSING", "WORSE_WEIGHTS"]

# Latency and cost by the calls above what the current version's 95th percentile and median were:
# a mean of costs is ruled by its few largest, and a share of calls above a line is a rate.
METRICS = ("outcome", "error", "latency_p95", "latency_median", "cost_p95", "cost_median")
# Medians only send back: half of the calls above one, a shift shows there first.
PASSING = (True, True, True, False, True, False)
# One budget over all of them; they add up to 1, and what is not measured spends nothing.
WORSE_WEIGHTS = (0.4, 0.2, 0.1, 0.1, 0.1, 0.1)
# Errors end at 2 points: with 5, a candidate that fails in 2 % passes six times in a hundred.
ERROR_LINES = (*LINES[:-1], 0.02)
