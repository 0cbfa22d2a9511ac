"""One replicate: a scenario is played, somebody looks and acts as the policy lets them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from gonogo.answers import DriftReport, FallbackPlan, FallbackResult, TrustReport
from gonogo.drill.golden_runs import GoldenRuns, runs_again
from gonogo.drill.played_budgets import PlayedBudgets, covering
from gonogo.drill.replayed_calls import ReplayedCalls, good_rate, play_again
from gonogo.drill.replayed_hours import CANDIDATE
from gonogo.drill.replayed_telemetry import RehearsedTelemetry
from gonogo.drill.sandbox import RecordedActuator, RecordedReceiver, Rehearsal
from gonogo.drill.scenarios import CANDIDATE_POINTS, SCENARIOS, SEEN, Harm, Scenario
from gonogo.drill.trial import FinalState, Trial, TrialInputs, nobody_could_know, sum_up
from gonogo.errors import ActionRefused
from gonogo.incidents.telling import tell
from gonogo.ports.routes import split_version
from gonogo.records import DAY_MS, HOUR_MS, VersionSeen, worst_verdict

# The change begins at a random moment of this week, after a first day.
LEAD_MS, PLACED_MS = DAY_MS, 7 * DAY_MS
# The second look, by which a no_go that lasts becomes an incident.
AGAIN_MS = 11 * 60_000
RECONCILED_AFTER_MS = 60_000
RECOVER_EVERY_MS = 6 * HOUR_MS
FOLLOWED_MS = 3 * DAY_MS
ATTEMPTS_MAX = 5
# What is wanted of it is that the traffic leaves.
LEAVES = ("fallback", "refuse", "reach")
# The target dies in the hour of the plan, which was made so long before the hour was over: what
# happens is seen by the full hour, and an agent's plan stands for a quarter of one.
DEED_AFTER_MS = 10 * 60_000
# With this share or more, the traffic is on the primary's side.
MOST = 0.5


async def rehearse(ground: TrialInputs, name: str, replicate: int) -> Trial:
    """Play one replicate of a scenario; the same ground, name and number give the same trial."""
    scenario = SCENARIOS[name]
    rng = np.random.default_rng([ground.seed, list(SCENARIOS).index(name), replicate])
    with tempfile.TemporaryDirectory(prefix="gonogo-drill-") as folder:
        stage = _Stage(ground, scenario, replicate, rng, Path(folder))
        async with stage.app:
            await stage.run()
    return stage.trial


class _Stage:
    """One replicate under way."""

    def __init__(
        self,
        ground: TrialInputs,
        scenario: Scenario,
        replicate: int,
        rng: np.random.Generator,
        folder: Path,
    ) -> None:
        self.ground, self.scenario = ground, scenario
        days = min(ground.days, scenario.days_max)
        room_ms = min(PLACED_MS, days * DAY_MS // 4)
        start_ms = ground.begin_ms + LEAD_MS + int(rng.random() * room_ms)
        self.now_ms = ground.begin_ms
        self.trial = Trial(scenario.name, replicate, start_ms, ground.begin_ms + days * DAY_MS)
        settings = replace(ground.settings, store=str(folder / "sandbox.db"))
        self.telemetry = RehearsedTelemetry(settings, now_ms=self.now_ms)
        self.played = self._play(rng, days)
        own = settings.dependency(ground.dependency)
        hanging = own.actuators[:1] + ground.receivers[:1] if scenario.hangs else ()
        self.actuators = [RecordedActuator(n, hangs=n in hanging) for n in ground.actuators]
        self.receivers = [RecordedReceiver(n, hangs=n in hanging) for n in ground.receivers]
        self.app = Rehearsal(
            settings,
            self.telemetry,
            actuators=self.actuators,
            accepted=ground.accepted,
            clock=lambda: self.now_ms,
        )
        counts = scenario.metric == "cost_usd" or scenario.wanted == "limit"
        calls = ground.pasts[ground.dependency].calls
        named = covering(settings, ground.dependency, calls) if counts else []
        self.budgets = PlayedBudgets(named, ground.dependency)
        self.attempts = 0
        self.share = 1.0

    def _play(self, rng: np.random.Generator, days: int) -> dict[str, ReplayedCalls]:
        ground, scenario = self.ground, self.scenario
        own = ground.settings.dependency(ground.dependency)
        first_day, played = ground.begin_ms // DAY_MS, {}
        self.runs: dict[str, GoldenRuns] = {}
        runs_rng = rng.spawn(1)[0]
        for name, past in ground.pasts.items():
            calls = play_again(past.calls, first_day=first_day, days=days, rng=rng)
            runs = runs_again(past, first_day=first_day, days=days, rng=runs_rng)
            if scenario.wanted == "golden" and name == ground.dependency:
                runs = runs.broken(self.trial.start_ms, runs_rng)
            self.runs[name] = runs
            hurt = Harm(self.trial.start_ms, good_rate(past.calls), own.min_effect, rng, ground.mix)
            if name == ground.dependency:
                calls = scenario.inject(calls, hurt)
            elif scenario.breaks_target and own.fallback[:1] == (name,):
                calls = calls.failing(calls.ts_ms >= self.trial.start_ms - DAY_MS)
            metrics = (scenario.metric,) if scenario.metric else ()
            if scenario.wanted == "back":
                seen = VersionSeen(CANDIDATE, 0, past.known.first_ts_ms, past.known.first_ts_ms)
                known = replace(past.known, versions=(*past.known.versions, seen))
                past = replace(past, known=known)  # noqa: PLW2901 - with a version to promote
            self.telemetry.add(past, calls, metrics=metrics, runs=runs)
            played[name] = calls
        return played

    async def run(self) -> None:
        """Look, act, and follow it to its end."""
        step_ms = self.scenario.look_every_h * HOUR_MS
        is_control = self.scenario.wanted == "quiet"
        if is_control:  # all of it counts
            self.trial.start_ms = self.ground.begin_ms + LEAD_MS
        await self._go_to(self.trial.start_ms // HOUR_MS * HOUR_MS)
        if await self._look() and not is_control:
            self.trial.early = True
            return
        await (self._promote(step_ms) if self.scenario.wanted == "back" else self._live(step_ms))
        sum_up(
            self.trial,
            self.scenario,
            self.ground,
            FinalState(
                self.played, self.runs, self.telemetry.served(self.ground.dependency), self.now_ms
            ),
        )

    async def _live(self, step_ms: int) -> None:
        """Look and act until there is nothing more to learn, and follow the way back."""
        while self.now_ms + step_ms <= self.trial.end_ms and not self._is_over():
            await self._go_to(self.now_ms // HOUR_MS * HOUR_MS + step_ms)
            if await self._look() and self.trial.noticed_ms is None:
                self.trial.noticed_ms = self.now_ms
            if await self._incident() and self.share >= MOST and self.attempts < ATTEMPTS_MAX:
                await self._fall_back()
            if self.scenario.hangs and self.trial.alarms:
                await self._tell()
            if self.share < 1 and self.scenario.wanted in ("steady", "quiet"):
                await self._recover()
        if self.scenario.hangs:
            await self._answer_again()
        if self.trial.fired_ms is not None and self.scenario.wanted in LEAVES:
            await self._follow()

    async def _promote(self, step_ms: int) -> None:
        """Begin the promotion of a worse version by a person's yes, and look until it is over."""
        app, name, trial = self.app, self.ground.dependency, self.trial
        good, original = good_rate(self.ground.pasts[name].calls), self.played[name]
        try:
            plan = await app.promote(name, CANDIDATE, reason=f"drill: {self.scenario.told}")
            if isinstance(plan, FallbackPlan):
                await app.approve(plan.plan_id, "a drill", how="terminal")
        except ActionRefused as refused:
            trial.problems.append(str(refused))
            return
        gets = await app.candidate_share(name)
        while gets and self.now_ms + step_ms <= trial.end_ms:
            trial.reached = max(trial.reached, gets)
            self.played[name] = original.answered_by_candidate(
                gets,
                since_ms=self.now_ms,
                worse=CANDIDATE_POINTS / max(good, CANDIDATE_POINTS),
                before=self.played[name],
            )
            self.telemetry.foresee(name, self.played[name])
            while gets == trial.reached and self.now_ms + step_ms <= trial.end_ms:
                await self._go_to(self.now_ms + step_ms)
                await app.carry_promotions_on()
                gets = await app.candidate_share(name)
        if not gets:
            trial.noticed_ms = self.now_ms

    def _is_over(self) -> bool:
        """Whether nothing more is to be learned by looking."""
        wanted = self.scenario.wanted
        if wanted in SEEN:
            return self.trial.noticed_ms is not None
        if wanted in LEAVES:
            return self.trial.fired_ms is not None or self.attempts >= ATTEMPTS_MAX
        return False

    async def _go_to(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.telemetry.move_to(now_ms)

    async def _look(self) -> bool:
        """Ask what the watch asks; whether what was to be noticed is there."""
        if self.scenario.wanted == "limit":  # what is asked before each piece of work
            return await self._over_budget()
        drift, trust = await self._asked()
        if "no_go" in (drift.verdict, trust.verdict):
            self.now_ms += AGAIN_MS
            await self._asked()
        wanted = self.scenario.wanted
        if wanted == "unknown":
            return worst_verdict([drift.verdict, trust.verdict]) in ("unknown", "no_go")
        if wanted == "notice":
            return _is_moved(drift, trust, self.scenario.metric) or await self._over_budget()
        if wanted == "golden":
            page = trust.score_health is not None and trust.score_health.golden_page
            return bool(page) or (drift.metric, drift.status) == ("golden", "degraded")
        if wanted == "blameless":
            return drift.mix is not None
        return "no_go" in (drift.verdict, trust.verdict)

    async def _asked(self) -> tuple[DriftReport, TrustReport]:
        drift = await self.app.check_model_drift(self.ground.dependency)
        self.now_ms += 1  # no two answers stand at one moment in the log
        return drift, await self.app.get_trust_score_health(self.ground.dependency)

    async def _over_budget(self) -> bool:
        """Whether a budget would refuse the work of an hour to come, at the pace of the hour before."""
        budgets = self.budgets
        if not budgets.names:
            return False
        await budgets.book(self.app, self.ground.pasts, self.played, now_ms=self.now_ms)
        calls = self.played[self.ground.dependency]
        refuses = await budgets.refuse(
            self.app, calls, self.ground.pasts[self.ground.dependency].calls, now_ms=self.now_ms
        )
        self.trial.refused, self.trial.spent = budgets.refused, budgets.largest
        return refuses

    async def _incident(self) -> bool:
        stores = await self.app.stores()
        found = await stores.incidents.incidents(dependency=self.ground.dependency)
        self.trial.alarms = len(found)
        return any(incident.status != "resolved" for incident, _ in found)

    async def _fall_back(self) -> None:
        """Plan, and carry out as far as the policy lets an agent, and a person where one answers."""
        trial = self.trial
        self.attempts += 1
        if self.scenario.dies and trial.dead is None:
            self.now_ms += HOUR_MS - self.now_ms % HOUR_MS - DEED_AFTER_MS
        try:
            done = await self._plan_and_do()
        except ActionRefused as refused:
            if not self._was_spared():
                trial.problems.append(str(refused))
            return
        if done is None:
            return
        await self._moved()
        largest = max(done.to, key=lambda target: target.share)
        if trial.fired_ms is None:
            trial.fired_ms, trial.target = self.now_ms, largest.target
        if nobody_could_know(trial, self.played):
            trial.problems.append(
                f"{trial.dead} had died, and its few calls of that hour did not show it: probe it"
            )
        if not self.scenario.hangs and any(step.status != "done" for step in done.actuators):
            trial.problems.append(f"not confirmed: {done.summary}")

    async def _plan_and_do(self) -> FallbackResult | None:
        """Plan and carry out the fallback; None where it waits for a person who does not approve.

        Raises:
            ActionRefused: Nobody may carry it out.
        """
        app, name = self.app, self.ground.dependency
        plan = await app.trigger_fallback(name, reason=f"drill: {self.scenario.told}")
        if not isinstance(plan, FallbackPlan):
            return None
        if self.scenario.dies and self.trial.dead is None:
            await self._let_die(plan)
        done = await app.trigger_fallback(name, plan_id=plan.plan_id, confirm=True)
        if isinstance(done, FallbackResult):
            return done
        failed = [check.why for check in done.checks if not check.passed]
        if failed and self._was_spared():
            return None  # who is asked reads it there
        if self.ground.answer_after_ms is None:
            why = "; ".join(failed) or f"fallback_policy: {done.approval}"
            self.trial.problems.append(f"a person has to approve ({why}), and nobody answered")
            return None
        self.now_ms += self.ground.answer_after_ms
        self.telemetry.move_to(self.now_ms)
        return await app.approve(plan.plan_id, how="terminal")

    async def _let_die(self, plan: FallbackPlan) -> None:
        """Let each call of the target that gets most fail, from the hour of the plan on."""
        target = max(plan.to, key=lambda each: each.share).target
        name = target if target in self.played else split_version(target)[0]
        self.trial.dead = target
        if name in self.played and name != self.ground.dependency:
            calls = self.played[name]
            hour_ms = self.now_ms // HOUR_MS * HOUR_MS
            self.played[name] = calls.failing(calls.ts_ms >= hour_ms)
            self.telemetry.foresee(name, self.played[name])
        await self._go_to(self.now_ms + DEED_AFTER_MS)

    def _was_spared(self) -> bool:
        """Whether it is wanted that a plan is not carried out: its target has just died."""
        return self.trial.dead is not None and self.attempts == 1

    async def _tell(self) -> None:
        """A turn of telling; each receiver has its own, as while `gonogo watch` runs."""
        stores = await self.app.stores()
        for receiver in self.receivers:
            await tell(stores.notices, receiver, now_ms=self.now_ms)

    async def _answer_again(self) -> None:
        """Let what hung answer again; note who was told only then, and what is applied after."""
        name = self.ground.dependency
        late = [each.name for each in self.receivers if not each.hangs and name not in each.told]
        for receiver in self.receivers:
            receiver.hangs = False
        for actuator in self.actuators:
            actuator.hangs = False
        self.now_ms += RECONCILED_AFTER_MS
        await self._tell()
        late += [each.name for each in self.receivers if name not in each.told]
        self.trial.unheard = tuple(dict.fromkeys(late)) if self.trial.alarms else ()
        for done in await self.app.reconcile():
            left = [f"{who}: {step.detail}" for who, step in done.steps if step.status != "done"]
            self.trial.problems += [f"not brought about afterwards: {each}" for each in left]

    async def _moved(self) -> None:
        """Let the traffic follow the route."""
        share = await self.app.primary_share(self.ground.dependency)
        self.trial.switches += (share >= MOST) != (self.share >= MOST)
        if share != self.share:
            self.share = share
            self.telemetry.serve(self.ground.dependency, share)

    async def _recover(self) -> None:
        await self.app.recover()
        await self._moved()
        if self.share >= 1:
            self.attempts = 0

    async def _follow(self) -> None:
        """Watch the way back: until the primary has it all again, or for some days."""
        lasts_ms = self.scenario.lasts_ms
        end_ms = self.trial.end_ms
        if lasts_ms is None:
            end_ms = min(end_ms, self.now_ms + FOLLOWED_MS)
        while self.now_ms + RECOVER_EVERY_MS <= end_ms and self.share < 1:
            await self._go_to(self.now_ms + RECOVER_EVERY_MS)
            await self._recover()
        if self.share >= 1:
            self.trial.recovered_ms = self.now_ms


def _is_moved(drift: DriftReport, trust: TrustReport, metric: str | None) -> bool:
    """Whether an answer says that the metric moved, or that the score is not to be trusted."""
    shifted = [drift.metric] if drift.status == "shifted" else []
    shifted += [signal.metric for signal in drift.signals or () if signal.status == "shifted"]
    health = trust.score_health
    return metric in shifted or (metric == "confidence" and bool(health and health.golden_page))
