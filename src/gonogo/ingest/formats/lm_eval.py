"""Samples of lm-evaluation-harness, as `--log_samples` writes them: a line a document and filter.

The file does not name the model: the folder that it lies in does, and its name says task and time.

Source: lm_eval/loggers/evaluation_tracker.py, version 0.4.9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.border.foreign import number
from gonogo.errors import DataError
from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    short_id,
    unix_s,
)

# Metrics of right and wrong, by which harness tasks are scored; all others are only metrics.
RIGHT = ("exact_match", "acc", "em", "pass@1", "mcq_accuracy", "score_correct", "is_correct")
_FILE = re.compile(r"samples_(.+?)_(\d{4}-\d\d-\d\d)T(\d\d)[-:](\d\d)[-:](\d\d)(?:\.\d+)?\.jsonl?$")
_OF_SAMPLE = frozenset({"doc_id", "doc", "arguments", "resps", "filtered_resps"})
_OF_SUMMARY = frozenset({"results", "configs", "versions", "n-shot"})
_NOT_METRICS = _OF_SAMPLE | {
    "target",
    "filter",
    "metrics",
    "doc_hash",
    "prompt_hash",
    "target_hash",
}


def _observations(record: Record, file: File) -> Iterator[Fields]:
    named = _FILE.search(file.name)
    task = named[1] if named else str(record.get("task") or "lm-eval")
    clock = f"{named[2]}T{named[3]}:{named[4]}:{named[5]}Z" if named else None
    filtered = str(record.get("filter") or "none")
    leading = file.memory.setdefault("filter", filtered)
    listed = record.get("metrics")
    names = listed if isinstance(listed, list) else [k for k in record if k not in _NOT_METRICS]
    scores = {
        str(name): value for name in names if (value := number(record.get(str(name)))) is not None
    }
    fields: Fields = {
        "dependency": file.folder.replace("__", "/") or "lm-eval",
        "kind": "model",
        "item": f"{task}/{record.get('doc_id')}"[:200],
        "ts": unix_s(clock),
        "segments": {"task": task[:200]},
    }
    if clock is not None:
        fields["id"] = short_id(task, clock, record.get("doc_id"))
    if filtered != leading:
        # The same answer once more, read by another filter: no second call.
        file.leave_out(f"second readings of one answer (filter {filtered})")
        if "id" in fields:
            metrics = {f"{name}.{filtered}": value for name, value in scores.items()}
            yield {**fields, "metrics": metrics}
        return
    right = next((name for name in RIGHT if 0 <= scores.get(name, -1) <= 1), None)
    if right is not None:
        fields["outcome"] = scores[right]
    fields["metrics"] = {name: value for name, value in scores.items() if name != right}
    yield fields


def refuse_summary(record: Record) -> None:
    """Refuse the rates of a whole run, which lie in `results_*.json` beside the samples.

    Raises:
        DataError: the record is such a summary.
    """
    if record.keys() >= _OF_SUMMARY:
        raise DataError(
            "These are the rates of a run of lm-evaluation-harness, not its answers: run it with --log_samples and "
            "bring in samples_*.jsonl, which lie beside it."
        )


FORMAT = ForeignFormat(
    name="lm-eval",
    title="samples of lm-evaluation-harness",
    recognises=lambda record: record.keys() >= _OF_SAMPLE,
    observations=_observations,
    understood=(
        "dependency: the folder's name, which is the model's; item: task and document; outcome: "
        "exact_match or acc of the first filter; time: of the file's name"
    ),
)
