"""Post-mortems over a real store: every claim cites a decision that is there, the rest is blank."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fallback_world import MINUTE, NOW, World, world
from gonogo.answers import rfc3339
from gonogo.errors import UnknownTarget
from gonogo.incidents.by_hand import acknowledge, change_by_hand, resolve
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.incidents.post_mortem import BLANK, post_mortem
from gonogo.records import Decision

pytestmark = pytest.mark.anyio

SEEN = Decision(
    id="SEEN",
    ts_ms=NOW - MINUTE,
    kind="check_model_drift",
    verdict="no_go",
    summary="m degraded: <b>0.94</b> to 0.87 | [x](http://evil)",
    inputs="{}",
    answer="{}",
    dependency="m",
)
BAD = VerdictReading(
    "m", "no_go", SEEN.summary, NOW, decision_id="SEEN", e_value=9e9, needed=1e5, signal="drift"
)


async def opened(w: World, look: VerdictReading = BAD) -> str:
    """A look that was logged, and the incident that it opened."""
    w.decisions.note(replace(SEEN, id=look.decision_id or "SEEN"))
    found = await note_verdict(w.incidents, look, new_id=w.ports.new_id)
    assert found is not None
    return found


async def test_each_claim_cites_a_decision_that_is_there(tmp_path: Path) -> None:
    """What was seen and what was done name their entries; what nobody knows stays blank."""
    async with world(tmp_path) as w:
        incident_id = await opened(w)
        w.now_ms = NOW + 5 * MINUTE
        await w.switched()
        end = NOW + 90 * MINUTE
        await change_by_hand(
            w.incidents, incident_id, resolve(false_alarm=False), actor="kim", now_ms=end
        )
        written = await post_mortem(w.incidents, w.decisions, incident_id, now_ms=end)
        cited = set(re.findall(r"\[`([^`]+)`\]", written))
        assert {"SEEN"} < cited
        for decision_id in cited:
            assert await w.decisions.decision(decision_id) is not None
    assert "| Status | resolved |" in written
    assert "| Lasted | 1 h 30 min |" in written
    done = written.split("## What was done")[1].split("##")[0]
    assert sorted(re.findall(r"Z (\w+):", done)) == ["Begun", "Switched"]
    for section in ("Root cause", "What to change", "Where it may come from"):
        assert written.split(f"## {section}\n\n")[1].startswith(BLANK)


async def test_stored_text_is_text_and_no_markup(tmp_path: Path) -> None:
    """Neither HTML nor a link nor a table cell comes out of a summary."""
    async with world(tmp_path) as w:
        incident_id = await opened(w)
        written = await post_mortem(w.incidents, w.decisions, incident_id, now_ms=NOW)
    assert r"\<b\>0.94\</b\> to 0.87 \| \[x\](http://evil)" in written
    assert "<b>" not in written


async def test_what_it_may_come_from_is_told(tmp_path: Path) -> None:
    """A suspicion cites the look that opened the incident."""

    async def suspect() -> str:
        return "version 2, first seen then; slice tier=new"

    async with world(tmp_path) as w:
        w.decisions.note(SEEN)
        incident_id = await note_verdict(w.incidents, BAD, new_id=w.ports.new_id, suspect=suspect)
        written = await post_mortem(w.incidents, w.decisions, str(incident_id), now_ms=NOW)
    suspects = written.split("## Where it may come from\n\n")[1].split("\n\n")[0].splitlines()
    assert suspects == ["- version 2, first seen then [`SEEN`]", "- slice tier=new [`SEEN`]"]


async def test_an_incident_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line, with those that are."""
    async with world(tmp_path) as w:
        incident_id = await opened(w)
        with pytest.raises(UnknownTarget, match=f"Unknown incident 'nope'.*{incident_id}"):
            await post_mortem(w.incidents, w.decisions, "nope", now_ms=NOW)


async def test_looks_of_the_watch_are_one_line_and_people_have_names(tmp_path: Path) -> None:
    """Twenty-one looks a minute apart: the first, how many, how long, and what the last one said."""
    async with world(tmp_path) as w:
        incident_id = await opened(w, replace(BAD, onset_ms=NOW - 132 * MINUTE))
        for minute in range(1, 22):
            said = f"m degraded: 0.94 to 0.{87 - minute}"
            w.decisions.note(
                replace(
                    SEEN,
                    id=f"LOOK{minute}",
                    ts_ms=NOW + minute * MINUTE,
                    summary=said,
                    answer=f'{{"mean": 0.{87 - minute}}}',
                    actor="watch",
                )
            )
        when = NOW + 30 * MINUTE
        await change_by_hand(
            w.incidents, incident_id, acknowledge(), actor="person:kim", now_ms=when
        )
        written = await post_mortem(w.incidents, w.decisions, incident_id, now_ms=when + MINUTE)
    seen = written.split("## What was seen\n\n")[1].split("\n\n")[0].splitlines()
    assert len(seen) == 2  # the agent's look that opened it, and the watch's
    assert "(an agent)" in seen[0]
    assert "Asked 21 times in 20 min; at the end: m degraded: 0.94 to 0.66 (watch)" in seen[1]
    assert seen[1].endswith("[`LOOK1`, `LOOK21`]")
    assert f"| Noticed | {rfc3339(NOW)}, 2 h 12 min after it began |" in written
    assert f"| Acknowledged | {rfc3339(when)}, 30 min after it was noticed, by kim |" in written
    assert "| Open for | 2 h 43 min, 31 min of it known |" in written
