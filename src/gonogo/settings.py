"""The configuration as frozen values; `config/` parses gonogo.toml into these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from gonogo.errors import ConfigError

if TYPE_CHECKING:
    from datetime import date

    from gonogo.records import Kind, Unit

Policy = Literal["allow", "confirm", "ask", "person", "deny"]
WindowKind = Literal["hour", "day", "week", "month", "rolling", "session", "total"]
QualityMeasure = Literal["outcomes", "errors"]
ProbeKind = Literal["http", "chat", "mcp"]
GuardPolicy = Literal["allow", "ask", "deny"]

DAY_S = 86_400
MEGABYTE = 1_000_000
# How long a write waits for other processes before it is refused.
LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """The reference as a person declared it: a period, a version, or a known mean outcome."""

    start: str | None = None
    end: str | None = None
    version: str | None = None
    outcome: float | None = None


@dataclass(frozen=True, slots=True)
class DependencySettings:
    """One `[dependencies.NAME]` table; a name that has none gets the defaults."""

    name: str
    kind: Kind | None = None
    provider: str | None = None
    latency_slo_ms: float | None = None
    quality_bar: float = 0.5
    # "errors": calls without an outcome are judged by their errors, as those of a tool are.
    quality: QualityMeasure = "outcomes"
    fallback: tuple[str, ...] = ()
    actuators: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    min_effect: float = 0.05
    fallback_policy: Policy = "ask"
    stale_after_s: int = 7 * DAY_S
    baseline: BaselineSettings | None = None
    false_alarms_per_year: float = 1.0
    # What stays on the primary in a fallback whose share is not stated, so that recovery shows.
    recovery_share: float = 0.01
    # Whose observations count, as patterns of writers; probes always do. Empty: everybody's.
    recorders: tuple[str, ...] = ()
    # The segment that holds the key which `route()` is given, so that splits are fair to few keys.
    route_key: str | None = None


# `per` of a budget for each dependency instead of each value of a segment key.
PER_DEPENDENCY = "dependency"


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """One `[budgets.NAME]` table. Amounts in whole numbers of its unit's smallest part (`UNIT_SIZE`)."""

    name: str
    limit_micro_usd: int
    window: WindowKind = "total"
    window_s: int | None = None  # of one that rolls, or begins with its first call
    dependencies: tuple[str, ...] = ()
    hard: bool = False
    required_confidence: float = 0.70
    hold_expires_s: int = 900
    parent: str | None = None
    # "step_down": where it runs low, the cheaper target of a ladder is recommended.
    on_low: Literal["tell", "step_down"] = "tell"
    # Names it had before, or of budgets that it took over: what was spent and is held there counts here.
    formerly: tuple[str, ...] = ()
    unit: Unit = "usd"
    # A limit for each value of a segment key, or for each dependency; `value`: whose this one is.
    per: str | None = None
    value: str | None = None

    @property
    def segment(self) -> str | None:
        """The segment whose calls alone count here, as `tenant=acme`; None: it is of no value of one."""
        return (
            None if self.value is None or self.per == PER_DEPENDENCY else f"{self.per}={self.value}"
        )

    def of_value(self, value: str) -> BudgetSettings | None:
        """The limit of one value; None where it has none: a dependency that is not among its own."""
        only = self.dependencies
        if self.per == PER_DEPENDENCY:
            if only and not any(fnmatchcase(value, name) for name in only):
                return None
            only = (value,)
        former = tuple(f"{name}/{value}" for name in self.formerly)
        return replace(
            self, name=f"{self.name}/{value}", value=value, dependencies=only, formerly=former
        )


@dataclass(frozen=True, slots=True)
class WorkloadSettings:
    """One `[workloads.NAME]` table: planned calls for each dependency, and the budget they use."""

    name: str
    dependencies: Mapping[str, int]
    budget: str | None = None
    allow_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the environment holds: shown by its variable's name, never by itself.

    `value` is empty where the variable is not set; `prefix` stands before it in a header.
    """

    variable: str
    value: str = field(repr=False)
    prefix: str = ""

    def reveal(self, *, wanted_by: str) -> str:
        """The value, for who sends it.

        Raises:
            ConfigError: the variable is not set.
        """
        if not self.value:
            raise ConfigError(f"{wanted_by}: the environment variable {self.variable} is not set.")
        return self.value


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """One `[probes.NAME]` table. Money in integer micro-dollars."""

    name: str
    dependency: str
    kind: ProbeKind = "http"
    url: str | None = None
    command: tuple[str, ...] = ()
    golden: Path | None = None
    every_s: int = 900
    timeout_s: float = 30.0
    method: Literal["GET", "POST"] = "GET"
    answer: str | None = None  # JSON pointer to the answer in an HTTP body
    model: str | None = None
    system: str | None = None
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    tool: str | None = None
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    version: str | None = None
    repeat: int = 1
    concurrency: int = 4
    bytes_max: int = MEGABYTE
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secret_headers: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    environment: tuple[Secret, ...] = ()  # handed to `command`
    budget: str | None = None
    run_micro_usd_max: int | None = None
    call_micro_usd: int | None = None
    functions: tuple[str, ...] = ()
    judge_url: str | None = None
    judge_headers: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret that this probe uses."""
        return (
            *self.secret_headers.values(),
            *self.environment,
            *self.judge_headers.values(),
        )


