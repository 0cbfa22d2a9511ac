"""A disk that is full while a client asks: what only reads is answered, the rest refused in a line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp import Client

from agent_world import lived_in
from gonogo.server.surface import build_server

if TYPE_CHECKING:
    from gonogo.store.engine import Connection

pytestmark = pytest.mark.anyio

READS: dict[str, dict[str, object]] = {
    "list_dependencies": {},
    "check_model_drift": {"dependency": "sentiment-v3"},
    "get_trust_score_health": {},
    "preflight": {"dependencies": ["sentiment-v3"]},
    "get_route": {"dependency": "sentiment-v3"},
    "get_incidents": {},
}
ACTS: dict[str, dict[str, object]] = {
    "record_observations": {"observations": [{"dependency": "sentiment-v3", "outcome": 1}] * 900},
    "trigger_fallback": {"dependency": "sentiment-v3", "reason": "it fell", "to": "human"},
}


def no_more_pages(connection: Connection) -> None:
    """Leave no room: SQLite then fails as on a full disk."""
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


async def test_what_only_reads_is_answered_and_a_lost_log_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback, no crash; that checks cannot be logged is one line, not one a check."""
    async with await lived_in(tmp_path) as app, Client(build_server(app), mode="auto") as client:
        await (await app.stores()).db.write(no_more_pages)
        with caplog.at_level(logging.WARNING, "gonogo"):
            for _ in range(2):
                for tool, arguments in READS.items():
                    answer = await client.call_tool(tool, arguments)
                    assert not answer.is_error, (tool, answer.content)
            for tool, arguments in ACTS.items():
                refused = await client.call_tool(tool, arguments)
                assert refused.is_error
                [said] = [part.text for part in refused.content if part.type == "text"]
                assert "the disk is full" in said
                assert "\n" not in said
            await (await app.stores()).db.settled()
        lost = [record for record in caplog.records if "disk is full" in record.getMessage()]
        assert len(lost) in (1, 2)  # the first, and the tenth
        assert not [record for record in caplog.records if record.exc_info]
