"""gonogo.toml as a whole: its sections, and what they refer to among themselves."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from gonogo.config.budget_tables import BudgetTable, budgets_of, check_budgets
from gonogo.config.maintenance_tables import MaintenanceTable
from gonogo.config.outside_tables import ActuatorTable, NotifierTable
from gonogo.config.probe_tables import ProbeTable
from gonogo.config.tables import Table, first_refusal, refusal, refuse_unknown_keys
from gonogo.config.values import (
    Count,
    Moment,
    Name,
    Names,
    Place,
    Refusal,
    Seconds,
    Variable,
    WebAddress,
    Zone,
    number,
    some,
)
from gonogo.records import Kind
from gonogo.settings import (
    DAY_S,
    BaselineSettings,
    DependencySettings,
    EvaluationSettings,
    GuardPolicy,
    GuardSettings,
    OAuthSettings,
    Policy,
    PriceSettings,
    QualityMeasure,
    Settings,
    WorkloadSettings,
)

USD_MAX = 1e9
SCORE_ABS_MAX = 1e12

Usd = Annotated[float, number(0, USD_MAX)]


class BaselineTable(Table):
    """A reference as a person declares it: a period, a version, or a known mean outcome."""

    start: Moment | None = None
    end: Moment | None = None
    version: Name | None = None
    outcome: Annotated[float, number(0, 1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        period = self.start is not None or self.end is not None
        if period + (self.version is not None) + (self.outcome is not None) != 1:
            raise Refusal("is one of start and end, version, or outcome")
        if period and (self.start is None or self.end is None):
            raise Refusal("needs both start and end, which are inclusive")
        if self.start and self.end and self.end < self.start[: len(self.end)]:
            raise Refusal(f"must not lie before start, {self.start}", "end")
        return self


class DependencyTable(Table):
    """`[dependencies.NAME]`."""

    kind: Kind | None = None
    provider: Name | None = None
    latency_slo_ms: Annotated[float, number(0.001, 1e10)] | None = None
    quality_bar: Annotated[float, number(0, 1)] | None = None
    fallback: Names | None = None
    actuators: Names | None = None
    depends_on: Names | None = None
    min_effect: Annotated[float, number(0.001, 1)] | None = None
    fallback_policy: Policy | None = None
    stale_after_s: Seconds | None = Field(None, alias="stale_after")
    baseline: BaselineTable | None = None
    false_alarms_per_year: Annotated[float, number(0.001, 365)] | None = None
    recovery_share: Annotated[float, number(0, 0.05)] | None = None
    quality: QualityMeasure | None = None
    recorders: Names | None = None
    route_key: Name | None = None

    def settings(self, name: str) -> DependencySettings:
        """The dependency as it is judged."""
        given = self.given(without=("baseline",))
        baseline = BaselineSettings(**self.baseline.given()) if self.baseline else None
        return DependencySettings(name, baseline=baseline, **given)


class WorkloadTable(Table):
    """`[workloads.NAME]`."""

    dependencies: Annotated[
        dict[Name, Count],
        some('is required: planned calls by name, as { "my-model" = 400 }'),
        AfterValidator(MappingProxyType),
    ] = Field(default_factory=dict, validate_default=True)
    budget: Name | None = None
    allow_unknown: bool = False

    def settings(self, name: str) -> WorkloadSettings:
        """The work as it is planned."""
        return WorkloadSettings(name, self.dependencies, self.budget, self.allow_unknown)


class PriceTable(Table):
    """`[settings.prices.MODEL]`: USD per million tokens."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cached_input_usd_per_mtok: Usd | None = None
    cache_write_usd_per_mtok: Usd | None = None
    input_audio_usd_per_mtok: Usd | None = None
    output_audio_usd_per_mtok: Usd | None = None

    def settings(self, name: str) -> PriceSettings:
        """The price as calls are priced by."""
        return PriceSettings(name, **self.given())


