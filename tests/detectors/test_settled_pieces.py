"""What is settled of a stream is not looked at again."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo.detectors import pieces
from gonogo.detectors.pieces import PieceCache, SettledPrefix
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule


def test_settled_batches_are_digested_and_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that grows says what a fresh one says, and reads only what is not settled."""
    rng, rule, looked = np.random.default_rng(3), RateRule(needed=1e5, dispersion=1.3), list[int]()
    n = rng.integers(1, 40, 700).astype(np.float64)
    bad = np.floor(n * 0.06)
    bad[500:] += np.floor(n[500:] * 0.4)
    kept, beginnings = PieceCache[RateWatch](), pieces.Beginnings()
    digested = pieces._keys

    def counted(cuts, batches, start, known):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as it is
        looked.append(len(batches[0]) - (known[-1][0] if known else 0))
        return digested(cuts, batches, start, known)

    monkeypatch.setattr(pieces, "_keys", counted)
    for end, old in ((300, 290), (301, 290), (320, 290), (640, 600), (640, 600), (700, 690)):
        n[end - 1] += 1
        mine = watch_rate(
            n[:end], bad[:end], rule, kept=kept, settled=SettledPrefix(old, beginnings)
        )
        fresh = watch_rate(n[:end], bad[:end], rule)
        for name in ("evidence_nats", "up_nats", "down_nats", "null_nats", "anchor", "latched"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(fresh, name))
        assert (mine.state, mine.since, mine.status) == (fresh.state, fresh.since, fresh.status)
    # From the last cut before what is settled: 256, 256, 256, 576, 576.
    assert looked == [300, 45, 64, 384, 64, 124]
    assert fresh.episodes
