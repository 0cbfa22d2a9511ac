"""promptfoo's results, as `promptfoo eval --output` writes them in JSON and JSONL.

Source: promptfoo, "Output Formats"; its types EvaluateSummary (version 3) and EvaluateResult.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.field_checks import key_of
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

# Why a result failed: an assertion did not hold, or the call itself failed.
_CALL_FAILED = 2
_METRICS_MAX = 15


def _is_result(record: Record) -> bool:
    return "testIdx" in record and "promptIdx" in record


def _is_document(record: Record) -> bool:
    results = record.get("results")
    found = results.get("results") if isinstance(results, Mapping) else results
    return (
        isinstance(found, list)
        and bool(found)
        and isinstance(found[0], Mapping)
        and (_is_result(found[0]) or ("provider" in found[0] and "success" in found[0]))
    )


def _observations(record: Record, file: File) -> Iterator[Fields]:
    if not _is_document(record):
        yield _result(record, file, first(record, "evalId"), first(record, "createdAt"))
        return
    results = record["results"]
    found = results.get("results") if isinstance(results, Mapping) else results
    told = first(record, "results.timestamp", "metadata.evaluationCreatedAt", "createdAt")
    for result in found if isinstance(found, list) else []:
        if isinstance(result, Mapping):
            yield _result(result, file, record.get("evalId"), told)


def _result(result: Record, file: File, run: object, told: object) -> Fields:
    provider = first(result, "provider.id", "provider.label", "provider")
    cached = at(result, "response.cached") is True
    fields: Fields = {
        "dependency": str(provider or "promptfoo"),
        "version": _label(result, provider),
        "kind": "model",
        "item": _item(result),
        "ts": unix_s(told),
        "metrics": _metrics(result),
    }
    if run is not None:
        own = (result.get("promptIdx"), result.get("testIdx"), result.get("repeatIndex", ""))
        fields["id"] = short_id(run, provider, *own)
    elif identity := first(result, "id"):
        fields["id"] = short_id(identity)
    if result.get("promptIdx") is not None:
        fields["segments"] = {"prompt": str(result["promptIdx"])}
    failed = result.get("failureReason") == _CALL_FAILED or (
        result.get("error") and not isinstance(result.get("gradingResult"), Mapping)
    )
    if failed:
        fields["error"] = first(result, "error", "response.error") or "error"
    else:
        passed = first(result, "gradingResult.pass", "success")
        if isinstance(passed, bool):
            fields["outcome"] = passed
    if cached:
        file.leave_out("latency and cost of answers from promptfoo's cache")
    else:
        fields["latency_ms"] = number(result.get("latencyMs"))
        fields["cost_usd"] = number(first(result, "cost", "response.cost"))
    usage = first(result, "response.tokenUsage", "tokenUsage")
    return {**fields, **token_fields(usage)}


def _label(result: Record, provider: object) -> str | None:
    """The name that a user gave a provider: two settings of one model are told apart by it."""
    label = first(result, "provider.label")
    return None if not label or label == provider else str(label)[:200]


def _item(result: Record) -> str:
    """The test's description, else a hash of its variables: the same in every run."""
    described = first(result, "testCase.description", "description")
    if isinstance(described, str):
        return described[:200]
    variables = first(result, "vars", "testCase.vars")
    if not variables:
        return f"test {result.get('testIdx')}"
    text = json.dumps(variables, sort_keys=True, default=str)
    return f"vars {hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=6).hexdigest()}"


def _metrics(result: Record) -> dict[str, float]:
    """The score and the named ones; none of them is an outcome, since none says which way is good."""
    named = result.get("namedScores")
    told: Iterable[tuple[object, object]] = named.items() if isinstance(named, Mapping) else ()
    scores = [("score", result.get("score")), *sorted(told, key=str)]
    found = {key_of(name): value for name, raw in scores if (value := number(raw)) is not None}
    return dict(list(found.items())[:_METRICS_MAX])


FORMAT = ForeignFormat(
    name="promptfoo",
    title="promptfoo results",
    recognises=lambda record: _is_result(record) or _is_document(record),
    observations=_observations,
    understood=(
        "dependency: the provider; version: its label; item: the test; outcome: whether all assertions held; error: a call "
        "that failed; metrics: score and named scores"
    ),
)
