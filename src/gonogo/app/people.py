"""Reaching people: what is told to whom, what waits for them, and when they are left to sleep."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

import anyio

from gonogo.answers import IncidentList, PromotionLine, TargetShare, WaitingPlan, rfc3339
from gonogo.app.budget_notices import BUDGET_SUBJECTS, budget_notices, budget_over
from gonogo.app.parts import Stores
from gonogo.app.shift_notices import (
    ME,
    SHIFT,
    drift_verdicts,
    notice_of,
    shift_notices,
    shift_over,
)
from gonogo.clock import is_recent
from gonogo.errors import ConfigError, ParameterError, UnknownTarget, plain
from gonogo.fallback.conditions import approve_command
from gonogo.fallback.plan import told_targets
from gonogo.fallback.promotion.promotion_report import PromotionNews, promotion_news
from gonogo.fallback.promotion.promotion_state import promotion_state
from gonogo.http.signatures import ApprovalLink, link_of
from gonogo.incidents.handle import get_incidents
from gonogo.incidents.telling import repeated_silences, tell
from gonogo.notifiers.receivers import make_notifiers
from gonogo.ports.actuators import Step
from gonogo.ports.notices import Notice, Notifier, Page, Silence
from gonogo.ports.routes import WHOLE, Plan
from gonogo.records import DAY_MS, Decision, Verdict, worst_verdict
from gonogo.settings import Settings
from gonogo.text.forms import actor_name, counted, minute, named, shares

PROMOTION, PLAN = "promotion:", "plan-"
SILENCE_MS_MAX = 30 * 86_400_000


async def tell_people(
    stores: Stores, *, name: str | None = None, now_ms: int
) -> list[tuple[str, Step]]:
    """Tell one receiver, or all side by side, what is news; what became of each page.

    Raises:
        ConfigError: The environment lacks the secret of the one that is named.
    """
    silences = await standing_silences(stores, now_ms=now_ms)
    plans = await stores.routes.waiting(now_ms=now_ms)
    budgets = await budget_notices(stores, now_ms=now_ms)
    drifts = await drift_verdicts(stores, now_ms=now_ms)
    shifts = await shift_notices(stores, [n for n, said in drifts.items() if said == "caution"])
    news = await promotion_news(stores.fallback, now_ms=now_ms)
    others = [*budgets, *shifts, *map(_promotion_notice, news)]
    receivers, told = _receivers(stores, name)

    async def news_to(notifier: Notifier) -> list[Step]:
        heard = await stores.notices.messages(notifier.name)
        known = {plan.id for plan in plans}
        ended = [
            await stores.routes.plan(of) for of in heard if of.startswith(PLAN) and of not in known
        ]
        over = {plan.id: plan for plan in ended if plan is not None}
        waiting = [_plan_notice(plan, stores.settings, notifier.name) for plan in plans]
        return await tell(
            stores.notices,
            notifier,
            others=partial(_others, [*waiting, *others], drifts, over, now_ms=now_ms),
            is_silenced=lambda who: any(s.covers(who, now_ms) for s in silences),
            url=stores.settings.url,
            laddered=stores.settings.laddered,
            now_ms=now_ms,
        )

    return told + await _side_by_side(receivers, news_to)


async def tell_test(
    stores: Stores, *, name: str | None = None, now_ms: int
) -> list[tuple[str, Step]]:
    """Send each receiver, or the one that is named, a test that says that it is one."""
    notice = notice_of(
        "test", "test-" + stores.new_id(now_ms), ME, "a test: nothing is wrong", now_ms
    )
    page = Page((notice,), stores.settings.url)
    receivers, told = _receivers(stores, name)

    async def test_of(notifier: Notifier) -> list[Step]:
        return [await notifier.tell(page, now_ms=now_ms)]

    return told + await _side_by_side(receivers, test_of)


async def _side_by_side(
    receivers: Sequence[Notifier], send: Callable[[Notifier], Awaitable[list[Step]]]
) -> list[tuple[str, Step]]:
    """Send to all at once: one that hangs delays nobody. What became of it, in the receivers' order."""
    steps: dict[str, list[Step]] = {}

    async def one(notifier: Notifier) -> None:
        steps[notifier.name] = await send(notifier)

    try:
        async with anyio.create_task_group() as tasks:
            for notifier in receivers:
                tasks.start_soon(one, notifier)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [(each.name, step) for each in receivers for step in steps[each.name]]


