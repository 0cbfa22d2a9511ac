"""The money books: costs of observations coming in, and sums over a budget's window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from gonogo.ports.booked_costs import BookedCost, Usage, counted_column, keyed_costs
from gonogo.ports.money import Balance, OpenHold, Scope
from gonogo.records import DAY_MS, NANO_A_MICRO, QUARTER_MS, Unit
from gonogo.store.books.closing import ClosingEntry, Hold
from gonogo.store.books.hold_clock import Dating
from gonogo.store.books.run_books import marks
from gonogo.store.engine import Connection

QUARTERS_A_DAY = DAY_MS // QUARTER_MS
# Far beyond every limit. A thousand sums of it overflow an integer of SQLite: see `sum_of`.
SUM_MAX = 9_000_000_000_000_000
_EVER, _EVER_MS = 1 << 40, 1 << 60
_LOW_BITS = 32
# As many windows are looked back at first: in most of them somebody slept.
LOOKED_BACK = 64


def sum_of(amount: str) -> str:
    """The two columns that add up an expression of integers, for `whole` to put together.

    SQLite gives a statement up whose sum leaves 64 bits, at 9.2e12 USD. The halves cannot: two to
    the 31 rows would be needed.
    """
    low = (1 << _LOW_BITS) - 1
    return f"coalesce(sum(({amount}) >> {_LOW_BITS}), 0), coalesce(sum(({amount}) & {low}), 0)"


def whole(high: int, low: int) -> int:
    """The sum of which `sum_of` gave the halves; PostgreSQL gives them as numerics."""
    return (int(high) << _LOW_BITS) + int(low)


# A hold lasts its length on either side of its making: a clock that was far ahead when it was made,
# and has come back at another start of the machine (`hold_clock.py`), cannot make it last for ever.
_OPEN = """
FROM reservation
WHERE state = 'open' AND budget = :budget AND unit = :unit AND expires_ms > :now
  AND 2 * created_ms - expires_ms <= :latest AND held_micro_usd > observed_micro_usd
"""
HELD = f"SELECT {sum_of('held_micro_usd - observed_micro_usd')} {_OPEN}"
# In the order of the index, so that the first few are found without sorting the rest.
OPEN_HOLDS = f"""
SELECT id, held_micro_usd - observed_micro_usd, expires_ms {_OPEN}
ORDER BY expires_ms LIMIT :holds
"""
_ADD_SPEND = f"""
INSERT INTO spend (source_id, daily, bucket, micro_usd, rest_nano_usd) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  micro_usd = min(micro_usd + excluded.micro_usd + (rest_nano_usd + excluded.rest_nano_usd) / 1000, {SUM_MAX}),
  rest_nano_usd = (rest_nano_usd + excluded.rest_nano_usd) % 1000
"""  # noqa: S608 - a constant number
_ADD_USED = f"""
INSERT INTO used (source_id, daily, bucket, calls, tokens, latency_us) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET calls = min(calls + excluded.calls, {SUM_MAX}),
  tokens = min(tokens + excluded.tokens, {SUM_MAX}),
  latency_us = min(latency_us + excluded.latency_us, {SUM_MAX})
"""  # noqa: S608 - a constant number
# In this order of look-ups, which SQLite does not choose by itself; a list in JSON takes ten times as long.
_SUM = """
SELECT {columns} FROM spend_source AS p CROSS JOIN (VALUES {{spans}}) AS span CROSS JOIN {table} AS s
WHERE s.source_id = p.id AND s.daily = span.column1
  AND s.bucket >= span.column2 AND s.bucket < span.column3
  AND (p.budget IN ({{members}}) OR p.dependency IN ({{dependencies}}))
