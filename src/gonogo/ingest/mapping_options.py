"""`--map`, `--set` and the conditions of `gonogo ingest`, as they are typed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence

from gonogo.errors import ParameterError, plain
from gonogo.ingest.cell_words import Form, typed_cell
from gonogo.ingest.column_names import other_currency
from gonogo.ingest.mapping import ColumnMap, Target, put, target_of
from gonogo.ingest.observation import FIELDS, parse_observation
from gonogo.records import Rejection

_FACTOR = re.compile(r"(.+)\*([0-9.eE+-]+)", re.DOTALL)
_SCALED: tuple[Form, ...] = ("number", "count", "outcome", "time")
_FAR_MS = 10**14


def parse_mapping(
    maps: Sequence[str],
    sets: Sequence[str],
    *,
    ignore_unknown: bool = False,
    error_when: Sequence[str] = (),
    good_when: Sequence[str] = (),
    drop: Sequence[str] = (),
    day_first: bool | None = None,
) -> ColumnMap:
    """Read `FIELD=COLUMN[*NUMBER]` and `FIELD=VALUE` as the command line has them.

    Raises:
        ParameterError: a form, field, number or value is wrong, or a field is given twice.
    """
    good = [_split("--good-when", text, "COLUMN=VALUE") for text in good_when]
    # A column whose good words are named may be mapped as well: that says nothing more of it.
    said_twice = {f"outcome={column}" for column, _ in good}
    targets = [_mapped(text) for text in maps if text not in said_twice]
    constants = [_constant(text) for text in sets]
    seen: set[tuple[str, str | None]] = set()
    for target in (*(t for _, t in targets), *(t for t, _ in constants)):
        where = (target.field, target.key)
        if where in seen:
            raise ParameterError(f"The field '{_shown(target)}' is given twice by --map and --set.")
        seen.add(where)
    failed = [_split("--error-when", text, "COLUMN=VALUE") for text in error_when]
    if good and (("outcome", None) in seen or len({column for column, _ in good}) > 1):
        raise ParameterError("--good-when names one column, and then no other is the outcome.")
    return ColumnMap(
        tuple(targets),
        tuple(constants),
        ignore_unknown,
        tuple(failed),
        frozenset(drop),
        tuple(good),
        day_first,
    )


def _shown(target: Target) -> str:
    return plain(target.field if target.key is None else f"{target.field}.{target.key}", 80)


def _split(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise ParameterError(f"{option} '{plain(text, 80)}': write it {form}.")
    return name, rest


def _mapped(text: str) -> tuple[str, Target]:
    name, column = _split("--map", text, "FIELD=COLUMN or FIELD=COLUMN*NUMBER")
    factor: float | None = None
    scaled = _FACTOR.fullmatch(column)
    if scaled:
        try:
            column, factor = scaled[1], float(scaled[2])
        except ValueError:
            scaled = None  # an asterisk in the column's own name
    target = _known_target("--map", name, factor)
    if scaled and (target.form not in _SCALED or not math.isfinite(factor or 0.0)):
        raise ParameterError(f"--map '{plain(text, 80)}': only a finite number scales a number.")
    if name == "cost_usd" and factor is None and (currency := other_currency(column)):
        raise ParameterError(
            f"--map '{plain(text, 80)}': the column is in {currency}, and costs are in USD. Say what one "
            f"{currency} is worth in USD, as in --map '{plain(text.partition('*USD_PER_')[0], 80)}*1.08'."
        )
    return column, target


def _known_target(option: str, name: str, factor: float | None = None) -> Target:
    target = target_of(name, factor)
    if target is None:
        near = difflib.get_close_matches(name[:80], FIELDS, n=3) or list(FIELDS)
        known = f"{', '.join(near)}, segments.KEY, metrics.NAME"
        raise ParameterError(f"{option}: unknown field '{plain(name, 60)}'. Known: {known}.")
    return target


def _constant(text: str) -> tuple[Target, object]:
    name, value = _split("--set", text, "FIELD=VALUE")
    target = _known_target("--set", name)
    constant = typed_cell(target.form, value)
    raw: dict[str, object] = {}
    put(raw, target, constant)
    # Checked once here, by the same table, instead of once in every line.
    checked = parse_observation({"dependency": "x", **raw}, now_ms=_FAR_MS, from_file=True)
    if isinstance(checked, Rejection):
        raise ParameterError(f"--set {_shown(target)}: {checked.problem}.")
    return target, constant
