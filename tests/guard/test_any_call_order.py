"""Two processes call through gates in any order: none goes past a no_go or a spent budget, no good one is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engines
import gate_worker
from gonogo.config import load_settings
from gonogo.recorder.asker import Asker
from gonogo.records import Verdict
from standing import stand

WORKER = Path(gate_worker.__file__)
# In units of a call's declared cost.
UNIT_USD = gate_worker.CALL_USD
TOML = """
[dependencies.model]
kind = "model"

[guard]
fresh = "1d"

[budgets.day]
limit_usd = {limit:.6f}
window = "total"
hard = true
dependencies = ["model"]
"""
BOTH = st.sampled_from((0, 1))
CALLS = st.tuples(st.just("calls"), BOTH, st.integers(1, 200))
AT_ONCE = st.tuples(st.just("at once"), st.integers(1, 200), st.integers(1, 200))
BEGIN = st.tuples(st.just("begin"), BOTH)
END = st.tuples(st.just("end"), BOTH, st.sampled_from((None, 0.5)))
SPEND = st.tuples(st.just("spend"), st.integers(1, 30))
VERDICT = st.tuples(st.just("verdict"), st.sampled_from(("go", "no_go")))
ORDERS = st.lists(st.one_of(CALLS, AT_ONCE, BEGIN, END, SPEND, VERDICT), max_size=10)
ROUNDS = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "0"))


class Gates:
    """Two processes with gates of one budget, beside a model of what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.config = engines.store_of(folder), folder / "gonogo.toml"
        self.spent, self.limit = 0.0, 0.0
        self.running = [0, 0]
        self.verdict: Verdict = "go"
        self.edit(0)
        self.outside = Asker(load_settings(str(self.config), self.store, {}))
        command = [sys.executable, str(WORKER), self.store, str(self.config)]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(2)
        ]

    def edit(self, room: int) -> None:
        """Let so many calls fit from here on."""
        self.limit = self.spent + room
        edited = self.config.with_suffix(".new")
        edited.write_text(TOML.format(limit=max(self.limit, 1) * UNIT_USD))
        self.limit = max(self.limit, 1)
        edited.replace(self.config)

    @property
    def room(self) -> int:
        """How many calls fit now, by the model."""
        left = self.limit - self.spent - sum(self.running)
        return max(int(left + 1e-6), 0) if self.verdict == "go" else 0

    def tell(self, which: int, *line: object) -> None:
        """Send a line."""
        into = self.processes[which].stdin
        assert into is not None
        into.write(json.dumps(line).encode() + b"\n")
        into.flush()

    def heard(self, which: int) -> list[object]:
        """Read the answer."""
        out = self.processes[which].stdout
        assert out is not None
        answer: list[object] = json.loads(out.readline())
        return answer

    def calls(self, *asked: tuple[int, int]) -> None:
        """Calls in a row, of one process or of both at once: as many run as fit, and no more."""
        room = self.room
        for which, n in asked:
            self.tell(which, "calls", n)
        answers = [self.heard(which) for which, _ in asked]
        ran = sum(int(str(answer[0])) for answer in answers)
        assert ran == min(sum(n for _, n in asked), room)
        self.spent += ran
        for answer in answers:
            self.explained(str(answer[1]))

    def begin(self, which: int) -> None:
        """A call that goes on."""
        room = self.room
        self.tell(which, "begin")
        begun, why = self.heard(which)
        assert bool(begun) == (room > 0)
        self.running[which] += bool(begun)
        self.explained(str(why))

    def end(self, which: int, cost: float | None) -> None:
        """The oldest call of a process ends, where one runs."""
        if self.running[which]:
            self.tell(which, "end", cost and cost * UNIT_USD)
            self.heard(which)
            self.running[which] -= 1
            self.spent += cost or 1
            self.flush()

    def explained(self, why: str) -> None:
        """A refused call says what stopped it."""
        if why:
            assert ("no_go for model" if self.verdict == "no_go" else "Budget check failed") in why

    def flush(self) -> None:
        """Book all that has ended."""
        for which in (0, 1):
            self.tell(which, "flush")
        for which in (0, 1):
            self.heard(which)

    def spend(self, units: int) -> None:
        """Others spend, without a hold."""
        row = {"dependency": "model", "cost_usd": units * UNIT_USD, "budget": "day"}
        self.outside.ask(lambda app: app.record_observations([row]))
        self.spent += units

    def judge(self, verdict: Verdict) -> None:
        """Others find out how the model does."""
        self.outside.ask(lambda app: stand(app, verdict))
        self.verdict = verdict

    def check(self) -> None:
        """Spent and held are the model's."""
        found = self.outside.ask(
            lambda app: app.check_budget_with_confidence("day", planned_cost_usd=UNIT_USD)
        )
        assert found.spent_usd == pytest.approx(self.spent * UNIT_USD)
        assert found.held_usd == 0

    def carry_out(self, room: int, orders: list[tuple[object, ...]]) -> None:
        """One life: what fits, what happens, and how it ends."""
        self.edit(room)
        self.judge("go")
        for order in orders:
            what, *given = order
            if what == "calls":
                self.calls((int(str(given[0])), int(str(given[1]))))
            elif what == "at once":
                self.calls((0, int(str(given[0]))), (1, int(str(given[1]))))
            elif what == "begin":
                # Whoever is refused while others call waits for what these may give back.
                if self.room or not sum(self.running):
                    self.begin(int(str(given[0])))
            elif what == "end":
                self.end(int(str(given[0])), 0.5 if given[1] else None)
            elif what == "spend":
                self.spend(int(str(given[0])))
            else:
                self.judge("go" if given[0] == "go" else "no_go")
        for which in (0, 1):
            while self.running[which]:
                self.end(which, None)
        self.flush()
        self.check()


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gates]:
    """Both processes, until the module ends."""
    gates = Gates(tmp_path_factory.mktemp("gates"))
    gates.spend(1)
    yield gates
    for process in gates.processes:
        process.communicate()
        assert process.returncode == 0


@pytest.mark.sqlite  # a database's verdict may be a second old
@settings(
    max_examples=20 * ROUNDS or 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(room=st.integers(0, 200), orders=ORDERS)
def test_none_goes_past_a_no_go_or_a_spent_budget_and_no_good_one_is_refused(
    gates: Gates, room: int, orders: list[tuple[object, ...]]
) -> None:
    """`make torture` lives two thousand lives of up to ten orders each, ten thousand in all."""
    gates.carry_out(room, orders)
