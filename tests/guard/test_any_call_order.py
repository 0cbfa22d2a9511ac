"""Two processes call through gates in any order: none goes past a no_go or a spent budget, no good one is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import engines
import gate_worker
from gonogo.answers import BudgetCheck
from gonogo.app import Gonogo
from gonogo.clock import wall_clock_ms
from gonogo.config import load_settings
from gonogo.recorder.asker import Asker
from gonogo.records import Decision, Verdict
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
# Where little is left each call is checked alone, where much is left many are held for ahead.
FEW = st.integers(1, 4)
SOME = st.one_of(FEW, FEW, st.integers(1, 48))
ROOM = st.one_of(st.integers(0, 12), st.integers(0, 12), st.integers(0, 96))
CALLS = st.tuples(st.just("calls"), BOTH, SOME)
AT_ONCE = st.tuples(st.just("at once"), SOME, SOME)
BEGIN = st.tuples(st.just("begin"), BOTH)
END = st.tuples(st.just("end"), BOTH, st.sampled_from((None, 0.5)))
SPEND = st.tuples(st.just("spend"), st.integers(1, 12))
VERDICT = st.tuples(st.just("verdict"), st.sampled_from(("go", "no_go")))
ORDERS = st.lists(st.one_of(CALLS, AT_ONCE, BEGIN, END, SPEND, VERDICT), max_size=10)
ROUNDS = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "0"))


class Gates:
    """Two processes with gates of one budget, beside a model of what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lives, self.failed = folder, 0, ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Two new processes at a new store."""
        folder = self.folder / str(self.lives)
        folder.mkdir()
        self.store, self.config = engines.store_of(folder), folder / "gonogo.toml"
        self.spent, self.limit = 0.0, 0.0
        self.running = [0, 0]
        self.verdict: Verdict = "unknown"
        self.edit(0)
        self.outside = Asker(load_settings(str(self.config), self.store, {}))
        command = [sys.executable, str(WORKER), self.store, str(self.config)]
        read, write = os.pipe()
        self.processes = [
            subprocess.Popen([*command, str(which)], stdin=subprocess.PIPE, stdout=write)
            for which in (0, 1)
        ]
        os.close(write)
        self.answers = os.fdopen(read)
        self.spend(1)

    def close(self) -> None:
        """End both processes."""
        for process in self.processes:
            process.communicate()
            assert process.returncode == 0
        self.answers.close()

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

    def heard(self, *whose: int) -> list[str]:
        """Read one answer of each of these processes, which say nothing else."""
        answers = dict(json.loads(self.answers.readline()) for _ in whose)
        return [answers[str(which)][0] for which in whose]

    def ask(self, asked: list[tuple[int, int]], what: str) -> int:
        """Have processes call so often each: as many run as fit, and no more; how many did."""
        room, wanted = self.room, sum(n for _, n in asked)
        for which, n in asked:
            self.tell(which, what, n)
        heard = ran = 0
        answers = list[str]()
        while len(answers) < len(asked):
            _, answer = json.loads(self.answers.readline())
            heard, ran = heard + (answer == "heard"), ran + (answer == "ran")
            assert ran <= room
            if answer in ("heard", "ran") and (heard, ran) == (len(asked), room) and wanted > room:
                for which, _ in asked:
                    self.processes[which].send_signal(signal.SIGUSR1)
            elif isinstance(answer, list):
                answers += answer
        assert ran == min(wanted, room), (asked, what, answers, self.found())
        for why in filter(None, answers):
            assert ("no_go for model" if self.verdict == "no_go" else "Budget check failed") in why
        return ran

    def calls(self, *asked: tuple[int, int]) -> None:
        """Calls in a row, of one process or of both at once."""
        self.spent += self.ask([*asked], "calls")

    def begin(self, which: int) -> None:
        """A call that goes on."""
        self.running[which] += self.ask([(which, 1)], "begin")

    def end(self, which: int, cost: float | None) -> None:
        """The oldest call of a process ends, where one runs."""
        if self.running[which]:
            self.tell(which, "end", cost and cost * UNIT_USD)
            self.heard(which)
            self.running[which] -= 1
            self.spent += cost or 1
            self.flush()

    def holding(self, which: int, ahead_s: float) -> None:
        """Say for how long a process holds ahead."""
        self.tell(which, "ahead", ahead_s)
        self.heard(which)

    def flush(self) -> None:
        """Book all that has ended."""
        for which in (0, 1):
            self.tell(which, "flush")
        self.heard(0, 1)

    def spend(self, units: int) -> None:
        """Others spend, without a hold, what no gate holds ahead: that is the gate's until it is given back."""
        self.flush()
        row = {"dependency": "model", "cost_usd": units * UNIT_USD, "budget": "day"}
        self.outside.ask(lambda app: app.record_observations([row]))
        self.spent += units

    def judge(self, verdict: Verdict) -> None:
        """Others find out how the model does."""
        if verdict != self.verdict:
            self.outside.ask(lambda app: stand(app, verdict))
        self.verdict = verdict

    def check(self) -> None:
        """Spent and held are the model's."""
        found = self.found()
        assert found.spent_usd == pytest.approx(self.spent * UNIT_USD)
        assert found.held_usd == 0

    def found(self) -> BudgetCheck:
        """The budget as it is now."""
        return self.outside.ask(
            lambda app: app.check_budget_with_confidence("day", planned_cost_usd=UNIT_USD)
        )

    def until(self, wanted: Callable[[BudgetCheck], bool]) -> None:
        """Look at the budget until it is so."""
        until = time.monotonic() + 60
        while not wanted(self.found()):
            assert time.monotonic() < until

    def until_one_is_refused(self, since_ms: int) -> None:
        """Look at the log until a check that would have held for a single call has said no."""

        async def checks(app: Gonogo) -> list[Decision]:
            log = (await app.stores()).decisions
            return await log.decisions(kind="check_budget_with_confidence", limit=200)

        def refused(each: Decision) -> bool:
            asked = json.loads(each.inputs)
            is_now = each.last_ts_ms >= since_ms
            return is_now and each.verdict == "no_go" and asked["planned_cost_usd"] == UNIT_USD

        until = time.monotonic() + 60
        while not any(map(refused, self.outside.ask(checks))):
            assert time.monotonic() < until

    def call(self, what: str, first: int, more: float | None = None) -> None:
        """Calls of one process or of both, or the begin or the end of one that goes on."""
        n = int(more or 0)
        if what == "end":
            self.end(first, more)
        elif what == "begin":
            self.begin(first)
        elif what == "calls":
            self.calls((first, n))
        else:
            self.calls((0, first), (1, n))

    def carry_out(self, room: int, orders: list[tuple[Any, ...]]) -> None:
        """One life, and no other after one that failed."""
        assert not self.failed, self.failed
        try:
            self.live(room, orders)
        except BaseException as error:
            self.failed = f"life {self.lives} failed first: {error!r}; room {room}, {orders}"
            raise

    def live(self, room: int, orders: list[tuple[Any, ...]]) -> None:
        """What fits, what happens, and how it ends."""
        if self.lives and self.lives % 1000 == 0:
            self.close()
            self.begin_anew()
        self.lives += 1
        self.edit(room)
        self.judge("go")
        for order in orders:
            what, *given = order
            if what == "spend":
                self.spend(*given)
            elif what == "verdict":
                self.judge(*given)
            else:
                self.call(what, *given)
        for which in (0, 1):
            while self.running[which]:
                self.end(which, None)
        self.flush()
        self.check()


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gates]:
    """Both processes, until the module ends."""
    gates = Gates(tmp_path_factory.mktemp("gates"))
    yield gates
    gates.close()


