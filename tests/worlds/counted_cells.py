"""Hour cells counted from observations one by one, in plain Python: the oracle of every recipe."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gonogo.detectors.bins import LOG, LOGIT, SIGNED_LOG, bin_of_one

HOUR_MS = 3_600_000


class Tally:
    """A sum in 1e-6 of the unit, and how many values are in each bin."""

    def __init__(self) -> None:
        self.sum, self.bins = 0, Counter[int]()

    def add(self, place: int, millionths: int) -> None:
        """Count one value."""
        self.sum += millionths
        self.bins[place] += 1


def counted_cells(
    rows: Iterable[Mapping[str, Any]],
    *,
    quality_bar: float = 0.5,
    latency_slo_ms: float | None = None,
) -> list[dict[str, Any]]:
    """The table of hour cells of observations as a file has them; `ts` in seconds."""
    calls: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        ts_ms = round(row["ts"] * 1000)
        segments = json.dumps(row.get("segments") or {}, sort_keys=True)
        key = (
            *(row["dependency"], row.get("version"), row.get("item"), segments),
            *(row.get("weight") or 1.0, ts_ms // HOUR_MS),
        )
        calls[key].append(row)
    bar_e6 = round(quality_bar * 1e6)
    return [
        _as_row(_cell(of_cell, key, bar_e6, latency_slo_ms), of_cell, key[:5])
        | {"hour": key[5] * 3600, "quality_bar": bar_e6 / 1e6}
        | ({} if latency_slo_ms is None else {"latency_slo_ms": latency_slo_ms})
        for key, of_cell in calls.items()
    ]


class Counts:
    """What the calls of one cell come to."""

    def __init__(self) -> None:
        self.n, self.errors, self.predictions = Counter[str](), Counter[str](), Counter[str]()
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.own: defaultdict[str, Tally] = defaultdict(Tally)


def _cell(
    calls: list[Mapping[str, Any]], key: tuple[Any, ...], bar_e6: int, slo_ms: float | None
) -> Counts:
    counts = Counts()
    for call in calls:
        error, outcome = call.get("error"), call.get("outcome")
        if outcome is None and key[2] is not None and error is not None:
            outcome = 0.0  # a golden item that ended in an error was answered wrong
        latency = call.get("latency_ms")
        met = latency is not None and (
            slo_ms is None or round(latency * 1000) <= round(slo_ms * 1000)
        )
        ok = error is None and (met or latency is None)
        good = outcome is not None and round(outcome * 1_000_000) >= bar_e6
        counts.n.update(n=1, errors=error is not None, slo_met=met, good=good, ok=ok)
        counts.n.update(ok_labels=ok and outcome is not None, ok_good=ok and good)
        counts.errors.update([] if error is None else [error])
        counts.predictions.update([call["prediction"]] if "prediction" in call else [])
        _add_values(counts, call)
        if outcome is not None:
            e6 = round(outcome * 1_000_000)
            counts.tallies["outcome"].add(bin_of_one(LOGIT, e6 / 1e6), e6)
        if "confidence" in call:
            e6 = round(call["confidence"] * 1_000_000)
            kept = 1 + (outcome is not None) + good
            for metric in ("confidence", "confidence_labelled", "confidence_good")[:kept]:
                counts.tallies[metric].add(bin_of_one(LOGIT, e6 / 1e6), e6)
    return counts


def _add_values(counts: Counts, call: Mapping[str, Any]) -> None:
    tallies = counts.tallies
    if "latency_ms" in call:
        us = round(call["latency_ms"] * 1000)
        tallies["latency_ms"].add(bin_of_one(LOG, us / 1000), us * 1000)
    if "cost_usd" in call:
        micro = round(call["cost_usd"] * 1_000_000)
        tallies["cost_usd"].add(bin_of_one(LOG, micro / 1e6), micro)
        counts.n["nano"] += round(call["cost_usd"] * 1e9)
    for metric in ("input_tokens", "output_tokens"):
        if metric in call:
            tallies[metric].add(bin_of_one(LOG, call[metric]), call[metric] * 1_000_000)
    if "outcome" in call:
        came_ms = round(call.get("outcome_ts", call["ts"]) * 1000)
        lag_ms = max(0, came_ms - round(call["ts"] * 1000))
        tallies["outcome_lag_s"].add(bin_of_one(LOG, lag_ms / 1000), lag_ms * 1000)
    for name, value in call.get("metrics", {}).items():
        clipped = max(-1e9, min(value, 1e9))  # for the sum alone
        counts.own[name].add(bin_of_one(SIGNED_LOG, value), round(clipped * 1_000_000))


def _as_row(counts: Counts, calls: list[Mapping[str, Any]], key: tuple[Any, ...]) -> dict[str, Any]:
    dependency, version, item, segments, weight = key
    nano = counts.n.get("nano")
    names = ("n", "errors", "slo_met", "good", "ok", "ok_labels", "ok_good")
    cell: dict[str, Any] = {
        "cell_version": 1,
        "dependency": dependency,
        "kind": calls[-1].get("kind"),
        "provider": calls[-1].get("provider"),
        "version": version,
        "item": item,
        "segments": json.loads(segments),
        "first_ts": min(call["ts"] for call in calls),
        "newest_ts": max(call["ts"] for call in calls),
        "error_counts": dict(counts.errors),
        "prediction_counts": dict(counts.predictions),
        "spent_nano_usd": None if nano is None else round(nano * weight),
        "weight": None if weight == 1 else weight,
    } | {name: int(counts.n[name]) for name in names}
    for metric, tally in counts.tallies.items():
        cell[f"{metric}_sum"], cell[f"{metric}_bins"] = tally.sum, _object(tally)
    cell["metrics"] = {
        name: {"sum": tally.sum, "bins": _object(tally)} for name, tally in counts.own.items()
    }
    return {column: value for column, value in cell.items() if value is not None and value != {}}


def _object(tally: Tally) -> dict[str, int]:
    return {str(place): count for place, count in sorted(tally.bins.items())}
