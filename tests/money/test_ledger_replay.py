"""The ledger adds up: entries are only appended, and replaying them gives the books."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engines
from gonogo.errors import ParameterError, StoreError
from gonogo.records import DAY_MS, QUARTER_MS
from gonogo.store.books.ledger_books import SUM_MAX, window_ranges
from gonogo.store.engine import Connection
from money_fakes import NOON_MS, Bench, opened, replayed, usd_budget

pytestmark = pytest.mark.anyio

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "cost", "free", "settle", "declare", "wait", "back"]),
        st.integers(0, 4),
        st.integers(0, 3_000_000),
    ),
    max_size=25,
)


@dataclass
class Oracle:
    """What an unlimited budget has spent, by the rule: declared, else what was observed; and what was called."""

    free: int = 0
    called: int = 0
    observed: dict[str, int] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)

    @property
    def spent(self) -> int:
        """In micro-dollars."""
        return self.free + sum((self.observed | self.declared).values())


async def _take(bench: Bench, steps: list[tuple[str, int, int]]) -> Oracle:
    oracle = Oracle()
    for what, which, micro in steps:
        usd = micro / 1e6
        held = list(oracle.observed)
        if what == "hold":
            answer = await bench.check("task", planned_cost_usd=usd, reserve=True)
            if answer.reservation is not None:
                oracle.observed[answer.reservation.id] = 0
        elif what == "free":
            oracle.free += micro
            oracle.called += micro
            await bench.spend(bench.cost(usd, budget=("task", "org", None)[which % 3]))
        elif what in ("wait", "back"):
            bench.now_ms += micro if what == "wait" else -micro
        elif held:
            await _take_on(bench, oracle, what, held[which % len(held)], micro)
    return oracle


async def _take_on(bench: Bench, oracle: Oracle, what: str, name: str, micro: int) -> None:
    final = oracle.declared.get(name)
    if what == "cost":
        oracle.called += micro
        if final is None:
            oracle.observed[name] += micro
        at = bench.now_ms - micro * 20
        await bench.spend(bench.cost(micro / 1e6, reservation=name, ts_ms=at))
    elif what == "declare" and final not in (None, micro):
        with pytest.raises(ParameterError, match="settled at"):
            await bench.settle(name, micro / 1e6)
    elif what == "declare":
        oracle.declared[name] = micro
        await bench.settle(name, micro / 1e6)
    else:
        await bench.settle(name)


@given(steps=STEPS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_replaying_the_entries_gives_the_books(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever happens in whatever order, clock going back included; a cap counts every call, however late."""
    org = usd_budget("org", 40, dependencies=("search",))
    task = usd_budget("task", 20, parent="org", window="day")
    cap = usd_budget("cap", 40, dependencies=("search",))
    bench = await opened(tmp_path_factory.mktemp("ledger"), org, task, cap)
    try:
        oracle = await _take(bench, steps)
        if engines.ENGINE == "sqlite":  # `replayed` reads its tables
            await bench.database.read(replayed)
        spent = [(await bench.check(each, planned_cost_usd=0)).spent_usd for each in ("org", "cap")]
    finally:
        await bench.database.close()  # a drawn example that fails leaves no connection behind
    assert spent == pytest.approx([oracle.spent / 1e6, oracle.called / 1e6], abs=1e-9)


def _execute(statement: str, connection: Connection) -> None:
    connection.execute(statement)


async def test_entries_cannot_be_changed_or_removed(tmp_path: Path) -> None:
    """Not even by a slip of our own: the table has triggers."""
    bench = await opened(tmp_path, usd_budget("nightly", 10))
    await bench.hold(4)
    for statement in ("UPDATE ledger_entry SET held_micro_usd = 0", "DELETE FROM ledger_entry"):
        with pytest.raises(StoreError, match="only ever appended"):
            await bench.database.write(partial(_execute, statement))
    await bench.database.close()


async def test_absurd_sums_do_not_overflow(tmp_path: Path) -> None:
    """Twenty thousand calls at a thousand million dollars each, in as many sums as overflow 64 bits."""
    bench = await opened(tmp_path, usd_budget("nightly", 10, dependencies=("search",)))
    costs = [bench.cost(1e9, ts_ms=NOON_MS - i * DAY_MS) for i in range(2000)] * 10
    await bench.spend(*costs)
    answer = await bench.check(planned_cost_usd=1)
    await bench.database.close()
    assert answer.spent_usd == 2000 * SUM_MAX / 1e6 > 2**63 / 1e6
    assert answer.verdict == "no_go"


@given(st.integers(-400, 400), st.none() | st.integers(0, 800), st.booleans())
def test_days_and_quarter_hours_cover_a_window_once(
    first: int,
    length: int | None,
    open_start: bool,  # noqa: FBT001 - drawn
) -> None:
    """Every quarter hour from the first to the last, and none beside."""
    start_ms = None if open_start else first * QUARTER_MS
    end_ms = None if length is None else (first + length) * QUARTER_MS
    covered: Counter[int] = Counter()
    for daily, low, high in window_ranges(start_ms, end_ms):
        scale = 96 if daily else 1
        covered.update(range(max(low * scale, -2000), min(high * scale, 2000)))
    low = -2000 if open_start else first
    expected = range(low, 2000 if length is None else first + length)
    assert covered == Counter(expected)


async def test_a_cap_over_a_dependency_counts_what_reservations_of_others_spend(
    tmp_path: Path,
) -> None:
    """Else whoever reserves carefully elsewhere escapes it; a declared cost names no dependency."""
    bench = await opened(
        tmp_path, usd_budget("nightly", 10), usd_budget("searches", 10, dependencies=("search",))
    )
    held = await bench.hold(4)
    await bench.spend(bench.cost(1, "search", reservation=held), bench.cost(2, "search"))
    nightly = await bench.check(planned_cost_usd=1)
    searches = await bench.check("searches", planned_cost_usd=1)
    await bench.database.close()
    assert (nightly.spent_usd, nightly.held_usd) == (1, 3)
    assert searches.spent_usd == 3
