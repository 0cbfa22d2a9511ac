"""Idempotency keys of plans: one key, one set of arguments, and none that stands for a step of gonogo's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fallback_world import HOUR, WELL, World, world
from gonogo.answers import FallbackResult
from gonogo.errors import ActionRefused, ParameterError
from gonogo.fallback.ask import FallbackRequest, trigger_fallback
from gonogo.ports.routes import Weight

pytestmark = pytest.mark.anyio


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A dependency whose fallback keeps 1 % on the primary, and waits for a person."""
    async with world(tmp_path, recovery_share=0.01) as made:
        yield made


async def test_keys_make_planning_and_applying_idempotent(w: World) -> None:
    """The same key finds the first plan, then its result; with other arguments it is refused."""
    plan = await w.plan(idempotency_key="k")
    assert (await w.plan(idempotency_key="k")).plan_id == plan.plan_id
    result = await w.apply(plan.plan_id, idempotency_key="k")
    assert isinstance(result, FallbackResult)
    request = FallbackRequest("m", reason="it got worse", idempotency_key="k")
    again = await trigger_fallback(w.configured, request, now_ms=w.now_ms)
    assert isinstance(again, FallbackResult)
    assert (again.audit_id, again.replayed) == (result.audit_id, True)
    for other in ({"to": "rules:basic"}, {"share": 0.5}, {"reason": "something else"}):
        with pytest.raises(ParameterError, match="'k' was used with other arguments"):
            await w.plan(idempotency_key="k", **other)
    plan = await w.plan(to="rules:basic")
    with pytest.raises(ParameterError, match="'k' was used for plan plan-"):
        await w.apply(plan.plan_id, idempotency_key="k")
    assert len(await w.routes.switches("m", since_ms=0)) == 1


@pytest.mark.parametrize("name", ["recover/1/500", "\nrecover/1/500"])
async def test_no_key_of_an_agent_stands_for_a_step_on_evidence(w: World, name: str) -> None:
    """A plan that waits for a person, under the name of a step, is neither taken as that step nor holds it up."""
    await w.switched()
    waits = None
    try:
        waits = await w.plan(to="rules:basic", idempotency_key=name)
    except ParameterError as refused:
        assert "printable" in str(refused)  # noqa: PT017 - one of the two names is refused
    w.now_ms += HOUR
    w.health.rates = WELL
    await w.recovered()
    route = await w.routes.route("m")
    assert route is not None
    assert route.targets == (Weight("m", 500), Weight("v2", 9_500))
    if waits is not None:
        with pytest.raises(ActionRefused, match="plan again"):
            await w.approved(waits.plan_id)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\0b"])
async def test_a_key_that_cannot_be_told_is_refused(key: str) -> None:
    """Empty, too long, or with what cannot be seen."""
    with pytest.raises(ParameterError, match="1 to 200 printable characters"):
        FallbackRequest("m", reason="it got worse", idempotency_key=key)
