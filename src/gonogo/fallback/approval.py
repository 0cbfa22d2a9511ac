"""Who lets a plan be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ConfirmedBy = Literal["confirm", "elicited", "approved"]


@dataclass(frozen=True, slots=True)
class Approval:
    """The word to carry a plan out: who gave it, and when; `overrule`: why, past failed checks."""

    confirmed_by: ConfirmedBy | None
    actor: str
    now_ms: int
    settings_digest: str = ""
    idempotency_key: str | None = None
    overrule: str | None = None
