"""The query that counts hour cells where calls lie: for DuckDB, Spark and PostgreSQL.

One pass over the calls: each is turned into whole numbers, these into bins, which are counted by cell. Bins are
found by comparing with the boundaries of `detectors/bins.py`; a logarithm only says where to look, since its
last bit differs between engines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gonogo.detectors.bins import LOG, LOGIT, SIGNED_LOG, Layout
from gonogo.errors import ParameterError, plain
from gonogo.ingest.hour_cells.cell_dialects import (
    DIALECTS,
    FIELDS_COUNTED,
    CallTable,
    Dialect,
    bin_found,
    by_name,
    near_bin,
    quoted,
    scaled_value,
    select,
    summed,
)
from gonogo.ports.hour_cells import CELL_METRICS, CELL_VERSION
from gonogo.records import HOUR_MS, MICRO
from gonogo.settings import Settings

_QUANTITY_MAX = 10**15
_SUM_VALUE_MAX = 1e9
_KEY = "dependency, version, item, segments, hour"
_FLAGS = ("has_failed", "has_met", "is_labelled", "is_good", "is_ok")


class _Histogram(NamedTuple):
    """The SQL of a metric's histogram: its value, its bin, and its value in 1e-6 of its unit."""

    metric: str
    value: str
    layout: Layout
    fixed: str


def cells_query(dialect: str, calls: CallTable, settings: Settings) -> str:
    """The query whose rows are the hour cells of a table of calls.

    Args:
        dialect: One of `DIALECTS`.
        calls: Where they are.
        settings: Say the quality bar and the latency objective of each dependency.

    Raises:
        ParameterError: the dialect or a field is not known, or `dependency` or `ts` is missing.
    """
    if dialect not in DIALECTS:
        raise ParameterError(f"Unknown dialect '{dialect}'. Known: {', '.join(DIALECTS)}.")
    for name in calls.fields:
        if name not in FIELDS_COUNTED:
            raise ParameterError(
                f"'{plain(name, 80)}' is not counted by the hour. Known: {', '.join(FIELDS_COUNTED)}."
            )
    missing = [name for name in ("dependency", "ts") if name not in calls.fields]
    if missing:
        raise ParameterError(f"Calls need {' and '.join(missing)}: name the column it is in.")
    return _Query(DIALECTS[dialect], calls, settings).text()


