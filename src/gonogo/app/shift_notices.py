"""Notices of metrics that have moved, though quality has not: people are told of each, and wakened by none."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import quote, unquote

from gonogo.answers import DriftReport
from gonogo.answers.drift_report import Signal
from gonogo.app.parts import Stores
from gonogo.ports.incidents import Event, IncidentRecord, Kind
from gonogo.ports.notices import Notice
from gonogo.ports.standing_verdicts import verdicts_now
from gonogo.records import Decision, Verdict
from gonogo.text.forms import signed

ME = "gonogo"
SHIFT = "shift:"
# Questions about slices, metrics or periods stand between those about the whole, now.
LOOKED_BACK = 20
WHOLE_NOW = {"dependency", "detail"}


def notice_of(
    kind: Kind,
    subject: str,
    about: str,
    why: str,
    now_ms: int,
    *,
    told: int = 0,
    over: bool = False,
    cause: str | None = None,
    page: str | None = None,
) -> Notice:
    """A notice of something that is no incident; `told`: how many events somebody has heard of it.

    `page`: the key under which it is told together with others.
    """
    thing = IncidentRecord(
        id=subject,
        dependency=about,
        cause=cause or kind,
        status="resolved" if over else "open",
        opened_ms=now_ms,
        changed_ms=now_ms,
        why=why,
        verdict="go" if over else "caution",
        kind=kind,
        page=page,
    )
    past = Event(now_ms, "told before", ME)
    return Notice(thing, (*[past] * told, Event(now_ms, why, ME)), told)


async def drift_verdicts(stores: Stores, *, now_ms: int) -> dict[str, Verdict]:
    """Read each dependency's newest drift verdict; those never checked are left out."""
    found = await verdicts_now(stores.decisions, stores.settings, now_ms=now_ms)
    return {name: one.drift for name, one in found.items() if one.drift is not None}


async def shift_notices(stores: Stores, names: Iterable[str]) -> list[Notice]:
    """A notice for each metric that has shifted, by the newest drift check of these dependencies."""
    found = []
    for name in names:
        checks = await stores.decisions.decisions(
            dependency=name, kind="check_model_drift", limit=LOOKED_BACK
        )
        newest = next((one for one in checks if _is_about_the_whole_now(one)), None)
        if newest is not None:
            found += _notices(DriftReport.model_validate_json(newest.answer), newest.ts_ms)
    return found


def _is_about_the_whole_now(check: Decision) -> bool:
    return set(json.loads(check.inputs)) <= WHOLE_NOW


def _notices(report: DriftReport, ts_ms: int) -> list[Notice]:
    if report.status != "shifted":
        return []
    name = report.dependency
    why = report.summary.removeprefix(f"{name} has shifted: ").partition(" Evidence ")[0]
    moved = {report.metric: why}
    # The whole before its slices, and first what says from where to where.
    shifted = [signal for signal in report.signals or () if signal.status == "shifted"]
    for signal in sorted(shifted, key=lambda one: (one.segment is not None, one.note is None)):
        moved.setdefault(signal.metric, _in_words(signal))
    return [
        _of_metric(name, metric, f"has shifted: {told}", ts_ms) for metric, told in moved.items()
    ]


def shift_over(subject: str, drifts: Mapping[str, Verdict], told: int, now_ms: int) -> Notice:
    """The end of one, for somebody who was told of it."""
    _, quoted, name = subject.split(":", 2)
    metric = unquote(quoted)
    end = f"{metric} is told no more: the newest drift check says {drifts.get(name, 'unknown')}"
    return _of_metric(name, metric, end, now_ms, told=told, over=True)


def _of_metric(
    name: str, metric: str, why: str, ts_ms: int, *, told: int = 0, over: bool = False
) -> Notice:
    """A metric's notice on its dependency's page; an alert of its own where a receiver keeps alerts apart."""
    subject = f"{SHIFT}{quote(metric, safe='')}:{name}"
    cause, page = f"shift of {metric}", f"gonogo/{name}/shift"
    found = notice_of(
        "shift", subject, name, why, ts_ms, told=told, over=over, cause=cause, page=page
    )
    return replace(
        found,
        command=shlex.join(["gonogo", "check", "drift", name, "--metric", metric]),
    )


def _in_words(signal: Signal) -> str:
    if signal.note is not None:
        return signal.note
    return f"{signal.metric}" + ("" if signal.change is None else f" by {signed(signal.change)}")
