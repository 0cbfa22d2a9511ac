"""Gauges and counts in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from gonogo import __version__
from gonogo.errors import plain
from gonogo.records import Unit, Verdict

if TYPE_CHECKING:
    from gonogo.views.gauges import BudgetGauge, Gauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME_CHARS_MAX = 200

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def exposition(
    gauges: Gauges | None,
    *,
    calls: Mapping[tuple[str, str], int],
    requests: Mapping[tuple[str, int], int],
) -> str:
    """Write all metrics in the format that Prometheus scrapes.

    Args:
        gauges: What the store says; None where it could not be read: then only `gonogo_up` says so.
        calls: Tool calls by (tool, result).
        requests: HTTP requests by (path, status).
    """
    families = [
        _family("info", "gauge", "Which gonogo this is.", [({"version": __version__}, 1)]),
        _family("up", "gauge", "Whether the store could be read.", [({}, gauges is not None)]),
        _family(
            "tool_calls_total",
            "counter",
            "Tool calls by result: ok, refused, crashed.",
            [({"tool": tool, "result": result}, n) for (tool, result), n in sorted(calls.items())],
        ),
        _family(
            "http_requests_total",
            "counter",
            "HTTP requests by path and status.",
            [({"path": p, "code": str(code)}, n) for (p, code), n in sorted(requests.items())],
        ),
    ]
    if gauges is not None:
        families += _stored(gauges)
    return "".join(families)


def _stored(gauges: Gauges) -> list[str]:
    verdicts, scores = sorted(gauges.verdicts.items()), sorted(gauges.scores.items())
    budgets, incidents = sorted(gauges.budgets.items()), sorted(gauges.incidents.items())
    told: tuple[tuple[str, str, list[Sample]], ...] = (
        (
            "verdict",
            "1 at the standing verdict (worst of drift and trust, as last asked), 0 at the others.",
            [
                ({"dependency": name, "verdict": each}, each == found.verdict)
                for name, found in verdicts
                for each in get_args(Verdict)
            ],
        ),
        (
            "verdict_timestamp_seconds",
            "When the older of its two parts was asked for.",
            [
                ({"dependency": name}, found.as_of_ms / 1000)
                for name, found in verdicts
                if found.as_of_ms is not None
            ],
        ),
        (
            "trust_score",
            "Chance that the next call is good, 0 to 100.",
            [({"dependency": name}, 100 * score.score) for name, score in scores],
        ),
        (
            "trust_score_lower",
            "Lower end of its 90% interval.",
            [({"dependency": name}, 100 * score.lower) for name, score in scores],
        ),
        *(
            family
            for unit in get_args(Unit)
            if (found := [(n, b) for n, b in budgets if b.unit == unit]) or unit == "usd"
            for family in _budgets(unit, found)
        ),
        (
            "incidents",
            "Incidents that are not resolved.",
            [({"dependency": name, "status": status}, n) for (name, status), n in incidents],
        ),
    )
    return [_family(name, "gauge", text, samples) for name, text, samples in told]


def _budgets(
    unit: Unit, budgets: Sequence[tuple[str, BudgetGauge]]
) -> tuple[tuple[str, str, list[Sample]], ...]:
    """The families of the budgets that count a unit: a metric has one."""
    return (
        (
            f"budget_limit_{unit}",
            "Limit of the budget's window.",
            [({"budget": name}, budget.limit) for name, budget in budgets],
        ),
        (
            f"budget_remaining_{unit}",
            "Limit less what was spent and what is held.",
            [({"budget": name}, budget.remaining) for name, budget in budgets],
        ),
    )


def _family(name: str, kind: str, told: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP gonogo_{name} {told}", f"# TYPE gonogo_{name} {kind}"]
    lines += [f"gonogo_{name}{_labels(labels)} {float(value):.10g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    """A label's value as the format wants it; a line of its own cannot be smuggled in."""
    kept = plain(value, NAME_CHARS_MAX)
    return kept.replace("\\", "\\\\").replace('"', '\\"')