class _Query:
    """The query as a chain of named steps, each a selection from the one before it.

    stated   the columns of calls, cast to their types
    ruled    beside each call the quality bar and the latency objective of its dependency
    whole    quantities as whole numbers in millionths, and the hour
    judged   the flags of a call (`_FLAGS`), and how long its outcome took
    valued   for each histogram the value and its whole number
    located  the octave of the value, or the bin of its log-odds: by a logarithm, so it may be one off
    scaled   the value within that octave; of a fraction its bin, corrected by comparing
    binned   the bin, found by comparing with its boundaries; then calls are counted by cell
    """

    def __init__(self, dialect: Dialect, calls: CallTable, settings: Settings) -> None:
        self._in, self._calls, self._settings = dialect, calls, settings
        self._histograms = self._listed()
        self._is_weighted = "weight" in calls.fields
        self._key = f"{_KEY}, weight" if self._is_weighted else _KEY

    def text(self) -> str:
        steps = (
            ("stated", self._stated(), self._calls.source),
            ("ruled", f"stated.*, {self._ruled()}", "stated"),
            ("whole", self._whole(), "ruled"),
            ("judged", f"whole.*, {self._judged()}", "whole"),
            ("valued", f"judged.*, {self._valued()}", "judged"),
            ("located", f"valued.*, {self._located()}", "valued"),
            ("scaled", f"located.*, {self._scaled()}", "located"),
            ("binned", f"scaled.*, {self._binned()}", "scaled"),
        )
        named = [f"{name} AS ({select(columns, source)})" for name, columns, source in steps]
        made, counted = self._cells() if self._in.histogram else self._tallied()
        title = f"-- Hour cells, table version {CELL_VERSION} (gonogo: docs/cells.md)."
        return f"{title}\nWITH " + ",\n".join([*named, *made]) + f"\n{counted} GROUP BY {self._key}"

    def _field(self, name: str, kind: str) -> str:
        found = self._calls.fields.get(name)
        return f"CAST({'NULL' if found is None else found} AS {kind})"

    def _name(self, name: str) -> str:
        return f"nullif(trim({self._field(name, self._in.text)}), '')"

    def _stated(self) -> str:
        time, real = self._in.time_us, self._in.real
        columns = {name: self._name(name) for name in ("dependency", "version", "item", "error")}
        columns |= {name: self._name(name) for name in ("kind", "provider", "prediction", "label")}
        columns |= {
            name: self._field(name, real)
            for name in ("outcome", "confidence", "latency_ms", "cost_usd")
        }
        columns["weight"] = f"coalesce({self._field('weight', real)}, 1)"
        columns |= {name: self._field(name, "BIGINT") for name in ("input_tokens", "output_tokens")}
        for name in ("ts", "outcome_ts"):
            stated = self._calls.fields.get(name)
            us = "CAST(NULL AS BIGINT)" if stated is None else time.format(stated)
            columns[f"{name}_ms"] = f"CAST({self._in.rounded.format(f'{us} / 1000e0')} AS BIGINT)"
        columns["segments"] = self._segments()
        for at, expression in enumerate(self._calls.metrics.values()):
            columns[f"metric_{at}"] = f"CAST({expression} AS {real})"
        return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())

    def _segments(self) -> str:
        text = self._in.text
        pairs = [
            f"{quoted(key)}, nullif(trim(CAST({value} AS {text})), '')"
            for key, value in sorted(self._calls.segments.items())
        ]
        return self._in.segments.format(", ".join(pairs)) if pairs else f"CAST(NULL AS {text})"

    def _ruled(self) -> str:
        named = {
            name: (round(own.quality_bar * MICRO), own.latency_slo_ms)
            for name, own in sorted(self._settings.dependencies.items())
        }
        usual = self._settings.dependency("")
        default = round(usual.quality_bar * MICRO), usual.latency_slo_ms
        bars = {name: str(bar) for name, (bar, _) in named.items() if bar != default[0]}
        slos = {name: _us(slo) for name, (_, slo) in named.items() if slo != default[1]}
        return f"{by_name(bars, str(default[0]))} AS bar_e6, {by_name(slos, _us(default[1]))} AS slo_us"

    def _whole(self) -> str:
        half_even = self._in.rounded.format
        us = f"CAST({half_even('latency_ms * 1000')} AS BIGINT)"
        # Nothing is not the least of all: engines pass it over.
        capped = f"CASE WHEN latency_ms IS NOT NULL THEN least({us}, {_QUANTITY_MAX}) END"
        # A golden call that failed was answered wrong; without an outcome the right category says.
        outcome = (
            "CASE WHEN outcome IS NOT NULL THEN outcome WHEN prediction IS NOT NULL AND label IS NOT NULL"
            " THEN CASE WHEN prediction = label THEN 1e0 ELSE 0e0 END END"
        )
        e6 = f"CAST({half_even(f'({outcome}) * 1000000')} AS BIGINT)"
        columns = [
            *("dependency", "version", "item", "segments", "kind", "provider", "error"),
            *("prediction", "weight", "ts_ms", "outcome_ts_ms", "bar_e6", "slo_us", "input_tokens"),
            "output_tokens",
            f"CAST(floor(ts_ms / {HOUR_MS}e0) AS BIGINT) AS hour",
            f"{capped} AS latency_us",
            f"CAST({half_even('cost_usd * 1000000')} AS BIGINT) AS cost_micro",
            f"CAST({half_even('cost_usd * 1000000000')} AS BIGINT) AS cost_nano",
            f"CAST({half_even('confidence * 1000000')} AS BIGINT) AS confidence_e6",
            f"{e6} AS stated_e6",
            f"coalesce({e6}, CASE WHEN item IS NOT NULL AND error IS NOT NULL THEN 0 END) AS outcome_e6",
            *(f"metric_{at}" for at in range(len(self._calls.metrics))),
        ]
        return ", ".join(columns)

    def _judged(self) -> str:
        met = "latency_us IS NOT NULL AND (slo_us IS NULL OR latency_us <= slo_us)"
        flags = (
            "error IS NOT NULL",
            met,
            "outcome_e6 IS NOT NULL",
            "outcome_e6 IS NOT NULL AND outcome_e6 >= bar_e6",
            f"error IS NULL AND (latency_us IS NULL OR ({met}))",
        )
        lag = "CASE WHEN stated_e6 IS NOT NULL THEN greatest(coalesce(outcome_ts_ms, ts_ms) - ts_ms, 0) END"
        return ", ".join(
            [
                *(f"({flag}) AS {name}" for name, flag in zip(_FLAGS, flags, strict=True)),
                f"{lag} AS lag_ms",
            ]
        )

    def _listed(self) -> list[_Histogram]:
        """The histograms of the fields that the calls have."""
        stated = self._calls.fields.keys()
        has_outcome = "outcome" in stated or {"prediction", "label"} <= stated
        found = [
            _Histogram(metric, value, LOG, fixed)
            for metric, value, fixed in (
                ("latency_ms", "latency_us / 1000e0", "latency_us * 1000"),
                ("cost_usd", "cost_micro / 1000000e0", "cost_micro"),
                ("input_tokens", "input_tokens * 1e0", "input_tokens * 1000000"),
                ("output_tokens", "output_tokens * 1e0", "output_tokens * 1000000"),
                ("outcome_lag_s", "lag_ms / 1000e0", "lag_ms * 1000"),
            )
            if metric in stated or (metric == "outcome_lag_s" and has_outcome)
        ]
        if has_outcome or {"item", "error"} <= stated:
            found.append(_Histogram("outcome", "outcome_e6", LOGIT, "outcome_e6"))
        if "confidence" in stated:
            for metric, when in (
                ("confidence", "1 = 1"),
                ("confidence_labelled", "is_labelled"),
                ("confidence_good", "is_good"),
            ):
                value = f"CASE WHEN {when} THEN confidence_e6 END"
                found.append(_Histogram(metric, value, LOGIT, value))
        for at, name in enumerate(self._calls.metrics):
            column = f"metric_{at}"
            clipped = f"greatest(least({column}, {_SUM_VALUE_MAX}e0), -{_SUM_VALUE_MAX}e0)"
            whole = f"CAST({self._in.rounded.format(f'{clipped} * 1000000')} AS BIGINT)"
            fixed = f"CASE WHEN {column} IS NOT NULL THEN {whole} END"
            found.append(_Histogram(f"metrics.{name}", column, SIGNED_LOG, fixed))
        return found

    def _each(self, expression: Callable[[int, _Histogram], str], name: str) -> str:
        """A column a histogram, in the order of the histograms."""
        return ", ".join(
            f"{expression(at, one)} AS {name}_{at}" for at, one in enumerate(self._histograms)
        )

    def _valued(self) -> str:
        columns = self._each(lambda _, one: one.value, "value")
        return f"{columns}, {self._each(lambda _, one: one.fixed, 'fixed')}"

    def _located(self) -> str:
        return self._each(lambda at, one: near_bin(one.layout, f"value_{at}"), "near")

    def _scaled(self) -> str:
        element = self._in.element
        return self._each(
            lambda at, one: scaled_value(one.layout, f"value_{at}", f"near_{at}", element), "scaled"
        )

    def _binned(self) -> str:
        return self._each(
            lambda at, one: bin_found(one.layout, f"value_{at}", f"near_{at}", f"scaled_{at}"),
            "place",
        )

    def _cells(self) -> tuple[list[str], str]:
        """Counted in one step, where the engine counts values by value."""
        counts = {
            "n": "count(*)",
            **{
                name: f"CAST(sum(CAST({when} AS INTEGER)) AS BIGINT)"
                for name, when in _COUNTS.items()
            },
        }
        tallies = {
            one.metric: (
                f"CAST(coalesce(sum(fixed_{at}), 0) AS BIGINT)",
                self._in.histogram.format(f"CAST(place_{at} AS INTEGER)"),
            )
            for at, one in enumerate(self._histograms)
        }
        labels = {name: self._in.histogram.format(name) for name in ("error", "prediction")}
        times = "min(ts_ms)", "max(ts_ms)"
        columns = self._columns(counts, times, tallies, labels, nano="sum(cost_nano)")
        return [], select(columns, "binned")

    def _tallied(self) -> tuple[list[str], str]:
        """Counted in two steps: by cell, metric and bin, then by cell."""
        named = [name for name in ("error", "prediction") if name in self._calls.fields]
        none, nothing = f"CAST(NULL AS {self._in.text})", "CAST(NULL AS BIGINT)"
        rows = [
            *(("'n'", "CAST(1 AS BIGINT)", none, nothing),),
            *(
                (quoted(name), f"CASE WHEN {when} THEN CAST(1 AS BIGINT) END", none, nothing)
                for name, when in _COUNTS.items()
            ),
            *(
                (quoted(one.metric), f"place_{at}", none, f"CAST(fixed_{at} AS BIGINT)")
                for at, one in enumerate(self._histograms)
            ),
            *((quoted(name), nothing, name, nothing) for name in named),
        ]
        listed = [", ".join(row) for row in rows]
        if self._in.is_stacked:
            values = ", ".join([str(len(rows)), *listed])
        else:
            values = ", ".join(f"({row})" for row in listed)
        counts = {name: summed("n", f"metric = '{name}'") for name in ("n", *_COUNTS)}
        tallies = {
            one.metric: (
                summed("total", f"metric = {quoted(one.metric)}"),
                self._object(quoted(one.metric), "concat('\"', place, '\":', n)"),
            )
            for one in self._histograms
        }
        labels = {name: self._object(f"'{name}'", self._in.label) for name in named}
        times = "min(first_ms)", "max(newest_ms)"
        columns = self._columns(counts, times, tallies, labels, nano="sum(nano)")
        kept = ("kind", "provider", "bar_e6", "slo_us")
        tally = [
            f"{self._key}, metric, place, label, count(*) AS n, sum(fixed) AS total",
            "min(ts_ms) AS first_ms, max(ts_ms) AS newest_ms",
            "sum(CASE WHEN metric = 'n' THEN cost_nano END) AS nano",
            *(f"max({name}) AS {name}" for name in kept),
        ]
        source = f"binned {self._in.values.format(values)}"
        there = "WHERE place IS NOT NULL OR label IS NOT NULL"
        counted = (
            f"{select(', '.join(tally), source)} {there} GROUP BY {self._key}, metric, place, label"
        )
        return [f"tally AS ({counted})"], select(columns, "tally")

    def _object(self, metric: str, entry: str) -> str:
        entries = self._in.entries.format(f"CASE WHEN metric = {metric} THEN {entry} END")
        return f"concat('{{', {entries}, '}}')"

    def _columns(
        self,
        counts: Mapping[str, str],
        times: tuple[str, str],
        tallies: Mapping[str, tuple[str, str]],
        labels: Mapping[str, str],
        *,
        nano: str,
    ) -> str:
        columns = {"cell_version": str(CELL_VERSION)}
        columns |= {name: name for name in ("dependency", "version", "item", "segments")}
        columns["hour"] = f"hour * {HOUR_MS // 1000}"
        columns |= {"first_ts": f"{times[0]} / 1000e0", "newest_ts": f"{times[1]} / 1000e0"}
        columns |= {"kind": "max(kind)", "provider": "max(provider)", **counts}
        for metric, (total, bins) in tallies.items():
            if metric in CELL_METRICS:
                columns |= {f"{metric}_sum": total, f"{metric}_bins": bins}
        columns |= {
            f"{name}_counts": tally for name, tally in labels.items() if name in self._calls.fields
        }
        if self._calls.metrics:
            columns["metrics"] = self._metrics(tallies)
        if "cost_usd" in self._calls.fields:
            spent = self._in.rounded.format(f"{nano} * weight") if self._is_weighted else nano
            columns["spent_nano_usd"] = f"CAST({spent} AS BIGINT)"
        if self._is_weighted:
            columns["weight"] = "weight"
        columns["latency_slo_ms"] = "max(slo_us) / 1000e0"
        columns["quality_bar"] = f"max(bar_e6) / {MICRO}e0"
        if self._calls.counted_by:
            columns["source"] = quoted(self._calls.counted_by)
        if self._calls.revision:
            columns["revision"] = str(self._calls.revision)
        return ",\n  ".join(f"{expression} AS {name}" for name, expression in columns.items())

    def _metrics(self, tallies: Mapping[str, tuple[str, str]]) -> str:
        """An object of all metrics; one without values has no bins, and counts as absent."""
        parts: list[str] = []
        for name in self._calls.metrics:
            total, bins = tallies[f"metrics.{name}"]
            key = ("{" if not parts else ", ") + json.dumps(name, ensure_ascii=False) + ': {"sum": '
            parts += [quoted(key), total, "', \"bins\": '", f"coalesce({bins}, '{{}}')", "'}'"]
        return f"concat({', '.join(parts)}, '}}')"


# Counts of a cell, each by the flags of a call.
_COUNTS = {
    "errors": "has_failed",
    "slo_met": "has_met",
    "good": "is_good",
    "ok": "is_ok",
    "ok_labels": "is_ok AND is_labelled",
    "ok_good": "is_ok AND is_good",
}


def _us(slo_ms: float | None) -> str:
    return "CAST(NULL AS BIGINT)" if slo_ms is None else str(round(slo_ms * 1000))
