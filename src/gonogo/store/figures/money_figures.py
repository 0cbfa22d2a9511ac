"""Spending and reservations, compared with the entries and the costs that they add up from.

Entries are what happened, and are never rewritten; what stands in `spend` and on a reservation is
their sum. What calls cost outside any reservation is the sum of their rows and hour cells, as far back as these are
kept; what was booked at a price that was not kept, by a store of schema 17 or before, is at least nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from gonogo.ports.booked_costs import UNLISTED_TIER, is_keyed, weighed
from gonogo.records import HOUR_MS, NANO_A_MICRO, QUARTER_MS
from gonogo.settings import Settings
from gonogo.store.books.ledger_books import QUARTERS_A_DAY, SUM_MAX, source_id, sum_of, whole
from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures, differing
from gonogo.store.observations.costs import NOT_KEPT

_AMOUNTS = ("micro_usd", "rest_nano_usd")
_NANO_MAX = SUM_MAX * NANO_A_MICRO
_QUARTER_MAX = 1 << 40
_QUARTERS_AN_HOUR = HOUR_MS // QUARTER_MS


class Spend(NamedTuple):
    """The key of one sum of the money books. `bucket`: a quarter of an hour, or a day."""

    budget: str
    dependency: str
    reserved: int
    daily: int
    bucket: int


class _Account(NamedTuple):
    """A reservation as its ledger entries describe it."""

    state: str
    held: int
    observed: int
    declared: int | None


_STORED = {
    False: "SELECT p.budget, p.dependency, p.reserved, s.daily, s.bucket, s.micro_usd, s.rest_nano_usd"
    " FROM spend s JOIN spend_source p ON p.id = s.source_id",
    True: "SELECT budget, dependency, reserved, daily, bucket, micro_usd, rest_nano_usd FROM spend",
}
_ENTRIES = {
    False: "SELECT e.reservation, e.kind, e.held_micro_usd, e.spent_micro_usd, coalesce(p.dependency, ''),"
    " e.quarter FROM ledger_entry e LEFT JOIN spend_source p ON p.id = e.source_id ORDER BY e.seq",
    True: "SELECT reservation, kind, held_micro_usd, spent_micro_usd, dependency, quarter"
    " FROM ledger_entry ORDER BY reservation, seq",
}
_COSTS = f"""
SELECT d.name, coalesce(n.text, ''), o.ts_ms / ?,
  {sum_of("CASE WHEN o.booked_nano_usd IS NULL THEN coalesce(o.cost_micro_usd, 0) ELSE 0 END")},
  {sum_of("CASE WHEN o.booked_nano_usd >= 0 THEN o.booked_nano_usd ELSE 0 END")},
  sum(CASE WHEN o.booked_nano_usd = {NOT_KEPT} THEN 1 ELSE 0 END)
FROM observation o JOIN dependency d ON d.id = o.dependency_id LEFT JOIN name n ON n.id = o.budget_id
LEFT JOIN reservation r ON r.id = o.reservation
-- What calls of a reservation in another unit cost counts by what they name themselves.
WHERE (r.id IS NULL OR r.unit <> 'usd') AND o.weight_e6 IS NULL GROUP BY 1, 2, 3
"""  # noqa: S608 - constant text
# Of calls that stand for others, one by one: what they amount to may be more than an integer of SQLite holds.
_WEIGHED = f"""
SELECT d.name, coalesce(n.text, ''), o.ts_ms / ?, o.weight_e6,
  coalesce(nullif(o.booked_nano_usd, {UNLISTED_TIER}), o.cost_micro_usd * 1000, 0)
