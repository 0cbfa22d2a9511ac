"""What a budget check says of planned calls: from the calls seen, at today's prices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from gonogo.money.calibration import calibration_table
from gonogo.records import Costs
from gonogo.settings import PriceSettings
from money_fakes import MINUTE_MS, NOON_MS, Call, lognormal_usd, opened, usd_budget

pytestmark = pytest.mark.anyio


def _calls(costs: list[float] | None = None, *, n: int = 40, every_ms: int = 1000) -> list[Call]:
    usd = list(lognormal_usd(n)) if costs is None else costs
    return [Call(NOON_MS - (len(usd) - i) * every_ms, value) for i, value in enumerate(usd)]


async def test_asking_twice_answers_twice_the_same(tmp_path: Path) -> None:
    """Word for word; from memory, and made anew by another process."""
    bench = await opened(tmp_path, usd_budget("nightly", 15, dependencies=("search",)))
    bench.calls.calls["search"] = _calls()
    first = await bench.check(planned_calls=40)
    reads = bench.calls.reads
    again = await bench.check(planned_calls=40)
    assert bench.calls.reads == reads
    anew = await replace(bench, forecasts=type(bench.forecasts)()).check(planned_calls=40)
    bench.calls.calls["search"].append(Call(NOON_MS, 9.0))
    later = await bench.check(planned_calls=40)
    await bench.database.close()
    assert first == again == anew
    assert 0.5 < (first.confidence or 0) < 0.99
    assert later.projected_usd != first.projected_usd


async def test_too_few_calls_are_unknown_until_a_cost_is_declared(tmp_path: Path) -> None:
    """Four observations say nothing, and the answer says what would."""
    bench = await opened(tmp_path, usd_budget("nightly", 15, dependencies=("search",)))
    bench.calls.calls["search"] = _calls(n=4)
    unknown = await bench.check(planned_calls=10, reserve=True, idempotency_key="k")
    declared = await bench.check(planned_calls=10, planned_cost_usd=3)
    bench.calls.calls["search"] = _calls(n=5)
    known = await bench.check(planned_calls=10, reserve=True, idempotency_key="k")
    await bench.database.close()
    assert (unknown.verdict, unknown.passed, unknown.confidence) == ("unknown", None, None)
    assert unknown.reservation is None
    assert unknown.n == 4
    assert "4 priced observations, and 5 are needed. Pass `planned_cost_usd`" in unknown.summary
    assert declared.verdict == "go"
    assert declared.projected_usd == 3
    assert known.reservation is not None


async def test_a_declared_cost_is_held_as_declared(tmp_path: Path) -> None:
    """At its word to the last cent, and not a cent beyond; it pulls a thin forecast."""
    wide = usd_budget("wide", 50, dependencies=("search",))
    bench = await opened(tmp_path, usd_budget("nightly", 5, dependencies=("search",)), wide)
    exact = await bench.check(planned_cost_usd=5)
    beyond = await bench.check(planned_cost_usd=5.01)
    bench.calls.calls["search"] = _calls(n=6)
    alone = await bench.check("wide", planned_calls=10)
    pulled = await bench.check("wide", planned_calls=10, planned_cost_usd=8, reserve=True)
    await bench.database.close()
    assert (exact.passed, beyond.passed) == (True, False)
    assert exact.confidence == pytest.approx(0.96, abs=0.001)
    assert alone.projected_usd is not None
    assert pulled.projected_usd is not None
    assert alone.projected_usd < pulled.projected_usd < 8
    assert pulled.reservation is not None
    assert pulled.reservation.held_usd == 8


async def test_a_declared_cost_of_nothing_is_none(tmp_path: Path) -> None:
    """A client that fills every number in with 0 is not told that calls without a price are free."""
    bench = await opened(tmp_path, usd_budget("nightly", 5, dependencies=("gpt",)))
    bench.calls.calls["gpt"] = [
        Call(NOON_MS - (40 - i) * 1000, tokens=(1000, 100)) for i in range(40)
    ]
    zero = await bench.check(planned_calls=100_000, planned_cost_usd=0)
    absent = await bench.check(planned_calls=100_000)
    held = await bench.check(planned_calls=100_000, planned_cost_usd=0.0, reserve=True)
    await bench.database.close()
    assert (zero.verdict, zero.summary) == ("unknown", absent.summary)
    assert held.reservation is None


async def test_declared_costs_are_judged_by_how_they_turned_out(tmp_path: Path) -> None:
    """An agent whose work costs twice what it declares is not believed for ever."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000))
    believed = await bench.check(planned_cost_usd=1)
    for _ in range(20):
        await bench.settle(await bench.hold(1), 2)
    learned = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert believed.projected_usd == 1
    assert learned.projected_usd == 2
    assert "judged by 20 settled reservations" in learned.method


