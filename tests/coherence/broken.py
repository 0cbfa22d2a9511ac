"""One answer that each rule must find fault with, made from an answer that is sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gonogo import answers as a
from gonogo.coherence import Exchange
from scripted import (
    BUDGET,
    DRIFT,
    INCIDENTS,
    LISTED,
    PLAN,
    PREFLIGHT,
    RECORD,
    RESULT,
    ROUTE,
    SETTLED,
    TRUST,
)

Broken = Callable[[], Exchange[Any]]


def changed(answer: a.Answer, **parts: Any) -> a.Answer:  # noqa: ANN401 - any field
    """An answer with other values in some fields."""
    return answer.model_copy(update=parts)


def about(answer: a.Answer, **rest: Any) -> Exchange[Any]:  # noqa: ANN401 - as `Exchange`
    """What only an object says."""
    return Exchange(answer, **rest)


def offering(answer: a.Answer, tool: str, **arguments: object) -> a.Answer:
    """An answer that offers one call."""
    action = a.NextAction(tool=tool, arguments=arguments, reason="because")
    return changed(answer, next_actions=[action])


MOVED = a.Change(absolute=-0.329, interval95=(-0.4, 0.1))
LINE = a.DependencyLine(dependency="m", versions=[], n=1, metrics=[], verdict="go")
FLEET = [a.FleetLine(dependency=name, verdict="no_go") for name in ("m", "m")]
INCIDENT = INCIDENTS.incidents[0]
EARLIER, LATER = "2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z"

BROKEN: dict[str, Broken] = {
    "no_field_is_empty_or_endless": lambda: about(ROUTE, wire={"version": None}),
    "the_wire_carries_what_was_meant": lambda: about(ROUTE, wire={"share": 0.33333}),
    "no_word_is_a_program_s": lambda: about(changed(ROUTE, summary="Call None for gpt-4.")),
    "the_words_begin_with_verdict_and_summary": lambda: about(ROUTE, text="NO_GO: Call it.\n"),
    "the_exit_status_is_the_verdict": lambda: about(DRIFT, tool="check_model_drift", exit_status=0),
    "no_sentence_is_said_twice": lambda: about(
        changed(DRIFT, summary="Record 96 more outcomes. Record 96 more outcomes.")
    ),
    "one_is_singular_and_two_are_plural": lambda: about(changed(DRIFT, summary="1 labels.")),
    "an_interval_runs_upwards": lambda: about(changed(TRUST, interval90=(90.0, 80.0))),
    "probabilities_lie_in_0_to_1": lambda: about(changed(BUDGET, confidence=1.2)),
    "times_are_rfc_3339_in_utc": lambda: about(changed(ROUTE, expires_at="tomorrow")),
    "the_data_are_as_old_as_is_said": lambda: about(changed(TRUST, data_age_s=-1)),
    "a_figure_in_words_is_the_object_s": lambda: about(changed(BUDGET, summary="$47.24 remain.")),
    "a_status_has_its_verdict": lambda: about(changed(DRIFT, verdict="go")),
    "degraded_never_holds_zero": lambda: about(changed(DRIFT, change=MOVED)),
    "stable_beside_a_change_says_why": lambda: about(
        changed(DRIFT, status="stable", change=a.Change(absolute=-0.03, interval95=(-0.05, -0.01)))
    ),
    "a_change_is_current_less_baseline": lambda: about(
        changed(DRIFT, change=a.Change(absolute=-0.3))
    ),
    "a_mean_lies_in_its_interval": lambda: about(
        changed(DRIFT, current=a.Current(n=9, mean=0.5, interval95=(0.6, 0.7)))
    ),
    "a_change_has_room_in_its_interval": lambda: about(
        changed(
            DRIFT, change=a.Change(absolute=-0.17, interval95=(-0.279, -0.17)), metric="outcome"
        )
    ),
    "evidence_is_one_number": lambda: about(
        changed(DRIFT, evidence=a.Evidence(e_value=10, log10_e=2, needed=100, guarantee="none"))
    ),
    "an_onset_lies_in_its_range": lambda: about(
        changed(DRIFT, onset=a.Onset(ts=LATER, earliest=EARLIER, latest=EARLIER))
    ),
    "golden_pairs_add_up": lambda: about(
        changed(DRIFT, golden=a.GoldenPairs(items=9, worse=1, better=1, same=1, e_value=1))
    ),
    "slices_add_up_to_no_more_than_the_whole": lambda: about(
        changed(
            DRIFT,
            current=a.Current(mean=0.5, n=9, since="onset"),
            segments=[
                a.SegmentDrift(
                    segment=f"k={value}",
                    n=5,
                    mean=0.5,
                    baseline_mean=0.6,
                    change=-0.1,
                    e_value=1,
                    drifted=False,
                )
                for value in "ab"
            ],
        )
    ),
    "a_slice_s_change_is_its_means": lambda: about(
        changed(
            DRIFT,
            segments=[
                a.SegmentDrift(
                    segment="k=v",
                    n=9,
                    mean=0.5,
                    baseline_mean=0.6,
                    change=0.1,
                    e_value=1,
                    drifted=False,
                )
            ],
        )
    ),
    "what_is_unknown_says_what_is_missing": lambda: about(
        changed(DRIFT, status="insufficient_data", missing=None)
    ),
    "only_outcomes_have_labels": lambda: about(
        changed(DRIFT, metric="latency_ms", summary="400 on 10 labels against 20")
    ),
    "the_question_is_echoed": lambda: about(LISTED, asked={"query": "tier"}),
    "the_answer_is_about_what_was_asked": lambda: about(DRIFT, asked={"dependency": "gpt-5"}),
    "a_score_lies_in_its_interval": lambda: about(changed(TRUST, score=99.0)),
    "a_score_has_calls_behind_it": lambda: about(changed(TRUST, n=0)),
    "a_fleet_is_as_bad_as_its_worst": lambda: about(changed(TRUST, verdict="go", fleet=FLEET)),
    "a_fleet_has_each_once": lambda: about(changed(TRUST, fleet=FLEET)),
    "a_provider_fell_with_several": lambda: about(
        changed(
            TRUST,
            provider_suspected=a.SuspectedProvider(
                provider="acme", dependencies=["m"], since=EARLIER, e_value=9
            ),
        )
    ),
    "spent_held_and_left_are_the_limit": lambda: about(changed(BUDGET, held_usd=1.0)),
    "passed_is_the_verdict": lambda: about(changed(BUDGET, passed=False)),
    "passed_is_sure_enough": lambda: about(changed(BUDGET, confidence=0.5)),
    "what_would_pass_agrees_with_what_passed": lambda: about(
        changed(BUDGET, calls_that_would_pass=30)
    ),
    "a_projection_lies_in_its_interval": lambda: about(changed(BUDGET, projected_usd=16.0)),
    "only_what_passed_is_held": lambda: about(
        changed(BUDGET, passed=False, reservation=a.Hold(id="res", held_usd=1, expires_at=LATER))
    ),
    "a_run_ends_no_cheaper_than_it_is": lambda: about(
        changed(
            SETTLED,
            run=a.RunReport(spent_usd=2, calls=3, past_runs=5, projected_total_usd=1),
        )
    ),
    "a_replay_holds_what_it_held": lambda: about(changed(BUDGET, replayed=True)),
    "a_window_holds_now": lambda: about(
        changed(BUDGET, window=a.Window(kind="day", start=LATER, end=LATER))
    ),
    "an_overrun_is_what_was_not_held": lambda: about(changed(SETTLED, overrun_usd=1.0)),
    "a_plan_moves_all_of_the_traffic_somewhere": lambda: about(
        changed(PLAN, to=[a.TargetShare(target="m", share=0.5)])
    ),
    "a_failed_check_shows_in_the_verdict": lambda: about(
        changed(
            PLAN,
            verdict="go",
            checks=[a.PlanCheck(check="held", passed=False, why="it is", blocks="always")],
        )
    ),
    "every_failed_check_is_listed": lambda: about(changed(PLAN, checks_made=9, checks_passed=7)),
    "a_plan_that_agents_cannot_carry_out_does_not_say_to": lambda: about(
        changed(
            PLAN,
            summary="Approval: none needed, call again with `plan_id`.",
            checks=[a.PlanCheck(check="ladder", passed=False, why="it is", blocks="agents")],
        )
    ),
    "a_plan_has_not_expired": lambda: about(changed(PLAN, expires_at=EARLIER)),
    "what_was_applied_can_be_taken_back": lambda: about(changed(RESULT, undo=None)),
    "an_applied_fallback_has_an_incident": lambda: about(changed(RESULT, incident_id=None)),
    "a_bad_target_is_not_called_unneeded": lambda: about(
        changed(ROUTE, verdict="no_go", summary="no fallback was ever needed")
    ),
    "a_preflight_is_as_bad_as_its_worst_part": lambda: about(changed(PREFLIGHT, verdict="go")),
    "a_blocker_is_a_part": lambda: about(changed(PREFLIGHT, blockers=[])),
    "all_together_is_no_likelier_than_one": lambda: about(changed(PREFLIGHT, p_success=0.9)),
    "an_incident_is_of_a_part": lambda: about(
        changed(PREFLIGHT, incidents=[a.IncidentBrief(id="inc", dependency="other", status="open")])
    ),
    "every_item_is_accounted_for": lambda: about(RECORD, asked={"observations": [1, 2, 3]}),
    "a_list_is_as_bad_as_its_worst": lambda: about(
        changed(LISTED, verdict="no_go", dependencies=[LINE])
    ),
    "incidents_are_those_asked_for": lambda: about(INCIDENTS, asked={"status": "resolved"}),
    "a_timeline_runs_forwards": lambda: about(
        changed(
            INCIDENTS,
            incidents=[
                changed_incident(
                    [a.TimelineEvent(ts=ts, event="seen", actor="agent") for ts in (LATER, EARLIER)]
                )
            ],
        )
    ),
    "a_next_action_can_be_called": lambda: about(offering(ROUTE, "get_route", dependency=7)),
    "a_next_action_invents_no_evidence": lambda: about(
        offering(ROUTE, "record_observations", observations=[{"dependency": "m", "outcome": 1}])
    ),
    "a_next_action_is_another_question": lambda: about(
        offering(ROUTE, "get_route", dependency="m"), tool="get_route", asked={"dependency": "m"}
    ),
    "undo_is_not_the_first_step": lambda: about(
        offering(RESULT, "trigger_fallback", dependency="gpt-4", undo="aud-1")
    ),
    "what_is_mitigated_needs_no_fallback": lambda: about(
        offering(INCIDENTS, "trigger_fallback", dependency="other", reason="why")
    ),
}


def changed_incident(timeline: list[a.TimelineEvent]) -> a.Incident:
    """The scripted incident with another timeline."""
    return INCIDENT.model_copy(update={"timeline": timeline})