FROM observation o JOIN dependency d ON d.id = o.dependency_id LEFT JOIN name n ON n.id = o.budget_id
LEFT JOIN reservation r ON r.id = o.reservation
WHERE (r.id IS NULL OR r.unit <> 'usd') AND o.weight_e6 IS NOT NULL
"""  # noqa: S608 - constant text
# Of calls that were counted by the hour.
_CELLS = f"""
SELECT d.name, h.hour, {sum_of("h.nano_usd")} FROM hour_cell h JOIN dependency d
ON d.id = h.dependency_id WHERE h.nano_usd IS NOT NULL GROUP BY d.name, h.hour
"""  # noqa: S608 - constant text
# From which quarter hour on each dependency's rows are all there.
_KEPT = """
SELECT d.name, coalesce(k.from_ms, 0) / ? FROM dependency d
LEFT JOIN retention k ON k.dependency_id = d.id
"""
# What calls that were let go had cost stays spent when their dependency is forgotten.
_FORGOTTEN = """
SELECT f.dependency, ? FROM forgotten f
WHERE NOT EXISTS (SELECT 1 FROM dependency d WHERE d.name = f.dependency)
"""


def compare_money(connection: Connection, figures: Figures) -> None:
    """Compare every reservation with its entries, and every sum with what it is the sum of."""
    accounts, reserved = _entered(connection)
    stored = {
        row[0]: tuple(row[1:])
        for row in connection.execute(
            "SELECT id, state, held_micro_usd, observed_micro_usd, declared_micro_usd"
            " FROM reservation"
        )
    }
    figure = figures.of("reservations")
    figure.compared += len(stored.keys() | accounts.keys())
    for name in sorted(stored.keys() | accounts.keys()):
        if name not in stored:
            gone = figures.of("holds", is_derived=False)
            gone.compared += 1
            gone.amiss.append(f"{name}, of which there are entries, is gone")
        elif stored[name] != accounts.get(name):
            figure.amiss.append(f"{name} is not what its entries add up to")
    spend = _stored(connection)
    quarters = {key: amount for key, amount in spend.items() if not key.daily}
    differing(
        figures.of("reserved spend"),
        {key: amount for key, amount in quarters.items() if key.reserved},
        reserved,
        _words,
    )
    _compare_costs(connection, quarters, figures)
    days = {key: amount for key, amount in spend.items() if key.daily}
    differing(figures.of("daily spend"), days, _by_day(quarters), _words)


def _compare_costs(connection: Connection, quarters: Mapping[Spend, int], figures: Figures) -> None:
    costs, unpriced, kept = _costs(connection)
    found = {
        key: amount
        for key, amount in quarters.items()
        if not key.reserved
        and not is_keyed(key.dependency)
        # `is_keyed`: rows do not say since when sums by a segment's values are kept.
        and key.bucket >= kept.get(key.dependency, 0)
    }
    # At least: what calls with tokens alone were booked at is not among their rows.
    for key in unpriced:
        if found.get(key, 0) >= costs.get(key, 0):
            found.pop(key, None)
            costs.pop(key, None)
    differing(figures.of("spend"), found, costs, _words)


def _words(key: Spend) -> str:
    of = key.dependency or "settlements"
    when = "day" if key.daily else "quarter hour"
    named = f" for {key.budget}" if key.budget else ""
    return f"what {of} cost{named} in {when} {key.bucket} (in 1e-9 USD)"


def _stored(connection: Connection) -> dict[Spend, int]:
    sums: dict[Spend, int] = defaultdict(int)
    for *key, micro, rest in connection.execute(_STORED[connection.has_shards]):
        sums[Spend(*key)] += micro * NANO_A_MICRO + rest
    return dict(sums)


def kept_since(connection: Connection) -> dict[str, int]:
    """The quarter hour from which each dependency's rows are complete; none for a forgotten one."""
    kept = dict(connection.execute(_KEPT, (QUARTER_MS,)).fetchall())
    return kept | dict(connection.execute(_FORGOTTEN, (_QUARTER_MAX,)).fetchall())


def _costs(connection: Connection) -> tuple[dict[Spend, int], set[Spend], dict[str, int]]:
    """The costs of calls by their rows; which were priced on arrival; since when rows are kept."""
    kept = kept_since(connection)
    costs: dict[Spend, int] = {}
    unpriced: set[Spend] = set()
    for name, budget, quarter, *halves, without in connection.execute(_COSTS, (QUARTER_MS,)):
        if quarter < kept[name]:
            continue
        key = Spend(budget, name, 0, 0, quarter)
        nano = whole(*halves[:2]) * NANO_A_MICRO + whole(*halves[2:])
        costs[key] = min(nano, _NANO_MAX)
        if without:
            unpriced.add(key)
    for name, budget, quarter, weight_e6, nano in connection.execute(_WEIGHED, (QUARTER_MS,)):
        if quarter >= kept[name]:
            key = Spend(budget, name, 0, 0, quarter)
            costs[key] = min(costs.get(key, 0) + weighed((nano,), weight_e6)[0], _NANO_MAX)
    for name, hour, *halves in connection.execute(_CELLS):
        quarter = hour * _QUARTERS_AN_HOUR
        if quarter >= kept[name]:
            key = Spend("", name, 0, 0, quarter)
            costs[key] = min(costs.get(key, 0) + whole(*halves), _NANO_MAX)
    return costs, unpriced, kept