async def test_only_the_newest_regime_speaks(tmp_path: Path) -> None:
    """After a tenfold rise the old calls are left out, and the answer says since when."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000, dependencies=("search",)))
    usd = list(lognormal_usd(60))
    bench.calls.calls["search"] = _calls(usd[:40] + [10 * value for value in usd[40:]])
    answer = await bench.check(planned_calls=10)
    await bench.database.close()
    assert answer.n == 20
    assert answer.regime_start == "2026-01-01T11:59:40Z"
    assert answer.projected_usd == pytest.approx(33, rel=0.25)


async def test_without_a_dependency_the_mix_is_forecast_as_it_came(tmp_path: Path) -> None:
    """Three cheap calls to a dear one: so are the next."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000, dependencies=("search", "rank")))
    for i in range(40):
        at = NOON_MS - (40 - i) * MINUTE_MS
        bench.calls.calls["rank" if i % 4 == 0 else "search"].append(
            Call(at, 4.0 if i % 4 == 0 else 1.0)
        )
    mixed = await bench.check(planned_calls=100)
    dear = await bench.check(dependency="rank", planned_calls=100)
    await bench.database.close()
    assert mixed.projected_usd == pytest.approx(175, rel=0.1)
    assert dear.projected_usd == pytest.approx(400, rel=0.1)


async def test_as_many_calls_pass_as_it_says(tmp_path: Path) -> None:
    """The number that is offered passes, a tenth more does not, whatever the plan was."""
    bench = await opened(tmp_path, usd_budget("nightly", 15, dependencies=("search",)))
    bench.calls.calls["search"] = _calls()
    failed = await bench.check(planned_calls=100)
    calls = failed.calls_that_would_pass
    assert calls is not None
    offered = failed.next_actions[0]
    fewer = await bench.check(planned_calls=round(calls * 0.97))
    more = await bench.check(planned_calls=round(calls * 1.1))
    await bench.database.close()
    assert failed.verdict == "no_go"
    assert offered.arguments == {"budget": "nightly", "planned_calls": calls}
    assert (fewer.verdict, more.verdict) == ("go", "no_go")


async def test_tokens_are_priced_today_and_what_was_spent_keeps_its_price(tmp_path: Path) -> None:
    """A price that doubles doubles the forecast and is no change of regime."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000, dependencies=("gpt",)))
    bench.calls.calls["gpt"] = [
        Call(NOON_MS - (40 - i) * 1000, tokens=(1000 + 70 * i % 400, 100)) for i in range(40)
    ]
    unpriced = await bench.check(planned_calls=100)
    answers = []
    for usd in (3, 6):
        price = PriceSettings("gpt", usd, 5 * usd)
        settings = replace(
            bench.settings, digest=f"at {usd}", prices=MappingProxyType({"gpt": price})
        )
        answers.append(await replace(bench, settings=settings).check(planned_calls=100))
    await bench.database.close()
    assert unpriced.verdict == "unknown"
    assert unpriced.unpriced is not None
    assert "40 of 40 calls in this window" in unpriced.unpriced.why
    assert "no known price (`unpriced` says which)" in unpriced.summary
    assert answers[0].projected_usd == pytest.approx(100 * (1.195e3 * 3 + 1500) / 1e6, rel=0.03)
    assert answers[1].projected_usd == pytest.approx(2 * (answers[0].projected_usd or 0), rel=0.01)
    assert answers[1].n == 40
    assert answers[1].spent_usd == 0


async def test_a_few_calls_without_a_price_are_said_and_never_free(tmp_path: Path) -> None:
    """One in forty is left out and named; one in ten makes the answer unknown."""
    bench = await opened(tmp_path, usd_budget("nightly", 1000, dependencies=("search",)))
    calls = _calls()
    bench.calls.calls["search"] = [*calls, Call(NOON_MS, tokens=(5, 5))]
    few = await bench.check(planned_calls=10)
    bench.calls.calls["search"] = [*calls, *(Call(NOON_MS + i, tokens=(5, 5)) for i in range(5))]
    many = await bench.check(planned_calls=10)
    await bench.database.close()
    assert (few.verdict, few.n) == ("go", 40)
    assert few.unpriced is not None
    assert few.unpriced.why.startswith("1 of 41 calls in this window has no cost")
    assert many.verdict == "unknown"


async def test_the_answer_carries_the_record_of_earlier_ones(tmp_path: Path) -> None:
    """Its calibration error from twenty settled reservations on; before, how many are missing."""
    bench = await opened(tmp_path, usd_budget("nightly", 10_000))
    for settled in range(20):
        early = await bench.check(planned_cost_usd=1)
        assert (early.calibration.checks if early.calibration else 0) == settled
        assert early.calibration is None or early.calibration.ece is None
        await bench.settle(await bench.hold(1), 1)
    released = await bench.hold(1)
    await bench.settle(released)
    answer = await bench.check(planned_cost_usd=1)
    table = await calibration_table(bench.ledger)
    await bench.database.close()
    assert answer.calibration is not None
    assert answer.calibration.checks == table.checks == 20
    assert table.ece is not None
    assert answer.calibration.ece == round(table.ece, 4)
    assert table.ece == pytest.approx(1 - table.bins[-1].said)


async def test_costs_of_the_port_are_never_changed(tmp_path: Path) -> None:
    """A forecast leaves the arrays that it was given as they were."""
    bench = await opened(tmp_path, usd_budget("nightly", 10, dependencies=("search",)))
    bench.calls.calls["search"] = _calls()
    kept: Costs = await bench.calls.newest_costs("search")
    before = kept.cost_micro_usd.copy()
    kept.cost_micro_usd.flags.writeable = False
    await bench.check(planned_calls=3)
    await bench.database.close()
    assert (before == kept.cost_micro_usd).all()
