"""A history with which a gate has something to say: one dependency that is well, one that fell."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

CALLS = 960


def steady_and_fallen() -> str:
    """Observations as JSONL: `steady` is well and `fallen` fell yesterday; both have 8 days of calls."""
    start = datetime.now(UTC) - timedelta(days=8)
    calls = [
        {
            "dependency": name,
            "ts": (start + timedelta(minutes=12 * call)).isoformat(),
            "outcome": 0 if call % (3 if name == "fallen" and call > 700 else 20) == 0 else 1,
        }
        for name in ("steady", "fallen")
        for call in range(CALLS)
    ]
    return "".join(json.dumps(call) + "\n" for call in calls)
