"""Observations to store, and what the rollup tables then hold, in names instead of ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType

from hypothesis import strategies as st

from gonogo.ports.telemetry import Telemetry
from gonogo.records import HOUR_MS, Observation
from gonogo.store.engine import Connection

START_MS = 1_699_920_000_000  # a midnight, UTC
NOW_MS = START_MS + 90 * 24 * HOUR_MS

_fractions = st.sampled_from([0.0, 0.25, 0.5, 0.731, 1.0])
_hashes = st.sampled_from(["a", "b", "c"])

OpenTelemetry = Callable[..., Awaitable[Telemetry]]


@st.composite
def observations(draw: st.DrawFn, number: int = 0) -> Observation:
    """One observation, each field there or not, on few times so that rows share their cells."""

    def maybe(strategy: st.SearchStrategy[object]) -> object:
        return draw(st.none() | strategy)

    outcome = draw(st.none() | _fractions)
    ts_ms = START_MS + draw(st.sampled_from([0, 1, HOUR_MS, 25 * HOUR_MS, 49 * HOUR_MS]))
    return Observation(
        dependency=draw(st.sampled_from(["model", "tool"])),
        ts_ms=ts_ms,
        id=f"call-{number}",
        version=draw(st.sampled_from([None, "v1", "v2"])),
        outcome=outcome,
        outcome_ts_ms=None if outcome is None else ts_ms + draw(st.sampled_from([-5, 0, 90_000])),
        error=draw(st.sampled_from([None, None, "timeout", "http_500"])),
        confidence=draw(st.none() | _fractions),
        latency_ms=draw(st.sampled_from([None, 0.0, 12.5, 1999.9996, 2000.0, 2000.0004])),
        cost_micro_usd=draw(st.sampled_from([None, 0, 1234, 10**15])),
        input_tokens=draw(st.sampled_from([None, 0, 17, 10**9])),
        output_tokens=draw(st.sampled_from([None, 3])),
        item=draw(st.sampled_from([None, None, "q1", "q2"])),
        prediction=draw(st.sampled_from([None, "yes", "no"])),
        input_hash=draw(st.none() | _hashes),
        output_hash=draw(st.none() | _hashes),
        embedding=draw(st.sampled_from([None, (1.0, 2.0), (0.5, -2.0)])),
        output=draw(st.sampled_from([None, "Yes.", "{}"])),
        segments=MappingProxyType(
            draw(st.dictionaries(st.sampled_from(["tier", "area"]), st.sampled_from(["x", "y,z"])))
        ),
        metrics=MappingProxyType(
            draw(
                st.dictionaries(
                    st.sampled_from(["score", "size"]), st.sampled_from([-2.5, 0.0, 7e11, 1e-9])
                )
            )
        ),
    )


@st.composite
def histories(draw: st.DrawFn, size_max: int = 12) -> list[Observation]:
    """Distinct observations, each with an id of its own."""
    return [draw(observations(number)) for number in range(draw(st.integers(1, size_max)))]


def unlabelled(observation: Observation) -> Observation:
    """The same call, before its outcome was known."""
    return replace(observation, outcome=None, outcome_ts_ms=None)


_SERIES = (
    "SELECT d.name, coalesce(v.text, ''), s.golden, coalesce(g.text, ''), {columns} FROM {table} t "
    "JOIN series s ON s.id = t.series_id JOIN dependency d ON d.id = s.dependency_id "
    "LEFT JOIN name v ON v.id = s.version_id LEFT JOIN name g ON g.id = s.segment_id {more}"
)
_DEPENDENCY = (
    "SELECT d.name, coalesce(v.text, ''), {columns} FROM {table} t "
    "JOIN dependency d ON d.id = t.dependency_id LEFT JOIN name v ON v.id = t.version_id {more}"
)
_QUERIES = {
    "rollup": _SERIES.format(
        table="rollup",
        more="",
        columns="daily, bucket, t.n, errors, timed, slo_met, labels, outcome_sum, good, ok, "
        "ok_labels, ok_good",
    ),
    "histogram": _SERIES.format(
        table="histogram",
        more="JOIN name m ON m.id = t.metric_id",
        columns="m.text, daily, bucket, t.n, sum, lowest, bins",
    ),
    "category": _SERIES.format(
        table="category",
        more="JOIN name c ON c.id = t.value_id",
        columns="field, c.text, daily, bucket, t.n",
    ),
    "golden_answer": _DEPENDENCY.format(
        table="golden_answer",
        more="JOIN name i ON i.id = t.item_id",
        columns="i.text, day, t.n, outcome_sum",
    ),
    "answer": _DEPENDENCY.format(table="answer", more="", columns="input_hash, output_hash, t.n"),
    "answer_day": _DEPENDENCY.format(
        table="answer_day", more="", columns="day, input_hash, output_hash, t.n"
    ),
    "output_sample": _DEPENDENCY.format(
        table="output_sample", more="", columns="day, hash, features, embedded"
    ),
    "dependency_version": _DEPENDENCY.format(
        table="dependency_version", more="", columns="t.n, t.first_ts_ms, t.newest_ts_ms"
    ),
    "dependency": "SELECT name, n, first_ts_ms, newest_ts_ms, rule FROM dependency",
    "dependency_metric": "SELECT name, metric FROM dependency_metric "
    "JOIN dependency ON id = dependency_id",
}


def rollups_of(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Everything that is rolled up, byte for byte, with names for ids."""
    return {
        table: sorted(connection.execute(query).fetchall(), key=repr)
        for table, query in _QUERIES.items()
    }
