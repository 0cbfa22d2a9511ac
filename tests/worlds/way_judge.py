"""A judge of switches who knows the truth: each action of the log is held to what may happen on the way back and forward."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gonogo.ports.promotions import STAGE_SHARES
from gonogo.ports.routes import WHOLE
from gonogo.records import DAY_MS, HOUR_MS, Decision
from gonogo.settings import Policy

STAGES = [share / WHOLE for share in STAGE_SHARES]
BY_HAND = ("approved", "terminal", "link")
SWITCHES_A_DAY = 2


@dataclass
class Traffic:
    """Where one dependency's calls go by the judge's own books, and what is configured for it.

    `away_ms`: when each switch away from home was made; `stage_ms`: when its shares changed last.
    """

    name: str
    ladder: tuple[str, ...]
    policy: Policy = "confirm"
    shares: dict[str, float] = field(default_factory=dict)
    promoted: str | None = None
    held_until_ms: int = 0
    away_ms: list[int] = field(default_factory=list)
    stage_ms: int = 0
    epochs: int = 0

    @property
    def home(self) -> str:
        """Where its calls belong."""
        return self.promoted or self.name

    def takes(self, entry: Decision, dead: set[str]) -> None:
        """Hold a switch that has just begun to the rules, and follow it.

        Raises:
            AssertionError: It is a step that must not be taken.
        """
        told, said = json.loads(entry.answer), json.loads(entry.inputs)
        before, after = dict(told["from"]), dict(told["to"])
        how = said["approved_by"]["how"]
        assert before == self.shares, f"{entry.summary}: it was at {self.shares}"
        assert abs(sum(after.values()) - 1) < 1e-9
        assert entry.ts_ms >= self.held_until_ms, f"a person holds it: {entry.summary}"
        assert self.policy != "deny", entry.summary
        grown = [name for name, share in after.items() if share > before.get(name, 0)]
        if how == "evidence":
            self._on_evidence(entry, before, after, grown, dead)
        else:
            self._by_word(entry, how, grown, said, dead)
        if how != "evidence" and grown != [self.home] and entry.kind == "trigger_fallback":
            self.away_ms.append(entry.ts_ms)
        self.shares, self.stage_ms = after, entry.ts_ms
        self.epochs += 1
        self._promotes(entry, after)

    def _by_word(
        self,
        entry: Decision,
        how: str,
        grown: list[str],
        said: Mapping[str, object],
        dead: set[str],
    ) -> None:
        allowed = {
            "allow": ("allow", "confirm", "elicited", *BY_HAND),
            "confirm": ("confirm", "elicited", *BY_HAND),
            "ask": ("elicited", *BY_HAND),
            "person": ("terminal", "link"),
        }
        assert how in allowed[self.policy], f"{how} under {self.policy}: {entry.summary}"
        if how in BY_HAND:
            return
        for name in grown:
            free = name == self.home and (said.get("undo") or "promote" in said)
            assert free or name not in dead, f"{name} is dead: {entry.summary}"
            ladder = (self.name, self.home, f"{self.name}@{said.get('promote')}", *self.ladder)
            assert name in ladder, f"{name} is not on the ladder: {entry.summary}"
        if grown != [self.home]:
            newest = [ms for ms in self.away_ms if ms > entry.ts_ms - DAY_MS]
            assert len(newest) < SWITCHES_A_DAY, f"beyond the limit: {entry.summary}"

    def _on_evidence(
        self,
        entry: Decision,
        before: Mapping[str, float],
        after: Mapping[str, float],
        grown: list[str],
        dead: set[str],
    ) -> None:
        [name] = grown
        had, gets = before.get(name, 0.0), after[name]
        if entry.kind == "promote" and name == self.name:
            return  # back home at once, whatever else is
        if name not in (self.home, *(target for target in after if "@" in target)):
            return  # a stage of the way back that failed: to the fallback at once
        assert name not in dead, f"{name} is dead: {entry.summary}"
        assert entry.ts_ms - self.stage_ms >= HOUR_MS, f"in less than an hour: {entry.summary}"
        assert gets == next(share for share in STAGES if share > had), entry.summary

    def _promotes(self, entry: Decision, after: Mapping[str, float]) -> None:
        [largest] = [name for name, share in after.items() if share == max(after.values())][:1]
        if entry.kind == "promote" and after[largest] == 1:
            self.promoted = largest if "@" in largest else None
        elif after == {self.name: 1.0}:
            self.promoted = None


def circle(traffic: Mapping[str, Traffic]) -> list[str] | None:
    """Dependencies that send calls round to each other; None where none do."""
    for start in traffic:
        way, ahead = [start], [start]
        while ahead:
            for name in traffic[ahead.pop()].shares:
                target = name.partition("@")[0]
                if target == start and way[-1] != start:
                    return [*way, start]
                if target in traffic and target not in way:
                    way.append(target)
                    ahead.append(target)
    return None
