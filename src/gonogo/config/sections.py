"""The sections of gonogo.toml, one function each, and what they refer to among themselves."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from gonogo.config.actuator_tables import build_actuator
from gonogo.config.notify_tables import notifiers
from gonogo.config.probe_tables import PROBE, build_probe
from gonogo.config.tables import Table, duration_s
from gonogo.records import MICRO, Kind
from gonogo.settings import (
    DAY_S,
    LOCK_WAIT_S,
    BaselineSettings,
    BudgetSettings,
    DependencySettings,
    Policy,
    PriceSettings,
    QualityMeasure,
    Settings,
    WindowKind,
    WorkloadSettings,
)

__all__ = ["build_settings"]

CALLS_MAX = 10**9
URL_CHARS_MAX = 2000
USD_MAX = 1e9
HARD_CONFIDENCE = 0.95

KINDS: tuple[Kind, ...] = get_args(Kind)
QUALITY_MEASURES: tuple[QualityMeasure, ...] = get_args(QualityMeasure)
POLICIES: tuple[Policy, ...] = get_args(Policy)
WINDOWS: tuple[WindowKind, ...] = get_args(WindowKind)

SECTIONS = ("dependencies", "settings", "budgets", "workloads", "probes", "actuators")
DEPENDENCY = (
    *("kind", "provider", "latency_slo_ms", "quality_bar", "fallback", "actuators"),
    *("depends_on", "min_effect", "fallback_policy", "stale_after", "baseline"),
    *("false_alarms_per_year", "recovery_share", "quality"),
)
BASELINE = ("start", "end", "version", "outcome")
BUDGET = (
    *("limit_usd", "window", "dependencies", "hard", "required_confidence", "hold_expires"),
    "parent",
)
WORKLOAD = ("dependencies", "budget", "allow_unknown")
SETTINGS = (
    *("timezone", "retention", "store_text", "notify", "segment_pairs", "read_only"),
    *("lock_wait", "prices"),
)
PRICE = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok")


def build_settings(
    content: dict[str, object],
    file: Path,
    *,
    store: str,
    read_only: bool,
    environ: Mapping[str, str],
) -> Settings:
    """Check a parsed gonogo.toml and freeze it; secrets come from `environ`.

    Raises:
        ConfigError: the first wrong key, value or reference, in one line.
    """
    root = Table(content, file, known=SECTIONS)
    common = root.table("settings", SETTINGS)
    settings = Settings(
        store=store,
        config_path=file,
        digest=_digest(content),
        timezone=_timezone(common),
        stated_timezone=_timezone(common) if common.name("timezone") else None,
        store_text=common.flag("store_text"),
        retention_days=_retention_days(common),
        lock_wait_s=common.seconds("lock_wait") or LOCK_WAIT_S,
        notify=notifiers(common, environ),
        rolled_up_segment_pairs=_segment_pairs(common),
        read_only=common.flag("read_only") or read_only,
        dependencies=_frozen(
            {n: _dependency(n, t) for n, t in root.tables("dependencies", DEPENDENCY)}
        ),
        budgets=_frozen({n: _budget(n, t) for n, t in root.tables("budgets", BUDGET)}),
        workloads=_frozen({n: _workload(n, t) for n, t in root.tables("workloads", WORKLOAD)}),
        probes=_frozen({n: build_probe(n, t, environ) for n, t in root.tables("probes", PROBE)}),
        actuators=_frozen(
            {
                n: build_actuator(n, root.table("actuators"), environ)
                for n in root.table("actuators")
            }
        ),
        prices=_frozen({n: _price(n, t) for n, t in common.tables("prices", PRICE)}),
    )
    _check_references(root, settings)
    return settings


def _frozen(values: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(values)


def _digest(content: dict[str, object]) -> str:
    """A name for this configuration: equal for files that say the same in another order."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _dependency(name: str, table: Table) -> DependencySettings:
    fallback = table.names("fallback")
    if name in fallback:
        table.refuse("fallback", "names other targets; the dependency itself is always the first")
    return DependencySettings(
        name=name,
        kind=table.choice("kind", KINDS, "model") if "kind" in table else None,
        provider=table.name("provider"),
        latency_slo_ms=table.number("latency_slo_ms", 0.001, 1e10),
        quality_bar=_or(table.number("quality_bar", 0, 1), 0.5),
        quality=table.choice("quality", QUALITY_MEASURES, "outcomes"),
        fallback=fallback,
        actuators=table.names("actuators"),
        depends_on=table.names("depends_on"),
        min_effect=_or(table.number("min_effect", 0.001, 1), 0.05),
        fallback_policy=table.choice("fallback_policy", POLICIES, "ask"),
        stale_after_s=table.seconds("stale_after") or 7 * DAY_S,
        baseline=_baseline(table),
        false_alarms_per_year=_or(table.number("false_alarms_per_year", 0.001, 365), 1.0),
        recovery_share=_or(table.number("recovery_share", 0, 0.05), 0.01),
    )


def _baseline(table: Table) -> BaselineSettings | None:
    if "baseline" not in table:
        return None
    inner = table.table("baseline", BASELINE)
    period = "start" in inner or "end" in inner
    if period + ("version" in inner) + ("outcome" in inner) != 1:
        table.refuse("baseline", "is one of start and end, version, or outcome")
    if period and not ("start" in inner and "end" in inner):
        table.refuse("baseline", "needs both start and end, which are inclusive")
    start, end = inner.moment("start"), inner.moment("end")
    if start is not None and end is not None and end < start[: len(end)]:
        inner.refuse("end", f"must not lie before start, {start}")
    return BaselineSettings(start, end, inner.name("version"), inner.number("outcome", 0, 1))


