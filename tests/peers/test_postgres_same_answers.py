"""The same observations in a file and in a database: the same answers, bit for bit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from postgres_server import Server

from gonogo.app import Gonogo
from gonogo.records import DAY_MS, Observation
from gonogo.settings import BudgetSettings, DependencySettings, Settings

pytestmark = pytest.mark.anyio
START_MS = 1_780_012_800_000
DAYS = 24
NOW_MS = START_MS + DAYS * DAY_MS


def history(seed: int = 7) -> list[Observation]:
    """Three dependencies: one gets worse on weekends, with golden items, late labels, repeats."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(6_000):
        ts_ms = START_MS + int(rng.integers(0, DAYS * DAY_MS))
        late = ts_ms > START_MS + 16 * DAY_MS
        name = ("sentiment", "search", "rules")[i % 3]
        made.append(
            Observation(
                name,
                ts_ms,
                id=f"call-{i}",
                kind="model" if i % 3 else "tool",
                provider="acme" if i % 3 < 2 else None,
                version=f"v{int(late) + 1}" if i % 3 == 0 else None,
                outcome=None if i % 7 == 0 else float(rng.random() > (0.25 if late else 0.06)),
                outcome_ts_ms=ts_ms + int(rng.integers(0, 90_000)),
                error="timeout" if rng.random() < 0.02 else None,
                confidence=float(rng.beta(8, 2)),
                latency_ms=float(rng.lognormal(5.5 + 0.3 * late, 0.4)),
                cost_micro_usd=int(rng.lognormal(7, 0.6)),
                input_tokens=int(rng.integers(10, 2000)),
                item=f"q{i % 12}" if i % 11 == 0 else None,
                budget="nightly" if i % 4 == 0 else None,
                prediction=("yes", "no", "maybe")[int(rng.integers(0, 3))],
                input_hash=str(i % 90) if i % 5 == 0 else None,
                output_hash=str(i % 180) if i % 5 == 0 else None,
                embedding=tuple(rng.normal(size=4)) if i % 20 == 0 else None,
                segments={"tier": ("free", "paid")[i % 2], "area": f"a{i % 5}"},
                metrics={"score": float(rng.normal(3, 2))},
            )
        )
    return made


async def answers(store: str) -> dict[str, Any]:
    """What the product says of the history, in a store of its own, in batches of its own."""
    settings = Settings(
        store=store,
        dependencies={
            "sentiment": DependencySettings("sentiment", latency_slo_ms=900.0),
            "search": DependencySettings("search", depends_on=("sentiment",)),
        },
        budgets={
            "org": BudgetSettings("org", 30_000_000),
            "nightly": BudgetSettings(
                "nightly", 9_000_000, parent="org", dependencies=("search",), window="week"
            ),
        },
    )
    seen = history()
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        stores = await app.stores()
        for start in range(0, len(seen), 700):
            await stores.telemetry.record(seen[start : start + 700], NOW_MS)
        asked = {
            f"drift {name} {metric} {segment}": await app.check_model_drift(
                name, metric=metric, segment=segment, detail="full"
            )
            for name in ("sentiment", "search", "rules")
            for metric in (None, "latency_ms", "confidence", "metrics.score")
            for segment in (None, "tier=paid", "day_type=weekend")
            if metric is None or segment is None
        }
        asked["versions"] = await app.check_model_drift(
            "sentiment", baseline_version="v1", version="v2", detail="full"
        )
        told: dict[str, Any] = {key: said(answer) for key, answer in asked.items()}
        for name in (None, "sentiment", "search", "rules"):
            told[f"trust {name}"] = said(await app.get_trust_score_health(name, detail="full"))
        for budget in ("org", "nightly"):
            told[budget] = said(
                await app.check_budget_with_confidence(
                    budget, planned_calls=50, reserve=True, idempotency_key=budget, detail="full"
                )
            )
        told["list"] = said(await app.list_dependencies())
        told["preflight"] = said(
            await app.preflight(dependencies=["sentiment", "search"], budget="nightly")
        )
        # Opened in one millisecond of the test's clock, they stand in the order of their ids.
        told["preflight"]["incidents"].sort(key=lambda incident: incident["dependency"])
    return told


def said(answer: Any) -> Any:  # noqa: ANN401 - any answer's JSON
    """An answer without the ids that its process made."""
    told = re.sub(r"\bres-[0-9A-Z]{16}\b", "res-ID", answer.model_dump_json(exclude_none=True))
    return _stripped(json.loads(told))


def _stripped(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in {"decision_id", "id", "reservation_id"}}
        return {key: _stripped(item) for key, item in kept.items()}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


async def test_both_stores_give_the_same_answers(postgres: Server, tmp_path: Path) -> None:
    """Drift of every metric, slices, versions, trust, the fleet, money, preflight: all equal."""
    with psycopg.connect(postgres.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE same")
    in_file = await answers(str(tmp_path / "store.db"))
    in_database = await answers(postgres.address.replace("/postgres?", "/same?"))
    assert in_file.keys() == in_database.keys()
    for key, answer in in_file.items():
        assert in_database[key] == answer, key
    verdicts = {answer["verdict"] for key, answer in in_file.items() if "verdict" in answer}
    assert {"go", "no_go"} <= verdicts
