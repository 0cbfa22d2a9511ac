"""A promotion as a person types it, and as an agent calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from product import answer, client, environment, lines, typed

from gonogo.routing import RouteReader

CONFIG = """
[dependencies.m]
fallback = ["m-old"]
fallback_policy = "confirm"
"""


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A store with calls of two versions, all of the last hours."""
    folder = tmp_path
    store, config = folder / "gonogo.db", folder / "gonogo.toml"
    config.write_text(CONFIG)
    environ = environment(store) | {"GONOGO_CONFIG": str(config)}
    calls = folder / "calls.jsonl"
    rows = [{"dependency": "m", "version": "v1", "outcome": n % 20 > 0} for n in range(60)]
    calls.write_text(lines([*rows, {"dependency": "m", "version": "v2", "outcome": 1}]))
    assert typed("ingest", str(calls), store=store, environ=environ).returncode == 0
    return store, environ


def test_a_person_promotes_looks_and_takes_it_back(world: tuple[Path, dict[str, str]]) -> None:
    """Plan, yes, how it stands, where it is listed, undo: each answer names the next command."""
    store, environ = world

    def run(*words: str) -> dict[str, object]:
        return answer(typed(*words, "--json", store=store, environ=environ))

    plan = run("promote", "m", "v2")
    assert plan["to"] == [{"target": "m", "share": 0.95}, {"target": "m@v2", "share": 0.05}]
    assert "held against v1; then 25% → 50% → 100%" in str(plan["summary"])
    begun = run("approve", str(plan["plan_id"]))
    assert begun["approved_by"]["how"] == "approved"  # type: ignore[index]
    assert "incident_id" not in begun
    report = run("promote", "m")
    assert report["verdict"] == "unknown"
    assert report["promotion"]["share"] == 0.05  # type: ignore[index]
    assert "not shown yet for quality" in str(report["summary"])
    again = typed("promote", "m", "v2", store=store, environ=environ)
    assert f"gonogo fallback m --undo {begun['audit_id']}" in again.stdout
    listed = json.loads(typed("plans", "--json", store=store, environ=environ).stdout)
    [line] = listed["promotions"]
    assert (line["dependency"], line["candidate"], line["status"]) == ("m", "v2", "running")
    assert run("incidents")["promotions"] == [line]
    said = typed("doctor", store=store, environ=environ).stdout
    assert "promotion m" in said
    assert "no gonogo watch runs" in " ".join(said.split())
    code = RouteReader(store.with_name(f"{store.name}.routes.json"))
    assert {code.target("m", f"user-{n}") for n in range(200)} == {"m", "m@v2"}
    undone = run("fallback", "m", "--undo", str(begun["audit_id"]), "--confirm")
    assert undone["to"] == [{"target": "m", "share": 1.0}]
    assert run("promote", "m")["promotion"]["status"] == "back"  # type: ignore[index]
    wrong = typed("promote", "m", "v9", store=store, environ=environ)
    assert wrong.returncode == 66
    assert "Known: v2, v1" in wrong.stderr


@pytest.mark.anyio
async def test_an_agent_promotes_through_one_tool(world: tuple[Path, dict[str, str]]) -> None:
    """The plan, its yes, and the report come from trigger_fallback; where it stands is a resource."""
    store, environ = world
    config = environ["GONOGO_CONFIG"]
    async with client(store, "auto", "--config", config) as agent:
        asked = {"dependency": "m", "promote": "v2"}
        plan = (await agent.call_tool("trigger_fallback", asked)).structured_content
        assert plan is not None
        [step] = plan["next_actions"]
        done = (await agent.call_tool(step["tool"], step["arguments"])).structured_content
        assert done is not None
        assert done["applied"]
        [step] = done["next_actions"]
        report = (await agent.call_tool(step["tool"], step["arguments"])).structured_content
        assert report is not None
        assert report["promotion"]["status"] == "running"
        refused = await agent.call_tool("trigger_fallback", asked | {"to": "m-old"})
        assert refused.is_error
        read = await agent.read_resource("gonogo://plans")
        assert '"candidate": "v2"' in str(read.contents[0])


@pytest.mark.anyio
async def test_an_agent_begins_a_shadow_and_a_split_as_a_person_does(
    world: tuple[Path, dict[str, str]],
) -> None:
    """One argument says which; the route then names the shadow, and a split waits for a person."""
    store, environ = world
    async with client(store, "auto", "--config", environ["GONOGO_CONFIG"]) as agent:

        async def called(tool: str, **arguments: object) -> dict[str, Any]:
            answer = await agent.call_tool(tool, {"dependency": "m", **arguments})
            said: dict[str, Any] | None = answer.structured_content
            assert said is not None, answer.content
            return said

        async def refused(**arguments: object) -> str:
            answer = await agent.call_tool("trigger_fallback", {"dependency": "m", **arguments})
            assert answer.is_error
            return str(answer.content)

        assert "needs `promote`" in await refused(promote_by="shadow", reason="try it")
        assert "a share below 1" in await refused(promote="v2", promote_by="split")
        assert "promote_by" in await refused(promote="v2", promote_by="canary")
        for way in ("split", "stages"):
            tiny = await refused(promote="v2", promote_by=way, share=1e-5)
            assert "share 1e-05 is too small" in tiny
            assert "The least is 0.0001" in tiny
        half = {"promote": "v2", "promote_by": "split", "share": 0.5}
        split = await called("trigger_fallback", **half)
        assert [to["share"] for to in split["to"]] == [0.5, 0.5]
        [step] = split["next_actions"]
        waits = await called(step["tool"], **{**step["arguments"], "confirm": True})
        assert (waits["applied"], waits["pending_approval"]) == (False, True)
        assert waits["approve_command"] == f"gonogo approve {split['plan_id']}"
        logged = await agent.read_resource(f"gonogo://decision/{split['decision_id']}")
        kept = json.loads(logged.contents[0].text)  # type: ignore[union-attr]
        assert kept["inputs"] == {"dependency": "m", **half}
        plan = await called("trigger_fallback", promote="v2", promote_by="shadow")
        assert plan["promotion"]["shadow"] == "m-shadow"
        [step] = plan["next_actions"]
        await called(step["tool"], **step["arguments"])
        beside = await called("get_route")
        assert beside["shadow"] == {"target": "m@v2", "record_as": "m-shadow"}
