"""Reservations in the books, on both engines: how long they last, their calls, and what these cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gonogo.clock import AHEAD_MS
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.ports.booked_costs import UNLISTED_TIER
from gonogo.ports.money import EarlierHolds, LeftHold, Payer, ReservationCalls, RunProgress
from gonogo.records import DAY_MS, HOUR_MS, QUARTER_MS, Unit
from gonogo.settings import Settings
from gonogo.store.books.hold_clock import date_anew, dating_of
from gonogo.store.engine import Connection
from gonogo.text.forms import UNIT_WORDS

PAST_RUNS_MAX = 50
_HOLD_S = 900

# A run goes on under its name for so long after its hold has expired, or was settled: a job of every
# night, or of every hour, begins anew.
_PAUSE_MS, _SETTLED_PAUSE_MS = 12 * HOUR_MS, QUARTER_MS
# The second hold of the run of `res-A` is `res-A.2`, up to `res-A.1000`: no column has the run's name.
_MARK, _HOLDS_MAX = ".", 1000

_COSTS = """
SELECT reservation, seq, kind, spent_micro_usd FROM ledger_entry
WHERE reservation IN ({marks}) AND kind IN ('cost', 'correct')
"""
_EARLIER = """
SELECT id, coalesce(declared_micro_usd, observed_micro_usd), declared_micro_usd, created_ms
FROM reservation WHERE id IN ({marks}) AND unit = ?
"""
_PAST = """
SELECT id FROM reservation WHERE budget = ? AND unit = ? AND state = 'settled' AND observed_micro_usd > 0
  AND id <> ? AND id NOT LIKE ? AND closed_ms < expires_ms ORDER BY closed_ms DESC LIMIT ?
"""
# From one budget to the next in the index of open holds, however many each has.
_BUDGETS_HELD = """
WITH RECURSIVE held (name) AS (
  SELECT min(budget) FROM reservation WHERE state = 'open'
  UNION ALL
  SELECT (SELECT min(budget) FROM reservation WHERE state = 'open' AND budget > held.name)
  FROM held WHERE held.name IS NOT NULL
)
SELECT name FROM held
"""
_ACCOUNTS = "SELECT DISTINCT budget FROM account"
# `>` is searched for in the index, where `<>` goes through every dependency that spent.
_BUDGETS_NAMED = "SELECT DISTINCT budget FROM spend_source WHERE budget > '' ORDER BY budget"
# From one to the next in the index, however many quarter hours each has.
_BUDGETS_NAMED_IN_SHARDS = """
WITH RECURSIVE named AS (
  (SELECT root, budget FROM spend ORDER BY root, budget LIMIT 1)
  UNION ALL
  SELECT further.root, further.budget FROM named, LATERAL (
    SELECT root, budget FROM spend WHERE (root, budget) > (named.root, named.budget)
    ORDER BY root, budget LIMIT 1
  ) AS further
)
SELECT DISTINCT budget FROM named WHERE budget <> '' ORDER BY budget
"""
_LEFT = """
SELECT unit, coalesce(sum(held_micro_usd - observed_micro_usd), 0), max(expires_ms) FROM reservation
WHERE state = 'open' AND budget = ?1 AND expires_ms > ?2 AND held_micro_usd > observed_micro_usd
GROUP BY unit ORDER BY unit
"""
# Found by the time of the calls, since no index has reservations: from a day before the hold was made, for
# who sends late or by another clock. Dependencies that ever spent in the budget's name are few.
_CALLS = """
SELECT d.name, d.kind, count(*),
  sum(CASE WHEN {known} IS NOT NULL THEN 0
           WHEN coalesce(o.input_tokens, o.output_tokens) IS NOT NULL THEN 1
           -- One that failed without usage was not served, and costs nothing.
           WHEN o.error_id IS NULL THEN 1 ELSE 0 END),
  sum(CASE WHEN {known} IS NULL
           THEN coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0) ELSE 0 END),
  sum(CASE WHEN {used} IS NULL THEN 0 ELSE 1 END)
FROM observation o JOIN dependency d ON d.id = o.dependency_id
WHERE d.name IN (SELECT dependency FROM {sources} WHERE budget = ?)
  AND o.ts_ms >= ? AND o.reservation IN ({marks})