"""
_SPENT: Mapping[Unit, str] = {
    "usd": _SUM.format(
        columns=f"{sum_of('s.micro_usd')}, coalesce(sum(s.rest_nano_usd), 0)", table="spend"
    ),
    **{
        unit: _SUM.format(columns=f"{sum_of(f's.{counted_column(unit)}')}, 0", table="used")
        for unit in ("calls", "tokens", "minutes")
    },
}


def book_costs(connection: Connection, costs: Sequence[BookedCost], now_ms: int) -> None:
    """Book what newly stored observations cost and used, in the transaction that stores them.

    A cost that names a reservation belongs to it, whatever its dependency: while it is open it
    uses up the hold; once it was settled at a declared cost it changes nothing in its budget, and counts by its
    dependency elsewhere; once it was closed without one, or has expired, it adds to what was spent. A reservation
    that the store does not know is passed over, and the cost counts by its budget and dependency.

    A reservation is in the unit of its budget. In other units its calls count in that budget too,
    but money: what they cost counts by the budget that they name themselves, and their dependency.
    """
    named = {cost.reservation for cost in costs if cost.reservation is not None}
    known: dict[str | None, _Reserved] = {None: _NO_RESERVATION}
    known |= {name: _unit_of(connection, name) for name in named}
    keyed = keyed_costs(costs, {name: budget for name, (budget, _) in known.items()})
    free: dict[tuple[str, str, int], int] = defaultdict(int)
    used: dict[tuple[str, str, int, int], Usage] = {}
    reserved: list[tuple[str, str, int, int, bool]] = []
    for cost in (*costs, *keyed):
        quarter, name, count = cost.ts_ms // QUARTER_MS, cost.reservation, cost.used
        budget, unit = known[name]
        if name is None or unit != "usd":
            free[cost.dependency, cost.budget or "", quarter] += cost.nano_usd
        else:
            reserved.append((name, cost.dependency, quarter, cost.nano_usd, count.calls > 0))
        if name is not None and unit not in (None, "usd"):
            reserved.append((name, cost.dependency, quarter, count.of(unit), count.calls > 0))
            count = count.without(unit)
        key = cost.dependency, budget or cost.budget or "", int(unit is not None), quarter
        used[key] = used[key].plus(count) if key in used else count
    sources: dict[tuple[str, str, int], int] = {}

    def source_of(dependency: str, budget: str, is_reserved: int) -> int:
        key = dependency, budget, is_reserved
        if key not in sources:
            sources[key] = source_id(connection, *key)
        return sources[key]

    _book_many(
        connection,
        [
            (source_of(dependency, budget, 0), quarter, nano)
            for (dependency, budget, quarter), nano in sorted(free.items())
        ],
    )
    for reservation, dependency, quarter, amount, is_call in reserved:
        entry = dependency, quarter, amount
        spent = _book_reserved(connection, reservation, *entry, now_ms, is_call=is_call)
        budget, unit = known[reservation]
        if unit is not None and unit != "usd":
            for part_of, part in spent.items():
                key = part_of, budget or "", 1, quarter
                used[key] = used.get(key, Usage()).plus(Usage.amount(unit, part))
    _use_many(
        connection,
        [
            (source_of(dependency, budget, is_reserved), quarter, count)
            for (dependency, budget, is_reserved, quarter), count in sorted(used.items())
        ],
    )


_Reserved = tuple[str | None, Unit | None]
_NO_RESERVATION: _Reserved = (None, None)


def _unit_of(connection: Connection, reservation: str) -> _Reserved:
    """The budget and the unit of a reservation; of one that is not known neither."""
    found = connection.execute(
        "SELECT budget, unit FROM reservation WHERE id = ?", (reservation,)
    ).fetchone()
    return _NO_RESERVATION if found is None else (found[0], found[1])


def _book_reserved(
    connection: Connection,
    reservation: str,
    dependency: str,
    quarter: int,
    amount: int,
    now_ms: int,
    *,
    is_call: bool,
) -> dict[str, int]:
    """Use up a hold by an amount: 1e-9 USD, or so many of its own unit; the whole part that was entered, by dependency.

    What comes after an amount was declared is taken off that amount: a cap over the dependency counts it, and
    the reservation's budget what was declared.
    """
    budget, unit, state, declared, observed, rest = connection.execute(
        "SELECT budget, unit, state, declared_micro_usd, observed_micro_usd, rest_nano_usd"
        " FROM reservation WHERE id = ?",
        (reservation,),
    ).fetchone()
    if not amount:
        return {dependency: 0}  # no entry, which would count as a call of a run
    if unit == "usd":
        # Entries are whole micro-dollars; the row carries the rest to the next one.
        amount, rest = divmod(amount + rest, NANO_A_MICRO)
    # What is beyond the largest sum is neither booked nor entered, so that the two stay equal.
    amount = min(amount, SUM_MAX - observed)
    connection.execute(
        "UPDATE reservation SET observed_micro_usd = observed_micro_usd + ?, rest_nano_usd = ?"
        " WHERE id = ?",
        (amount, rest, reservation),
    )
    parts = {dependency: ("cost" if state == "open" and is_call else "correct", amount)}
    if declared is not None:
        parts[""] = ("settle", -amount)
    for name, (kind, part) in parts.items():
        source = source_id(connection, name, budget, 1)
        if unit == "usd":
            book(connection, source, quarter, part * NANO_A_MICRO)
        enter(connection, now_ms, reservation, kind, spent=part, booked_as=(source, quarter))
    return {name: part for name, (_, part) in parts.items()}


def source_id(connection: Connection, dependency: str, budget: str, reserved: int) -> int:
    """The row that names where money went, made on first use."""
    key = (dependency, budget, reserved)
    found = connection.execute(
        "SELECT id FROM spend_source WHERE dependency = ? AND budget = ? AND reserved = ?", key
    ).fetchone()
    if found is None:
        found = connection.execute(
            "INSERT INTO spend_source (dependency, budget, reserved) VALUES (?, ?, ?) RETURNING id",
            key,
        ).fetchone()
    return int(found[0])


def book(connection: Connection, source: int, quarter: int, nano: int) -> None:
    """Add an amount, in 1e-9 USD, to a source's quarter hour and to the UTC day around it."""
    _book_many(connection, [(source, quarter, nano)])


