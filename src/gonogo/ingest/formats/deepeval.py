"""DeepEval's test runs, as it writes them to `DEEPEVAL_RESULTS_FOLDER`, and their test cases by themselves.

Source: deepeval/test_run/test_run.py and api.py, version 4.3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.field_checks import key_of
from gonogo.ingest.formats.foreign_format import Fields, File, ForeignFormat, Record, at, short_id

_LISTS = ("testCases", "conversationalTestCases")
# A case that was given no name is called after its place in its run.
_NO_NAME = re.compile(r"(conversational_)?test_case_\d+")


def _cases(record: Record) -> list[Record]:
    if "metricsData" in record:
        return [record]
    lists = [record.get(name) for name in _LISTS]
    found = [case for cases in lists if isinstance(cases, list) for case in cases]
    return [case for case in found if isinstance(case, Mapping)]


def _observations(record: Record, file: File) -> Iterator[Fields]:
    model = at(record, "hyperparameters.model")
    # A run has neither a name nor a time; how long it took, to the nanosecond, tells it from others.
    run = None if "metricsData" in record else record.get("runDuration")
    for place, case in enumerate(_cases(record)):
        data = case.get("metricsData")
        metrics = (
            [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []
        )
        outcome = _outcome(case, metrics)
        if outcome is None:
            file.leave_out("cases that their metrics could not judge", is_lost=True)
        took_s = number(case.get("completionTime"))
        yield {
            "id": short_id("deepeval", run, place) if run else None,
            "dependency": str(model or "deepeval"),
            "kind": "model",
            "item": _item(case),
            "outcome": outcome,
            "outcome_by": _by(metrics) if outcome is not None else None,
            "latency_ms": None if took_s is None else took_s * 1000,
            "cost_usd": number(case.get("tokenCost")),
            "input_tokens": number(case.get("inputTokenCount")),
            "output_tokens": number(case.get("outputTokenCount")),
            "metrics": {
                key_of(one.get("name") or "score"): score
                for one in metrics
                if (score := number(one.get("score"))) is not None
            },
        }


def _outcome(case: Record, metrics: list[Record]) -> bool | None:
    """Whether all metrics held; None where a judge failed, and no other found fault.

    DeepEval counts a judge that gave no answer as a failed case. Flaky metrics decide nothing, as there.
    """
    deciding = [one for one in metrics if not one.get("flaky")]
    if any(one.get("success") is False and not one.get("error") for one in deciding):
        return False
    passed = case.get("success")
    is_judged = bool(deciding) and not any(one.get("error") for one in deciding)
    return passed if isinstance(passed, bool) and is_judged else None


def _by(metrics: list[Record]) -> str:
    judges = {str(one["evaluationModel"]) for one in metrics if one.get("evaluationModel")}
    return f"judge:{key_of(min(judges))}" if judges else "rule"


def _item(case: Record) -> str:
    """The case's name, else a hash of what it asks: the same in every run."""
    name = str(case.get("name") or "")
    if name and not _NO_NAME.fullmatch(name):
        return name[:200]
    asked = str(case.get("input") or case.get("scenario") or name)
    return (
        f"input {hashlib.blake2b(asked.encode(errors='surrogatepass'), digest_size=6).hexdigest()}"
    )


FORMAT = ForeignFormat(
    name="deepeval",
    title="test run of DeepEval",
    recognises=lambda record: any("metricsData" in case for case in _cases(record)),
    observations=_observations,
    understood=(
        "dependency: the hyperparameter `model`; item: the case; outcome: whether all metrics held; metrics: their "
        "scores; it states no time"
    ),
)
