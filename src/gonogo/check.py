"""`check.drift(…)`, `check.trust(…)`, `check.budget(…)`, `check.preflight(…)` for code.

What `check.budget(…, reserve=True)` held is booked or let go by `check.settle(…)`. All return the objects that the tools return. Each has a twin with `_async` that waits without
blocking an event loop. The store is opened once a process, by the first question, in a thread of
its own, and closed at the interpreter's end.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import ParamSpec, TypeVar

from anyio import to_thread

from gonogo.answers import BudgetCheck, DriftReport, PreflightReport, Settlement, TrustReport
from gonogo.app import Gonogo
from gonogo.app.check_ports import Detail
from gonogo.recorder.asker import Asker

__all__ = [
    "budget",
    "budget_async",
    "drift",
    "drift_async",
    "preflight",
    "preflight_async",
    "settle",
    "settle_async",
    "trust",
    "trust_async",
]

P = ParamSpec("P")
R = TypeVar("R")

_asker: Asker | None = None
_starting = threading.Lock()


def _ask(question: Callable[[Gonogo], Coroutine[object, object, R]]) -> R:
    global _asker  # noqa: PLW0603 - one open store a process
    with _starting:
        if _asker is None or _asker.pid != os.getpid():
            from gonogo.config import load_settings

            _asker = Asker(load_settings(None, None, os.environ))
        asker = _asker
    return asker.ask(question)


def _twin(ask: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """Give a question an async form, which leaves the event loop free while it waits."""

    @functools.wraps(ask)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return await to_thread.run_sync(functools.partial(ask, *args, **kwargs))

    twin.__name__ = twin.__qualname__ = f"{ask.__name__}_async"
    return twin


def drift(
    dependency: str,
    *,
    metric: str | None = None,
    segment: str | None = None,
    baseline_version: str | None = None,
    version: str | None = None,
    since: str | None = None,
    until: str | None = None,
    detail: Detail = "brief",
) -> DriftReport:
    """Has a dependency degraded, improved or shifted; how much, since when, how sure.

    Raises:
        GonogoError: One line says what is wrong.
    """
    return _ask(
        lambda app: app.check_model_drift(
            dependency, metric, segment, baseline_version, version, since, until, detail
        )
    )


def trust(dependency: str | None = None, *, detail: Detail = "brief") -> TrustReport:
    """The calibrated chance that the next call is good; without a name the whole fleet.

    Raises:
        GonogoError: One line says what is wrong.
    """
    return _ask(lambda app: app.get_trust_score_health(dependency, detail))


def budget(
    budget: str,
    *,
    dependency: str | None = None,
    planned_calls: int | None = None,
    planned_cost_usd: float | None = None,
    reserve: bool = False,
    idempotency_key: str | None = None,
    run: str | None = None,
    detail: Detail = "brief",
) -> BudgetCheck:
    """Will planned work fit a budget: the probability; optionally holds the money.

    `run` names a run of several steps or processes, which share one hold.

    Raises:
        GonogoError: One line says what is wrong.
    """
    return _ask(
        lambda app: app.check_budget_with_confidence(
            budget,
            dependency,
            planned_calls,
            planned_cost_usd,
            reserve,
            idempotency_key,
            detail,
            run=run,
        )
    )


def settle(
    reservation_id: str, actual_usd: float | None = None, *, renew: bool = False
) -> Settlement:
    """Book what held money was really spent; without an amount, what its recorded calls cost.

    With `renew` nothing is booked: the hold lasts as long again.

    Raises:
        GonogoError: One line says what is wrong.
    """
    return _ask(lambda app: app.settle_reservation(reservation_id, actual_usd, renew))


def preflight(
    workload: str | None = None,
    *,
    dependencies: Sequence[str] | None = None,
    planned_calls: int | None = None,
    budget: str | None = None,
    detail: Detail = "brief",
) -> PreflightReport:
    """Everything that planned work needs, in one answer.

    Raises:
        GonogoError: One line says what is wrong.
    """
    return _ask(lambda app: app.preflight(workload, dependencies, planned_calls, budget, detail))


drift_async = _twin(drift)
trust_async = _twin(trust)
budget_async = _twin(budget)
settle_async = _twin(settle)
preflight_async = _twin(preflight)
