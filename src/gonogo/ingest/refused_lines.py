"""Refused rows, counted by what they were calls of and which field was wrong."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.records import Rejection

FIELD_CHARS_MAX = 64
KEYS_MAX = 1_000


class Refusals:
    """Counts of rejections by (dependency, field), each with its newest reason.

    Bounded: names of fields and dependencies come without end where a file is garbage, and what
    comes after the first thousand counts for no dependency.
    """

    def __init__(self, rejections: Iterable[Rejection] = ()) -> None:
        self.counts: dict[tuple[str, str], tuple[int, str]] = {}
        for one in rejections:
            self.count(one)

    def count(self, rejection: Rejection, n: int = 1) -> None:
        """Count one, or several alike, where something is lost with them."""
        if not rejection.is_lost:
            return
        key = rejection.dependency, rejection.field[:FIELD_CHARS_MAX]
        if key not in self.counts and len(self.counts) >= KEYS_MAX:
            key = "", "line"
        self.counts[key] = (self.counts.get(key, (0, ""))[0] + n, rejection.problem)

    def leave_out(self, dependencies: Iterable[str], what: str) -> None:
        """Note what was left out of a file on purpose, of the first of its dependencies: no row is lost with it."""
        for name in dependencies:
            if len(self.counts) >= KEYS_MAX:
                return
            self.counts[name, "left out"] = 0, what

    def name_rest(self, dependency: str) -> None:
        """Take those that did not say what they were calls of for calls of this dependency."""
        for (name, field), (n, problem) in list(self.counts.items()):
            if not name:
                del self.counts[name, field]
                known = self.counts.get((dependency, field), (0, ""))
                self.counts[dependency, field] = known[0] + n, problem
