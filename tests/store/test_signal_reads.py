"""What daily signals read: the contract of `SignalTelemetry`, which every store keeps."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import cast

import numpy as np
import pytest

from gonogo.detectors.outputs.text_features import TEXT_FEATURES, text_features
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.ports.telemetry import Telemetry
from gonogo.records import DAY_MS, Observation

pytestmark = pytest.mark.anyio

DAY = 19_000
CALL = Observation("m", DAY * DAY_MS)
LATER = (DAY + 9) * DAY_MS


@pytest.fixture
def signals(telemetry: Telemetry) -> SignalTelemetry:
    """The store of the contract suite, by its further reads."""
    return cast("SignalTelemetry", telemetry)


def _at(day: int, **fields: object) -> Observation:
    return replace(CALL, ts_ms=(DAY + day) * DAY_MS, **fields)  # type: ignore[arg-type]


async def test_categories_are_counted_by_slice_day_and_value(signals: SignalTelemetry) -> None:
    """Versions are added up, golden calls left out; the whole stands before the slices."""
    phoenix = MappingProxyType({"city": "phoenix"})
    await signals.record(
        [
            _at(0, prediction="coat", version="a", segments=phoenix),
            _at(0, prediction="coat", version="b"),
            _at(0, prediction="coat", item="q1"),
            _at(1, prediction="shirt", segments=phoenix),
            _at(2, prediction="shirt"),
        ],
        LATER,
    )
    found = await signals.categories("m", "prediction", end_day=DAY + 2, slices_max=10)
    assert (found.segments, found.values) == ((None, "city=phoenix"), ("coat", "shirt"))
    rows = zip(found.segment, found.day - DAY, found.value, found.n, strict=True)
    assert list(rows) == [(0, 0, 0, 2), (0, 1, 1, 1), (1, 0, 0, 1), (1, 1, 1, 1)]
    whole = await signals.categories("m", "prediction", end_day=DAY + 2, slices_max=0)
    assert whole.segments == (None,)
    assert not len((await signals.categories("m", "error", end_day=DAY + 9, slices_max=10)).n)


async def test_a_field_with_too_many_values_is_named(signals: SignalTelemetry) -> None:
    """The 201st prediction stops the counting of predictions, and says so."""
    assert await signals.not_rolled_up("m") == []
    await signals.record([_at(0, prediction=f"p{i}", error="timeout") for i in range(201)], LATER)
    assert await signals.not_rolled_up("m") == ["prediction"]
    assert not len((await signals.categories("m", "prediction", end_day=DAY + 9, slices_max=9)).n)
    errors = await signals.categories("m", "error", end_day=DAY + 9, slices_max=9)
    assert errors.n.tolist() == [201]


async def test_answers_are_kept_by_day_for_few_inputs(signals: SignalTelemetry) -> None:
    """A hundred inputs a day: the 64 with the smallest hashes, the same ones every day."""
    asked = [
        _at(day, input_hash=f"i{i}", output_hash=f"o{day if i == 7 else 0}", version="v")
        for day in (0, 1)
        for i in range(100)
    ]
    await signals.record(asked[::2], LATER)
    await signals.record([*asked[1::2], *asked[:1]], LATER)
    found = await signals.daily_answers("m", end_day=DAY + 9)
    first, second = (found.input[found.day == DAY + day].tolist() for day in (0, 1))
    assert first == second
    assert len(first) == 64
    assert found.n.sum() in (128, 129)
    assert not len((await signals.daily_answers("m", end_day=DAY)).n)


async def test_outputs_are_embeddings_or_features_of_text(signals: SignalTelemetry) -> None:
    """Either kind is read alone, by day and hash; the text itself is not there."""
    await signals.record(
        [
            _at(0, embedding=(1.0, -2.0), output="not used", id="a"),
            _at(1, output="Yes, of course.", id="b"),
            _at(1, output="", id="c"),
            _at(5, output="Late.", id="d"),
        ],
        LATER,
    )
    span = {"start_day": DAY, "end_day": DAY + 5}
    embedded = await signals.outputs("m", **span, limit=9, embedded=True)
    assert embedded.features.tolist() == [[1.0, -2.0]]
    texts = await signals.outputs("m", **span, limit=9, embedded=False)
    assert texts.features.shape == (2, TEXT_FEATURES)
    assert sorted(texts.day - DAY) == [1, 1]
    wanted = np.array(text_features("Yes, of course."), dtype=np.float32)
    assert any(np.array_equal(row.astype(np.float32), wanted) for row in texts.features)
    few = await signals.outputs("m", **span, limit=1, embedded=False)
    assert few.hash.tolist() == [texts.hash.min()]
    assert not len((await signals.outputs("nobody", **span, limit=9, embedded=False)).day)
