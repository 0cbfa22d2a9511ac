"""Every answer in few words: what the text block of a tool says, and what the command line prints.

The verdict comes first, then the summary, the facts that carry it, tables, and the calls that are
ready to make. The words are enough alone: some clients show a model only these.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from gonogo.answers import (
    Answer,
    FallbackPlan,
    FallbackResult,
    NextAction,
    PromotionReport,
    rfc3339,
)
from gonogo.errors import plain
from gonogo.records import Decision
from gonogo.text.facts import parts_of
from gonogo.text.forms import Table, duration, shares


@dataclass(frozen=True, slots=True)
class Words:
    """An answer as a reader sees it: `facts` are (label, text), in order of weight."""

    verdict: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    next_calls: tuple[str, ...]
    footer: str


def as_call(action: NextAction) -> str:
    """A next step as an agent makes it: the call, then why."""
    arguments = ", ".join(
        f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in action.arguments.items()
    )
    return plain(f"{action.tool}({arguments}): {action.reason}", 600)


def words(answer: Answer, step: Callable[[NextAction], str] = as_call) -> Words:
    """Put an answer into words; `step` says what to do next."""
    facts, tables = parts_of(answer)
    if isinstance(answer, FallbackResult) and answer.approved_by:
        facts.append(("approved by", f"{answer.approved_by.who} ({answer.approved_by.how})"))
    if isinstance(answer, FallbackResult | PromotionReport) and answer.undo:
        undo = NextAction(**answer.undo.model_dump(), reason="takes it back")
        facts.append(("undo", step(undo)))
    if answer.configuration is not None:
        facts.append(("configuration", f"as it was before an edit: {answer.configuration}"))
    return Words(
        verdict=answer.verdict.upper(),
        summary=plain(answer.summary, 2000),
        facts=tuple((label, plain(text, 1000)) for label, text in facts),
        tables=tuple(table for table in tables if table.rows),
        next_calls=tuple(step(action) for action in answer.next_actions),
        footer=footer(answer),
    )


def footer(answer: Answer) -> str:
    """The time of the answer, the age of its data and its decision id, in one line."""
    told = [f"as of {answer.as_of}"]
    if answer.data_age_s is not None:
        told.append(f"newest data {duration(answer.data_age_s)} old")
    if answer.decision_id is not None:
        told.append(f"decision {answer.decision_id}")
    return "; ".join(told)


def as_text(answer: Answer, step: Callable[[NextAction], str] = as_call) -> str:
    """The words as plain lines, tables as CSV."""
    return f"{body(answer, step)}\n{footer(answer)}"


def body(answer: Answer, step: Callable[[NextAction], str] = as_call) -> str:
    """The lines of `as_text` above the footer: they are the same whenever it is asked."""
    said = words(answer, step)
    lines = [f"{said.verdict}: {said.summary}"]
    lines += [f"{label}: {text}" for label, text in said.facts]
    for table in said.tables:
        lines.append(f"{table.name}:")
        lines.append(_csv([table.columns, *table.rows]))
        if table.left_out:
            lines.append(f"… {table.left_out} more")
    lines += [f"next: {call}" for call in said.next_calls]
    return "\n".join(lines)


def decision_json(decision: Decision) -> str:
    """A log entry as one line of JSON, its inputs and answer as the objects they are."""
    whole = {f.name: getattr(decision, f.name) for f in fields(decision)}
    for name in ("ts_ms", "last_ts_ms"):
        if ts_ms := whole.pop(name):
            whole[name.removesuffix("_ms")] = rfc3339(ts_ms)
    for name in ("inputs", "answer"):
        whole[name] = json.loads(whole[name])
    return json.dumps({k: v for k, v in whole.items() if v is not None}, ensure_ascii=False)


def action_json(decision: Decision) -> str:
    """An action as one line of JSON, for a list: the entry itself has its inputs and its answer."""
    line = {
        "id": decision.id,
        "ts": rfc3339(decision.ts_ms),
        "kind": decision.kind,
        "actor": decision.actor,
        "dependency": decision.dependency,
        "budget": decision.budget,
        "summary": decision.summary,
    }
    return json.dumps({k: v for k, v in line.items() if v is not None}, ensure_ascii=False)


def question(plan: FallbackPlan, reason: str = "") -> str:
    """The question put to a person before a plan is carried out; `reason`: why it was made."""
    lines = [
        f"Carry out fallback plan {plan.plan_id} for '{plain(plan.dependency, 200)}'?",
        f"Traffic: {shares(plan.from_)} → {shares(plan.to)}.",
    ]
    lines += [f"Why: {plain(reason, 400)}"] if reason else []
    lines += [f"Cost: {plain(plan.cost_change, 300)}"] if plan.cost_change else []
    lines += [f"Effect: {plain(effect, 300)}" for effect in plan.effects]
    lines += [f"Way back: {plain(plan.way_back, 300)}"] if plan.way_back else []
    lines += [f"Failed check: {c.check}: {plain(c.why, 300)}" for c in plan.checks if not c.passed]
    return "\n".join(lines)


def _csv(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().rstrip("\n")
