"""Looking at every dependency whose evidence changed, so that incidents open with nobody asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.app import Gonogo

PAGE = 200


class Lookout:
    """Remembers what it has looked at, and what was not well: time alone may change those."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    async def look(self, app: Gonogo) -> None:
        """One turn: drift and trust of each dependency that is not as it was when it was well."""
        after: str | None = None
        telemetry = (await app.stores()).telemetry
        while page := await telemetry.dependencies(after=after, limit=PAGE):
            for known in page:
                if self._seen.get(known.name) == known.rev:
                    continue
                drift = await app.check_model_drift(known.name)
                trust = await app.get_trust_score_health(known.name)
                if {drift.verdict, trust.verdict} <= {"go", "unknown"}:
                    self._seen[known.name] = known.rev
                else:
                    self._seen.pop(known.name, None)
            after = page[-1].name
