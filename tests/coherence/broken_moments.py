"""One moment that each rule of moments must find fault with, made from one that is sound."""

from __future__ import annotations

from dataclasses import replace

from broken import changed, offering

from gonogo import answers as a
from gonogo.coherence import Exchange, Moment
from gonogo.settings import BudgetSettings, Settings
from scripted import AS_OF, BUDGET, DRIFT, ROUTE, TRUST

LINE = a.DependencyLine(
    dependency="gpt-4", versions=["0613"], n=2000, metrics=["outcome"], verdict="no_go"
)
LISTED = a.DependencyList(
    verdict="no_go", summary="1 dependency: 1 no_go.", as_of=AS_OF, dependencies=[LINE]
)
FLEET = a.TrustReport(
    verdict="no_go",
    summary="1 dependency: 1 no_go.",
    as_of=AS_OF,
    fleet=[a.FleetLine(dependency="gpt-4", score=87.2, verdict="no_go")],
)
INCIDENT = a.Incident(
    id="inc-1", dependency="gpt-4", status="open", opened_at=AS_OF, verdict="no_go", timeline=[]
)
HANDLED = a.IncidentList(verdict="no_go", summary="1 incident.", as_of=AS_OF, incidents=[INCIDENT])
PART = a.PreflightReport(
    verdict="no_go",
    summary="blocked by gpt-4",
    as_of=AS_OF,
    checks=[a.PreflightCheck(dependency="gpt-4", verdict="no_go", why="degraded", score=87.2)],
    incidents=[a.IncidentBrief(id="inc-1", dependency="gpt-4", status="open")],
    blockers=["gpt-4"],
)
ROUTED = a.RouteAnswer(
    verdict="no_go",
    summary="Call gpt-4.",
    as_of=AS_OF,
    dependency="gpt-4",
    target="gpt-4",
    share=1,
    route_epoch=0,
    why="nothing moved",
)
SOUND = Moment(
    settings=Settings(store="", budgets={"nightly": BudgetSettings("nightly", 60_000_000)}),
    rows={"gpt-4": 2000},
    asked=("gpt-4",),
    lines=(LINE,),
    fleet=FLEET,
    incidents=HANDLED,
    drift={"gpt-4": DRIFT},
    trust={"gpt-4": TRUST},
    routes={"gpt-4": ROUTED},
    parts={"gpt-4": PART},
    budgets={"nightly": BUDGET},
    resources={"gpt-4": {"verdict": "no_go"}},
    gauges={
        ("verdict", "gpt-4", "no_go"): 1,
        ("trust_score", "gpt-4"): 87.2,
        ("incidents", "gpt-4", "open"): 1,
        ("budget_limit_usd", "nightly"): 60,
        ("budget_remaining_usd", "nightly"): 47.23,
    },
    dashboard=LISTED,
    said=(Exchange(ROUTED, tool="get_route", asked={"dependency": "gpt-4"}),),
    again=(ROUTED,),
)
BETTER = PART.model_copy(
    update={"checks": [a.PreflightCheck(dependency="gpt-4", verdict="go", why="well", score=87.2)]}
)
STRANGE = Exchange(offering(ROUTE, "get_route", dependency="gpt-7"), tool="get_route")

SLICE = Exchange(
    changed(DRIFT, verdict="go", status="stable", segment="lang=de"),
    tool="check_model_drift",
    asked={"dependency": "gpt-4", "segment": "lang=de"},
)

BROKEN_MOMENTS = {
    "a_part_names_a_worse_whole": replace(SOUND, said=(SLICE,), again=(SLICE.answer,)),
    "one_standing_verdict_on_every_surface": replace(SOUND, resources={"gpt-4": {"verdict": "go"}}),
    "a_route_carries_its_target_s_verdict": replace(
        SOUND, routes={"gpt-4": ROUTED.model_copy(update={"verdict": "go"})}
    ),
    "a_part_is_no_better_than_it_stands": replace(SOUND, parts={"gpt-4": BETTER}),
    "an_open_incident_has_its_dependency_s_verdict": replace(
        SOUND,
        incidents=HANDLED.model_copy(
            update={"incidents": [INCIDENT.model_copy(update={"verdict": "go"})]}
        ),
    ),
    "incidents_are_the_same_everywhere": replace(
        SOUND, incidents=HANDLED.model_copy(update={"incidents": []})
    ),
    "every_dependency_is_counted": replace(SOUND, rows={"gpt-4": 2000, "forgotten": 1}),
    "every_verdict_is_counted": replace(
        SOUND, fleet=FLEET.model_copy(update={"total": 1, "verdicts": {"go": 1}})
    ),
    "counts_are_the_store_s": replace(SOUND, rows={"gpt-4": 1999}),
    "a_score_is_the_same_everywhere": replace(
        SOUND, gauges={**SOUND.gauges, ("trust_score", "gpt-4"): 50}
    ),
    "a_budget_is_the_same_everywhere": replace(
        SOUND, gauges={**SOUND.gauges, ("budget_remaining_usd", "nightly"): 0}
    ),
    "a_next_action_names_what_is_there": replace(SOUND, said=(STRANGE,), again=(STRANGE.answer,)),
    "the_same_question_has_the_same_answer": replace(
        SOUND, again=(changed(ROUTED, summary="Call gpt-3."),)
    ),
    "a_decision_can_be_found": replace(SOUND, lost=("01JX",)),
}
