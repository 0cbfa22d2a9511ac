"""A candidate version on its way to all calls, as routes and plans carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.settings import Policy

# What the candidate gets, stage by stage, in ten-thousandths; the last is the end.
STAGE_SHARES = (100, 500, 2_500, 5_000, 10_000)
# What the name ends in, as which calls beside those served are recorded.
SHADOW = "-shadow"


@dataclass(frozen=True, slots=True)
class Promotion:
    """The progress of a candidate towards all calls.

    Attributes:
        target: The candidate, `name@version`.
        version: Its version.
        home: The target that has the rest of the calls, and all of them where it goes back.
        current: The version that it is held against; None where those calls state none.
        policy: Whose yes each further stage needs.
        to: The share at which it stops, in ten-thousandths.
        first: Its first share.
        stages: When each stage began, epoch ms, with its number from 0; of an earlier trial of the
            same versions too.
        status: `running`, `done` (it has all calls) or `back`.
        why: Why it went back.
        is_worse: It went back because it was worse.
        ended_ms: When it went back, or got all calls, epoch ms; 0 where an earlier version wrote it.
        shadow: The dependency as which its calls beside those served are recorded; "" without a shadow.
        shadow_before: The same of an earlier candidate: its calls are still a shadow's.
        asked_by: Who asked for it, but for people: it does not go on by what those recorded alone.
    """

    target: str
    version: str
    home: str
    current: str | None
    policy: Policy
    to: int
    first: int
    stages: tuple[tuple[int, int], ...]
    status: Literal["running", "done", "back"] = "running"
    why: str = ""
    is_worse: bool = False
    ended_ms: int = 0
    shadow: str = ""
    asked_by: tuple[str, ...] = ()
    shadow_before: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it is on trial."""
        return self.status == "running"

    @property
    def shadow_name(self) -> str:
        """The dependency as which a candidate was recorded that was called beside, this or an earlier one; else ""."""
        return self.shadow or self.shadow_before

    @property
    def is_shadowed(self) -> bool:
        """Whether the application is to call it beside the target that serves."""
        return self.is_running and bool(self.shadow)

    @property
    def place(self) -> str:
        """The target that calls belong to where no fallback is in place."""
        return self.target if self.status == "done" else self.home

    @property
    def stage(self) -> int:
        """The stage that it is in, or was in last, from 0."""
        return self.stages[-1][1]

    @property
    def since_ms(self) -> int:
        """The time at which that stage began, epoch ms."""
        return self.stages[-1][0]

    @property
    def share(self) -> int:
        """The share that the candidate has in its stage, in ten-thousandths."""
        usual = self.first if self.stage == self.stages[0][1] else STAGE_SHARES[self.stage]
        return min(usual, self.to)

    @property
    def is_at_end(self) -> bool:
        """Whether it has the share at which it stops."""
        return self.share >= self.to

    @property
    def next_share(self) -> int:
        """The share that the next stage would give it, where there is one; in ten-thousandths."""
        return min(STAGE_SHARES[self.stage + 1], self.to)
