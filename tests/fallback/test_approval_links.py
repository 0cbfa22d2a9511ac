"""Signed links: they reach people alone, act by their button alone, once, until their time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.dashboard.pulse import Pulse
from gonogo.dashboard.site import site
from gonogo.http.guard import Place
from gonogo.http.signatures import ApprovalLink, link_of, read_link
from receivers import ROUTING_KEY, pagerduty, receiver

CONFIG = """
[dependencies.m]
fallback = ["m-old"]
fallback_policy = "person"
[settings]
url = "http://127.0.0.1:8000/"
approval_secret_env = "APPROVALS"
[settings.notify.pager]
kind = "pagerduty"
url = "{url}"
routing_key_env = "KEY"
"""
HOUR_MS = 3_600_000
WORDS = st.text(max_size=30)


@settings(max_examples=30)
@given(st.builds(ApprovalLink, WORDS, st.integers(0, 10**11), WORDS), st.data())
def test_a_link_says_what_was_signed_and_nothing_else(
    link: ApprovalLink, data: st.DataObject
) -> None:
    """Whatever one changes in it, or with another secret, it is none."""
    query = {
        name: values[0]
        for name, values in parse_qs(
            urlsplit(link_of("s", link, url="https://g.example/in/")).query, keep_blank_values=True
        ).items()
    }
    assert read_link("s", query) == link
    assert read_link("other", query) is None
    name = data.draw(st.sampled_from(sorted(query)))
    other = data.draw(WORDS.filter(lambda text: text != query[name]))
    changed = read_link("s", query | {name: other})
    assert changed in (None, link)  # 007 is 7
    assert changed is None or name == "until"
    assert read_link("s", {}) is None


@dataclass
class World:
    """An application with a plan that waits for a person, and a browser at its dashboard."""

    app: Gonogo
    plan_id: str
    browser: httpx.AsyncClient


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[World, str]]:
    """A world, and the link that the pager was sent."""
    config = tmp_path / "gonogo.toml"
    with receiver(pagerduty) as pager:
        config.write_text(CONFIG.format(url=pager.url))
        environ = {"APPROVALS": "hush", "KEY": ROUTING_KEY}
        here = load_settings(str(config), str(tmp_path / "gonogo.db"), environ)
        async with Gonogo(here) as app:
            await app.record_observations([{"dependency": "m"}, {"dependency": "m-old"}])
            plan = await app.trigger_fallback("m", reason="it fell")
            assert isinstance(plan, FallbackPlan)
            assert plan.approval == "person"
            [step] = [step for _, step in await app.tell("pager")]
            assert step.status == "done"
            link = pager.taken[0]["links"][0]["href"]
            served = site(app, Pulse(), place=Place("127.0.0.1", 8000), tokens=("t",), acting=app)
            transport = httpx.ASGITransport(app=served)
            async with httpx.AsyncClient(transport=transport) as browser:
                yield World(app, plan.plan_id, browser), link


@pytest.mark.anyio
async def test_a_link_acts_by_its_button_once(world: tuple[World, str]) -> None:
    """Not by being opened, as chat programs do; the audit says how, and to whom it was sent."""
    w, link = world
    opened = await w.browser.get(link)
    assert opened.status_code == 200
    assert "Carry out fallback plan" in opened.text
    assert "no-referrer" in opened.headers["referrer-policy"]
    assert (await w.app.get_route("m")).route_epoch == 0
    [action] = re.findall(r'action="([^"]+)"', opened.text)
    button = f"http://127.0.0.1:8000{action.replace('&amp;', '&')}"
    assert button == link
    done = await w.browser.post(button)
    assert "Switched: m now goes to m-old" in done.text
    route = await w.app.get_route("m")
    again = await w.browser.post(button)
    assert "carried out already; nothing was done again" in again.text
    assert "Nothing is left to approve" in (await w.browser.get(link)).text
    assert (await w.app.get_route("m")).route_epoch == route.route_epoch == 1
    result = await w.app.trigger_fallback("m", plan_id=w.plan_id)
    assert isinstance(result, FallbackResult)
    assert result.approved_by is not None
    assert (result.approved_by.how, result.approved_by.who) == ("link", "person:pager (by link)")


@pytest.mark.anyio
async def test_no_agent_sees_a_link_or_says_a_persons_yes(world: tuple[World, str]) -> None:
    """Not in lists or in the log; nor is what a client asked a person, nor a script, enough."""
    w, link = world
    signed = parse_qs(urlsplit(link).query)["sig"][0]
    shown = [(await w.app.get_incidents()).model_dump_json()]
    shown += [entry.answer + entry.inputs for entry in await w.app.decisions(limit=50)]
    assert signed not in "".join(shown)
    for how in ("elicited", None):
        still = await w.app.trigger_fallback("m", plan_id=w.plan_id, confirm=True, confirmed_by=how)
        assert isinstance(still, FallbackPlan)
        assert still.pending_approval
    assert await w.app.plan_to_approve("m", plan_id=w.plan_id) is None  # no client is asked
    assert (await w.app.get_route("m")).route_epoch == 0


@pytest.mark.anyio
async def test_what_is_not_signed_or_too_old_changes_nothing(world: tuple[World, str]) -> None:
    """A forged link, an expired one, a page elsewhere that posts; and nobody's where no secret is set."""
    w, link = world
    forged = link.replace("sig=", "sig=0")
    assert (await w.browser.post(forged)).status_code == 403
    elsewhere = {"origin": "https://evil.example"}
    assert (await w.browser.post(link, headers=elsewhere)).status_code == 403
    now_ms = w.app.clock()
    bare = replace(w.app.settings, approval_secret=None)
    late = now_ms + 9 * HOUR_MS
    for here, at_ms, status in ((w.app.settings, late, 410), (bare, now_ms, 403)):
        async with Gonogo(here, clock=partial(int, at_ms)) as other:
            served = site(other, Pulse(), place=Place("127.0.0.1", 8000), tokens=(), acting=other)
            transport = httpx.ASGITransport(app=served)
            async with httpx.AsyncClient(transport=transport) as browser:
                assert (await browser.post(link)).status_code == status
    assert (await w.app.get_route("m")).route_epoch == 0