def _receivers(stores: Stores, name: str | None) -> tuple[list[Notifier], list[tuple[str, Step]]]:
    """The notifiers that work, and the fault of each other one: one without its secret silences nobody else."""
    if name is not None and name not in stores.settings.notify:
        advice = "Add [settings.notify.NAME] to gonogo.toml, or check the name."
        raise UnknownTarget("receiver", name, stores.settings.notify, advice)
    found: list[Notifier] = []
    lacking = []
    for each in stores.settings.notify if name is None else (name,):
        try:
            found += make_notifiers(stores.settings, each)
        except ConfigError as error:
            if name is not None:
                raise
            lacking.append((each, Step("failed", str(error))))
    return found, lacking


def _plan_notice(plan: Plan, settings: Settings, sent_to: str) -> Notice:
    """A notice of a plan, with the link by which whom it is sent to can say yes."""
    why = (
        f"a plan waits for a person until {minute(rfc3339(plan.expires_ms))}: "
        f"to {told_targets(plan.after)}, because: {plan.reason}"
    )
    notice = notice_of("plan", plan.id, plan.dependency, why, plan.created_ms)
    secret, url = settings.approval_secret, settings.url
    link = None
    if secret is not None and secret.value and url is not None:
        signed = ApprovalLink(plan.id, plan.expires_ms // 1000, sent_to)
        link = link_of(secret.value, signed, url=url)
    return replace(notice, command=approve_command(plan.id, plan.checks), link=link)


def _promotion_notice(news: PromotionNews) -> Notice:
    subject = f"{PROMOTION}{news.status}:{news.since_ms}:{news.dependency}"
    return _of_promotion(subject, news.why, news.since_ms)


def _of_promotion(
    subject: str, why: str, ts_ms: int, *, told: int = 0, over: bool = False
) -> Notice:
    """A promotion's notice, on one page with the dependency's others; each is an alert of its own."""
    _, status, _, name = subject.split(":", 3)
    cause, page = f"promotion {status}", f"gonogo/{name}/promotion"
    return notice_of(
        "promotion", subject, name, why, ts_ms, told=told, over=over, cause=cause, page=page
    )


def _others(
    due: Sequence[Notice],
    drifts: Mapping[str, Verdict],
    plans: Mapping[str, Plan],
    told: Mapping[str, int],
    *,
    now_ms: int,
) -> list[Notice]:
    """Notices due beside incidents, for a receiver that was told of so many; those that are over end there."""
    here = {notice.incident.id for notice in due}
    waiting = [replace(n, told=told.get(n.incident.id, 0)) for n in due]
    return waiting + [
        _over(subject, n, drifts, plans, now_ms)
        for subject, n in told.items()
        if subject not in here
    ]


def _over(
    subject: str, told: int, drifts: Mapping[str, Verdict], plans: Mapping[str, Plan], now_ms: int
) -> Notice:
    if subject.startswith(SHIFT):
        return shift_over(subject, drifts, told, now_ms)
    if subject.partition(":")[0] in BUDGET_SUBJECTS:
        return budget_over(subject, told, now_ms)
    if subject.startswith(PROMOTION):
        end = "this is told no more of its promotion: gonogo promote says how it stands"
        return _of_promotion(subject, end, now_ms, told=told, over=True)
    plan = plans.get(subject)
    end = f"{subject} waits no more"
    # Under the same key as it was told, so that a receiver ends the alert that it began.
    about = subject if plan is None else plan.dependency
    if plan is not None and plan.state != "planned":
        end += ": it was carried out"
    return notice_of("plan", subject, about, end, now_ms, told=told, over=True)


async def waiting_plans(
    stores: Stores, *, dependency: str | None = None, now_ms: int
) -> list[WaitingPlan]:
    """The plans that a person may still approve, the oldest first."""
    return [
        WaitingPlan(
            plan_id=plan.id,
            dependency=plan.dependency,
            to=[TargetShare(target=w.target, share=w.share / WHOLE) for w in plan.after],
            reason=plan.reason,
            expires_at=rfc3339(plan.expires_ms),
            approve_command=approve_command(plan.id, plan.checks),
        )
        for plan in await stores.routes.waiting(now_ms=now_ms)
        if dependency in (None, plan.dependency)
    ]


async def promotions(
    stores: Stores, *, dependency: str | None = None, now_ms: int
) -> list[PromotionLine]:
    """Versions on their way to all calls, and those whose way ended within the last day."""
    return [
        PromotionLine(
            **promotion_state(made).model_dump(),
            dependency=route.dependency,
        )
        for route in await stores.routes.routes()
        if (made := route.promotion) is not None
        and (made.is_running or is_recent(made.ended_ms, now_ms, within_ms=DAY_MS))
        and dependency in (None, route.dependency)
    ]


async def incidents_and_plans(
    stores: Stores,
    *,
    dependency: str | None,
    status: str | None,
    incident_id: str | None,
    now_ms: int,
) -> IncidentList:
    """Read incidents, the plans that wait, and current silences."""
    found = await get_incidents(
        stores.incidents,
        stores.decisions,
        stores.settings,
        dependency=dependency,
        status=status,
        incident_id=incident_id,
        now_ms=now_ms,
    )
    silences = await standing_silences(stores, now_ms=now_ms)
    plans = await waiting_plans(stores, dependency=dependency, now_ms=now_ms)
    lines = []
    for line in found.incidents:
        until = [s.until_ms for s in silences if s.covers(line.dependency, now_ms)]
        told = {"silenced_until": rfc3339(max(until))} if until else {}
        lines.append(line.model_copy(update=told))
    update: dict[str, object] = {"incidents": lines}
    summary = found.summary
    silent = {
        line.dependency: f"{plain(line.dependency, 80)} (until {minute(line.silenced_until)})"
        for line in lines
        if line.silenced_until is not None and line.status != "resolved"
    }
    if silent:
        summary += f" Nobody is woken for {named(list(silent.values()))}."
    under_way = await promotions(stores, dependency=dependency, now_ms=now_ms)
    if under_way and incident_id is None:
        update["promotions"] = under_way
    if plans:
        first, n = plans[0], counted(len(plans), "plan")
        verb = "waits for a person:" if len(plans) == 1 else "wait for a person, among them"
        update["waiting_plans"] = plans
        summary += (
            f" {n} {verb} {first.approve_command} ({first.dependency} to {shares(first.to)})."
        )
        update["verdict"] = worst_verdict(["caution", found.verdict])
    return found.model_copy(update={**update, "summary": summary})


async def standing_silences(stores: Stores, *, now_ms: int) -> list[Silence]:
    """List silences and maintenance windows: of each the one that holds now or comes next."""
    said = await stores.silences.standing(now_ms=now_ms)
    return said + repeated_silences(stores.settings, now_ms=now_ms)


async def silence(
    stores: Stores, dependency: str, *, for_s: int, reason: str, now_ms: int
) -> Silence:
    """Let nobody be woken for a dependency, or all that a pattern names, for a while. Logged.

    Raises:
        ParameterError: The reason is empty, or it would last over 30 days.
    """
    said = plain(reason.strip(), 400)
    if not said:
        raise ParameterError("A silence needs a reason: others will read why nobody was woken.")
    if not 0 < for_s * 1000 <= SILENCE_MS_MAX:
        raise ParameterError(f"--for {for_s} s is outside 1 s to 30 days: name an end.")
    name = plain(dependency.strip(), 200)
    made = Silence(
        stores.new_id(now_ms, "sil-"), name, said, stores.actor, now_ms, now_ms + for_s * 1000
    )
    end = rfc3339(made.until_ms)
    await stores.silences.add(made)
    await _logged(stores, made, f"silenced {name} until {end}: {said}", now_ms)
    return made


async def unknown_to_silence(stores: Stores, name: str) -> str | None:
    """Say that a silence names nothing that is known, and what is; None where it names something."""
    own = stores.settings
    known = {*await stores.telemetry.names(), *own.dependencies, *own.budgets}
    if any(fnmatchcase(each, name) or each == name for each in known):
        return None
    near = ", ".join(get_close_matches(name, sorted(known), n=3) or sorted(known)[:3])
    return f"nothing that is known has this name{f': did you mean {near}?' if near else ''}"


async def end_silence(stores: Stores, dependency: str, *, now_ms: int) -> None:
    """Let people be woken again. Logged.

    Raises:
        UnknownTarget: No silence of this name holds.
    """
    if not await stores.silences.end(dependency, now_ms=now_ms):
        for window in stores.settings.maintenance.values():
            if dependency in window.dependencies:
                raise ParameterError(
                    f"'{dependency}' is silenced by [maintenance.{window.name}] of gonogo.toml: "
                    "change it there."
                )
        known = [each.dependency for each in await stores.silences.standing(now_ms=now_ms)]
        raise UnknownTarget("silence", dependency, known, "gonogo silence lists them.")
    ended = Silence("", dependency, "ended", stores.actor, now_ms, now_ms)
    await _logged(stores, ended, f"ended the silence of {dependency}", now_ms)


async def _logged(stores: Stores, made: Silence, what: str, now_ms: int) -> None:
    told = json.dumps(
        {"dependency": made.dependency, "until_ms": made.until_ms, "why": made.reason}
    )
    await stores.decisions.append(
        Decision(
            id=stores.new_id(now_ms),
            ts_ms=now_ms,
            kind="silence",
            verdict=None,
            summary=f"{actor_name(stores.actor)} {what}",
            inputs=told,
            answer=told,
            action=True,
            dependency=None,
            actor=stores.actor,
            settings_digest=stores.settings.digest,
        )
    )
