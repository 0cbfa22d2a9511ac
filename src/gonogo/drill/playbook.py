"""The gaps of an incident plan, as far as its configuration shows them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from gonogo.drill.costs_booked import covering
from gonogo.ports.routes import UNMEASURED, split_version

if TYPE_CHECKING:
    from gonogo.records import Dependency
    from gonogo.settings import DependencySettings, Settings

__all__ = ["gaps"]


def gaps(settings: Settings, dependency: str, *, known: Mapping[str, Dependency]) -> Iterator[str]:
    """The missing steps, one line each. `known`: what was recorded of it and of its rungs."""
    own = settings.dependency(dependency)
    yield from _of_the_ladder(settings, own, known)
    if own.fallback_policy in ("ask", "person"):
        yield f"fallback_policy is {own.fallback_policy}: nothing is switched until a person answers."
    if own.fallback_policy == "deny":
        yield "fallback_policy is deny: gonogo switches nothing."
    if own.fallback and own.recovery_share == 0:
        yield "recovery_share is 0: a primary that recovers is not seen, the way back needs a person."
    if not covering(settings, dependency):
        yield f"No budget counts the cost of {dependency}: a cost that rises is seen, not stopped."
    if not settings.notify:
        yield "Nobody is told of an incident: configure [settings.notify.NAME]."
    if len(settings.notify) == 1:
        yield (
            f"{next(iter(settings.notify))} alone is told of incidents: while it does not answer "
            "nobody is; configure a second [settings.notify.NAME]."
        )


def _of_the_ladder(
    settings: Settings, own: DependencySettings, known: Mapping[str, Dependency]
) -> Iterator[str]:
    if not own.fallback:
        yield f"No fallback is configured: set fallback = ['…'] under [dependencies.\"{own.name}\"]."
        return
    for rung in own.fallback:
        if _is_measured(rung) and not {rung, split_version(rung)[0]} & _known(rung, known):
            yield f"Nothing is recorded of {rung}: probe it, so that its health is known in time."
    if _is_measured(own.fallback[-1]):
        yield "The ladder ends with something that can break too: end it with rules:NAME or human."
    provider = _provider(settings, own.name, known)
    others = {_provider(settings, rung, known) for rung in own.fallback}
    if provider is not None and others == {provider}:
        yield (
            f"Every rung is of provider {provider}, as {own.name} is: one outage of it takes them "
            "all; add one of another provider, rules:NAME or human."
        )


def _is_measured(rung: str) -> bool:
    return rung not in UNMEASURED and not rung.startswith("rules:")


def _known(rung: str, known: Container[str]) -> set[str]:
    return {name for name in (rung, split_version(rung)[0]) if name in known}


def _provider(settings: Settings, rung: str, known: Mapping[str, Dependency]) -> str | None:
    """Who provides a rung; None where it is nobody's, or nobody said it."""
    if not _is_measured(rung):
        return None
    name = rung if rung in known else split_version(rung)[0]
    stated = settings.dependency(name).provider
    return stated or (known[name].provider if name in known else None)
