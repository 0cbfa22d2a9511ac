"""Every argument of every tool, and every field of an observation, with a value that is taken."""

from __future__ import annotations

from typing import Any

EVERY_FIELD: dict[str, Any] = {
    "dependency": "m",
    "ts": "2026-11-01T12:00:00Z",
    "id": "call-1",
    "kind": "model",
    "provider": "acme",
    "version": "2",
    "outcome": 1.0,
    "outcome_ts": "2026-11-01T13:00:00Z",
    "outcome_by": "human",
    "error": "timeout",
    "confidence": 0.5,
    "latency_ms": 812.5,
    "cost_usd": 0.25,
    "input_tokens": 300.0,
    "output_tokens": 40.0,
    "cache_read_tokens": 200.0,
    "cache_write_tokens": 50.0,
    "reasoning_tokens": 10.0,
    "input_audio_tokens": 5.0,
    "output_audio_tokens": 2.0,
    "tier": "batch",
    "weight": 4.0,
    "item": "golden-7",
    "budget": "nightly",
    "reservation": "res-1",
    "prediction": "spam",
    "label": "spam",
    "input_hash": "aa",
    "output_hash": "bb",
    "embedding": [0.5, -1.0],
    "segments": {"tier": "new", "region": "eu"},
    "metrics": {"length": 312.0},
    "output": "spam, surely",
}

EVERY_ARGUMENT: dict[str, list[dict[str, Any]]] = {
    "preflight": [
        {
            "workload": "triage",
            "dependencies": ["m", "search"],
            "planned_calls": 40,
            "budget": "nightly",
            "detail": "full",
        }
    ],
    "check_model_drift": [
        {
            "dependency": "m",
            "metric": "outcome",
            "segment": "tier=new",
            "baseline_version": "1",
            "version": "2",
            "since": "2026-10-01",
            "until": "2026-11-01",
            "detail": "full",
        }
    ],
    "get_trust_score_health": [{"dependency": "m", "detail": "full"}],
    "check_budget_with_confidence": [
        {
            "budget": "nightly",
            "dependency": "m",
            "planned_calls": 40,
            "planned_cost_usd": 2.5,
            "reserve": True,
            "run": "triage-7",
            "idempotency_key": "run-1",
            "detail": "full",
        }
    ],
    "trigger_fallback": [
        {
            "dependency": "m",
            "reason": "degraded",
            "to": "n",
            "share": 0.5,
            "plan_id": "plan-1",
            "idempotency_key": "run-1",
            "confirm": True,
            "undo": "aud-1",
            "promote": "v2",
            "promote_by": "stages",
        }
    ],
    "get_route": [{"dependency": "m", "key": "user-1"}],
    "record_observations": [
        {"observations": [EVERY_FIELD]},
        {"observations": [{**EVERY_FIELD, "segments": "tier=new", "metrics": "length=312"}]},
    ],
    "settle_reservation": [{"reservation_id": "res-1", "actual_usd": 2.5, "renew": True}],
    "list_dependencies": [{"query": "m", "cursor": "n"}],
    "get_incidents": [{"dependency": "m", "status": "open", "incident_id": "inc-1"}],
}
