"""Windows that begin with their first call, as subscriptions have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.answers import rfc3339
from gonogo.config import load_settings
from gonogo.errors import ConfigError
from gonogo.records import HOUR_MS, QUARTER_MS
from gonogo.store.books.ledger_books import LOOKED_BACK, session_start
from money_world import NOW_MS, opened_app, record

TOML = """
[budgets.plan]
limit_usd = 100
unit = "calls"
window = "session:5h"
dependencies = ["model"]
"""


def call(hours: float, **fields: object) -> dict[str, object]:
    """One call, so many hours before noon."""
    return {"dependency": "model", "ts": rfc3339(NOW_MS - round(hours * HOUR_MS)), **fields}


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=60, unique=True).map(sorted),
    st.integers(1, 12),
)
def test_looking_back_a_while_finds_what_the_whole_past_says(
    buckets: list[int], length: int
) -> None:
    """Oracle: window after window from the first call of all."""
    now = 900 + length // 2
    start = buckets[0]
    for bucket in buckets:
        start = bucket if bucket >= start + length else start
    found = session_start(
        lambda since: [b for b in buckets if since is None or b >= since],
        length_ms=length * QUARTER_MS,
        now_ms=now * QUARTER_MS,
    )
    assert found == (start * QUARTER_MS if start + length > now else None)


def test_without_a_pause_all_of_the_past_is_read() -> None:
    """Calls in every quarter hour: where windows begin follows from the first of all."""
    asked: list[int | None] = []

    def buckets(since: int | None) -> list[int]:
        asked.append(since)
        return [*range(since or 7, 2001)]

    now_ms = 2000 * QUARTER_MS
    assert session_start(buckets, length_ms=20 * QUARTER_MS, now_ms=now_ms) == 1987 * QUARTER_MS
    assert asked == [2000 - 20 * LOOKED_BACK, None]


@pytest.mark.anyio
async def test_a_window_begins_with_the_first_call_after_the_last_one(tmp_path: Path) -> None:
    """Calls 11, 7 and 2 hours ago: the first window ended 6 hours ago, the next began 2 hours ago."""
    async with opened_app(tmp_path, TOML) as app:
        await record(app, [call(11), call(10.9), call(7), call(2), call(1), call(0.5)])
        now = await app.check_budget_with_confidence("plan", planned_calls=5)
        assert (now.spent_usd, now.remaining_usd) == (3, 97)
        assert now.window.kind == "session:5h"
        assert now.window.start == rfc3339(NOW_MS - 2 * HOUR_MS)
        assert now.window.end == rfc3339(NOW_MS + 3 * HOUR_MS)
    later = NOW_MS + 3 * HOUR_MS
    async with opened_app(tmp_path, TOML, now_ms=later) as app:
        free = await app.check_budget_with_confidence("plan", planned_calls=5, reserve=True)
        assert (free.spent_usd, free.window.start) == (0, rfc3339(later))
        assert free.reservation is not None
        await app.settle_reservation(free.reservation.id, actual_usd=7)
    async with opened_app(tmp_path, TOML, now_ms=later + 4 * HOUR_MS) as app:
        used = await app.check_budget_with_confidence("plan", planned_calls=5)
    assert (used.spent_usd, used.window.start) == (7, rfc3339(later))


def test_a_session_lasts_whole_quarter_hours(tmp_path: Path) -> None:
    """Spending is kept by the quarter hour."""
    (tmp_path / "gonogo.toml").write_text(TOML.replace("5h", "50m"), encoding="utf-8")
    with pytest.raises(ConfigError, match="whole quarter hours"):
        load_settings(config=str(tmp_path / "gonogo.toml"), store=None, environ={})
