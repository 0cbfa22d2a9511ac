"""Reserve, settle, release, expire: one budget or several, on a real store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gonogo.errors import ParameterError, UnknownTarget
from money_fakes import MINUTE_MS, configured, lognormal_usd, opened, usd_budget
from money_world import opened_app

pytestmark = pytest.mark.anyio


async def test_a_hold_counts_until_it_is_settled_at_its_true_cost(tmp_path: Path) -> None:
    """Held, then spent; the rest of the hold is free again."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    held = await bench.hold(4)
    during = await bench.check(planned_cost_usd=1)
    settled = await bench.settle(held, 2.5)
    after = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert (during.spent_usd, during.held_usd, during.remaining_usd) == (0, 4, 6)
    assert (settled.status, settled.actual_usd, settled.overrun_usd) == ("settled", 2.5, 0)
    assert (after.spent_usd, after.held_usd, after.remaining_usd) == (2.5, 0, 7.5)


async def test_an_overrun_is_booked_whole_and_said(tmp_path: Path) -> None:
    """The money is gone: the ledger tells the truth, and the answer is a caution."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    settled = await bench.settle(await bench.hold(4), 11)
    after = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert (settled.verdict, settled.overrun_usd) == ("caution", 7)
    assert "overrun of $7.00" in settled.summary
    assert (after.remaining_usd, after.verdict) == (-1, "no_go")


async def test_a_hold_expires_and_may_still_be_settled(tmp_path: Path) -> None:
    """Nothing is held for ever; late truth is booked."""
    bench = await opened(tmp_path, usd_budget("nightly", 10, hold_expires_s=900))
    held = await bench.hold(4)
    bench.now_ms += 15 * MINUTE_MS
    expired = await bench.check(planned_cost_usd=1)
    settled = await bench.settle(held, 3)
    after = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert expired.held_usd == 0
    assert settled.status == "expired_settled"
    assert after.spent_usd == 3


async def test_observations_of_a_reservation_use_up_its_hold(tmp_path: Path) -> None:
    """While open it counts the larger of hold and cost, whatever dependency was called."""
    nightly = usd_budget("nightly", 10, dependencies=("search",))
    bench = await opened(tmp_path, nightly)
    held = await bench.hold(4)
    await bench.spend(bench.cost(1, reservation=held), bench.cost(1, "other", reservation=held))
    within = await bench.check(planned_cost_usd=1)
    await bench.spend(bench.cost(3, reservation=held, budget="nightly"))
    beyond = await bench.check(planned_cost_usd=1)
    settled = await bench.settle(held)
    await bench.spend(bench.cost(0.5, reservation=held))
    corrected = await bench.check(planned_cost_usd=1)
    again = await bench.settle(held)
    await bench.database.close()
    assert (within.spent_usd, within.held_usd, within.remaining_usd) == (2, 2, 6)
    assert (beyond.spent_usd, beyond.held_usd, beyond.remaining_usd) == (5, 0, 5)
    assert (settled.actual_usd, settled.overrun_usd) == (5, 1)
    assert corrected.spent_usd == 5.5
    assert again.actual_usd == 5.5


async def test_after_a_declared_settlement_observations_change_nothing(tmp_path: Path) -> None:
    """What the caller declared is final, for money and for a second settlement."""
    bench = await opened(tmp_path, usd_budget("nightly", 10, dependencies=("search",)))
    held = await bench.hold(4)
    await bench.spend(bench.cost(1, reservation=held))
    await bench.settle(held, 3)
    await bench.spend(bench.cost(9, reservation=held))
    after = await bench.check(planned_cost_usd=1)
    same = await bench.settle(held, 3)
    silent = await bench.settle(held)
    with pytest.raises(ParameterError, match=r"settled at \$3\.00 before") as refused:
        await bench.settle(held, 4)
    await bench.database.close()
    assert after.spent_usd == 3
    assert same.actual_usd == silent.actual_usd == 3
    assert "\n" not in str(refused.value)


CAPS = """
[budgets.job]
limit_usd = 50
[budgets.cap]
limit_usd = 50
dependencies = ["search"]
[budgets.job-tokens]
unit = "tokens"
limit_usd = 5000
[budgets.cap-tokens]
unit = "tokens"
limit_usd = 5000
dependencies = ["search"]
"""


@pytest.mark.parametrize(("of", "used"), [("", 1), ("-tokens", 100)])
async def test_a_cap_counts_calls_that_come_after_a_declared_settlement(
    tmp_path: Path, of: str, used: int
) -> None:
    """Else a little is declared at once, and the rest is called for nothing."""
    async with opened_app(tmp_path, CAPS) as app:

        async def call(i: int, times: int) -> list[str]:
            cost = {"cost_usd": times, "input_tokens": 100 * times}
            said = await app.record_observations(
                [{"dependency": "search", "id": str(i), "reservation": name, **cost}]
            )
            return list(said.notes or ())

        async def spent(budget: str) -> float:
            asked = await app.check_budget_with_confidence(budget + of, planned_cost_usd=1)
            return asked.spent_usd / used

        held = await app.check_budget_with_confidence(
            f"job{of}", planned_cost_usd=4 * used, reserve=True
        )
        assert held.reservation is not None
        name = held.reservation.id
        await call(1, 3)
        settled = await app.settle_reservation(name, actual_usd=2 * used)
        again = await app.settle_reservation(name)
        late = await call(2, 5)
        await call(1, 4)
        figures = (await app.compare(60)).figures
        assert [await spent("job"), await spent("cap")] == [2, 9]
        assert [figure.said for figure in figures if figure.amiss] == []
    assert (settled.verdict, settled.calls_usd, settled.replayed) == ("caution", 3 * used, None)
    assert (again.actual_usd, again.replayed) == (2 * used, True)
    assert again.summary.startswith("Closed before, and nothing new is booked. ")
    assert "was settled at a declared amount, which stands" in late[0]


async def test_a_call_that_names_another_budget_than_its_reservation_is_noted(
    tmp_path: Path,
) -> None:
    """It counts once, where the money was held; one above that budget counts it too, and needs no word."""
    toml = """
