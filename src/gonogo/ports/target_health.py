"""The health of targets, and of the primary while it is tried again, as actions need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gonogo.ports.routes import Weight
    from gonogo.records import Floats, Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    """A target's present health: the worst of trust and drift, and `why` in words.

    `answers`: whether its newest calls came back, None where there are none of the last day;
    `answered` says so in words. `suspected`: in words, its provider, where several of that fail
    together now. `score` and `p_better` (than the primary, now) are fractions.
    """

    target: str
    verdict: Verdict
    why: str
    score: float | None = None
    p_better: float | None = None
    answers: bool | None = None
    answered: str = ""
    suspected: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OwnRate:
    """One rate of a dependency's own calls, for a trial; bad ones are errors, wrong outcomes or complaints.

    `well` is its baseline's rate, `ill` what counts as still ill; `fell`: it had fallen when the
    traffic left. `n` and `bad` are whole hours since a stage began, shape (hours,); `n_now` and
    `bad_now` the hour in which it began too.
    """

    metric: str
    well: float
    ill: float
    fell: bool
    n: Floats
    bad: Floats
    n_now: float = 0.0
    bad_now: float = 0.0


class Health(Protocol):
    """Judges targets of a fallback."""

    async def own_rates(
        self,
        dependency: str,
        *,
        fallback: Sequence[Weight],
        fell_ms: int,
        since_ms: int,
        now_ms: int,
    ) -> list[OwnRate]:
        """The rates of its own calls since a stage began; those without a baseline are left out.

        Calls of a version that is a target of the fallback are not its own.
        """
        ...

    async def assess(
        self, target: str, *, primary: str, now_ms: int, asked_by: Sequence[str] = ()
    ) -> Assessment:
        """A target beside the primary.

        What those who ask for it recorded of it in the last day speaks against it alone, never for it.
        """
        ...

    async def answers(self, target: str, *, now_ms: int) -> tuple[bool | None, str]:
        """Check whether a target's newest calls came back, in words too; None without any in the last day."""
        ...

    async def is_down(self, dependency: str, *, now_ms: int, asked_by: Sequence[str] = ()) -> bool:
        """Whether half or more of its newest calls failed outright, by what others recorded."""
        ...

    async def outage(self, dependency: str, *, now_ms: int) -> str | None:
        """Describe the failures of a target that is down; None where it is not."""
        ...

    async def is_known(self, dependency: str) -> bool:
        """Whether anything was ever recorded of it."""
        ...
