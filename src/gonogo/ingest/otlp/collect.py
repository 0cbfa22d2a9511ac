"""The way in: an export's bytes to checked observations, with what must be remembered between two.

Called by one thread at a time. The time comes in with each export.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from gonogo.ingest.error_codes import error_code, error_code_of
from gonogo.ingest.field_checks import bounded_id
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.otlp.agent_events import (
    AGENTS,
    counts_apart,
    event_name,
    failure_of,
    provider_of,
    tells_of_call,
)
from gonogo.ingest.otlp.counters import Differences, metric_calls
from gonogo.ingest.otlp.names import (
    CLAUDE_CODE_SLOTS,
    CLAUDE_CODE_SPAN_SLOTS,
    SLOTS,
    Scalar,
    Tally,
    number_of,
    read_attributes,
)
from gonogo.ingest.otlp.same_calls import (
    CallName,
    Outcome,
    RecentEntries,
    Responses,
    SameCalls,
    SpanCall,
)
from gonogo.ingest.otlp.spans import call_fields, judgement
from gonogo.ingest.otlp.stated_changes import change_of
from gonogo.ingest.otlp.wire import Signal, decode
from gonogo.ingest.token_usage import token_fields
from gonogo.records import HOUR_MS, Observation, Rejection
from gonogo.settings import EvaluationSettings

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from gonogo.ports.change_event import ChangeEvent

EVALUATION = "gen_ai.evaluation.result"
CHANGE = "gonogo.change"
EXCEPTION = "exception"
STATUS_ERROR = 2
COVERED = 10_000
# Metrics are exported a minute after the calls that they count. Where they still grow an hour after the
# newest call that was told by itself, nothing tells of calls any more.
TOLD_LASTS_MS = HOUR_MS
# How far a newest call moves before it is stored anew.
TOLD_STEP_MS = HOUR_MS // 6
ID_CHARS_MAX = 200


@dataclass(slots=True)
class Batch:
    """The contents of one export.

    Attributes:
        waiting: Outcomes of calls not remembered, by their ids.
        told: By service and dependency, the newest call told by itself, where that is news to the store.
        first_told: Of those that nothing told of before, the first one: what metrics counted from then
            on was counted twice.
        changes: What was deployed or configured, as a pipeline tells it.
    """

    observations: list[Observation] = field(default_factory=list)
    waiting: list[tuple[Outcome, tuple[str, ...]]] = field(default_factory=list)
    refused: int = 0
    problem: str | None = None
    rejected: list[Rejection] = field(default_factory=list)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    first_told: dict[tuple[str, str], int] = field(default_factory=dict)
    changes: list[ChangeEvent] = field(default_factory=list)


class Collector:
    """Reads exports; remembers counters, the newest calls, and who tells of each call.

    Args:
        evaluations: By name, what an evaluator's scores say.
        since_ms: When it began to listen: a cumulative counter that began later counts whole.
    """

    def __init__(
        self, since_ms: int, evaluations: Mapping[str, EvaluationSettings] = MappingProxyType({})
    ) -> None:
        self.tally = Tally()
        self._evaluations = evaluations
        self._responses = Responses()
        self._same = SameCalls()
        self._differences = Differences(since_ms)
        # The newest call of a service and dependency whose calls come one by one: as noted in the store.
        self._told: RecentEntries[tuple[str, str], int] = RecentEntries(COVERED)

    def note_told(self, told: Mapping[tuple[str, str], int]) -> None:
        """Take in what this or another process has noted of calls that come one by one."""
        for key, newest_ms in told.items():
            if newest_ms > (self._told.get(key) or 0):
                self._told.keep(key, newest_ms)

    def restore(self, points: Mapping[str, str]) -> None:
        """Go on from the counters' points of an earlier process."""
        self._differences.restore(points)

    def moved_points(self) -> dict[str, str]:
        """Counters' points to be kept for a later process."""
        return self._differences.moved()

    def read(self, signal: Signal, body: bytes, content_type: str, *, now_ms: int) -> Batch:
        """The observations of one export, unpacked.

        Raises:
            Malformed: the body cannot be read.
        """
        request = decode(signal, body, content_type)
        batch = Batch()
        if signal == "traces":
            self._traces(cast("ExportTraceServiceRequest", request), batch, now_ms)
        elif signal == "logs":
            self._logs(cast("ExportLogsServiceRequest", request), batch, now_ms)
        else:
            self._metrics(cast("ExportMetricsServiceRequest", request), batch, now_ms)
        self.tally.observations += len(batch.observations)
        self.tally.refused += batch.refused
        return batch

    def _traces(self, request: ExportTraceServiceRequest, batch: Batch, now_ms: int) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if span.parent_span_id:
                        trace = span.trace_id
                        self._same.note_parent(trace + span.span_id, trace + span.parent_span_id)
        for resource in request.resource_spans:
            service = _service(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.tally.items += len(scope.spans)
                for span in scope.spans:
                    self._span(span, service, batch, now_ms)

    def _span(self, span: Span, service: str, batch: Batch, now_ms: int) -> None:
        is_agent = span.name.startswith(AGENTS)
        slots = CLAUDE_CODE_SPAN_SLOTS if is_agent else SLOTS
        found = read_attributes(span.attributes, self.tally, slots)
        found["span_name"] = span.name
        fields = call_fields(found, service)
        # An agent tells of its tools by events, which name no span.
        if fields is None or (is_agent and fields["kind"] != "model"):
            self.tally.ignored += 1
            return
        if is_agent:
            _of_agent(fields, found, span.name)
        start_ns = span.start_time_unix_nano
        fields["ts"] = start_ns / 1e9
        took_ns = span.end_time_unix_nano - start_ns
        if took_ns >= 0:
            fields["latency_ms"] = took_ns / 1e6
        else:
            # A clock that was set back, or an end that is not stated: how long it took is not known.
            self.tally.untimed += 1
        if found.get("level") == "ERROR":
            found.setdefault("error", "error")
        if span.status.code == STATUS_ERROR or "error" in found:
            fields["error"] = _failure(found.get("error"), span.status.code == STATUS_ERROR)
        if span.events:
            self._span_events(span, fields, "error" in found)
        place = span.trace_id + span.span_id
        if "id" not in fields:
            # Not the response's: some servers count theirs from 1 again, others' have 245 characters.
            fields["id"] = place.hex()
        call = self._same.known(place, SpanCall.of(fields, found))
        if call is None:
            self.tally.told_again += 1
            return
        dependency, identity = call.dependency, call.identity
        if identity != fields["id"]:
            self.tally.told_again += 1
            fields |= {"id": identity, "dependency": dependency}
        response = _response_id(found)
        self._tell((service, dependency), start_ns // 1_000_000, batch)
        self._add_waiting(fields, (dependency, identity), response or identity, place)
        self._add(fields, batch, now_ms, alias=response)

    def _span_events(self, span: Span, fields: dict[str, object], has_code: bool) -> None:  # noqa: FBT001 - private
        for event in span.events:
            if event.name == EVALUATION:
                judged = judgement(read_attributes(event.attributes, self.tally), self._evaluations)
                if judged is not None:
                    outcome, metrics = judged
                    _add_outcome(fields, Outcome(outcome, event.time_unix_nano / 1e9, metrics))
            elif event.name == EXCEPTION and "error" in fields and not has_code:
                thrown = read_attributes(event.attributes, self.tally).get("exception", "error")
                fields["error"] = error_code_of(str(thrown).rpartition(".")[2])

    def _logs(self, request: ExportLogsServiceRequest, batch: Batch, now_ms: int) -> None:
        for resource in request.resource_logs:
            service = _service(resource.resource.attributes)
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.tally.items += 1
                    name = event_name(record)
                    if name == EVALUATION:
                        self._evaluation(record, batch, now_ms)
                    elif name == CHANGE:
                        found = read_attributes(record.attributes, self.tally)
                        at_ms = round(_time_s(record, now_ms) * 1000)
                        batch.changes.append(change_of(found, at_ms))
                    elif name.startswith(AGENTS):
                        self._agent_event(record, name, service, batch, now_ms)
                    else:
                        self.tally.ignored += 1

    def _evaluation(self, record: LogRecord, batch: Batch, now_ms: int) -> None:
        found = read_attributes(record.attributes, self.tally)
        judged = judgement(found, self._evaluations)
        if judged is None:
            batch.refused += 1
            batch.problem = "an evaluation has no label that is known and no score"
            return
        said = Outcome(judged[0], _time_s(record, now_ms), judged[1])
        place = record.trace_id + record.span_id
        response = _response_id(found) or ""
        name = self._responses.outcome(said, response, place)
        if name is None:
            self.tally.unmatched_outcomes += 1
            batch.waiting.append((said, tuple(filter(None, (response, place.hex())))))
        else:
            self._add_late(said, name, batch, now_ms)

    def _add_waiting(
        self, fields: dict[str, object], name: CallName, key: str | bytes, other: bytes = b""
    ) -> None:
        """Give a call the evaluations that came before it."""
        waited = self._responses.call(name, key, other)
        for said in waited:
            _add_outcome(fields, said)
        self.tally.unmatched_outcomes = max(0, self.tally.unmatched_outcomes - len(waited))

    def settle(self, batch: Batch, known: Mapping[str, str], *, now_ms: int) -> None:
        """Give the outcomes that wait to calls that the store knows from before a restart.

        Args:
            batch: Of one export.
            known: The dependency of each id that is stored.
            now_ms: When.
        """
        had, refused = len(batch.observations), batch.refused
        for said, ids in batch.waiting:
            name = next(((known[id_], id_) for id_ in ids if id_ in known), None)
            if name is not None:
                self.tally.unmatched_outcomes -= 1
                self._add_late(said, name, batch, now_ms)
        self.tally.observations += len(batch.observations) - had
        self.tally.refused += batch.refused - refused

    def _add_late(self, said: Outcome, name: CallName, batch: Batch, now_ms: int) -> None:
        fields: dict[str, object] = {"dependency": name[0], "id": name[1]}
        _add_outcome(fields, said)
        self._add(fields, batch, now_ms)

    def _agent_event(
        self, record: LogRecord, name: str, service: str, batch: Batch, now_ms: int
    ) -> None:
        """An event of a coding agent that ends a call of a model or a tool; the others tell of none."""
        found = read_attributes(record.attributes, self.tally, CLAUDE_CODE_SLOTS)
        fields = call_fields(found, service) if tells_of_call(name, found) else None
        if fields is None:
            self.tally.ignored += 1
            return
        fields |= token_fields(found, apart=counts_apart(name))
        fields["error"] = failure_of(name, found)
        if fields["kind"] == "model":
            fields.setdefault("provider", provider_of(name))
        elif server := found.get("mcp_server"):
            fields["dependency"] = f"{server}/{fields['dependency']}"
        fields["latency_ms"] = number_of(found, "duration_ms")
        fields["ts"] = _time_s(record, now_ms)
        parts = (found.get("session", ""), found.get("sequence", ""), record.SerializeToString())
        fields["id"] = _response_id(found) or _hashed(*parts)
        call = (str(fields["dependency"]), str(fields["id"]))
        self._tell((service, call[0]), round(float(str(fields["ts"])) * 1000), batch)
        self._add_waiting(fields, call, call[1])
        self._add(fields, batch, now_ms)

    def _metrics(self, request: ExportMetricsServiceRequest, batch: Batch, now_ms: int) -> None:
        for resource in request.resource_metrics:
            service = _service(resource.resource.attributes)
            source = _hashed(resource.resource.SerializeToString(deterministic=True))
            metrics = [metric for scope in resource.scope_metrics for metric in scope.metrics]
            told = metric_calls(metrics, self._differences, self.tally, service, source)
            batch.refused += told.refused
            batch.problem = told.problem or batch.problem
            for fields in told.calls:
                newest_ms = self._told.get((service, str(fields["dependency"])))
                ended_ms = float(str(fields["ts"])) * 1000
                if newest_ms is not None and ended_ms <= newest_ms + TOLD_LASTS_MS:
                    self.tally.ignored += 1
                else:
                    self._add(fields, batch, now_ms, run=metrics_run(service))

    def _tell(self, key: tuple[str, str], ts_ms: int, batch: Batch) -> None:
        """Note a call that was told by itself."""
        known = self._told.get(key)
        if known is None or ts_ms > known + TOLD_LASTS_MS or key in batch.first_told:
            batch.first_told[key] = min(ts_ms, batch.first_told.get(key, ts_ms))
        if known is None or ts_ms > known + TOLD_STEP_MS:
            self._told.keep(key, ts_ms)
            batch.told[key] = ts_ms

    def _add(
        self,
        fields: Mapping[str, object],
        batch: Batch,
        now_ms: int,
        *,
        alias: str | None = None,
        run: str | None = None,
    ) -> None:
        parsed = parse_observation(fields, now_ms=now_ms, from_file=False, alias=alias, run=run)
        if isinstance(parsed, Rejection):
            batch.refused += 1
            batch.problem = f"{parsed.field} {parsed.problem}"
            batch.rejected.append(parsed)
        else:
            batch.observations.append(parsed)


def _of_agent(fields: dict[str, object], found: dict[str, Scalar], name: str) -> None:
    """Fill in what an agent's span says in words of its own, under the id of the event of the same call."""
    fields |= token_fields(found, apart=counts_apart(name))
    if (failure := failure_of(name, found)) is not None:
        found["error"] = failure
    else:
        found.pop("error", None)
    if response := _response_id(found):
        fields["id"] = response


def metrics_run(service: str) -> str:
    """The run under which calls are stored that a service's metrics counted, so that they can be taken back."""
    return f"metrics of {service}"[:ID_CHARS_MAX]


def _failure(stated: Scalar | None, failed: bool) -> str | None:  # noqa: FBT001 - private
    """The code of a span's `error.type`; a span whose status is an error failed without one too."""
    return error_code(stated) or ("error" if failed else None)


def _response_id(found: Mapping[str, Scalar]) -> str | None:
    """A response's id, by which evaluations find its call; a long one as its hash."""
    stated = found.get("response_id")
    return None if stated is None else bounded_id(str(stated))


def _service(attributes: Iterable[KeyValue]) -> str:
    return next((a.value.string_value for a in attributes if a.key == "service.name"), "")


def _add_outcome(fields: dict[str, object], said: Outcome) -> None:
    if said.outcome is not None and "outcome" not in fields:
        fields["outcome"] = said.outcome
        if said.ts:
            fields["outcome_ts"] = said.ts
    stated = fields.get("metrics")
    if said.metrics:
        fields["metrics"] = {**said.metrics, **(stated if isinstance(stated, dict) else {})}


def _time_s(record: LogRecord, now_ms: int) -> float:
    stated: int = record.time_unix_nano or record.observed_time_unix_nano
    return stated / 1e9 if stated else now_ms / 1000


def _hashed(*parts: Scalar | bytes) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
