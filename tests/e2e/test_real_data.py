"""Real answers of GPT-4 and GPT-3.5, ingested as a user would, asked over a real stdio server.

Source: Chen, Zaharia & Zou, "How Is ChatGPT's Behavior Changing over Time?" (2023): GPT-4 told
84.0 % of 1,000 primes right in its March version, and 51.1 % in its June version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult, TextContent
from product import ERAS, PROTOCOLS, answer, client, gonogo, typed

MAP = ["dependency=model", "outcome=correct", "item=item_id", "latency_ms=latency_s*1000"]
TOKENS_MAX = 400
CHARS_A_TOKEN = 4

BRIEF: dict[str, dict[str, Any]] = {
    "preflight": {"dependencies": ["gpt-4", "gpt-3.5-turbo"], "planned_calls": 100},
    "check_model_drift": {"dependency": "gpt-4"},
    "get_trust_score_health": {"dependency": "gpt-4"},
    "get_route": {"dependency": "gpt-4"},
    "list_dependencies": {},
    "get_incidents": {},
    "trigger_fallback": {"dependency": "gpt-4", "reason": "degraded", "to": "gpt-3.5-turbo"},
}


@pytest.fixture(scope="module")
def store(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the command filled from the file."""
    path = tmp_path_factory.mktemp("real") / "gonogo.db"
    source = shared_data / "llmdrift" / "prime.jsonl.gz"
    maps = [part for text in MAP for part in ("--map", text)]
    done = gonogo("ingest", str(source), *maps, "--json", store=path)
    assert (done.returncode, done.stderr) == (0, "")
    counted = answer(done)
    assert counted.pop("understood")[0].startswith("prime.jsonl.gz: JSON lines; 4,000 records of")
    assert counted == {"accepted": 4000, "duplicates": 0, "updated": 0, "rejected": []}
    again = typed("ingest", str(source), *maps, "--json", store=path)
    counted = answer(again)
    assert counted.pop("understood")
    assert counted == {"accepted": 0, "duplicates": 4000, "updated": 0, "rejected": []}
    return path


def words(result: CallToolResult) -> str:
    """The text block, where the call was answered."""
    [block] = result.content
    assert isinstance(block, TextContent)
    assert not result.is_error, block.text
    return block.text


def tokens(result: CallToolResult) -> float:
    """The longer of the words and the object, four characters a token."""
    shown = json.dumps(result.structured_content, separators=(",", ":"), ensure_ascii=False)
    return max(len(words(result)), len(shown)) / CHARS_A_TOKEN


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_learns_what_the_paper_found(store: Path, era: str) -> None:
    """GPT-4 degraded, GPT-3.5 improved: from the words and from the object, and in the log."""
    async with client(store, era) as asked:
        assert asked.protocol_version == PROTOCOLS[era]
        for name, versions, verdict, status, before, after in (
            ("gpt-4", ("0314", "0613"), "no_go", "degraded", 0.84, 0.511),
            ("gpt-3.5-turbo", ("0301", "0613"), "go", "improved", 0.519, 0.762),
        ):
            old, new = versions
            arguments = {"dependency": name, "baseline_version": old, "version": new}
            result = await asked.call_tool("check_model_drift", arguments)
            found = result.structured_content or {}
            assert (found["verdict"], found["status"]) == (verdict, status)
            assert (found["baseline"]["mean"], found["current"]["mean"]) == (before, after)
            assert found["golden"]["items"] == 1000
            for part in (verdict.upper(), status, f"{before:g} → {after:g}", "1,000 paired"):
                assert part in words(result)
        [content] = (
            await asked.read_resource(f"gonogo://decision/{found['decision_id']}")
        ).contents
        read = json.loads(content.model_dump()["text"])
        assert (read["inputs"], read["answer"]["status"]) == (arguments, "improved")
        costs = {tool: tokens(await asked.call_tool(tool, given)) for tool, given in BRIEF.items()}
        assert {tool: cost for tool, cost in costs.items() if cost > TOKENS_MAX} == {}


def test_the_command_prints_the_tools_object_and_exits_with_its_verdict(store: Path) -> None:
    """`--json` before or after the command; exit status 2 for no_go, 0 for go, 3 for unknown."""
    asked = ["check", "drift", "gpt-4", "--baseline-version", "0314", "--version", "0613"]
    before = typed("--json", *asked, store=store)
    after = typed(*asked, "--json", store=store)
    assert (before.returncode, after.returncode) == (2, 2)
    for key in ("verdict", "status", "baseline", "current", "change", "golden", "evidence"):
        assert answer(before)[key] == answer(after)[key]
    improved = ["check", "drift", "gpt-3.5-turbo", "--baseline-version", "0301"]
    assert typed(*improved, "--version", "0613", store=store).returncode == 0
    stale = typed("check", "trust", "gpt-4", store=store)
    assert (stale.returncode, stale.stdout.split(":")[0]) == (3, "UNKNOWN")
