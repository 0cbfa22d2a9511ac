"""Rows of the table of hour cells: what is wrong with one is said, and among many each is read as alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from counted_cells import counted_cells
from gonogo.ingest.hour_cells.cell_table import COLUMNS, parse_cell, parse_cells
from gonogo.ports.hour_cells import HourCell
from gonogo.records import DAY_MS, HOUR_MS, Rejection

START_MS = 1_780_012_800_000
NOW_MS = START_MS + 16 * DAY_MS

GOOD = counted_cells(
    [{"dependency": "m", "ts": START_MS / 1000, "latency_ms": 12.0, "outcome": 1.0, "cost_usd": 2}]
)[0]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"cell_version": 2}, "cell_version", "must be 1"),
        ({"dependency": ""}, "dependency", "is required"),
        ({"hour": START_MS / 1000 + 60}, "hour", "whole hour"),
        ({"newest_ts": START_MS / 1000 + 3600}, "newest_ts", "in the hour"),
        ({"hour": 4e9}, "hour", "a day ahead"),
        ({"errors": 2}, "errors", "between 0 and 1"),
        ({"slo_met": 2}, "slo_met", "between 0 and 1"),
        ({"ok_good": -1}, "ok_good", "between 0 and 1"),
        ({"cost_usd_sum": 2}, "cost_usd_sum", "in 1e-6 of its unit"),
        ({"latency_ms_bins": {"17274": 5}}, "latency_ms_sum", "by its bins"),
        ({"outcome_bins": {"900": 1}}, "outcome_bins", "between -141 and 140"),
        ({"outcome_bins": "[1]"}, "outcome_bins", "must be an object"),
        ({"latency": 3}, "latency", "no column of this table"),
        ({"n": 1.5}, "n", "whole number"),
        ({"error_counts": {"timeout": 3}}, "error_counts", "counts 3 of 0"),
        ({"confidence_good_bins": {"140": 1}}, "confidence_labelled_bins", ""),
    ],
)
def test_a_wrong_cell_is_refused_with_its_column(
    change: dict[str, object], field: str, said: str
) -> None:
    """The first problem, its column, and what to do."""
    assert isinstance(parse_cell(GOOD, now_ms=NOW_MS), HourCell)
    found = parse_cell(GOOD | change, now_ms=NOW_MS, position=7)
    if field == "confidence_labelled_bins":
        assert not isinstance(found, HourCell)
        return
    assert not isinstance(found, HourCell), found
    assert (found.position, found.field, found.dependency) == (
        7,
        field,
        "m" * (field != "dependency"),
    )
    assert said in found.problem


def test_text_and_objects_are_the_same_cell() -> None:
    """CSV has numbers and objects as text."""
    as_text = {
        key: json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in GOOD.items()
    }
    assert parse_cell(as_text, now_ms=NOW_MS) == parse_cell(GOOD, now_ms=NOW_MS)
    assert GOOD["hour"] * 1000 % HOUR_MS == 0


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_among_many_cells_a_wrong_one_is_refused_alone(
    form: Callable[[dict[str, int]], object],
) -> None:
    """Whatever is wrong with its bins, and whether these are objects or text: its column, and no other cell."""
    wrong = {
        3: ({"17274": 10**12 + 1}, "latency_ms_bins", "must be between 0"),
        11: ({"99999": 1}, "latency_ms_bins", "must be between 0 and 34000"),
        29: ({"17274": 1, "17900": 1}, "latency_ms_sum", "by its bins"),
    }
    bins = {at: bins for at, (bins, _, _) in wrong.items()}
    rows = [
        (at, GOOD | {"latency_ms_bins": form(bins.get(at, GOOD["latency_ms_bins"]))})
        for at in range(40)
    ]
    found = parse_cells(rows, now_ms=NOW_MS)
    good = parse_cell(GOOD, now_ms=NOW_MS)
    assert [at for at, one in enumerate(found) if one != good] == list(wrong)
    for at, (_, column, said) in wrong.items():
        refused = found[at]
        assert isinstance(refused, Rejection)
        assert (refused.position, refused.field) == (at, column)
        assert said in refused.problem


ODD: tuple[object, ...] = (
    True,
    1.0,
    1.5,
    -1,
    0,
    7,
    "1",
    "x",
    None,
    10**13,
    10**30,
    1e300,
    math.nan,
    math.inf,
    [],
    {},
)
FULL = counted_cells(
    [
        {
            "dependency": "search",
            "kind": "tool",
            "version": "v2",
            "ts": START_MS / 1000 + 51,
            "outcome": 1.0,
            "outcome_ts": START_MS / 1000 + 90,
            "confidence": 0.96,
            "latency_ms": 278.983,
            "cost_usd": 0.000738,
            "input_tokens": 1858,
            "error": "timeout",
            "prediction": "maybe",
            "segments": {"tier": "free"},
            "metrics": {"score": 6.45},
        }
    ],
    quality_bar=0.6,
    latency_slo_ms=900.0,
)[0]
HOUR = FULL["hour"]
ODD_ROWS: list[dict[str, Any]] = [
    {"hour": HOUR + 60, "first_ts": HOUR + 60, "newest_ts": HOUR + 60},
    {"newest_ts": HOUR + 3600},
    {"newest_ts": FULL["first_ts"] - 0.001},
    {"first_ts": HOUR + 0.0125, "newest_ts": HOUR + 0.0135},
    {"input_tokens_bins": {"17389": 2}, "input_tokens_sum": 2 * FULL["input_tokens_sum"]},
    *({"quality_bar": bar} for bar in (1, True)),
    *({"version": version} for version in (1, True, 1.0)),
    *({"segments": segments} for segments in ('{"tier": "free"}', {"tier": 1}, {"tier": True}, {})),
]
EMPTY = {
    "cell_version": 1,
    "dependency": "m",
    "hour": HOUR,
    "first_ts": HOUR + 5,
    "newest_ts": HOUR + 5,
}


def read_alike(rows: Sequence[dict[str, Any]]) -> None:
    """Hold that rows are read the same beside one whose number is text, as CSV has it."""
    numbered = list[tuple[int, object]](enumerate([FULL, *rows, GOOD, FULL]))
    found = parse_cells(numbered, now_ms=NOW_MS)
    assert found == parse_cells([*numbered, (9, GOOD | {"n": "1"})], now_ms=NOW_MS)[:-1]
    assert isinstance(found[0], HourCell)


@pytest.mark.parametrize("column", [*COLUMNS, "other"])
def test_an_odd_value_is_read_alike_among_numbers_and_among_text(column: str) -> None:
    """Whatever stands beside it, the cell, or the refusal and its words, are the same."""
    for odd in ODD:
        read_alike([FULL | {column: odd}])


def test_odd_rows_are_read_alike_among_numbers_and_among_text() -> None:
    """What is wrong with two columns together, and what Python takes for equal, is no different either."""
    read_alike([FULL | odd for odd in ODD_ROWS])
    read_alike([EMPTY, EMPTY | {"n": 1}])