[budgets.org]
limit_usd = 50
[budgets.job]
limit_usd = 20
parent = "org"
[budgets.other]
limit_usd = 20
"""
    async with opened_app(tmp_path, toml) as app:
        held = await app.check_budget_with_confidence("job", planned_cost_usd=4, reserve=True)
        assert held.reservation is not None
        told = {"dependency": "search", "cost_usd": 1, "reservation": held.reservation.id}
        notes = [
            (await app.record_observations([{**told, "budget": budget}])).notes
            for budget in ("org", "job", "other")
        ]
        spent = [
            (await app.check_budget_with_confidence(budget, planned_cost_usd=1)).spent_usd
            for budget in ("org", "job", "other")
        ]
    assert notes[:2] == [None, None]
    assert notes[2] is not None
    assert "is of budget 'job'" in notes[2][0]
    assert spent == [3, 3, 0]


async def test_a_declared_cost_of_a_little_is_not_held_as_nothing(tmp_path: Path) -> None:
    """Below a micro-dollar there is one."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    answer = await bench.check(planned_cost_usd=1e-9, reserve=True)
    await bench.database.close()
    assert answer.reservation is not None
    assert answer.reservation.held_usd == 1e-6


async def test_without_cost_or_observations_a_reservation_is_released(tmp_path: Path) -> None:
    """And what turns up later is booked all the same."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    held = await bench.hold(4)
    released = await bench.settle(held)
    freed = await bench.check(planned_cost_usd=1)
    await bench.spend(bench.cost(0.75, reservation=held))
    late = await bench.check(planned_cost_usd=1)
    declared = await bench.settle(held, 1.25)
    final = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert (released.status, released.actual_usd) == ("released", 0)
    assert freed.remaining_usd == 10
    assert late.spent_usd == 0.75
    assert declared.status == "settled"
    assert final.spent_usd == 1.25


async def test_a_child_spends_its_parents_money(tmp_path: Path) -> None:
    """Task, team and organisation are checked and held together; the tightest decides."""
    bench = await opened(
        tmp_path,
        usd_budget("org", 10),
        usd_budget("team", 8, parent="org"),
        usd_budget("task", 6, parent="team"),
        usd_budget("other", 10, parent="org"),
    )
    await bench.hold(5, "other")
    first = await bench.check("task", planned_cost_usd=5.5, reserve=True)
    assert (first.verdict, first.reservation) == ("no_go", None)
    assert first.binding is not None
    assert (first.binding.budget, first.binding.remaining_usd) == ("org", 5)
    assert first.remaining_usd == 6
    assert "parent 'org' has $5.00 left" in first.summary.replace("Parent", "parent")
    held = await bench.hold(4, "task")
    org = await bench.check("org", planned_cost_usd=0.5)
    await bench.settle(held, 3)
    team = await bench.check("team", planned_cost_usd=0.5)
    await bench.database.close()
    assert (org.held_usd, org.remaining_usd) == (9, 1)
    assert (team.spent_usd, team.remaining_usd) == (3, 5)


async def test_spending_counts_once_by_name_or_by_dependency(tmp_path: Path) -> None:
    """The union of what names a budget and what its dependencies cost, children included."""
    bench = await opened(
        tmp_path,
        usd_budget("org", 100, dependencies=("search",)),
        usd_budget("nightly", 100, parent="org", dependencies=("search", "rank")),
    )
    await bench.spend(
        bench.cost(1, "search", budget="nightly"),
        bench.cost(2, "search"),
        bench.cost(4, "rank"),
        bench.cost(8, "elsewhere", budget="nightly"),
        bench.cost(16, "elsewhere", budget="org"),
        bench.cost(32, "elsewhere"),
    )
    nightly = await bench.check("nightly", planned_cost_usd=1)
    org = await bench.check("org", planned_cost_usd=1)
    await bench.database.close()
    assert nightly.spent_usd == 15
    assert org.spent_usd == 31


async def test_a_key_gets_its_first_answer_again(tmp_path: Path) -> None:
    """Asked twice, held once, and said; in use with other arguments it is an error.

    A refusal is decided anew: what failed then may fit now.
    """
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    first = await bench.check(planned_cost_usd=4, reserve=True, idempotency_key="a")
    bench.now_ms += MINUTE_MS
    again = await bench.check(planned_cost_usd=4, reserve=True, idempotency_key="a")
    with pytest.raises(ParameterError, match="other arguments") as refused:
        await bench.check(planned_cost_usd=5, reserve=True, idempotency_key="a")
    denied = await bench.check(planned_cost_usd=7, reserve=True, idempotency_key="b")
    now = await bench.check(planned_cost_usd=1)
    assert first.reservation is not None
    await bench.settle(first.reservation.id)
    repeated = await bench.check(planned_cost_usd=7, reserve=True, idempotency_key="b")
    await bench.database.close()
    assert again.replayed
    assert again.reservation == first.reservation
    assert (again.spent_usd, again.held_usd, again.remaining_usd) == (0, 0, 10)
    assert again.as_of > first.as_of
    assert "Answered before under this key, and nothing new is held." in again.summary
    assert "\n" not in str(refused.value)
    assert denied.verdict == "no_go"
    assert repeated.verdict == "go"
    assert not repeated.replayed
    assert now.held_usd == 4


async def test_a_key_ends_with_its_hold(tmp_path: Path) -> None:
    """A nightly job with a fixed key holds money every night, whatever became of yesterday's."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    ids = []
    for ends in ("settled", "expired", "expired", "released", "open"):
        held = await bench.check(planned_cost_usd=1, reserve=True, idempotency_key="nightly-job")
        assert held.reservation is not None
        assert not held.replayed, ends
        assert held.reservation.expires_at > held.as_of
        ids.append(held.reservation.id)
        if ends == "settled":
            await bench.settle(held.reservation.id, 1)
        elif ends == "released":
            await bench.settle(held.reservation.id)
        elif ends == "expired":
            bench.now_ms += 16 * MINUTE_MS
    other = await bench.check(planned_cost_usd=2, reserve=True, idempotency_key="other")
    raised = replace(bench, settings=configured(usd_budget("nightly", 5)))
    replay = await raised.check(planned_cost_usd=1, reserve=True, idempotency_key="nightly-job")
    await bench.database.close()
    assert len(set(ids)) == len(ids)
    assert other.reservation is not None
    assert replay.replayed
    assert (replay.limit_usd, replay.spent_usd, replay.held_usd) == (5, 1, 2)