GROUP BY d.name, d.kind ORDER BY d.name
"""


def unknown_reservation(name: str) -> UnknownTarget:
    """No other is named: an id is all that it takes to settle, and is for its holder."""
    advice = "Check the id: it is in the answer that made the hold."
    return UnknownTarget("reservation", name, None, advice)


def renew(
    connection: Connection, *, name: str, now_ms: int, settings: Settings, length_s: int | None
) -> tuple[str, int]:
    """Let an open hold last as long again; the heartbeat of whoever holds it."""
    date_anew(connection, now_ms=now_ms)
    row = connection.execute(
        "SELECT budget, state, expires_ms FROM reservation WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        raise unknown_reservation(name)
    budget, state, expires_ms = row
    if state != "open" or expires_ms <= now_ms:
        ended = "was closed" if state != "open" else "has expired"
        raise ParameterError(
            f"Reservation '{name}' {ended} and cannot be renewed: others may have the money. "
            "Reserve again."
        )
    configured = settings.budget(budget)
    if length_s is None:
        length_s = _HOLD_S if configured is None else configured.hold_expires_s
    until_ms = max(expires_ms, now_ms + length_s * 1000)
    connection.execute(
        "UPDATE reservation SET expires_ms = ? WHERE id = ? AND state = 'open'", (until_ms, name)
    )
    return budget, until_ms


def budgets_named(connection: Connection) -> tuple[str, ...]:
    """See `Ledger`."""
    found = connection.execute(
        _BUDGETS_NAMED_IN_SHARDS if connection.has_shards else _BUDGETS_NAMED
    )
    return tuple(row[0] for row in found)


def left_holds(connection: Connection, settings: Settings, *, now_ms: int) -> tuple[LeftHold, ...]:
    """Open holds of budgets that are neither configured nor a former name of one."""
    named = connection.execute(_BUDGETS_HELD if not connection.has_shards else _ACCOUNTS)
    found, ahead_ms = [], dating_of(connection).ahead_ms
    for name in sorted({str(row[0]) for row in named.fetchall() if row[0] is not None}):
        if not settings.is_nowhere(name):
            continue
        open_now = (name, now_ms - ahead_ms)
        for unit, held, until in connection.execute(_LEFT, open_now).fetchall():
            found.append(LeftHold(name, int(held), until + ahead_ms, unit))
    return tuple(found)


def payers(connection: Connection, reservations: Sequence[str]) -> Mapping[str, Payer]:
    """See `Ledger`."""
    known = "SELECT budget, declared_micro_usd IS NOT NULL FROM reservation WHERE id = ?"
    found = ((name, connection.execute(known, (name,)).fetchone()) for name in reservations)
    return {name: Payer(row[0], bool(row[1])) for name, row in found if row is not None}


def run_so_far(connection: Connection, reservation_id: str) -> RunProgress | None:
    """See `Ledger`."""
    name = reservation_id
    row = connection.execute(
        "SELECT budget, unit, held_micro_usd, created_ms FROM reservation WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    budget, unit, held, created_ms = row
    first = _first(name)
    others = (budget, unit, first, f"{first}{_MARK}%", PAST_RUNS_MAX)
    newest: dict[str, str] = {}  # the last hold of each past run, by its first
    for (one,) in connection.execute(_PAST, others).fetchall():
        newest.setdefault(_first(one), one)
    return RunProgress(
        budget,
        held,
        _costs(connection, [name]),
        tuple(_costs(connection, _holds_until(one)) for one in newest.values()),
        calls_of(connection, [name], budget, unit, created_ms=created_ms),
        unit,
        _earlier(connection, _holds_until(name)[:-1], budget, unit),
    )


def next_hold(connection: Connection, *, key: str, arguments: str, now_ms: int) -> str | None:
    """See `Ledger`."""
    row = connection.execute(
        "SELECT arguments, answer FROM reserve_answer WHERE key = ?", (key,)
    ).fetchone()
    hold = json.loads(row[1]).get("reservation") if row and row[0] == arguments else None
    found = (
        hold
        and connection.execute(
            "SELECT closed_ms, expires_ms FROM reservation WHERE id = ?", (hold["id"],)
        ).fetchone()
    )
    if not hold or not found:
        return None
    closed_ms, expires_ms = found
    is_over_early = closed_ms is not None and closed_ms < expires_ms
    until_ms = closed_ms + _SETTLED_PAUSE_MS if is_over_early else expires_ms + _PAUSE_MS
    n, dated_now_ms = len(_holds_until(hold["id"])), now_ms - dating_of(connection).ahead_ms
    # One that ended far ahead was told by a clock that was wrong, and is of no run of now.
    is_ahead = is_over_early and closed_ms > dated_now_ms + AHEAD_MS
    if dated_now_ms >= until_ms or is_ahead or n == _HOLDS_MAX:
        return None
    return f"{_first(hold['id'])}{_MARK}{n + 1}"


def _first(name: str) -> str:
    """The first hold of the run that a hold belongs to."""
    return name.partition(_MARK)[0]


def _holds_until(name: str) -> list[str]:
    """The holds of a run from its first to this one."""
    first, _, n = name.partition(_MARK)
    return [first, *(f"{first}{_MARK}{i}" for i in range(2, int(n) + 1))] if n else [first]


def marks(names: Sequence[str]) -> str:
    """One parameter for each of some names."""
    return ", ".join("?" * len(names))


def _earlier(connection: Connection, names: Sequence[str], budget: str, unit: Unit) -> EarlierHolds:
    if not names:
        return EarlierHolds()
    statement = _EARLIER.format(marks=marks(names))
    rows = connection.execute(statement, (*names, unit)).fetchall()
    there = {row[0] for row in rows}
    # A declared amount stands for all of a hold's calls, those without a cost too.
    open_to_calls = [row[0] for row in rows if row[2] is None]
    since_ms = min((row[3] for row in rows), default=0)
    return EarlierHolds(
        sum(int(row[1]) for row in rows),
        _costs(connection, [name for name in names if name in there]),
        calls_of(connection, open_to_calls, budget, unit, created_ms=since_ms),
    )


def calls_of(
    connection: Connection, names: Sequence[str], budget: str, unit: Unit, *, created_ms: int
) -> ReservationCalls:
    """The calls that name reservations of a budget, and which of them lack what its unit counts.

    Tools that never had any of it are free, but that every call takes time.
    """
    if not names:
        return ReservationCalls()
    known, used = counted_by(unit, "o.")
    sources = "spend" if connection.has_shards else "spend_source"
    statement = _CALLS.format(known=known, used=used, sources=sources, marks=marks(names))
    found = connection.execute(statement, (budget, created_ms - DAY_MS, *names)).fetchall()
    has_free = bool(UNIT_WORDS[unit].free)
    is_free = [has_free and kind not in (None, "model") and not used for _, kind, *_, used in found]
    unknown = [row for row, free in zip(found, is_free, strict=True) if row[3] and not free]
    return ReservationCalls(
        sum(int(row[2]) for row in found),
        sum(int(row[3]) for row in unknown),
        sum(int(row[4]) for row in unknown),
        tuple(row[0] for row in unknown),
    )


def _costs(connection: Connection, names: Sequence[str]) -> tuple[int, ...]:
    """The cost of each call under a run's holds; corrections, and costs after the end, go with the newest."""
    if not names:
        return ()
    order = {name: i for i, name in enumerate(names)}
    rows = connection.execute(_COSTS.format(marks=marks(names)), tuple(names)).fetchall()
    costs: list[int] = []
    for _, _, kind, spent in sorted(rows, key=lambda row: (order[row[0]], row[1])):
        if kind == "cost" or not costs:
            costs.append(int(spent))
        else:
            costs[-1] += int(spent)
        while costs[-1] < 0 and len(costs) > 1:
            costs[-2:] = [costs[-2] + costs[-1]]
    return tuple(max(cost, 0) for cost in costs)


def counted_by(unit: Unit, of: str = "") -> tuple[str, str]:
    """Two expressions of a row of `observation`, null where nothing is known.

    The first is what a unit counts; the second any usage from which that could be known, which a
    tool that is free has never had.
    """
    tokens = f"coalesce({of}input_tokens, {of}output_tokens)"
    match unit:
        case "usd":
            booked = f"nullif({of}booked_nano_usd, {UNLISTED_TIER})"
            cost = f"coalesce({booked}, {of}cost_micro_usd)"
            return cost, f"coalesce({of}cost_micro_usd, {of}input_tokens, {of}output_tokens)"
        case "calls":
            return "1", "1"
        case "tokens":
            return tokens, tokens
        case "minutes":
            return f"{of}latency_us", f"{of}latency_us"
