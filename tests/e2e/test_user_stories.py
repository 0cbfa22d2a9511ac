"""Two failures that monitoring of systems misses, as an agent and a script meet them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from product import answer, client, gonogo

pytestmark = pytest.mark.anyio

START = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday
DAYS, CHANGED = 42, 28
UNTIL = "2025-04-13"


def _ingest(store: Path, observations: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(one) + "\n" for one in observations)
    done = gonogo("ingest", "-", store=store, stdin=lines)
    assert done.returncode == 0, done.stderr


def _calls(a_day: int) -> list[tuple[int, int, str]]:
    """Day, number and time of each call."""
    step = 86_400 / a_day
    return [
        (day, k, (START + timedelta(days=day, seconds=k * step)).isoformat())
        for day in range(DAYS)
        for k in range(a_day)
    ]


async def _asked(store: Path, name: str, **arguments: str) -> dict[str, Any]:
    """What the tool says over standard input and output."""
    async with client(store, "auto") as connected:
        given = {"dependency": name, "until": UNTIL, **arguments}
        result = await connected.call_tool("check_model_drift", given)
    assert not result.is_error
    assert result.structured_content is not None
    return dict(result.structured_content)


def _moved(report: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(s["metric"], s.get("segment")) for s in report["signals"] if s["status"] == "shifted"}


async def test_winter_coats_are_offered_in_phoenix(tmp_path: Path) -> None:
    """A seasonal feature drifts: what is offered in Phoenix is named, and nothing else.

    Accuracy, latency, scores and the mix of all offers stay as they were.
    """
    rng, store = np.random.default_rng(21), tmp_path / "gonogo.db"
    offers = ["winter coat", "sandals", "shirt"]
    seen = []
    for day, k, ts in _calls(160):
        phoenix = [0.02, 0.48, 0.5] if day < CHANGED else [0.2, 0.3, 0.5]
        boston = [0.38, 0.12, 0.5] if day < CHANGED else [0.2, 0.3, 0.5]
        seen.append(
            {
                "dependency": "recommender",
                "ts": ts,
                "segments": {"city": "phoenix" if k % 2 else "boston"},
                "prediction": str(rng.choice(offers, p=phoenix if k % 2 else boston)),
                "outcome": bool(rng.random() < 0.94),
                "latency_ms": round(float(rng.lognormal(5, 0.3)), 1),
                "confidence": round(float(rng.beta(8, 2)), 4),
            }
        )
    _ingest(store, seen)
    report = await _asked(store, "recommender")
    inside = await _asked(store, "recommender", metric="prediction", segment="city=phoenix")
    done = gonogo("check", "drift", "recommender", "--until", UNTIL, store=store)
    assert (report["verdict"], report["status"]) == ("caution", "shifted")
    assert report["metric"] == "prediction"
    assert {metric for metric, _ in _moved(report)} <= {"prediction"}
    assert ("prediction", None) not in _moved(report)
    assert inside["verdict"] == "caution"
    assert "city=phoenix" in inside["summary"]
    assert "'winter coat' 3.8% → 20.4%" in inside["summary"]
    assert done.returncode == 1
    assert re.match(
        r"CAUTION: recommender (until \S+ )?has shifted: prediction at city=", done.stdout
    )
    assert "at city=phoenix" in done.stdout


async def test_what_is_published_at_weekends_is_scored_too_low(tmp_path: Path) -> None:
    """The scores of the fifth and sixth weekend are too low: the check names the weekend.

    No label, error or latency moves, and weekdays are left alone.
    """
    rng, store = np.random.default_rng(22), tmp_path / "gonogo.db"
    seen = []
    for day, _, ts in _calls(60):
        low = 1.0 * (day >= CHANGED and day % 7 >= 5)
        seen.append(
            {
                "dependency": "trust-model",
                "ts": ts,
                "confidence": round(float(1 / (1 + np.exp(-rng.normal(1.5 - low, 0.8)))), 4),
                "outcome": bool(rng.random() < 0.95),
                "latency_ms": round(float(rng.lognormal(5, 0.3)), 1),
            }
        )
    _ingest(store, seen)
    report = await _asked(store, "trust-model")
    done = gonogo("check", "drift", "trust-model", "--until", UNTIL, "--json", store=store)
    assert (report["verdict"], report["status"]) == ("caution", "shifted")
    assert report["metric"] == "confidence"
    named = _moved(report) | _moved(answer(done))
    assert "day_type=weekend" in report["summary"] or ("confidence", "day_type=weekend") in named
    assert not named & {("confidence", "day_type=weekday"), ("latency_ms", None), ("outcome", None)}
    assert done.returncode == 1