@pytest.mark.sqlite  # a database's verdict may be a second old
@settings(
    max_examples=100 * ROUNDS or 20,
    # All lives share the two processes: none can be lived again after one that failed, nor made smaller.
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(room=ROOM, orders=ORDERS)
def test_none_goes_past_a_no_go_or_a_spent_budget_and_no_good_one_is_refused(
    gates: Gates, room: int, orders: list[tuple[Any, ...]]
) -> None:
    """`make torture` lives ten thousand lives of up to ten orders each; a new store begins after each thousand."""
    gates.carry_out(room, orders)


@pytest.mark.sqlite  # as above
def test_who_finds_the_rest_held_ahead_by_another_waits_until_it_is_given_back(
    gates: Gates,
) -> None:
    """The other process keeps what it holds until it is told to give it back; no call is refused for it."""
    gates.judge("go")
    gates.holding(0, 60)
    gates.edit(400)
    gates.calls((0, 30))
    spent = (gates.spent - 0.5) * UNIT_USD
    gates.until(lambda found: found.spent_usd > spent and found.held_usd > 0)
    gates.edit(30)
    since_ms = wall_clock_ms()
    gates.tell(1, "calls", 30)
    gates.until_one_is_refused(since_ms)
    gates.tell(0, "flush")
    answers = [json.loads(gates.answers.readline()) for _ in range(33)]
    assert ["0", [""]] in answers
    assert answers.count(["1", "ran"]) == 30
    gates.spent += 30
    gates.holding(0, gate_worker.AHEAD_S)
    gates.flush()
    gates.check()