def _budget(name: str, table: Table) -> BudgetSettings:
    limit_usd = table.number("limit_usd", 0, USD_MAX)
    if limit_usd is None:
        table.refuse("limit_usd", "is required, in US dollars")
    hard = table.flag("hard")
    stated = table.number("required_confidence", 0.01, 0.999999)
    if hard and stated is not None and stated < HARD_CONFIDENCE:
        table.refuse("required_confidence", f"is at least {HARD_CONFIDENCE} where hard = true")
    window, rolling_s = _window(table)
    return BudgetSettings(
        name=name,
        limit_micro_usd=round(limit_usd * MICRO),
        window=window,
        rolling_s=rolling_s,
        dependencies=table.names("dependencies"),
        hard=hard,
        required_confidence=_or(stated, HARD_CONFIDENCE if hard else 0.70),
        hold_expires_s=table.seconds("hold_expires") or 900,
        parent=table.name("parent"),
    )


def _window(table: Table) -> tuple[WindowKind, int | None]:
    text = table.name("window") or "total"
    word, _, length = text.partition(":")
    rolling_s = duration_s(length) if length else None
    for kind in WINDOWS:
        if word == kind and (kind == "rolling") == (rolling_s is not None) == (":" in text):
            return kind, rolling_s
    return table.refuse(
        "window", 'must be hour, day, week, month, total, or rolling as in "rolling:7d"'
    )


def _workload(name: str, table: Table) -> WorkloadSettings:
    planned = table.table("dependencies")
    calls = {dependency: planned.whole(dependency, 1, CALLS_MAX) for dependency in planned}
    if not calls:
        table.refuse("dependencies", 'is required: planned calls by name, as { "my-model" = 400 }')
    return WorkloadSettings(
        name, MappingProxyType(calls), table.name("budget"), table.flag("allow_unknown")
    )


def _price(model: str, table: Table) -> PriceSettings:
    prices = [table.number(key, 0, USD_MAX) for key in PRICE]
    if prices[0] is None or prices[1] is None:
        table.refuse(PRICE[0 if prices[0] is None else 1], "is required, USD per million tokens")
    return PriceSettings(model, prices[0], prices[1], prices[2])


def _timezone(common: Table) -> str:
    name = common.name("timezone") or "UTC"
    if name != "UTC":
        import zoneinfo

        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            common.refuse("timezone", "must be an IANA zone such as Europe/Berlin")
    return name


def _retention_days(common: Table) -> int | None:
    seconds = common.seconds("retention")
    if seconds is not None and seconds < DAY_S:
        common.refuse("retention", "must be one day or more")
    return None if seconds is None else seconds // DAY_S


def _segment_pairs(common: Table) -> tuple[tuple[str, str], ...]:
    """Pairs of declared keys that are rolled up together, written "tier*region"."""
    pairs: list[tuple[str, str]] = []
    for text in common.names("segment_pairs"):
        first, star, second = text.partition("*")
        if not star or not first or not second or first == second or set("=,*") & set(second):
            common.refuse("segment_pairs", 'must list two keys each, as in ["tier*region"]')
        pairs.append((min(first, second), max(first, second)))
    return tuple(sorted(set(pairs)))


def _check_references(root: Table, settings: Settings) -> None:
    """Refuse names that nothing carries. A dependency may be known to the store instead."""
    dependencies = root.table("dependencies")
    for name, dependency in settings.dependencies.items():
        for actuator in dependency.actuators:
            if actuator not in settings.actuators:
                dependencies.table(name).refuse(
                    "actuators", _unknown("actuator", actuator, settings.actuators)
                )
    for section, name, key, budget in (
        *(("workloads", w.name, "budget", w.budget) for w in settings.workloads.values()),
        *(("budgets", b.name, "parent", b.parent) for b in settings.budgets.values()),
        *(("probes", p.name, "budget", p.budget) for p in settings.probes.values()),
    ):
        if budget is not None and budget not in settings.budgets:
            root.table(section).table(name).refuse(
                key, _unknown("budget", budget, settings.budgets)
            )
    parents = {b.name: (b.parent,) if b.parent else () for b in settings.budgets.values()}
    _check_cycles(root.table("budgets"), "parent", parents)
    needs = {d.name: d.depends_on for d in settings.dependencies.values()}
    _check_cycles(dependencies, "depends_on", needs)


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    names = difflib.get_close_matches(name, known, n=4, cutoff=0.3) or sorted(known)[:4]
    listed = f"known: {', '.join(names)}" if names else "none is configured"
    return f"there is no {what} '{name}'; {listed}"


def _check_cycles(section: Table, key: str, edges: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a name that reaches itself. Iterative: a long chain must not end in a traceback."""
    sound: set[str] = set()
    for start in edges:
        path, waiting = [start], [iter(edges[start])]
        while waiting:
            following = next(waiting[-1], None)
            if following is None:
                waiting.pop()
                sound.add(path.pop())
            elif following in path:
                circle = [*path[path.index(following) :], following]
                section.table(following).refuse(key, f"goes in a circle: {' > '.join(circle)}")
            elif following in edges and following not in sound:
                path.append(following)
                waiting.append(iter(edges[following]))
