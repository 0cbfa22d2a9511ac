"""The SQL of each engine for counting hour cells, and the table of calls that it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gonogo.detectors.bins import (
    INDEX_OFFSET,
    LOGIT,
    LOGIT_ONE,
    LOGIT_ZERO,
    SIGNED_LOG,
    Layout,
    bin_of_one,
)
from gonogo.records import MICRO

# Columns of a table of calls that a cell is counted from.
FIELDS_COUNTED = (
    *("dependency", "ts", "version", "item", "kind", "provider", "outcome", "outcome_ts", "error"),
    *("confidence", "latency_ms", "cost_usd", "input_tokens", "output_tokens"),
    *("prediction", "label", "weight"),
)
_STEPS = tuple(2.0 ** (k / 16) for k in range(17))
# The least whole millionths that lie in each bin of the logit layout, from its lowest on.
_LOGIT_LEAST = [
    next(n for n in (near - 1, near, near + 1) if bin_of_one(LOGIT, max(n, 0) / MICRO) >= place)
    for place in range(LOGIT_ZERO + 1, LOGIT_ONE)
    for near in (math.ceil(MICRO / (1 + math.exp(-place / 10))),)
]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The expressions that differ between engines. `{}` stands for the operand.

    `time_us`: a timestamp in microseconds since 1970. `element`: of an array, from 1. `histogram`: values counted
    by value, as a JSON object; where an engine has none, `values` makes a row a metric, which are counted in two
    steps, `entries` puts texts together with commas, and `label` is a text and a number as a JSON entry.
    """

    real: str
    text: str
    rounded: str
    time_us: str
    element: str
    segments: str
    histogram: str = ""
    entries: str = ""
    label: str = ""
    values: str = ""
    is_stacked: bool = False


DIALECTS: Mapping[str, Dialect] = {
    "duckdb": Dialect(
        real="DOUBLE",
        text="VARCHAR",
        rounded="round_even({}, 0)",
        time_us="epoch_us({})",
        element="[{array}][{index}]",
        segments="CAST(json_object({}) AS VARCHAR)",
        # Half the time and a third of the memory of histogram() on each of many groups.
        histogram="CAST(to_json(list_aggregate(list({0}) FILTER (WHERE {0} IS NOT NULL), 'histogram')) AS VARCHAR)",
    ),
    "postgresql": Dialect(
        real="DOUBLE PRECISION",
        text="TEXT",
        rounded="round(CAST({} AS DOUBLE PRECISION))",
        time_us="CAST(extract(epoch FROM {}) * 1000000 AS BIGINT)",
        element="(ARRAY[{array}])[{index}]",
        segments="CAST(json_build_object({}) AS TEXT)",
        entries="string_agg({}, ',')",
        label="CAST(to_json(label) AS TEXT) || ':' || n",
        values="CROSS JOIN LATERAL (VALUES {}) AS counted (metric, place, label, fixed)",
    ),
    "spark": Dialect(
        real="DOUBLE",
        text="STRING",
        rounded="rint({})",
        time_us="unix_micros(CAST({} AS TIMESTAMP))",
        element="element_at(array({array}), {index})",
        segments="to_json(named_struct({}))",
        entries="concat_ws(',', collect_list({}))",
        label="substring(to_json(map(label, n)), 2, length(to_json(map(label, n))) - 2)",
        values="LATERAL VIEW stack({}) counted AS metric, place, label, fixed",
        is_stacked=True,
    ),
}


@dataclass(frozen=True, slots=True)
class CallTable:
    """A table of calls: its name or expression, and which expression gives each field.

    `ts` and `outcome_ts` are timestamps; those without a zone are UTC. Segments and metrics by their names.
    """

    source: str
    fields: Mapping[str, str]
    segments: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    counted_by: str = ""
    revision: int = 0


def columns_of(names: Sequence[str]) -> dict[str, str]:
    """The fields that columns of the same names give."""
    return {name: name for name in names if name in FIELDS_COUNTED}


def select(columns: str, source: str) -> str:
    """A SELECT of columns from a source."""
    return f"SELECT {columns}\n  FROM {source}"  # noqa: S608 - a query is what this module makes


def summed(column: str, when: str) -> str:
    """The sum of a column where a condition holds, 0 where it never does."""
    return f"CAST(coalesce(sum(CASE WHEN {when} THEN {column} END), 0) AS BIGINT)"


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"


def by_name(values: Mapping[str, str], default: str) -> str:
    """An expression that is one of several by the dependency."""
    if not values:
        return default
    cases = " ".join(f"WHEN {quoted(name)} THEN {value}" for name, value in values.items())
    return f"CASE dependency {cases} ELSE {default} END"


# The bins of `detectors/bins.py` as SQL, in three steps, so that no engine computes one twice.
#
# First where to look, by a logarithm that may be off by one; then what is compared there; then the bin. The
# boundaries are literals: the same numbers that rows are binned by.
_LOGIT_LEAST.append(MICRO + 1)


def near_bin(layout: Layout, value: str) -> str:
    """The octave of a value, or the bin of its log-odds (of whole millionths)."""
    if layout is not LOGIT:
        return f"floor(ln(nullif(abs({value}), 0)) / {math.log(2)!r}e0)"
    odds = f"{value} / nullif({MICRO}e0 - {value}, 0)"
    place = f"CAST(floor(10 * ln(nullif({odds}, 0))) AS INTEGER)"
    return f"greatest(least({place}, {LOGIT_ONE - 1}), {LOGIT_ZERO + 1})"


def scaled_value(layout: Layout, value: str, near: str, element: str) -> str:
    """A value within its octave; of a fraction its bin, moved by the least values of it and the next.

    Args:
        layout: How it is binned.
        value: The column of values.
        near: The column of `near_bin`.
        element: How an engine writes the element of an array.
    """
    if layout is not LOGIT:
        return f"abs({value}) / power(2e0, {near})"
    array, first = ", ".join(map(str, _LOGIT_LEAST)), LOGIT_ZERO + 1
    here, above = (
        element.format(array=array, index=f"{near} - ({first}) + {step}") for step in (1, 2)
    )
    return f"{near} + CAST({value} >= {above} AS INTEGER) - CAST({value} < {here} AS INTEGER)"


def bin_found(layout: Layout, value: str, near: str, scaled: str) -> str:
    """The bin of a value, from the columns of the two steps before."""
    if layout is LOGIT:
        ends = f"WHEN {value} = 0 THEN {LOGIT_ZERO} WHEN {value} = {MICRO} THEN {LOGIT_ONE}"
        return f"CASE {ends} ELSE CAST({scaled} AS BIGINT) END"
    # An octave that is off by one has all steps behind it, or none: both come out right.
    steps = " + ".join(f"CAST({scaled} > {step!r}e0 AS INTEGER)" for step in _STEPS)
    code = f"CAST(16 * {near} AS BIGINT) + {steps} + {INDEX_OFFSET - 1}"
    signed = f"sign({value}) * ({code})" if layout is SIGNED_LOG else code
    return f"CASE WHEN {value} = 0 THEN 0 ELSE CAST({signed} AS BIGINT) END"
