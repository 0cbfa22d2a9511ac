"""All that one store says at one moment, on every surface that says it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gonogo.answers import (
    Answer,
    BudgetCheck,
    DependencyLine,
    DependencyList,
    DriftReport,
    IncidentList,
    PreflightReport,
    RouteAnswer,
    TrustReport,
)
from gonogo.coherence.exchanges import Exchange
from gonogo.errors import GonogoError
from gonogo.settings import Settings
from gonogo.text.answer_text import as_text

if TYPE_CHECKING:
    from gonogo.app import Gonogo

PAGES_MAX = 1000
_SAMPLE = re.compile(r"^gonogo_(?P<family>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# A gauge's family and the values of its labels, in order.
Gauge = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """The answers of one store while nothing is written; questions that were refused are left out.

    Attributes:
        settings: What is configured.
        rows: Stored observations by dependency, counted one by one.
        asked: The dependencies that were asked about one by one.
        resources: What `gonogo://dependency/NAME` says, by name.
        gauges: What `/metrics` says.
        dashboard: What the dashboard's list says.
        said: Every answer of it, with its words.
        again: The same questions once more, in the same order.
        lost: Ids of decisions that were told and cannot be found.
    """

    settings: Settings
    rows: Mapping[str, int]
    asked: tuple[str, ...]
    lines: tuple[DependencyLine, ...]
    fleet: TrustReport | None
    incidents: IncidentList | None
    drift: Mapping[str, DriftReport] = field(default_factory=dict)
    trust: Mapping[str, TrustReport] = field(default_factory=dict)
    routes: Mapping[str, RouteAnswer] = field(default_factory=dict)
    parts: Mapping[str, PreflightReport] = field(default_factory=dict)
    work: Mapping[str, PreflightReport] = field(default_factory=dict)
    budgets: Mapping[str, BudgetCheck] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gauges: Mapping[Gauge, float] = field(default_factory=dict)
    dashboard: DependencyList | None = None
    said: tuple[Exchange[Answer], ...] = ()
    again: tuple[Answer, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def shadows(self) -> frozenset[str]:
        """Names of lines that are parts of other dependencies: neither counted nor scraped."""
        return frozenset(line.dependency for line in self.lines if line.shadow_of)


async def look(app: Gonogo, *, names_max: int) -> Moment:
    """Ask a store everything, and everything twice.

    Args:
        app: Who answers. One that only looks writes nothing.
        names_max: How many dependencies are asked about one by one, the worst of the fleet first.

    Raises:
        StoreError: The store cannot be read.
    """
    lines = await _lines(app)
    asker = _Asker(app)
    # What a fleet says of drift is known once drift was asked about; it is kept as it is then.
    worst = [line.dependency for line in (await app.get_trust_score_health()).fleet or ()]
    names = list(dict.fromkeys([*worst, *(line.dependency for line in lines)]))[:names_max]
    settings = app.settings
    told: dict[str, dict[str, Any]] = {
        "drift": {n: await asker.ask("check_model_drift", dependency=n) for n in names},
        "trust": {n: await asker.ask("get_trust_score_health", dependency=n) for n in names},
        "parts": {n: await asker.ask("preflight", dependencies=[n]) for n in names},
        "work": {n: await asker.ask("preflight", workload=n) for n in settings.workloads},
        "budgets": {
            n: await asker.ask(
                "check_budget_with_confidence",
                budget=n,
                planned_cost_usd=0.01 if budget.unit == "usd" else 1.0,
            )
            for n, budget in settings.budgets.items()
        },
        "routes": {n: await asker.ask("get_route", dependency=n, key="coherence") for n in names},
    }
    for name, report in told["drift"].items():
        for part in _parts(report):
            await asker.ask("check_model_drift", dependency=name, **part)
    listed = await asker.ask("list_dependencies")
    incidents = await asker.ask("get_incidents")
    return Moment(
        settings=settings,
        rows=await _rows(app),
        asked=tuple(names),
        # Asking is what makes a verdict; what is listed is read afterwards.
        lines=tuple(
            listed.dependencies if len(lines) == len(listed.dependencies) else await _lines(app)
        ),
        fleet=await asker.ask("get_trust_score_health"),
        incidents=incidents,
        **{name: {k: v for k, v in found.items() if v is not None} for name, found in told.items()},
        resources=await _resources(app, names),
        gauges=await _gauges(app),
        dashboard=await _dashboard(app),
        said=tuple(asker.said),
        again=tuple([await asker.again(said) for said in asker.said]),
        lost=await _lost(app, asker.said),
    )


def _parts(report: DriftReport | None) -> list[dict[str, str]]:
    """Questions about a part of a dependency: a metric, and the slice of most calls."""
    if report is None:
        return []
    largest = max(report.segments or (), key=lambda part: part.n, default=None)
    sliced = [] if largest is None else [{"segment": largest.segment}]
    return [{"metric": "error"}, *sliced]


class _Asker:
    """Asks the application, and keeps what it says."""

    def __init__(self, app: Gonogo) -> None:
        self._app = app
        self.said: list[Exchange[Answer]] = []

    async def ask(self, tool: str, **asked: object) -> Any:  # noqa: ANN401 - each tool's own answer
        """The answer; None where the question is refused."""
        question: Awaitable[Answer] = getattr(self._app, tool)(**asked)
        try:
            answer = await question
        except GonogoError:
            return None
        self.said.append(Exchange(answer, as_text(answer), tool, asked))
        return answer

    async def again(self, said: Exchange[Answer]) -> Answer:
        """Ask the same question a second time, to compare the two answers."""
        answer: Answer = await getattr(self._app, said.tool)(**said.asked)
        return answer


async def _lines(app: Gonogo) -> list[DependencyLine]:
    lines: list[DependencyLine] = []
    cursor = None
    for _ in range(PAGES_MAX):
        page = await app.list_dependencies(cursor=cursor)
        lines += page.dependencies
        cursor = page.next_cursor
        if cursor is None:
            break
    return lines


async def _rows(app: Gonogo) -> dict[str, int]:
    from gonogo.store.repair import rows_counted

    return await (await app.stores()).db.read(rows_counted)


async def _resources(app: Gonogo, names: list[str]) -> dict[str, Mapping[str, Any]]:
    from urllib.parse import quote

    from gonogo.server.surface import build_server

    server, found = build_server(app), dict[str, Mapping[str, Any]]()
    for name in names:
        read: Any = await server.read_resource(f"gonogo://dependency/{quote(name, safe='')}")
        [content] = read
        found[name] = json.loads(content.content)
    return found


async def _gauges(app: Gonogo) -> dict[Gauge, float]:
    from gonogo.server.metrics import exposition

    text = exposition(await app.gauges(), calls={}, requests={})
    return {
        (found["family"], *(value for _, value in _LABEL.findall(found["labels"]))): float(
            found["value"]
        )
        for found in _SAMPLE.finditer(text)
    }


async def _dashboard(app: Gonogo) -> DependencyList:
    from gonogo.dashboard.questions import answered, question_of

    result = await answered(app, question_of("list_dependencies", {}))
    return DependencyList.model_validate(result["structuredContent"])


async def _lost(app: Gonogo, said: list[Exchange[Answer]]) -> tuple[str, ...]:
    lost = []
    for each in said:
        if each.answer.decision_id is not None:
            try:
                await app.decision(each.answer.decision_id)
            except GonogoError:
                lost.append(each.answer.decision_id)
    return tuple(lost)