class EvaluationTable(Table):
    """`[evaluations.NAME]`: what an evaluator's scores say."""

    outcome: bool = False
    good_at: Annotated[float, number(-SCORE_ABS_MAX, SCORE_ABS_MAX)] | None = None
    good_at_most: Annotated[float, number(-SCORE_ABS_MAX, SCORE_ABS_MAX)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.good_at is not None and self.good_at_most is not None:
            raise Refusal("is one of good_at and good_at_most", "good_at")
        return self

    def settings(self, name: str) -> EvaluationSettings:
        """The evaluator as its scores are read."""
        return EvaluationSettings(name, **self.given())


def _days(seconds: int) -> int:
    if seconds < DAY_S:
        raise Refusal("must be one day or more")
    return seconds // DAY_S


def _segment_pairs(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of declared keys that are rolled up together, written "tier*region"."""
    pairs: list[tuple[str, str]] = []
    for text in names:
        first, star, second = text.partition("*")
        if not star or not first or not second or first == second or set("=,*") & set(second):
            raise Refusal('must list two keys each, as in ["tier*region"]')
        pairs.append((min(first, second), max(first, second)))
    return tuple(sorted(set(pairs)))


class OAuthTable(Table):
    """`[settings.oauth]`."""

    issuer: WebAddress
    resource: WebAddress
    jwks_url: WebAddress


class SettingsTable(Table):
    """`[settings]`."""

    timezone: Zone | None = None
    retention_days: Annotated[Seconds, AfterValidator(_days)] | None = Field(
        None, alias="retention"
    )
    store_text: bool = False
    notify: dict[Name, NotifierTable] = Field(default_factory=dict)
    rolled_up_segment_pairs: Annotated[Names, AfterValidator(_segment_pairs)] | None = Field(
        None, alias="segment_pairs"
    )
    read_only: bool = False
    lock_wait_s: Seconds | None = Field(None, alias="lock_wait")
    store_schema: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,50}$")] | None = (
        Field(None, alias="schema")
    )
    url: WebAddress | None = None
    plan_expires_s: Seconds | None = Field(None, alias="plan_expires")
    approval_expires_s: Seconds | None = Field(None, alias="approval_expires")
    approval_secret: Variable | None = Field(None, alias="approval_secret_env")
    oauth: OAuthTable | None = None
    prices: dict[Name, PriceTable] = Field(default_factory=dict)


class GuardTable(Table):
    """`[guard]`."""

    tools: dict[Name, Name] | None = None
    caution: GuardPolicy | None = None
    unknown: GuardPolicy | None = None
    fresh_s: Seconds | None = Field(None, alias="fresh")


# A section's schema is built only where the file has the section: it takes some milliseconds.
_SECTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "dependencies": dict[Name, DependencyTable],
        "settings": SettingsTable,
        "budgets": dict[Name, BudgetTable],
        "workloads": dict[Name, WorkloadTable],
        "probes": dict[Name, ProbeTable],
        "actuators": dict[Name, ActuatorTable],
        "guard": GuardTable,
        "evaluations": dict[Name, EvaluationTable],
        "maintenance": dict[Name, MaintenanceTable],
    }
)


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
    place = Place(file.parent, environ)
    found: dict[str, Any] = {}
    try:
        refuse_unknown_keys(content, list(_SECTIONS))
        for section, kind in _SECTIONS.items():
            if section in content:
                adapter: TypeAdapter[Any] = TypeAdapter(kind)
                found[section] = adapter.validate_python(content[section], context=place)
    except ValidationError as error:
        raise first_refusal(error, file, content, section) from None
    except Refusal as refused:
        raise refusal(file, content, refused) from None
    common: SettingsTable | None = found.pop("settings", None)
    guard: GuardTable | None = found.pop("guard", None)
    own: dict[str, Any] = {}
    if guard is not None:
        own["guard"] = GuardSettings(**guard.given())
    if common is not None:
        own |= common.given(without=("notify", "oauth", "prices"))
        if common.oauth is not None:
            own["oauth"] = OAuthSettings(**common.oauth.given())
        own["stated_timezone"] = common.timezone
        found |= {"notify": common.notify, "prices": common.prices}
    try:
        own["budgets"], own["keyed_budgets"] = budgets_of(found.pop("budgets", {}))
        own |= {
            section: MappingProxyType(
                {name: table.settings(name) for name, table in tables.items()}
            )
            for section, tables in found.items()
        }
        settings = Settings(store=store, config_path=file, digest=_digest(content), **own)
        _check_references(settings)
    except Refusal as refused:
        raise refusal(file, content, refused) from None
    return replace(settings, read_only=settings.read_only or read_only)


def _check_references(settings: Settings) -> None:
    """Refuse names that nothing carries. A dependency may be known to the store instead."""
    for name, dependency in settings.dependencies.items():
        if name in dependency.fallback:
            told = "names other targets; the dependency itself is always the first"
            raise Refusal(told, "dependencies", name, "fallback")
        for actuator in dependency.actuators:
            if actuator not in settings.actuators:
                told = _unknown("actuator", actuator, settings.actuators)
                raise Refusal(told, "dependencies", name, "actuators")
    every = (*settings.keyed_budgets.values(), *settings.budgets.values())
    parents = {budget.name: budget.parent for budget in every}
    for section, name, key, budget in (
        *(("workloads", w.name, "budget", w.budget) for w in settings.workloads.values()),
        *(("budgets", name, "parent", parent) for name, parent in parents.items()),
        *(("probes", p.name, "budget", p.budget) for p in settings.probes.values()),
    ):
        if budget is None or settings.budget(budget) is not None:
            continue
        keyed = settings.keyed_budgets.get(budget)
        if keyed is None:
            raise Refusal(_unknown("budget", budget, settings.budgets), section, name, key)
        told = f"names {budget}, a limit for each {keyed.per}: name one of them, {budget}/VALUE"
        raise Refusal(told, section, name, key)
    check_budgets(settings)
    above = {name: (parent,) if parent else () for name, parent in parents.items()}
    _check_cycles("budgets", "parent", above)
    needs = {d.name: d.depends_on for d in settings.dependencies.values()}
    _check_cycles("dependencies", "depends_on", needs)


def _digest(content: dict[str, object]) -> str:
    """A name for this configuration: equal for files that say the same in another order."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    names = difflib.get_close_matches(name, known, n=4, cutoff=0.3) or sorted(known)[:4]
    listed = f"known: {', '.join(names)}" if names else "none is configured"
    return f"there is no {what} '{name}'; {listed}"


def _check_cycles(section: str, key: str, edges: Mapping[str, tuple[str, ...]]) -> None:
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
                circle = " > ".join([*path[path.index(following) :], following])
                raise Refusal(f"goes in a circle: {circle}", section, following, key)
            elif following in edges and following not in sound:
                path.append(following)
                waiting.append(iter(edges[following]))
