"""Inspect's logs: a `.json` log, or the samples of an `.eval` archive.

Source: inspect_ai, "Eval Logs" (EvalLog version 2); its `value_to_float`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    at,
    first,
    short_id,
    unix_s,
)
from gonogo.ingest.token_usage import token_fields

_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}


def _observations(record: Record, file: File) -> Iterator[Fields]:
    header = record.get("eval")
    samples = record.get("samples")
    if not isinstance(samples, list):
        file.leave_out("logs without samples")
        return
    for sample in samples:
        if isinstance(sample, Mapping):
            yield _sample(sample, header)


def _sample(sample: Record, header: object) -> Fields:
    model = str(first(header, "model") or first(sample, "output.model") or "inspect")
    usage = at(sample, "model_usage")
    own = usage.get(model) if isinstance(usage, Mapping) else None
    used = own if isinstance(own, Mapping) else at(sample, "output.usage")
    task = first(header, "task") or "task"
    run = first(header, "run_id", "eval_id", "created") or ""
    fields: Fields = {
        "id": short_id(first(sample, "uuid") or f"{run}/{sample.get('id')}/{sample.get('epoch')}"),
        "dependency": model,
        "kind": "model",
        "item": f"{task}/{sample.get('id')}"[:200],
        "segments": {"task": str(task)[:200]},
        "ts": unix_s(first(sample, "started_at", "completed_at") or first(header, "created")),
        "cost_usd": number(at(used, "total_cost")),
        **token_fields(used, apart=True),
    }
    took_s = number(first(sample, "working_time", "total_time", "output.time"))
    fields["latency_ms"] = None if took_s is None else took_s * 1000
    if sample.get("error"):
        fields["error"] = first(sample, "error.type") or sample["error"]
    metrics: dict[str, float] = {}
    scores = sample.get("scores")
    for name, score in scores.items() if isinstance(scores, Mapping) else ():
        value = at(score, "value")
        graded = _GRADES.get(value) if isinstance(value, str) else None
        if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
            graded = float(value)
        if graded is not None:
            fields.setdefault("outcome", graded)
        elif (told := number(value)) is not None:
            metrics[str(name)[:200]] = told
    fields["metrics"] = metrics
    return fields


FORMAT = ForeignFormat(
    name="inspect",
    title="an Inspect log",
    recognises=lambda record: isinstance(record.get("eval"), Mapping) and "samples" in record,
    observations=_observations,
    understood=(
        "dependency: the model; item: task and sample; outcome: the first score that says right or wrong "
        "(C, I, P, 0 or 1); other scores are metrics"
    ),
)
