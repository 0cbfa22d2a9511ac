"""A change that somebody made to a dependency: deployed, configured, given other data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.answers import rfc3339
from gonogo.text.forms import minute

What = Literal["deploy", "prompt", "config", "provider", "data"]


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """A recorded change. `dependency` is None where it may touch all; `version`, `segment`: what it touches."""

    what: str
    at_ms: int
    dependency: str | None = None
    version: str | None = None
    segment: str | None = None
    note: str | None = None

    @property
    def named(self) -> str:
        """The kind of change and what it touches, in words."""
        parts = [self.what, self.version, self.segment and f"of {self.segment}"]
        return " ".join(part for part in parts if part)

    @property
    def told(self) -> str:
        """The change in words, with when it was."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.named}{note} at {minute(rfc3339(self.at_ms))}"