def _entered(connection: Connection) -> tuple[dict[str, tuple[object, ...]], dict[Spend, int]]:
    """Sum the ledger entries of each reservation, and of what was spent in reservations."""
    budgets = dict(
        connection.execute("SELECT id, budget FROM reservation WHERE unit = 'usd'").fetchall()
    )
    known = {row[0] for row in connection.execute("SELECT id FROM reservation").fetchall()}
    accounts: dict[str, _Account] = {}
    spent: dict[Spend, int] = defaultdict(int)
    apart: dict[str, int] = defaultdict(
        int
    )  # declared beyond the calls, and less for each that came later
    for name, kind, held, amount, dependency, quarter in connection.execute(
        _ENTRIES[connection.has_shards]
    ).fetchall():
        at = accounts.get(name, _Account("open", 0, 0, None))
        if kind == "hold":
            at = at._replace(held=at.held + held)
        elif kind in ("cost", "correct"):
            at = at._replace(observed=at.observed + amount)
        elif kind == "settle":
            apart[name] += amount
            declared = (
                at.observed + apart[name] if quarter else None
            )  # one engine writes 0 for none
            at = at._replace(state="settled", declared=declared)
        else:
            at = at._replace(state="released")
        accounts[name] = at
        if quarter and (name in budgets or name not in known):
            spent[Spend(budgets.get(name, ""), dependency, 1, 0, quarter)] += amount * NANO_A_MICRO
    sums = {key: min(amount, _NANO_MAX) for key, amount in spent.items()}
    return {name: tuple(at) for name, at in accounts.items()}, sums


def _by_day(quarters: Mapping[Spend, int]) -> dict[Spend, int]:
    days: dict[Spend, int] = defaultdict(int)
    for key, amount in quarters.items():
        day = key._replace(daily=1, bucket=key.bucket // QUARTERS_A_DAY)
        days[day] = min(days[day] + amount, _NANO_MAX)
    return dict(days)


def mend_money(connection: Connection, settings: Settings) -> None:
    """Make reservations and sums anew from entries and rows, in the caller's transaction."""
    accounts, derived = _entered(connection)
    for name, (state, held, observed, declared) in accounts.items():
        connection.execute(
            "UPDATE reservation SET state = ?, held_micro_usd = ?, observed_micro_usd = ?,"
            " declared_micro_usd = ? WHERE id = ?",
            (state, held, observed, declared, name),
        )
    quarters = {key: amount for key, amount in _stored(connection).items() if not key.daily}
    costs, unpriced, kept = _costs(connection)
    for key, amount in quarters.items():
        if key.reserved:
            continue
        at_least = costs.get(key, 0)
        is_kept = key.bucket >= kept.get(key.dependency, 0) and not is_keyed(key.dependency)
        if not is_kept or (key in unpriced and amount > at_least):
            derived[key] = amount
        elif at_least:
            derived[key] = at_least
    for key, amount in costs.items():
        derived.setdefault(key, amount)
    connection.execute("DELETE FROM spend")
    _put(connection, {**derived, **_by_day(derived)}, settings)


def _put(connection: Connection, sums: Mapping[Spend, int], settings: Settings) -> None:
    if connection.has_shards:
        from gonogo.store.postgres.books import root_of

        columns = ("root", "budget", "dependency", "reserved", "daily", "bucket")
        connection.insert(
            "spend",
            (*columns, *_AMOUNTS),
            [
                (root_of(settings, key.budget), *key, *divmod(n, NANO_A_MICRO))
                for key, n in sorted(sums.items())
                if n
            ],
        )
        return
    rows = []
    for key, amount in sorted(sums.items()):
        source = source_id(connection, key.dependency, key.budget, key.reserved)
        rows.append((source, key.daily, key.bucket, *divmod(amount, NANO_A_MICRO)))
    connection.insert("spend", ("source_id", "daily", "bucket", *_AMOUNTS), rows)
