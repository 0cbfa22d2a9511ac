"""The clock that dates open holds, keys, claims, plans and routes of a file: when it is set, they keep the time that they had left.

All are dated by the wall clock. While the machine runs, a clock that nobody sets tells by
how much the wall clock was set since they were dated: whoever reads takes that off, and whoever writes
dates anew what is still open, before all else. After another start of the machine only the dates tell:
a hold or a plan that is dated ahead then lasts its length from the first write on, and a route was changed then.
PostgreSQL has the server's clock (`Terms.skew_ms`), the same for all machines, and needs none of it.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from gonogo.clock import AHEAD_MS, ClockSetting, clock_setting
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.store.books.route_codec import put_route, routes_of
from gonogo.store.engine import Connection

_log = logging.getLogger("gonogo.store")

# Smaller differences are those of two looks at the clocks.
_STEP_MS = 1000
# No claim is longer. One that seems to be was made by a clock that was ahead before another start.
CLAIM_MS_MAX = 2 * HOUR_MS

# Of each what is open at :then, as the clock would tell the time that was not set.
_HOLDS_BY_AS_MUCH = """
UPDATE reservation SET created_ms = created_ms + :ahead, expires_ms = expires_ms + :ahead
WHERE state = 'open' AND expires_ms > :then AND 2 * created_ms - expires_ms <= :then
"""
_KEYS_BY_AS_MUCH = """
UPDATE reserve_answer SET ts_ms = ts_ms + :ahead WHERE ts_ms > :then - :day AND ts_ms < :then + :day
"""
_CLAIMS_BY_AS_MUCH = """
UPDATE lease SET expires_ms = expires_ms + :ahead WHERE expires_ms > :then AND expires_ms <= :then + :longest
"""
_PLANS_BY_AS_MUCH = """
UPDATE plan SET created_ms = created_ms + :ahead, expires_ms = expires_ms + :ahead
WHERE state = 'planned' AND expires_ms > :then AND 2 * created_ms - expires_ms <= :then
"""
# What a limit on switches looks back on.
_SWITCHES_BY_AS_MUCH = """
UPDATE route_switch SET ts_ms = ts_ms + :ahead WHERE ts_ms > :then - 30 * :day AND ts_ms < :then + :day
"""
_HOLDS_FROM_NOW_ON = """
UPDATE reservation SET created_ms = :now, expires_ms = :now + expires_ms - created_ms
WHERE state = 'open' AND 2 * created_ms - expires_ms > :now
"""
_PLANS_FROM_NOW_ON = """
UPDATE plan SET created_ms = :now, expires_ms = :now + expires_ms - created_ms
WHERE state = 'planned' AND 2 * created_ms - expires_ms > :now
"""
_SWITCHES_FROM_NOW_ON = "UPDATE route_switch SET ts_ms = :now WHERE ts_ms > :now + :spread"


class Dating(NamedTuple):
    """How far the wall clock was set ahead since open holds were dated; whether the machine was started since."""

    ahead_ms: int = 0
    is_started_since: bool = False


def dating_of(connection: Connection) -> Dating:
    """How what is open was dated."""
    setting = None if connection.has_shards else clock_setting()
    return Dating() if setting is None else _dating(connection, setting) or Dating()


def _dating(connection: Connection, setting: ClockSetting) -> Dating | None:
    """How what is open was dated; None where nothing was yet."""
    row = connection.execute("SELECT boot, set_ms FROM dated_by").fetchone()
    if row is None:
        return None
    if row[0] != setting.boot:
        return Dating(is_started_since=True)
    ahead_ms = setting.set_ms - int(row[1])
    return Dating(ahead_ms if abs(ahead_ms) > _STEP_MS else 0)


def date_anew(connection: Connection, *, now_ms: int) -> None:
    """Date what is open by the wall clock as it is set now, in a transaction that writes such dates."""
    setting = None if connection.has_shards else clock_setting()
    if setting is None:
        return
    dating = _dating(connection, setting)
    if dating == Dating():
        return
    if dating is None:
        connection.execute("INSERT INTO dated_by VALUES (1, ?, ?) ON CONFLICT DO NOTHING", setting)
        return
    if dating.ahead_ms:
        bound = {"ahead": dating.ahead_ms, "then": now_ms - dating.ahead_ms}
        holds = connection.execute(_HOLDS_BY_AS_MUCH, bound).rowcount
        connection.execute(_KEYS_BY_AS_MUCH, bound | {"day": DAY_MS})
        connection.execute(_CLAIMS_BY_AS_MUCH, bound | {"longest": CLAIM_MS_MAX})
        connection.execute(_PLANS_BY_AS_MUCH, bound)
        connection.execute(_SWITCHES_BY_AS_MUCH, bound | {"day": DAY_MS})
        for route in routes_of(connection):
            put_route(connection, route.dated(dating.ahead_ms))
    else:
        holds = connection.execute(_HOLDS_FROM_NOW_ON, {"now": now_ms}).rowcount
        connection.execute(_PLANS_FROM_NOW_ON, {"now": now_ms})
        connection.execute(_SWITCHES_FROM_NOW_ON, {"now": now_ms, "spread": AHEAD_MS})
        for route in routes_of(connection):
            if route.changed_ms > now_ms + AHEAD_MS:
                put_route(connection, route.dated(now_ms - route.changed_ms))
    connection.execute("UPDATE dated_by SET boot = ?, set_ms = ?", setting)
    if holds:
        _log.warning(
            "the clock was set while %d holds were open: they were dated anew by it", holds
        )