def _book_many(connection: Connection, amounts: Iterable[tuple[int, int, int]]) -> None:
    rows = []
    for source, quarter, nano in amounts:
        if nano:
            amount, rest = divmod(nano, NANO_A_MICRO)
            kept = min(amount, SUM_MAX), rest
            rows += [(source, 0, quarter, *kept), (source, 1, quarter // QUARTERS_A_DAY, *kept)]
    connection.executemany(_ADD_SPEND, rows)


def _use_many(connection: Connection, counts: Iterable[tuple[int, int, Usage]]) -> None:
    """Add what was used to each source's quarter hour and to the UTC day around it."""
    rows = []
    for source, quarter, count in counts:
        kept = [max(min(each, SUM_MAX), -SUM_MAX) for each in count]
        rows += [(source, 0, quarter, *kept), (source, 1, quarter // QUARTERS_A_DAY, *kept)]
    connection.executemany(_ADD_USED, rows)


def enter(
    connection: Connection,
    now_ms: int,
    reservation: str,
    kind: str,
    *,
    held: int = 0,
    spent: int = 0,
    booked_as: tuple[int, int] | None = None,
) -> None:
    """Append one entry: changes of what is held and of what was spent."""
    source, quarter = booked_as or (None, None)
    connection.execute(
        "INSERT INTO ledger_entry"
        " (ts_ms, reservation, kind, held_micro_usd, spent_micro_usd, source_id, quarter)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (now_ms, reservation, kind, held, spent, source, quarter),
    )


def enter_closing(connection: Connection, hold: Hold, entry: ClosingEntry) -> None:
    """Append an entry of a hold that is closed or lowered, and book what is spent (`closing.Enter`)."""
    kind, now_ms, held, spent, quarter = entry
    booked_as = None
    if quarter is not None:
        booked_as = source_id(connection, "", hold.budget, 1), quarter
        if hold.unit == "usd":
            book(connection, *booked_as, spent * NANO_A_MICRO)
        if spent:
            _use_many(connection, [(*booked_as, Usage.amount(hold.unit, spent))])
    enter(connection, now_ms, hold.id, kind, held=held, spent=spent, booked_as=booked_as)


def balance(
    connection: Connection,
    scope: Scope,
    *,
    now_ms: int,
    dating: Dating,
    holds_max: int,
    held_by: dict[str, int],
) -> Balance:
    """The spend of a scope in its window and the amount that its open reservations hold.

    `dating`: how holds were dated. `held_by` keeps each member's sum: parents ask for their children's again.
    """
    ranges = window_ranges(scope.start_ms, scope.end_ms)
    statement = _SPENT[scope.unit].format(
        spans=", ".join(["(?, ?, ?)"] * len(ranges)),
        members=marks(scope.members),
        dependencies=marks(scope.dependencies),
    )
    bound = (*chain.from_iterable(ranges), *scope.members, *scope.dependencies)
    high, low, rest = connection.execute(statement, bound).fetchone()
    held = 0
    holds: list[OpenHold] = []
    for member in scope.members:
        dated_now_ms = now_ms - dating.ahead_ms
        open_now = {
            "budget": member,
            "unit": scope.unit,
            "now": dated_now_ms,
            "latest": _EVER_MS if dating.is_started_since else dated_now_ms,
            "holds": holds_max,
        }
        if member not in held_by:
            held_by[member] = whole(*connection.execute(HELD, open_now).fetchone())
        held += held_by[member]
        if holds_max:
            found = connection.execute(OPEN_HOLDS, open_now)
            holds += [OpenHold(name, left, until + dating.ahead_ms) for name, left, until in found]
    holds.sort(key=lambda hold: (hold.expires_ms, hold.id))
    spent = whole(high, low) + round(rest / NANO_A_MICRO)
    return Balance(max(spent, 0), held, tuple(holds[:holds_max]))


def window_ranges(start_ms: int | None, end_ms: int | None) -> list[tuple[int, int, int]]:
    """Cover a window with whole UTC days, and quarter hours at its edges."""
    first = -_EVER if start_ms is None else start_ms // QUARTER_MS
    end = _EVER if end_ms is None else -(-end_ms // QUARTER_MS)
    first_day, end_day = -(-first // QUARTERS_A_DAY), end // QUARTERS_A_DAY
    if first_day >= end_day:
        return [(0, first, end)]
    edges = [(0, first, first_day * QUARTERS_A_DAY), (0, end_day * QUARTERS_A_DAY, end)]
    return [(1, first_day, end_day), *(edge for edge in edges if edge[1] < edge[2])]


def session_start(
    buckets_since: Callable[[int | None], Sequence[int]], *, length_ms: int, now_ms: int
) -> int | None:
    """Find when the open window began; None where none is open.

    Args:
        buckets_since: Quarter hours with a call, ascending, from one on or all of them, until now.
        length_ms: How long a window lasts, in whole quarter hours.
        now_ms: The time.
    """
    length, now = length_ms // QUARTER_MS, now_ms // QUARTER_MS
    since = now - LOOKED_BACK * length
    recent = buckets_since(since)
    first = first_of_session(recent, length=length, since=since)
    if first is None and recent:
        recent = buckets_since(None)
        first = recent[0]
    if first is None:
        return None
    start = first
    for bucket in recent:
        if bucket >= start + length:
            start = bucket
    return start * QUARTER_MS if start + length > now else None


def first_of_session(buckets: Sequence[int], *, length: int, since: int) -> int | None:
    """A bucket that begins a window whatever was before: nothing was called as long as one lasts.

    None where there is none, so that it depends on what was before `since`.
    """
    before = since - 1
    for bucket in buckets:
        if bucket - before > length or (before >= since and bucket - before >= length):
            return bucket
        before = bucket
    return None
