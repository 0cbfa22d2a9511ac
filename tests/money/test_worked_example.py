"""The worked example of docs/budgets.md: each number in its table is what a check answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from money_world import calls, opened_app, record

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parents[2] / "docs" / "budgets.md"


async def test_each_number_of_the_example_is_the_answer_s(tmp_path: Path) -> None:
    """Sixty calls, a hold of another, and 400 calls asked about."""
    example = PAGE.read_text().partition("## A worked example")[2].partition("\n## ")[0]
    (toml,) = re.findall(r"```toml\n(.*?)```", example, re.DOTALL)
    told = {name: json.loads(v) for name, v in re.findall(r"\| `(\w+)` \| (.+?) \|", example)}
    async with opened_app(tmp_path, toml) as app:
        await record(app, calls("summariser", 60, 0.02))
        await app.check_budget_with_confidence("day", planned_cost_usd=2, reserve=True)
        found = await app.check_budget_with_confidence("day", "summariser", 400)
        passing = await app.check_budget_with_confidence(
            "day", "summariser", found.calls_that_would_pass
        )
    answer = found.model_dump()
    assert len(told) == 10
    for name, value in told.items():
        # The table rounds to the digits that it shows.
        assert answer[name] == (value if isinstance(value, str) else pytest.approx(value, rel=0.03))
    assert passing.verdict == "go"
