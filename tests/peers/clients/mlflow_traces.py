"""Run in an environment that has MLflow: traces of a model and a tool that are played, with feedback.

Usage: mlflow_traces.py FOLDER. Writes traces.jsonl, a trace a line, and table.json, what a search gives as a table.
"""

import sys
from contextlib import suppress
from pathlib import Path

import mlflow
from mlflow.entities import SpanType

folder = Path(sys.argv[1])
mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
experiment = mlflow.set_experiment("capitals")


@mlflow.trace(span_type=SpanType.TOOL)
def look_up(place: str) -> str:
    """A tool that fails for what it does not know."""
    return {"France": "Paris"}[place]


@mlflow.trace(span_type=SpanType.CHAT_MODEL)
def complete(word: str) -> str:
    """A model that is played."""
    span = mlflow.get_current_active_span()
    span.set_attribute("mlflow.llm.model", "played-1")
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    span.set_attribute("mlflow.chat.tokenUsage", usage)
    return word


@mlflow.trace
def answer(place: str) -> str:
    """The whole."""
    return complete(look_up(place))


identities = []
for at in range(12):
    with suppress(KeyError):
        answer("France" if at % 4 else "Atlantis")
    identities.append(mlflow.get_last_active_trace_id())
mlflow.flush_trace_async_logging()
for at, identity in enumerate(identities):
    mlflow.log_feedback(trace_id=identity, name="correct", value=at % 4 > 1)
    mlflow.log_feedback(trace_id=identity, name="clearness", value=4.5)
traces = [mlflow.get_trace(identity) for identity in identities]
(folder / "traces.jsonl").write_text("".join(f"{trace.to_json()}\n" for trace in traces))
found = mlflow.search_traces(locations=[experiment.experiment_id])
found.to_json(folder / "table.json", orient="records")