@dataclass(frozen=True, slots=True)
class ActuatorSettings:
    """One `[actuators.NAME]` table; `options` are the keys that its kind knows.

    `targets`: what each target is called there (a model version, a server).
    """

    name: str
    kind: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    targets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secret: Secret | None = None
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """One `[settings.notify.NAME]` table; `options` are the keys that its kind knows."""

    name: str
    kind: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class CronTimes:
    """Times that come again: hours and minutes of those days that a cron expression names.

    `weekdays`: Sunday is 0. `either_day`: a day of the month or a day of the week is enough.
    """

    of_day: tuple[tuple[int, int], ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool = False

    def has_day(self, day: date) -> bool:
        """Whether it names a time of this day."""
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        named = by_month or by_week if self.either_day else by_month and by_week
        return day.month in self.months and named


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """One `[maintenance.NAME]` table: when nobody is woken for what its patterns of names name."""

    name: str
    dependencies: tuple[str, ...]
    times: CronTimes
    lasts_s: int
    timezone: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """One `[settings.prices.MODEL]` table: USD per million tokens.

    What has no price of its own costs what input does, or output.
    """

    model: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None
    input_audio_usd_per_mtok: float | None = None
    output_audio_usd_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """The `[guard]` table: what a verdict means for a tool call that a client's hook asks about.

    `tools`: which dependency a tool's calls stand for, by patterns of its name, the first match.
    `fresh_s`: how old a standing verdict may be before the question is asked anew.
    """

    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    caution: GuardPolicy = "allow"
    unknown: GuardPolicy = "allow"
    fresh_s: int = 300


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """`[settings.oauth]`: whose tokens open the server over HTTP, and what it is called in them."""

    issuer: str
    resource: str
    jwks_url: str


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """The meaning of one evaluator's scores for a call that has no label.

    `good_at`: from here on a score is good; `good_at_most`: up to here. Without either a score in
    [0, 1] is the outcome as it is.
    """

    name: str
    outcome: bool = False
    good_at: float | None = None
    good_at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured, parsed once at start. `digest` names this configuration."""

    store: str
    config_path: Path | None = None
    # Of the file as it was read, to see that it was edited; None where nothing is to be followed.
    stamp: tuple[int, int, int] | None = field(default=None, repr=False, compare=False)
    digest: str = "defaults"
    timezone: str = "UTC"
    # The same where the configuration names one: times that state no zone are read in it.
    stated_timezone: str | None = None
    store_text: bool = False
    retention_days: int | None = None
    lock_wait_s: float = LOCK_WAIT_S
    # Of a PostgreSQL database: where the tables are.
    store_schema: str = "gonogo"
    # Where the dashboard is, for links in messages.
    url: str | None = None
    # How long a plan stands that an agent may carry out, and one that waits for a person.
    plan_expires_s: int = 900
    approval_expires_s: int = 8 * 3600
    oauth: OAuthSettings | None = None
    # What signs the links by which a person approves a plan; without it none are sent.
    approval_secret: Secret | None = None
    notify: Mapping[str, NotifierSettings] = field(default_factory=lambda: MappingProxyType({}))
    rolled_up_segment_pairs: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    dependencies: Mapping[str, DependencySettings] = field(
        default_factory=lambda: MappingProxyType({})
    )
    budgets: Mapping[str, BudgetSettings] = field(default_factory=lambda: MappingProxyType({}))
    # Those with `per`, which are no budgets themselves: each value has its own, NAME/VALUE.
    keyed_budgets: Mapping[str, BudgetSettings] = field(
        default_factory=lambda: MappingProxyType({})
    )
    workloads: Mapping[str, WorkloadSettings] = field(default_factory=lambda: MappingProxyType({}))
    probes: Mapping[str, ProbeSettings] = field(default_factory=lambda: MappingProxyType({}))
    actuators: Mapping[str, ActuatorSettings] = field(default_factory=lambda: MappingProxyType({}))
    evaluations: Mapping[str, EvaluationSettings] = field(
        default_factory=lambda: MappingProxyType({})
    )
    maintenance: Mapping[str, MaintenanceSettings] = field(
        default_factory=lambda: MappingProxyType({})
    )
    prices: Mapping[str, PriceSettings] = field(default_factory=lambda: MappingProxyType({}))
    guard: GuardSettings = GuardSettings()
    environ: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, compare=False
    )

    def all_below(self, name: str) -> list[str]:
        """All that a dependency depends on, directly or through others, each once."""
        seen, waiting = {name: None}, [name]
        while waiting:
            for below in self.dependency(waiting.pop(0)).depends_on:
                if below not in seen:
                    seen[below] = None
                    waiting.append(below)
        return [below for below in seen if below != name]

    @property
    def budgets_list_names(self) -> bool:
        """Whether any budget counts dependencies by their names."""
        every = (*self.budgets.values(), *self.keyed_budgets.values())
        return any(budget.dependencies or budget.per == PER_DEPENDENCY for budget in every)

    def budget(self, name: str) -> BudgetSettings | None:
        """The budget of that name: configured, or the limit of one value of one with `per`, NAME/VALUE."""
        found = self.budgets.get(name)
        if found is not None:
            return found
        at = name.find("/")
        while at > 0:
            owner, value = self.keyed_budgets.get(name[:at]), name[at + 1 :]
            if owner is not None and value:
                return owner.of_value(value)
            at = name.find("/", at + 1)
        return None

    def is_nowhere(self, budget: str) -> bool:
        """Whether a budget that money is booked to is neither configured nor a former name of one."""
        every = (*self.budgets.values(), *self.keyed_budgets.values())
        former = {name for one in every for name in one.formerly}
        own = {budget, *(budget[:at] for at, each in enumerate(budget) if each == "/")}
        return self.budget(budget) is None and not own & former and budget not in self.keyed_budgets

    def dependency(self, name: str) -> DependencySettings:
        """The configuration of a dependency, or the defaults."""
        return self.dependencies.get(name) or DependencySettings(name)

    @property
    def laddered(self) -> frozenset[str]:
        """The dependencies that have somewhere to fall back to."""
        return frozenset(name for name, own in self.dependencies.items() if own.fallback)
