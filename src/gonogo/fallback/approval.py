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
