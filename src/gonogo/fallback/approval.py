"""Who lets a plan be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `terminal`: a person who was asked at one; `link`: whoever opened a link that was sent to a person;
# `approved`: whoever ran `gonogo approve` where nobody was asked.
ConfirmedBy = Literal["confirm", "elicited", "approved", "terminal", "link"]
BY_HAND: tuple[ConfirmedBy, ...] = ("approved", "terminal", "link")
OUT_OF_BAND: tuple[ConfirmedBy, ...] = ("terminal", "link")


@dataclass(frozen=True, slots=True)
class Approval:
    """The word to carry a plan out: who gave it, and when; `overrule`: why, past failed checks."""

    confirmed_by: ConfirmedBy | None
    actor: str
    now_ms: int
    settings_digest: str = ""
    idempotency_key: str | None = None
    overrule: str | None = None

    def askers_beside(self, asked_by: str) -> tuple[str, ...]:
        """Who asked for a plan or carries it out, but for people; nobody where a person's hand let it."""
        return () if self.confirmed_by in BY_HAND else askers(asked_by, self.actor)


def askers(*actors: str) -> tuple[str, ...]:
    """Those of the actors whose own records of a target are no reason to go there: all but people."""
    return tuple(dict.fromkeys(a for a in actors if a and not a.startswith("person:")))
