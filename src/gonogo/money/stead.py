"""The stand-ins of a dependency: its fallback ladder, and where its route goes now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.ports.routes import WHOLE, is_called, split_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gonogo.ports.routes import Route
    from gonogo.settings import Settings


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls that are forecast together: of one dependency, or of several as mixed lately."""

    names: tuple[str, ...]
    calls: int
    version: str | None = None
    instead_of: str | None = None


def stead_of(
    settings: Settings, names: Iterable[str], routes: Mapping[str, Route]
) -> dict[str, str]:
    """What can be called instead of some dependencies, and instead of which.

    Their ladders and their routes' targets, and those of these in turn. A target `name@version`
    stands for `name`, and for a dependency that is called so.
    """
    found: dict[str, str] = {}
    asked = list(names)
    waiting = list(asked)
    while waiting:
        name = waiting.pop(0)
        route = routes.get(name)
        targets = list(settings.dependency(name).fallback)
        targets += [weight.target for weight in route.targets] if route else []
        for target in targets:
            if not is_called(target):
                continue
            for known in dict.fromkeys((target, split_version(target)[0])):
                if known not in found and known not in asked:
                    found[known] = name
                    waiting.append(known)
    return found


def routed_groups(
    work: Mapping[str, int], routes: Mapping[str, Route], known: Iterable[str]
) -> list[CallGroup]:
    """Planned calls by where they go now; calls of rules, refusals and people cost nothing."""
    there = set(known)
    groups: dict[tuple[str, str | None], CallGroup] = {}
    for name, calls in work.items():
        route = routes.get(name)
        shares = [(name, WHOLE)] if route is None else [(w.target, w.share) for w in route.targets]
        for target, share in shares:
            if not is_called(target):
                continue
            exact = target == name or target in there
            called, version = (target, None) if exact else split_version(target)
            key = called, version
            before = groups[key].calls if key in groups else 0
            groups[key] = CallGroup(
                (called,),
                before + -(-calls * share // WHOLE),
                version,
                None if called == name else name,
            )
    return list(groups.values())


def spread_calls(calls: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Planned calls by dependency, as the newest calls were mixed."""
    total = sum(counts.values())
    return {name: -(-calls * n // total) for name, n in counts.items() if n}


def is_routed(names: Sequence[str], routes: Mapping[str, Route]) -> bool:
    """Whether calls of any of these go elsewhere now."""
    return any(name in routes and not routes[name].is_primary for name in names)
