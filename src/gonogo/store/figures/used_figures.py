"""Sums of calls, tokens and time, compared with the rows and the entries that they add up from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from gonogo.ports.booked_costs import Usage, is_keyed, weighed
from gonogo.records import HOUR_MS, QUARTER_MS
from gonogo.settings import Settings
from gonogo.store.books.ledger_books import QUARTERS_A_DAY, SUM_MAX, source_id, sum_of, whole
from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures, differing
from gonogo.store.figures.money_figures import Spend, kept_since
from gonogo.store.hour_cells.stored_cells import unpacked, used_by

_STORED = {
    False: "SELECT p.budget, p.dependency, p.reserved, u.daily, u.bucket, u.calls, u.tokens,"
    " u.latency_us FROM used u JOIN spend_source p ON p.id = u.source_id",
    True: "SELECT budget, dependency, reserved, daily, bucket, calls, tokens, latency_us FROM used",
}
# What a reservation counts itself is what its entries say: calls that come after an amount was declared
# change nothing of it.
_ROWS = f"""
SELECT coalesce(r.budget, n.text, ''), d.name, CASE WHEN r.id IS NULL THEN 0 ELSE 1 END, o.ts_ms / ?,
  sum(CASE WHEN r.unit = 'calls' THEN 0 ELSE 1 END),
  {sum_of("CASE WHEN r.unit = 'tokens' THEN 0 ELSE coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0) END")},
  {sum_of("CASE WHEN r.unit = 'minutes' THEN 0 ELSE coalesce(o.latency_us, 0) END")}
FROM observation o JOIN dependency d ON d.id = o.dependency_id LEFT JOIN name n ON n.id = o.budget_id
LEFT JOIN reservation r ON r.id = o.reservation
WHERE o.weight_e6 IS NULL GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constant text
# Of calls that stand for others, one by one.
_WEIGHED = """
SELECT coalesce(r.budget, n.text, ''), d.name, CASE WHEN r.id IS NULL THEN 0 ELSE 1 END, o.ts_ms / ?,
  r.unit, o.weight_e6, coalesce(o.input_tokens, 0) + coalesce(o.output_tokens, 0),
  coalesce(o.latency_us, 0)
FROM observation o JOIN dependency d ON d.id = o.dependency_id LEFT JOIN name n ON n.id = o.budget_id
LEFT JOIN reservation r ON r.id = o.reservation WHERE o.weight_e6 IS NOT NULL
"""
# Calls that were counted by the hour.
_CELLS = (
    "SELECT d.name, h.hour, h.content FROM hour_cell h JOIN dependency d ON d.id = h.dependency_id"
)
_ENTRIES = {
    False: "SELECT r.budget, coalesce(p.dependency, ''), e.quarter, r.unit, e.spent_micro_usd"
    " FROM ledger_entry e JOIN reservation r ON r.id = e.reservation"
    " LEFT JOIN spend_source p ON p.id = e.source_id WHERE r.unit <> 'usd'",
    True: "SELECT r.budget, e.dependency, e.quarter, r.unit, e.spent_micro_usd"
    " FROM ledger_entry e JOIN reservation r ON r.root = e.root AND r.id = e.reservation"
    " WHERE r.unit <> 'usd'",
}


def compare_used(connection: Connection, figures: Figures) -> None:
    """Compare every sum of calls, tokens and time with what it is the sum of."""
    stored, kept = _stored(connection), kept_since(connection)
    quarters = {key: used for key, used in stored.items() if not key.daily}
    shown = {
        key: used
        for key, used in quarters.items()
        if not is_keyed(key.dependency) and key.bucket >= kept.get(key.dependency, 0)
    }
    derived = _derived(connection, kept)
    differing(figures.of("used"), shown, derived, _words)
    days = {key: used for key, used in stored.items() if key.daily}
    differing(figures.of("daily used"), days, _by_day(quarters), _words)


def mend_used(connection: Connection, *, settings: Settings) -> None:
    """Make the sums anew from rows and entries, in the caller's transaction."""
    kept = kept_since(connection)
    sums = {
        key: used
        for key, used in _stored(connection).items()
        if not key.daily and (is_keyed(key.dependency) or key.bucket < kept.get(key.dependency, 0))
    }
    sums |= _derived(connection, kept)
    sums |= _by_day(sums)
    connection.execute("DELETE FROM used")
    amounts = ("daily", "bucket", *Usage._fields)
    if connection.has_shards:
        from gonogo.store.postgres.books import root_of

        root = partial(root_of, settings)
        columns = ("root", "budget", "dependency", "reserved", *amounts)
        rows = [(root(key.budget), *key, *used) for key, used in sorted(sums.items())]
        connection.insert("used", columns, rows)
        return
    connection.insert(
        "used",
        ("source_id", *amounts),
        [
            (source_id(connection, key.dependency, key.budget, key.reserved), *key[3:], *used)
            for key, used in sorted(sums.items())
        ],
    )


def _words(key: Spend) -> str:
    when = "day" if key.daily else "quarter hour"
    named = f" for {key.budget}" if key.budget else ""
    return f"calls, tokens and microseconds of {key.dependency or 'settlements'}{named} in {when} {key.bucket}"


def _stored(connection: Connection) -> dict[Spend, Usage]:
    found: dict[Spend, Usage] = {}
    for row in connection.execute(_STORED[connection.has_shards]).fetchall():
        key = Spend(*row[:5])
        found[key] = found.get(key, Usage()).plus(Usage(*row[5:]))
    return {key: used for key, used in found.items() if any(used)}


def _derived(connection: Connection, kept: Mapping[str, int]) -> dict[Spend, Usage]:
    found: dict[Spend, Usage] = {}
    for budget, name, reserved, quarter, calls, *halves in connection.execute(
        _ROWS, (QUARTER_MS,)
    ).fetchall():
        used = Usage(int(calls), whole(*halves[:2]), whole(*halves[2:]))
        found[Spend(budget, name, reserved, 0, quarter)] = used
    for budget, name, reserved, quarter, unit, weight_e6, *used in connection.execute(
        _WEIGHED, (QUARTER_MS,)
    ).fetchall():
        key = Spend(budget, name, reserved, 0, quarter)
        count = Usage(*weighed((1, *used), weight_e6))
        count = count if unit in (None, "usd") else count.without(unit)
        found[key] = found.get(key, Usage()).plus(count)
    for name, hour, content in connection.execute(_CELLS).fetchall():
        key = Spend("", name, 0, 0, hour * HOUR_MS // QUARTER_MS)
        found[key] = found.get(key, Usage()).plus(used_by(unpacked(content)))
    for budget, name, quarter, unit, amount in connection.execute(
        _ENTRIES[connection.has_shards]
    ).fetchall():
        if quarter:
            key = Spend(budget, name, 1, 0, quarter)
            found[key] = found.get(key, Usage()).plus(Usage.amount(unit, amount))
    return {
        key: Usage(*(min(each, SUM_MAX) for each in used))
        for key, used in found.items()
        if any(used) and key.bucket >= kept.get(key.dependency, 0)
    }


def _by_day(quarters: Mapping[Spend, Usage]) -> dict[Spend, Usage]:
    days: dict[Spend, Usage] = {}
    for key, used in quarters.items():
        day = key._replace(daily=1, bucket=key.bucket // QUARTERS_A_DAY)
        days[day] = days.get(day, Usage()).plus(used)
    return {
        key: Usage(*(min(each, SUM_MAX) for each in used))
        for key, used in days.items()
        if any(used)
    }
