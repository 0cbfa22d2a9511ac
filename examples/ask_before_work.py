"""An agent's habit in thirty lines: ask before the work, obey, and record what happened.

Run it from the checkout: .venv/bin/python examples/ask_before_work.py DEPENDENCY
"""

from __future__ import annotations

import os
import sys

import anyio
from mcp import Client, StdioServerParameters


async def main(dependency: str) -> int:
    """Exit status 0 where the work may run."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gonogo", "serve"], env=dict(os.environ)
    )
    async with Client(server) as client:
        answer = await client.call_tool("preflight", {"dependencies": [dependency]})
        report = answer.structured_content or {}
        print(report["verdict"], "-", report["summary"])
        if report["verdict"] not in ("go", "caution"):
            for action in report["next_actions"]:
                print("next:", action["tool"], action["arguments"], "-", action["reason"])
            return 1
        # The work would run here. What came of it is the evidence for the next question.
        done = {"dependency": dependency, "outcome": True, "latency_ms": 412}
        await client.call_tool("record_observations", {"observations": [done]})
        return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1]))