async def test_a_soft_budget_holds_at_most_what_remains_and_says_so(tmp_path: Path) -> None:
    """The 95 % quantile does not fit, the required 70 % do: capped, never silently."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000))
    await bench.spend(*[bench.cost(usd) for usd in lognormal_usd(40)])
    roomy = await bench.check(dependency="search", planned_calls=40)
    assert roomy.projected_interval80_usd is not None
    enough = usd_budget("nightly", roomy.projected_interval80_usd[1])
    tight = replace(bench, settings=configured(enough))
    capped = await tight.check(dependency="search", planned_calls=40, reserve=True)
    others = await tight.check(dependency="search", planned_calls=1)
    await bench.database.close()
    assert capped.passed
    assert capped.confidence == pytest.approx(0.9, abs=0.005)
    assert capped.hold_capped
    assert capped.reservation is not None
    assert capped.reservation.held_usd == capped.remaining_usd
    assert "all that is left" in capped.summary
    assert (others.remaining_usd, others.verdict) == (0, "no_go")


async def test_a_hard_budget_holds_the_worst_case_seen_or_nothing(tmp_path: Path) -> None:
    """Ten calls may each cost as much as the dearest so far."""
    hard = usd_budget("nightly", 100, hard=True, required_confidence=0.95)
    bench = await opened(tmp_path, hard, usd_budget("small", 8, hard=True))
    costs = [round(usd, 6) for usd in lognormal_usd(40)]
    await bench.spend(*[bench.cost(usd) for usd in costs])
    held = await bench.check(dependency="search", planned_calls=10, reserve=True)
    refused = await bench.check("small", dependency="search", planned_calls=10, reserve=True)
    untouched = await bench.check("small", planned_cost_usd=1)
    await bench.database.close()
    assert held.reservation is not None
    assert held.reservation.held_usd == pytest.approx(10 * max(costs))
    assert refused.verdict == "no_go"
    assert refused.reservation is None
    assert "worst case" in refused.summary
    assert untouched.held_usd == 0


async def test_what_others_hold_is_listed_until_when(tmp_path: Path) -> None:
    """First to expire first, five in brief; not whose: an id is all that settling takes."""
    bench = await opened(tmp_path, usd_budget("nightly", 100))
    for _ in range(7):
        await bench.hold(1)
        bench.now_ms += 1000
    brief = await bench.check(planned_cost_usd=1)
    full = await bench.check(planned_cost_usd=1, detail="full")
    await bench.database.close()
    assert brief.others_hold is not None
    assert full.others_hold is not None
    assert len(brief.others_hold) == 5
    assert "res_0" not in brief.model_dump_json() + full.model_dump_json()
    assert len(full.others_hold) == 7
    assert brief.others_hold[0].expires_at == "2026-01-01T12:15:00Z"


async def test_names_that_nothing_carries_name_the_nearest(tmp_path: Path) -> None:
    """A budget, a dependency, a reservation."""
    bench = await opened(tmp_path, usd_budget("nightly", 100))
    held = await bench.hold(1)
    await bench.spend(bench.cost(1, "search"))
    with pytest.raises(UnknownTarget, match=r"Unknown budget 'nightl'\. Known: nightly\."):
        await bench.check("nightl")
    with pytest.raises(UnknownTarget, match=r"Unknown dependency 'serch'\. Known: search\."):
        await bench.check(dependency="serch")
    with pytest.raises(UnknownTarget, match=r"Unknown reservation 'res_9'\. Check") as no:
        await bench.settle("res_9")
    assert held not in str(no.value)
    await bench.database.close()


@pytest.mark.parametrize("usd", [-1, float("nan"), float("inf"), 1.1e9, True])
async def test_absurd_money_is_refused_and_nothing_changes(tmp_path: Path, usd: float) -> None:
    """Planned or actual: one line, nothing held, nothing booked."""
    bench = await opened(tmp_path, usd_budget("nightly", 100))
    held = await bench.hold(1)
    with pytest.raises(ParameterError, match="planned_cost_usd must be from 0 to 1e9 USD"):
        await bench.check(planned_cost_usd=usd, reserve=True)
    with pytest.raises(ParameterError, match="actual_usd must be from 0 to 1e9 USD"):
        await bench.settle(held, usd)
    for calls in (0, -3, 10**8):
        with pytest.raises(ParameterError, match="planned_calls must be from 1"):
            await bench.check(planned_calls=calls)
    after = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert (after.spent_usd, after.held_usd) == (0, 1)
