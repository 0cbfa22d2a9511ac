"""What a tool's first call imported is not looked through again with every full garbage collection."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ASKED = """
import asyncio, gc, json, sys
from mcp import Client
from gonogo.app import Gonogo
from gonogo.server.surface import build_server
from gonogo.settings import Settings

async def main():
    rows = [{"dependency": "m", "outcome": 1} for _ in range(30)]
    told = []
    async with Client(build_server(Gonogo(Settings(store=sys.argv[1])))) as client:
        for name, given in [("record_observations", {"observations": rows})] + 2 * [
            ("check_model_drift", {"dependency": "m"})
        ]:
            before = gc.get_freeze_count()
            await client.call_tool(name, given)
            told.append(gc.get_freeze_count() - before)
    print(json.dumps(told))

asyncio.run(main())
"""


def test_imports_of_a_first_call_are_set_aside(tmp_path: Path) -> None:
    """The first drift check imports numpy and the detectors; the next one sets nothing aside."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(tmp_path / "gonogo.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    _, first, again = json.loads(done.stdout)
    assert first > 1_000
    assert again <= 0, "what is frozen may end, and nothing is added"
