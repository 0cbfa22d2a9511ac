"""The ledger as a machine: whatever is done in whatever order, it agrees with a model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from gonogo.errors import ParameterError
from gonogo.records import UNIT_SIZE, Unit
from gonogo.settings import BudgetSettings
from gonogo.store.repair import unbalanced
from machine import Machine
from money_fakes import Bench, opened, replayed

LIMIT = 10_000_000
EXPIRES_S = 900
MICRO = st.integers(0, 4_000_000)


@dataclass
class Hold:
    """What the model knows of a reservation."""

    held: int
    expires_ms: int
    observed: int = 0
    declared: int | None = None
    is_open: bool = True

    @property
    def spent(self) -> int:
        """Declared, else what was observed."""
        return self.observed if self.declared is None else self.declared

    def holds(self, now_ms: int) -> int:
        """What it keeps from others now."""
        return max(self.held - self.observed, 0) if self.is_open and now_ms < self.expires_ms else 0


class LedgerMachine(Machine):
    """Two budgets of any unit, one below the other; a hold never goes beyond what is left in either."""

    bench: Bench

    @initialize(unit=st.sampled_from([*UNIT_SIZE]))
    def begin(self, unit: Unit) -> None:
        """An empty ledger."""
        org = BudgetSettings("org", LIMIT, unit=unit, hard=True)
        task = replace(org, name="task", parent="org", hold_expires_s=EXPIRES_S)
        self.bench = self.do(opened(self.folder, org, task))
        self.unit, self.size = unit, UNIT_SIZE[unit]
        self.holds: dict[str, Hold] = {}
        self.free = 0

    @property
    def left(self) -> int:
        """What the model says is left."""
        now_ms = self.bench.now_ms
        taken = sum(hold.spent + hold.holds(now_ms) for hold in self.holds.values())
        return LIMIT - self.free - taken

    def some(self, which: int) -> tuple[str, Hold]:
        """One of the reservations."""
        return list(self.holds.items())[which % len(self.holds)]

    # Nothing is no declared cost.
    @rule(micro=st.integers(1, 4_000_000))
    def hold(self, micro: int) -> None:
        """Granted exactly where it fits."""
        left = self.left
        answer = self.do(self.bench.check("task", planned_cost_usd=micro / self.size, reserve=True))
        assert (answer.reservation is not None) == (micro <= left)
        if answer.reservation is not None:
            expires_ms = self.bench.now_ms + EXPIRES_S * 1000
            self.holds[answer.reservation.id] = Hold(micro, expires_ms)

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), micro=MICRO)
    def cost(self, which: int, micro: int) -> None:
        """A call of the reserved work; once declared it changes nothing."""
        name, hold = self.some(which)
        self.do(self.bench.spend(self.bench.use(micro, self.unit, reservation=name)))
        if hold.declared is None:
            hold.observed += micro

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), micro=st.integers(1, 4_000_000), beyond=st.booleans())
    def lower(self, which: int, micro: int, beyond: bool) -> None:  # noqa: FBT001 - drawn
        """An open hold holds no more than asked, never more than before; again changes nothing."""
        name, hold = self.some(which)
        for _ in range(2):
            ledger, now_ms = self.bench.ledger, self.bench.now_ms
            lowered = ledger.lower(name, to_micro_usd=micro, now_ms=now_ms, beyond_recorded=beyond)
            self.do(lowered)
        if hold.is_open:
            hold.held = min(hold.held, micro + (hold.observed if beyond else 0))

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), s=st.integers(1, 2 * EXPIRES_S))
    def renew(self, which: int, s: int) -> None:
        """A hold that lasts still lasts so long from now, and never less than before."""
        name, hold = self.some(which)
        ledger, now_ms = self.bench.ledger, self.bench.now_ms
        if not hold.is_open or now_ms >= hold.expires_ms:
            with pytest.raises(ParameterError, match="cannot be renewed"):
                self.do(ledger.renew(name, now_ms=now_ms, length_s=s))
            return
        self.do(ledger.renew(name, now_ms=now_ms, length_s=s))
        hold.expires_ms = max(hold.expires_ms, now_ms + s * 1000)

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 20), micro=st.none() | MICRO)
    def settle(self, which: int, micro: int | None) -> None:
        """At a declared cost, which is final, or at what was observed; again changes nothing."""
        name, hold = self.some(which)
        usd = None if micro is None else micro / self.size
        if hold.declared is not None and micro not in (None, hold.declared):
            with pytest.raises(ParameterError, match="settled at"):
                self.do(self.bench.settle(name, usd))
            return
        self.do(self.bench.settle(name, usd))
        hold.declared = micro if micro is not None else hold.declared
        hold.is_open = False

    @rule(micro=MICRO)
    def spend(self, micro: int) -> None:
        """A call that was not reserved."""
        self.do(self.bench.spend(self.bench.use(micro, self.unit, budget="task")))
        self.free += micro

    @rule(s=st.integers(1, EXPIRES_S))
    def wait(self, s: int) -> None:
        """Time passes; holds expire."""
        self.bench.now_ms += s * 1000

    @invariant()
    def agrees(self) -> None:
        """Spent and held are the model's, in the budget and above it; the entries add up."""
        if not hasattr(self, "bench"):
            return
        held = sum(hold.holds(self.bench.now_ms) for hold in self.holds.values())
        spent = self.free + sum(hold.spent for hold in self.holds.values())
        for budget in ("task", "org"):
            answer = self.do(self.bench.check(budget, planned_cost_usd=0))
            # Answers have six decimals: a minute has sixty million parts.
            assert round(answer.spent_usd * self.size) == pytest.approx(spent, abs=60)
            assert round(answer.held_usd * self.size) == pytest.approx(held, abs=60)
            assert answer.unit == (None if self.unit == "usd" else self.unit)
        self.do(self.bench.database.read(replayed))
        assert self.do(self.bench.database.read(unbalanced)) == []

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "bench"):
            self.do(self.bench.database.close())
        super().teardown()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
