"""The translation of a span's attributes to the call that they describe: dependency and fields."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.border.foreign import foreign_json, number
from gonogo.ingest.cell_words import outcome_of_word
from gonogo.ingest.field_checks import key_of
from gonogo.ingest.otlp.names import OWN, Scalar, number_of
from gonogo.ingest.token_usage import token_fields
from gonogo.settings import EvaluationSettings

_QUANTITIES = (
    *("input_tokens", "output_tokens", "cost_usd", "cache_read_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens"),
)
# They stand around other calls, and would count what their parts have counted.
_AROUND = frozenset(
    {"invoke_agent", "create_agent", "invoke_workflow", "plan", "CHAIN", "AGENT", "GUARDRAIL"}
    | {"EVALUATOR", "PROMPT", "RETRIEVER", "UNKNOWN", "workflow", "task", "agent"}
    | {"chain", "retriever", "evaluator", "guardrail", "span", "event"}
)
_TOOLS = ("TOOL", "tool")
# Its events tell of the same calls, with their tokens and what failed.
_TOLD_BY_EVENTS = "gemini-cli"


def call_fields(found: Mapping[str, Scalar], service: str) -> dict[str, object] | None:
    """The fields of an observation but for its time; None where the attributes tell of no call.

    The dependency is the tool, else the model (the one that answered, else the one that was
    asked), else the MCP server.
    """
    named = _dependency(found, service)
    if named is None:
        return None
    fields: dict[str, object] = {"dependency": named[0], "kind": named[1]}
    if provider := found.get("provider"):
        fields["provider"] = provider
    fields |= _langfuse_counts(found)
    if tier := found.get("tier"):
        fields["tier"] = str(tier)
    for slot in _QUANTITIES:
        if (stated := number_of(found, slot)) is not None:
            fields[slot] = stated
    if OWN in found:
        for key, value in found.items():
            if key.startswith(OWN) and key != OWN:
                _set_own(fields, key[len(OWN) :], value)
    return fields


def _dependency(found: Mapping[str, Scalar], service: str) -> tuple[Scalar, str] | None:
    operation = found.get("operation")
    if operation in _AROUND or found.get("span_kind") in _AROUND:
        return None
    if found.get("agent") == _TOLD_BY_EVENTS:
        return None
    model = found.get("response_model") or found.get("request_model") or _invoked(found)
    tool, method = found.get("tool"), found.get("mcp_method")
    if not tool and found.get("span_kind") in _TOOLS:
        # OpenLLMetry names the function, OpenInference may name the span alone.
        tool = found.get("entity") or found.get("span_name")
    if tool and (method or not model or operation == "execute_tool"):
        return tool, "tool"
    if model:
        return model, "model"
    server = found.get("mcp_server") or found.get("server_address") or service
    return (server, "api") if method and server else None


def _invoked(found: Mapping[str, Scalar]) -> str | None:
    """The model that a failed OpenInference call asked for, which it states nowhere else."""
    model = _object(found, "invocation").get("model")
    return model if isinstance(model, str) else None


def _langfuse_counts(found: Mapping[str, Scalar]) -> dict[str, object]:
    """The tokens and the cost of a call that Langfuse's SDK states as two objects."""
    if "usage_details" not in found and "cost_details" not in found:
        return {}
    fields: dict[str, object] = {**token_fields(_object(found, "usage_details"), apart=True)}
    if (cost := number(_object(found, "cost_details").get("total"))) is not None:
        fields["cost_usd"] = cost
    return fields


def _object(found: Mapping[str, Scalar], slot: str) -> Mapping[str, object]:
    """An object that an attribute states as JSON; {} where it states none."""
    try:
        stated = foreign_json(str(found.get(slot, "null")))
    except ValueError:
        return {}
    return stated if isinstance(stated, dict) else {}


def _set_own(fields: dict[str, object], name: str, value: Scalar) -> None:
    """`gonogo.outcome`, `gonogo.segments.tier`: a field that the application states itself."""
    group, dot, key = name.partition(".")
    if not dot:
        fields[name] = value
        return
    entries = fields.setdefault(group, {})
    if isinstance(entries, dict):
        entries[key] = value


def judgement(
    found: Mapping[str, Scalar], evaluations: Mapping[str, EvaluationSettings]
) -> tuple[float | None, dict[str, float]] | None:
    """Parse an evaluation: the outcome, and its score as a metric; None where it gives neither.

    A label such as pass or fail says which way is good. A score alone does not (relevance from 1 to 5, a
    toxicity whose best is 0), so it is the outcome only where the configuration says how.
    """
    outcome = outcome_of_word(str(found.get("score_label", "")))
    score = number_of(found, "score")
    name = key_of(found.get("evaluation") or "score")
    asked = evaluations.get(name)
    if outcome is None and score is not None and asked is not None and asked.outcome:
        outcome = _scaled(float(score), asked)
    metrics = {} if score is None else {name: float(score)}
    return (outcome, metrics) if outcome is not None or metrics else None


def _scaled(score: float, asked: EvaluationSettings) -> float | None:
    if asked.good_at is not None:
        return float(score >= asked.good_at)
    if asked.good_at_most is not None:
        return float(score <= asked.good_at_most)
    return score if 0 <= score <= 1 else None
