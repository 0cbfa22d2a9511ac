"""Names that others give to the fields of an observation: a suggestion for a person, never applied by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from shlex import quote

__all__ = ["MAP_ADVICE", "counted_calls", "suggestion"]

MAP_ADVICE = (
    "Map them (--map FIELD=COLUMN; a score of your own: --map metrics.NAME=COLUMN) or pass "
    "--ignore-unknown"
)

# Without their units; the first column that fits a field is taken.
NAMES = {
    "dependency": "model model_name model_id bot agent tool tool_name skill service endpoint api function scraper deployment engine",
    "ts": "timestamp time date datetime created created_at started_at start_time started called_at when logged_at event_time",
    "outcome": "correct is_correct success succeeded successful ok resolved solved passed pass right good accepted helpful valid",
    "latency_ms": "latency duration elapsed took response_time runtime time_taken request_time wall_time seconds secs ms millis",
    "cost_usd": "cost price usd cost_usd total_cost spend dollars price_usd",
    "version": "model_version prompt_version release revision deployment_version build",
    "id": "request_id call_id trace_id uuid message_id run_id",
    "error": "exception failure error_code error_type error_message",
    "item": "item_id question_id test_id case case_id example_id",
    "provider": "vendor",
    "confidence": "probability prob certainty",
    "prediction": "predicted pred predicted_label y_pred",
    "label": "expected truth ground_truth true_label y_true target_label",
    "input_tokens": "prompt_tokens tokens_in in_tokens in_tok input_token_count",
    "output_tokens": "completion_tokens tokens_out out_tokens out_tok output_token_count",
}
# Of a table whose row is many calls.
_COUNTS = frozenset(
    [
        "requests",
        "calls",
        "count",
        "hits",
        "request_count",
        "call_count",
        "num_calls",
        "num_requests",
        "total_calls",
        "total_requests",
        "n_calls",
    ]
)
_BAD_COUNTS = frozenset(
    [
        "errors",
        "failures",
        "failed",
        "error_count",
        "failure_count",
        "failed_calls",
        "failed_requests",
        "num_errors",
        "n_errors",
        "successes",
    ]
)
# A score does not say which way is good, so it is no outcome.
_SCORES = (
    "score rating stars grade relevance toxicity faithfulness groundedness coherence fluency "
    "helpfulness similarity bleu rouge f1 bias hallucination safety harm reward"
)
_OWN_SCORES = frozenset(_SCORES.split())
_FIELD_OF = {name: field for field, names in NAMES.items() for name in (field, *names.split())}
_UNITS = re.compile(r"_(s|sec|secs|seconds|ms|millis|milliseconds|usd|dollars|utc)$")
_IN_SECONDS = {"s", "sec", "secs", "seconds"}


def suggestion(unknown: Sequence[str], taken: Iterable[str] = ()) -> str:
    """The options that would take columns in, as they are typed; "" where nothing is recognised.

    Args:
        unknown: Columns that are no fields.
        taken: Fields that have a column already.
    """
    filled, options, rest = set(taken), [], False
    for column in unknown:
        field, factor = _meant(column)
        if field is None and column.lower() in _OWN_SCORES:
            field = f"metrics.{column}"
        if field is None or field in filled:
            rest = True
            continue
        filled.add(field)
        options.append(f"--map {quote(f'{field}={column[:60]}{factor}')}")
    if not options:
        return ""
    return " ".join([*options, "--ignore-unknown"] if rest else options)


def counted_calls(columns: Iterable[str]) -> list[str]:
    """The columns by which a row seems to count many calls, and how many of them failed; none where it does not."""
    plainly = {re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_"): column for column in columns}
    counts, bad = (
        [plainly[name] for name in plainly if name in of] for of in (_COUNTS, _BAD_COUNTS)
    )
    return [counts[0], bad[0]] if counts and bad else []


def _meant(column: str) -> tuple[str | None, str]:
    """The field that a column seems to be, and what its numbers are multiplied by."""
    plainly = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower()).strip(
        "_"
    )
    unit = _UNITS.search(plainly)
    bare = plainly[: unit.start()] if unit else plainly
    field = _FIELD_OF.get(plainly) or _FIELD_OF.get(bare)
    seconds = (unit and unit[1] in _IN_SECONDS) or plainly in _IN_SECONDS
    return field, "*1000" if field == "latency_ms" and seconds else ""
