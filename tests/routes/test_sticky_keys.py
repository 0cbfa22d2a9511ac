"""Few sticky keys: a split takes the salt under which they carry its shares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gonogo.answers import FallbackPlan, rfc3339
from gonogo.routes.split import key_place
from gonogo.routes.sticky_keys import effective_keys, fitting_salt
from gonogo.routing import RouteReader
from promotion_world import HOUR, Lives, lives
from reconfigured_app import configure

pytestmark = pytest.mark.anyio

STAGES = (0.01, 0.05, 0.25, 0.5)


@pytest.mark.parametrize("from_end", [False, True])
def test_a_hundredth_of_thirty_users_is_somebody_and_little_in_every_split(
    from_end: bool,  # noqa: FBT001 - both ends
) -> None:
    """By the hash alone it is nobody in three splits of four, and a fifth of the calls in some."""
    rng = np.random.default_rng(20)
    nobody = 0
    for life in range(5):
        calls = {f"user-{at}": float(n) for at, n in enumerate(rng.lognormal(0, 1, 30))}
        found = fitting_salt(f"m/{life}/", calls, STAGES, from_end=from_end)
        places = {key: key_place(found.salt, key) for key in calls}
        inside = [
            key for key, place in places.items() if (1 - place if from_end else place) < STAGES[0]
        ]
        carried = sum(calls[key] for key in inside) / sum(calls.values())
        assert len(inside) == found.keys
        assert carried == pytest.approx(found.carried)
        assert found.keys >= 1
        assert 0.01 <= found.carried <= 0.05
        nobody += min(key_place(f"m/{life}/", key) for key in calls) >= STAGES[0]
    assert nobody > 2


def test_keys_that_call_alike_count_as_many_as_they_are() -> None:
    """One that makes nine calls of ten is little more than one."""
    assert effective_keys({str(at): 3.0 for at in range(7)}) == pytest.approx(7)
    assert effective_keys({"a": 90.0, **{str(at): 1.0 for at in range(10)}}) < 1.3


async def _called_by(m: Lives, users: list[str]) -> None:
    """A few calls of each, which name it in their segment."""
    ts = rfc3339(m.now[0] - HOUR)
    rows = [
        {"dependency": "m", "version": "v1", "ts": ts, "id": f"{user}/{n}", "outcome": 1.0}
        | {"segments": {"user": user}}
        for at, user in enumerate(users)
        for n in range(1 + at % 4)
    ]
    await m.app.record_observations(rows)


async def test_a_fallback_leaves_somebody_on_the_primary_and_a_promotion_gives_somebody_the_candidate(
    tmp_path: Path,
) -> None:
    """The plan says how many keys its share holds, and what few of them mean."""
    users = [f"user-{at}" for at in range(30)]
    async with lives(tmp_path) as m:
        own = replace(m.app.settings.dependency("m"), route_key="user", fallback=("rules:basic",))
        configure(m.app, replace(m.app.settings, dependencies={"m": own}))
        unknown = await m.planned()
        assert "no user is known of the last week" in str(unknown.way_back)
        await _called_by(m, users)
        routes = RouteReader(Path(f"{m.app.settings.store}.routes.json"))
        plan = await m.planned()
        assert "of 30 keys with" in str(plan.way_back)
        assert "what one of them does counts as many calls" in str(plan.way_back)
        await m.app.approve(plan.plan_id, "again")
        given = [user for user in users if routes.target("m", user) == "m@v2"]
        assert 1 <= len(given) <= 5
        audit = (await m.route()).audit_id
        await m.app.trigger_fallback("m", undo=audit, confirm=True)
        away = await m.app.trigger_fallback("m", reason="it fell", to="rules:basic")
        assert isinstance(away, FallbackPlan)
        await m.app.approve(away.plan_id, "it has to be")
        kept = [user for user in users if routes.target("m", user) == "m"]
        assert 1 <= len(kept) <= 5
        audit = (await m.route()).audit_id
        await m.app.trigger_fallback("m", undo=audit, confirm=True)


@pytest.mark.parametrize(
    ("heavy", "told"),
    [
        (1, "counted by user, of which there are 12"),
        (8000, "one user has nearly all calls of a version"),
    ],
)
async def test_an_a_b_test_counts_by_the_key_that_keeps_its_version(
    tmp_path: Path, heavy: int, told: str
) -> None:
    """The interval is that of twelve users, not of their hundreds of calls; of one who is nearly all there is none."""
    async with lives(tmp_path) as m:
        own = replace(m.app.settings.dependency("m"), route_key="user")
        configure(m.app, replace(m.app.settings, dependencies={"m": own}))
        plan = await m.planned(share=0.5, at_once=True)
        await m.app.approve(plan.plan_id, "a test of two")
        rows = []
        for user in range(12):
            calls = heavy if heavy > 1 and user == 0 else 60
            for n in range(calls):
                ts = rfc3339(m.now[0] + n * 4 * HOUR // calls)
                rows.append(
                    {"dependency": "m", "version": f"v{1 + user % 2}", "ts": ts, "outcome_ts": ts}
                    | {"id": f"{user}/{n}", "outcome": float((n + user) % (5 + user) != 0)}
                    | {"segments": {"user": f"user-{user}"}}
                )
        m.now[0] += 6 * HOUR
        for at in range(0, len(rows), 1000):
            await m.app.record_observations(rows[at : at + 1000])
        report = await m.report()
        assert told in report.summary
        own = replace(m.app.settings.dependency("m"), route_key=None)
        configure(m.app, replace(m.app.settings, dependencies={"m": own}))
        by_call = await m.report()
    assert by_call.interval95 is not None
    if heavy > 1:
        assert report.interval95 is None
    else:
        assert report.interval95 is not None
        widths = [
            each.interval95[1] - each.interval95[0] for each in (report, by_call) if each.interval95
        ]
        assert widths[0] > widths[1]
