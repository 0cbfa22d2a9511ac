"""A salt under which few keys are spread as the shares of a split ask; the keys are known by a segment.

A hundredth of thirty keys is nobody in three splits of four. Where a key falls depends on the salt, which
is free: among many, the one is taken whose stretches of the line carry what they are to carry. It is
chosen by how much a key calls alone, never by how its calls end, so that comparisons stay fair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gonogo.ports.routes import WHOLE, Route
from gonogo.ports.telemetry import Telemetry
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.routes.split import key_place
from gonogo.settings import DependencySettings
from gonogo.text.forms import counted, number, percent, share_text

# Of thirty keys that is each, in a tenth of a second.
SALTS, HASHES_MAX = 400, 12_000
LOOK_BACK_MS = 7 * DAY_MS
# Below so many that call alike, what one of them does counts as many calls.
FEW_KEYS = 40
# What a stretch without any key counts as, of the share that it is to carry.
NOBODY = 1e-3


@dataclass(frozen=True, slots=True)
class KeySpread:
    """A salt, and the keys in its smallest stretch with the share of the calls that they make."""

    salt: str
    keys: int
    carried: float


def fitting_salt(
    prefix: str, calls: Mapping[str, float], shares: Sequence[float], *, from_end: bool
) -> KeySpread:
    """The salt whose stretches carry closest to their shares, and the first at least its own.

    Args:
        prefix: What the salt begins with.
        calls: Calls of each key, in any one unit; at least one key.
        shares: Parts of the line that begin at one end, the smallest first, fractions.
        from_end: They begin at the end of the line, where a candidate's keys are.
    """
    total = sum(calls.values())
    best: tuple[float, KeySpread] | None = None
    for at in range(max(1, min(SALTS, HASHES_MAX // len(calls)))):
        salt = f"{prefix}{at}/"
        placed = []
        for key, n in calls.items():
            place = key_place(salt, key)
            placed.append((1 - place if from_end else place, n / total))
        carried = [sum(n for place, n in placed if place < share) for share in shares]
        misfit = sum(
            abs(math.log(max(part, NOBODY * share) / share))
            for part, share in zip(carried, shares, strict=True)
        )
        misfit += math.log(1 / NOBODY) * (carried[0] < shares[0])
        inside = sum(place < shares[0] for place, _ in placed)
        if best is None or misfit < best[0]:
            best = misfit, KeySpread(salt, inside, carried[0])
    if best is None:
        raise ValueError(calls)
    return best[1]


def effective_keys(calls: Mapping[str, float]) -> float:
    """The number of equally busy keys that would vary as much: (sum n)^2 / sum n^2."""
    return sum(calls.values()) ** 2 / sum(n * n for n in calls.values())


async def chosen_salt(
    telemetry: Telemetry,
    own: DependencySettings,
    route: Route,
    shares: tuple[int, ...],
    *,
    from_end: bool = False,
    now_ms: int,
) -> tuple[str, str]:
    """A salt for a split that leaves home, and what to say of the keys; both empty where none is known.

    Args:
        telemetry: The calls of each key in the last week.
        own: Which segment holds the key.
        route: As it stands; a split away from anything else keeps its salt.
        shares: What one end of the line is to carry, stage by stage, ten-thousandths, ascending.
        from_end: It is the end, where a candidate's keys are.
        now_ms: Epoch milliseconds.
    """
    if own.route_key is None or not route.is_primary or not shares:
        return "", ""
    start = (now_ms - LOOK_BACK_MS) // HOUR_MS
    calls: dict[str, float] = {}
    for segment in await telemetry.segments(own.name):
        name, _, key = segment.partition("=")
        if name == own.route_key:
            n = int((await telemetry.hours(own.name, segment=segment, start_hour=start)).n.sum())
            calls |= {key: float(n)} if n else {}
    if not calls:
        return (
            "",
            f"no {own.route_key} is known of the last week: of few sticky keys it may be nobody",
        )
    spread = fitting_salt(
        f"{own.name}/{route.epoch + 1}/",
        calls,
        [share / WHOLE for share in shares],
        from_end=from_end,
    )
    effective = effective_keys(calls)
    few = (
        f"; they are as few as {number(round(effective))} that call alike: what one of them does counts as "
        "many calls"
        if effective < FEW_KEYS
        else ""
    )
    return spread.salt, (
        f"its {share_text(shares[0] / WHOLE)} holds {spread.keys} of {counted(len(calls), 'key')} with "
        f"{percent(spread.carried)} of the calls{few}"
    )
