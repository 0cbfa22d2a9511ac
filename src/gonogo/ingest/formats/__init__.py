"""Files of other tools: each format is a module of its own, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.ingest.formats import (
    anthropic_batch,
    braintrust,
    datadog,
    deepeval,
    helicone,
    inspect_ai,
    langfuse,
    langsmith,
    litellm_spend,
    lm_eval,
    mlflow_traces,
    openai_files,
    phoenix,
    promptfoo,
)
from gonogo.ingest.formats.foreign_format import ForeignFormat

__all__ = ["FORMATS", "format_of", "named_format"]

# Asked in this order; the first that recognises a record has the file.
FORMATS: tuple[ForeignFormat, ...] = (
    promptfoo.FORMAT,
    deepeval.FORMAT,
    lm_eval.FORMAT,
    inspect_ai.FORMAT,
    openai_files.BATCH,
    openai_files.EVALS,
    openai_files.USAGE,
    anthropic_batch.FORMAT,
    mlflow_traces.FORMAT,
    langsmith.FORMAT,
    braintrust.FORMAT,
    datadog.FORMAT,
    phoenix.ANNOTATIONS,
    phoenix.FORMAT,
    langfuse.SCORES,
    langfuse.OBSERVATIONS,
    litellm_spend.FORMAT,
    helicone.FORMAT,
)


def format_of(record: Mapping[str, object]) -> ForeignFormat | None:
    """The format of a file whose first record this is; None where none knows it.

    Raises:
        DataError: it is known, and holds rates instead of calls.
    """
    lm_eval.refuse_summary(record)
    return next((one for one in FORMATS if one.recognises(record)), None)


def named_format(name: str) -> ForeignFormat | None:
    """A format by its name."""
    return next((one for one in FORMATS if one.name == name), None)
