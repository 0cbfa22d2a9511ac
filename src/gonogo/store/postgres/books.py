"""The money books on PostgreSQL: costs coming in, and sums over a budget's window.

`root` is the shard of a budget: the top of its chain of parents. The meaning of every sum is that
of store/books/ledger_books.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gonogo.ports.booked_costs import BookedCost, Usage, counted_column, keyed_costs
from gonogo.ports.money import Balance, OpenHold, Scope
from gonogo.records import NANO_A_MICRO, QUARTER_MS, Unit
from gonogo.settings import Settings
from gonogo.store.books.closing import ClosingEntry, Hold
from gonogo.store.books.ledger_books import QUARTERS_A_DAY, SUM_MAX, session_start, window_ranges
from gonogo.store.engine import Connection

_ADD_SPEND = f"""
INSERT INTO spend (root, budget, dependency, reserved, daily, bucket, micro_usd, rest_nano_usd)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (root, budget, dependency, reserved, daily, bucket) DO UPDATE SET
  micro_usd = least(spend.micro_usd + excluded.micro_usd
    + (spend.rest_nano_usd + excluded.rest_nano_usd) / 1000, {SUM_MAX}),
  rest_nano_usd = (spend.rest_nano_usd + excluded.rest_nano_usd) % 1000
"""  # noqa: S608 - a constant number
_ADD_USED = f"""
INSERT INTO used (root, budget, dependency, reserved, daily, bucket, calls, tokens, latency_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (root, budget, dependency, reserved, daily, bucket) DO UPDATE SET
  calls = least(used.calls + excluded.calls, {SUM_MAX}),
  tokens = least(used.tokens + excluded.tokens, {SUM_MAX}),
  latency_us = least(used.latency_us + excluded.latency_us, {SUM_MAX})
"""  # noqa: S608 - a constant number
_USE_HOLD = f"""
UPDATE reservation r SET
  observed_micro_usd = least(r.observed_micro_usd + ?1 + (r.rest_nano_usd + ?2) / 1000, {SUM_MAX}),
  rest_nano_usd = (r.rest_nano_usd + ?2) % 1000
FROM (SELECT root, id, observed_micro_usd FROM reservation WHERE root = ?3 AND id = ?4 FOR UPDATE) old
WHERE r.root = old.root AND r.id = old.id
RETURNING r.declared_micro_usd, r.state, r.observed_micro_usd - old.observed_micro_usd
"""  # noqa: S608 - a constant number
_OPEN = """
r.root = ANY(:roots) AND r.state = 'open' AND r.budget = ANY(:members{i}) AND r.unit = :unit{i}
  AND r.expires_ms > :now
  AND 2 * r.created_ms - r.expires_ms <= :now AND r.held_micro_usd > r.observed_micro_usd
"""
_WINDOW = """
FROM unnest(CAST(:daily{i} AS INTEGER[]), CAST(:first{i} AS BIGINT[]), CAST(:end{i} AS BIGINT[]))
  AS w (daily, first_bucket, end_bucket)
JOIN {table} s ON s.daily = w.daily AND s.bucket >= w.first_bucket AND s.bucket < w.end_bucket
"""
# Sums of BIGINT are NUMERIC, and as large as they come.
# What names a member; what one of the dependencies cost in another name, or in none.
_SCOPE = f"""
SELECT {{i}}, CAST('' AS TEXT),
  (SELECT coalesce(sum({{amount}}), 0) {_WINDOW}
   WHERE s.root = ANY(:roots) AND s.budget = ANY(:members{{i}}))
  + (SELECT coalesce(sum({{amount}}), 0) {_WINDOW}
     WHERE s.dependency = ANY(:dependencies{{i}})
       AND NOT (s.root = ANY(:roots) AND s.budget = ANY(:members{{i}}))),
  (SELECT coalesce(sum(r.held_micro_usd - r.observed_micro_usd), 0) FROM reservation r
   WHERE {_OPEN}),
  (SELECT coalesce(max(granted_micro_usd), 0) FROM account
   WHERE root = :root AND budget = :budget{{i}})
"""  # noqa: S608 - constant text
_HOLDS = f"""
UNION ALL
(SELECT -1, r.id, r.held_micro_usd - r.observed_micro_usd, r.expires_ms, 0 FROM reservation r
 WHERE {_OPEN.format(i=0)} ORDER BY r.expires_ms, r.id LIMIT :holds)
"""  # noqa: S608 - constant text

_USED_IN = """
SELECT DISTINCT bucket FROM used
WHERE daily = 0 AND bucket >= :first AND bucket <= :now AND (calls > 0 OR dependency = '')
  AND ((root = ANY(:roots) AND budget = ANY(:members)) OR dependency = ANY(:dependencies))
ORDER BY bucket
"""


@dataclass(frozen=True, slots=True)
class BalanceSnapshot:
    """Balances in one snapshot, and what had been granted in each scope's budget until then."""

    balances: tuple[Balance, ...]
    granted: tuple[int, ...]


def root_of(settings: Settings, budget: str) -> str:
    """The top of a budget's parents; of a cycle the first by name. '' is the root of no budget."""
    chain: list[str] = []
    at: str | None = budget
    while at is not None and at not in chain:
        chain.append(at)
        configured = settings.budget(at)
        at = None if configured is None else configured.parent
    return chain[-1] if at is None else min(chain[chain.index(at) :])


def see_balances(
    connection: Connection,
    roots: Sequence[str],
    scopes: Sequence[Scope],
    *,
    now_ms: int,
    holds_max: int,
) -> BalanceSnapshot:
    """Read each scope's spend and holds in one statement, and so in one snapshot.

    The first of `roots` is the budget's shard. Before an edit that gave it a parent, or took it from
    one, its money was booked under another: its own name, that of a former parent, or one of these.
    """
    every = {*roots, *(member for scope in scopes for member in scope.members)}
    parameters: dict[str, object] = {"root": roots[0], "roots": sorted(every)}
    parameters |= {"now": now_ms, "holds": holds_max}
    for i, scope in enumerate(scopes):
        daily, first, end = zip(*window_ranges(scope.start_ms, scope.end_ms), strict=True)
        parameters |= {
            f"budget{i}": scope.budget,
            f"unit{i}": scope.unit,
            f"members{i}": list(scope.members),
            f"dependencies{i}": list(scope.dependencies),
            f"daily{i}": list(daily),
            f"first{i}": list(first),
            f"end{i}": list(end),
        }
    statement = " UNION ALL ".join(
        _SCOPE.format(i=i, **_summed(scope.unit)) for i, scope in enumerate(scopes)
    )
    rows = connection.execute(statement + (_HOLDS if holds_max else ""), parameters).fetchall()
    holds = sorted(
        (OpenHold(name, int(held), int(expires)) for i, name, held, expires, _ in rows if i < 0),
        key=lambda hold: (hold.expires_ms, hold.id),
    )
    sums = sorted(row for row in rows if row[0] >= 0)
    return BalanceSnapshot(
        tuple(
            Balance(max(round(spent), 0), int(held), tuple(holds) if i == 0 else ())
            for i, _, spent, held, _ in sums
        ),
        tuple(row[4] for row in sums),
    )


def open_session(
    connection: Connection, roots: Sequence[str], scope: Scope, *, now_ms: int
) -> int | None:
    """Find when the open session window of a scope began; None where none is open."""
    wanted = {
        "roots": list(roots),
        "members": list(scope.members),
        "dependencies": list(scope.dependencies),
        "now": now_ms // QUARTER_MS,
    }

    def buckets(since: int | None) -> list[int]:
        first = -1 if since is None else since
        return [row[0] for row in connection.execute(_USED_IN, {**wanted, "first": first})]

    return session_start(buckets, length_ms=scope.session_ms or 0, now_ms=now_ms)


def _summed(unit: Unit) -> dict[str, str]:
    """The table and the amount of a row that a scope of a unit adds up."""
    if unit == "usd":
        return {"table": "spend", "amount": "s.micro_usd + s.rest_nano_usd / 1000.0"}
    return {"table": "used", "amount": f"s.{counted_column(unit)}"}


def book_costs(
    connection: Connection, costs: Sequence[BookedCost], *, now_ms: int, settings: Settings
) -> None:
    """Book what newly stored observations cost and used, in the transaction that stores them.

    As `store.ledger_books.book_costs`. Rows are taken in the order of their keys by every writer.
    """
    known = _known(connection, {cost.reservation for cost in costs if cost.reservation is not None})
    keyed = keyed_costs(costs, {name: of.budget for name, of in known.items()})
    added: dict[_Key, int] = defaultdict(int)
    used: dict[_Key, Usage] = {}
    reserved: list[tuple[_BookedReservation, str, str, int, int, bool]] = []
    for cost in (*costs, *keyed):
        quarter, name, count = cost.ts_ms // QUARTER_MS, cost.reservation or "", cost.used
        of, budget = known.get(name), cost.budget or ""
        if of is None or of.unit != "usd":
            added[root_of(settings, budget), budget, cost.dependency, 0, quarter] += cost.nano_usd
        else:
            reserved.append((of, name, cost.dependency, quarter, cost.nano_usd, count.calls > 0))
        if of is not None and of.unit != "usd":
            amount = count.of(of.unit)
            reserved.append((of, name, cost.dependency, quarter, amount, count.calls > 0))
            count = count.without(of.unit)
        if of is None:
            key = root_of(settings, budget), budget, cost.dependency, 0, quarter
        else:
            key = of.root, of.budget, cost.dependency, 1, quarter
        used[key] = used.get(key, Usage()).plus(count)
    # Reservations first: who settles one takes its row before those of `spend`.
    for of, name, dependency, quarter, amount, is_call in sorted(
        reserved, key=lambda each: (each[0].root, each[1])
    ):
        # A row without an amount all the same: so the budget knows who called in its name.
        spent = _use_hold(
            connection, of, name, dependency, quarter, amount, now_ms=now_ms, is_call=is_call
        )
        for part_of, part in spent.items():
            key = of.root, of.budget, part_of, 1, quarter
            added[key] += part * NANO_A_MICRO if of.unit == "usd" else 0
            used[key] = used.get(key, Usage()).plus(Usage.amount(of.unit, part))
    add_spending(connection, {key: nano for key, nano in added.items() if nano or key[1]})
    add_used(connection, used)


class _BookedReservation(NamedTuple):
    """A reservation as its calls are booked."""

    root: str
    budget: str
    unit: Unit


# Root, budget, dependency, whether of a reservation, quarter hour.
_Key = tuple[str, str, str, int, int]


def _use_hold(
    connection: Connection,
    of: _BookedReservation,
    name: str,
    dependency: str,
    quarter: int,
    amount: int,
    *,
    now_ms: int,
    is_call: bool,
) -> dict[str, int]:
    """Use up a hold by an amount: 1e-9 USD, or so many of its own unit; the whole part that was entered, by dependency.

    As `store.ledger_books`: what comes after an amount was declared is taken off that amount.
    """
    if not amount:
        return {dependency: 0}  # no entry, which would count as a call of a run
    amounts = divmod(amount, NANO_A_MICRO) if of.unit == "usd" else (amount, 0)
    used = connection.execute(_USE_HOLD, (*amounts, of.root, name)).fetchone()
    if used is None:
        return {dependency: 0}
    declared, state, spent = used[0], used[1], int(used[2])
    # What is beyond the largest sum is neither booked nor entered: the two stay equal.
    parts = {dependency: ("cost" if state == "open" and is_call else "correct", spent)}
    if declared is not None:
        parts[""] = ("settle", -spent)
    for part_of, (kind, part) in parts.items():
        booked_as = part_of, quarter
        enter(connection, of.root, name, kind, now_ms=now_ms, spent=part, booked_as=booked_as)
    return {part_of: part for part_of, (_, part) in parts.items()}


def _known(connection: Connection, reservations: set[str]) -> dict[str, _BookedReservation]:
    """Read those of these reservations that exist."""
    if not reservations:
        return {}
    found = connection.execute(
        "SELECT id, root, budget, unit FROM reservation WHERE id = ANY(?)",
        (sorted(reservations),),
    )
    return {name: _BookedReservation(*rest) for name, *rest in found.fetchall()}


def add_used(connection: Connection, used: Mapping[_Key, Usage]) -> None:
    """Add what was used by (root, budget, dependency, reserved, quarter) to quarter and day."""
    rows: dict[tuple[str, str, str, int, int, int], Usage] = {}
    for (root, budget, dependency, reserved, quarter), count in used.items():
        for daily, bucket in ((0, quarter), (1, quarter // QUARTERS_A_DAY)):
            key = root, budget, dependency, reserved, daily, bucket
            rows[key] = rows.get(key, Usage()).plus(count)
    connection.executemany(
        _ADD_USED,
        [
            (*key, *(max(min(each, SUM_MAX), -SUM_MAX) for each in count))
            for key, count in sorted(rows.items())
        ],
    )


def add_spending(connection: Connection, added: Mapping[_Key, int]) -> None:
    """Add amounts in 1e-9 USD by (root, budget, dependency, reserved, quarter) to quarter and day."""
    rows: dict[tuple[str, str, str, int, int, int], int] = defaultdict(int)
    for (root, budget, dependency, reserved, quarter), amount in added.items():
        rows[root, budget, dependency, reserved, 0, quarter] += amount
        rows[root, budget, dependency, reserved, 1, quarter // QUARTERS_A_DAY] += amount
    nanos = ((key, *divmod(nano, NANO_A_MICRO)) for key, nano in sorted(rows.items()))
    connection.executemany(
        _ADD_SPEND, [(*key, min(amount, SUM_MAX), rest) for key, amount, rest in nanos]
    )


def enter(
    connection: Connection,
    root: str,
    reservation: str,
    kind: str,
    *,
    now_ms: int,
    held: int = 0,
    spent: int = 0,
    booked_as: tuple[str, int] = ("", 0),
) -> None:
    """Append one entry of a reservation, whose row the transaction holds."""
    connection.execute(
        "INSERT INTO ledger_entry SELECT ?1, ?2, coalesce(max(seq), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8"
        " FROM ledger_entry WHERE root = ?1 AND reservation = ?2",
        (root, reservation, now_ms, kind, held, spent, *booked_as),
    )


def enter_closing(connection: Connection, hold: Hold, entry: ClosingEntry) -> None:
    """Append an entry of a hold that is closed or lowered, and book what is spent (`closing.Enter`)."""
    kind, now_ms, held, spent, quarter = entry
    changes = {"now_ms": now_ms, "held": held, "spent": spent}
    enter(connection, hold.root, hold.id, kind, **changes, booked_as=("", quarter or 0))
    if quarter is not None:
        key = hold.root, hold.budget, "", 1, quarter
        if hold.unit == "usd":
            add_spending(connection, {key: spent * NANO_A_MICRO})
        if spent:
            add_used(connection, {key: Usage.amount(hold.unit, spent)})
