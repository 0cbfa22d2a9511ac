"""Whether a changed mix of slices explains an alarm of the whole: then nothing became worse.

Each hour is held against what its own mix of slices led to expect from the baseline, instead of
against the baseline's mean. Source: stratification by a covariate known before the outcome, which
leaves the detector's promise as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.records import Floats
    from gonogo.services.drift_data import RateStream
    from gonogo.services.drift_watch import Followed

# A slice's baseline rate is drawn towards the whole's by so many labels.
SHRINK_LABELS = 20.0
_EDGE = 1e-6


def explained_by_mix(followed: Followed, declared: dict[str, RateStream]) -> str | None:
    """The declared key whose changed mix explains an alarm; None where no key does."""
    for key in sorted({segment.partition("=")[0] for segment in declared}):
        cells = [s for name, s in declared.items() if name.partition("=")[0] == key]
        expected = _expected(followed, cells)
        if followed.expected is not None:
            expected = expected + followed.expected
        adjusted = replace(followed, expected=expected).watch()
        if adjusted.status not in ("up", "down"):
            return key
    return None


def _expected(followed: Followed, cells: list[RateStream]) -> Floats:
    """Log-odds to add for the mix of each hour, shape of the stream."""
    whole, end = followed.stream, followed.hours.end_hour
    own = min(max(followed.baseline.bad_rate, _EDGE), 1 - _EDGE)
    excess = np.zeros(len(whole.hour))
    for cell in cells:
        before = cell.between(None, end)
        rate = (float(before.bad.sum()) + SHRINK_LABELS * own) / (before.labels + SHRINK_LABELS)
        at = np.searchsorted(whole.hour, cell.hour)
        known = at < len(whole.hour)
        known[known] &= whole.hour[at[known]] == cell.hour[known]
        np.add.at(excess, at[known], cell.n[known] * (rate - own))
    mixed = np.clip(own + excess / whole.n, _EDGE, 1 - _EDGE)
    shifted: Floats = np.log(mixed / (1 - mixed)) - np.log(own / (1 - own))
    return shifted
