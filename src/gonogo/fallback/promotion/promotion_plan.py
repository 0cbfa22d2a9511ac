"""Planning a promotion: what it is held against, how it begins, and what speaks against it."""

from __future__ import annotations

from dataclasses import replace

from gonogo.errors import ActionRefused, ParameterError, UnknownTarget, plain
from gonogo.fallback.conditions import (
    POLICIES,
    REASON_CHARS_MAX,
    approval_of,
    flap_damping,
    not_held,
    rate_limit,
    target_provider,
)
from gonogo.fallback.drawn_budgets import drawn_budgets
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.judgement import LIMITS_LOOK_BACK_MS, is_ill
from gonogo.fallback.plan import (
    Proposal,
    actuators_of,
    effects,
    told_targets,
    valid_ms,
    whole_share,
)
from gonogo.fallback.promotion.promotion_state import told_evidence
from gonogo.fallback.promotion.trial_reading import (
    TrialReading,
    current_version,
    read_trial,
    serves,
)
from gonogo.fallback.route import refuse_unknown
from gonogo.hours.measured import errors_decide
from gonogo.ports.promotions import SHADOW, STAGE_SHARES, Promotion
from gonogo.ports.routes import WHOLE, Check, Route, Weight, primary_route, split_version
from gonogo.records import HOUR_MS, Dependency, HourCounts
from gonogo.routes.sticky_keys import chosen_salt
from gonogo.settings import Policy
from gonogo.text.forms import share_text


async def propose_promotion(
    ports: FallbackPorts,
    *,
    dependency: str,
    version: str,
    reason: str | None,
    to: float | None,
    policy: str | None,
    at_once: bool = False,
    shadow: bool = False,
    now_ms: int,
) -> Proposal:
    """Work out how a version would begin its way to all calls; reads only.

    Args:
        ports: The routes, the telemetry, the health of targets, and the settings: policy, ladder, actuators.
        dependency: Its name.
        version: The candidate.
        reason: Why; optional.
        to: The share at which it stops, a fraction; all calls where it is None.
        policy: Whose yes each further stage needs; the configured one where it is None.
        at_once: Begin at that share, below all calls: an A/B split, which a person has to allow.
        shadow: The application calls the candidate beside each call, too.
        now_ms: Epoch milliseconds.

    Raises:
        ParameterError: A share outside (0, 1], no such policy, or a split with a shadow.
        UnknownTarget: Nothing is known of the dependency or of the version.
        ActionRefused: A fallback or another promotion is in place, or there is nothing to compare.
    """
    route = await ports.routes.route(dependency) or primary_route(dependency)
    own = ports.settings.dependency(dependency)
    ceiling = WHOLE if to is None else whole_share(to)
    known = await _recorded(ports, dependency)
    _refuse_busy(route)
    counts = await ports.telemetry.hours(dependency)
    made = _beginning(
        known, counts, route, version, by_errors=errors_decide(known, own), now_ms=now_ms
    )
    made = replace(made, policy=_policy(policy) or own.fallback_policy, to=ceiling)
    made = _as_asked(made, dependency, at_once=at_once, shadow=shadow, now_ms=now_ms)
    after = split_of(made, made.share)
    checks = await promotion_checks(ports, route, made, after, is_start=True, now_ms=now_ms)
    checks += (_unstaged(made.share),) if at_once else ()
    approval = approval_of(own.fallback_policy, checks)
    salt, keys = await _salt(ports, route, made, now_ms)
    said = plain((reason or "").strip(), REASON_CHARS_MAX)
    return Proposal(
        dependency=dependency,
        reason=said or _told_start(made),
        route=route,
        after=after,
        health=None,
        cost_change=None,
        effects=effects(ports, route, after, made),
        checks=checks,
        approval=approval,
        valid_ms=valid_ms(ports.settings, approval),
        way_back=_told_end(made, keys),
        promotes=made,
        salt=salt,
    )


async def _recorded(ports: FallbackPorts, dependency: str) -> Dependency:
    known = await ports.telemetry.dependency(dependency)
    if known is None:
        await refuse_unknown(ports.telemetry, ports.settings, dependency)
        raise UnknownTarget("dependency", dependency, (), "Record observations of it first.")
    return known


def _told_start(made: Promotion) -> str:
    return f"promote {made.version}, held against {made.current or 'calls without a version'}"


def _told_end(made: Promotion, keys: str) -> str:
    back = f"all calls to {made.home} at once when {made.version} is worse"
    return f"{back} ({keys})" if keys else back


async def _salt(
    ports: FallbackPorts, route: Route, made: Promotion, now_ms: int
) -> tuple[str, str]:
    """A salt under which few keys carry the stages of a trial, and what to say of the keys."""
    later = tuple(share for share in STAGE_SHARES[:-1] if made.first < share <= made.to)
    own = ports.settings.dependency(route.dependency)
    return await chosen_salt(
        ports.telemetry, own, route, (made.first, *later), from_end=True, now_ms=now_ms
    )


def _policy(policy: str | None) -> Policy | None:
    if policy is None:
        return None
    for known in POLICIES:
        if policy == known:
            return known
    raise ParameterError(
        f"policy '{plain(policy, 40)}' is none of {', '.join(POLICIES)}: it says whose yes each stage needs."
    )


def _refuse_busy(route: Route) -> None:
    """Refuse where calls are under way to somewhere else."""
    made = route.promotion
    if made is not None and made.is_running:
        raise ActionRefused(
            f"{made.target} is being promoted already, at {share_text(made.share / WHOLE)}: "
            f"let it end, or take it back with `undo` {route.audit_id}."
        )
    if not route.is_primary:
        raise ActionRefused(
            f"'{route.dependency}' goes to {told_targets(route.targets)} ({route.why}): a promotion begins "
            "where nothing else is in place. Take that back first."
        )


def _beginning(
    known: Dependency,
    counts: HourCounts,
    route: Route,
    version: str,
    *,
    by_errors: bool,
    now_ms: int,
) -> Promotion:
    """The first stage, and the version that the candidate is held against."""
    _refuse_version(known, version)
    from gonogo.detectors.promotion.candidate_trial import first_stage
    from gonogo.fallback.promotion.trial_hours import labels_a_day

    end_hour = now_ms // HOUR_MS + 1
    current = _held_against(known, counts, route, version, end_hour)
    if not by_errors and not _labels(counts, current):
        raise ActionRefused(
            f"Version {current or '(none stated)'} of '{known.name}' has no outcome to hold {version} "
            "against: record outcomes first."
        )
    a_day = labels_a_day(counts, "error" if by_errors else "outcome", end_hour=end_hour)
    stage, share = first_stage(a_day)
    target = f"{known.name}@{version}"
    earlier = route.promotion
    # Evidence belongs to the versions: a trial that did not show enough goes on. One that was worse
    # begins anew, since only a person lets it begin at all.
    goes_on = (
        earlier is not None
        and (earlier.target, earlier.current, earlier.status) == (target, current, "back")
        and not earlier.is_worse
    )
    before = earlier.stages if earlier is not None and goes_on else ()
    return Promotion(
        target=target,
        version=version,
        home=route.home,
        current=current,
        policy="ask",
        to=WHOLE,
        first=round(share * WHOLE),
        stages=(*before, (now_ms, stage)),
        shadow_before=earlier.shadow_name if earlier is not None else "",
    )


def _unstaged(share: int) -> Check:
    """A split that begins at its share is a person's choice."""
    why = f"begins at {share_text(share / WHOLE)}, without the stages before it: a person decides"
    return Check("in_stages", False, why, "never")


def _refuse_version(known: Dependency, version: str) -> None:
    """Refuse a version that was never seen, or that no target can name."""
    seen = [one.version for one in known.versions if one.version is not None]
    if version not in seen:
        raise UnknownTarget(
            f"version of {known.name}",
            version,
            seen,
            "Record a call of it first (a smoke test, a golden set), or check the name.",
        )
    if "@" in version:
        raise ParameterError(
            f"Version '{version}' holds an @, which ends a name in a target: record it under another name."
        )


def _as_asked(
    made: Promotion, dependency: str, *, at_once: bool, shadow: bool, now_ms: int
) -> Promotion:
    """The promotion as requested: in stages, with a shadow or without, or begun at its end."""
    if at_once and shadow:
        raise ParameterError(
            "A split that begins at its share needs no shadow: both versions serve from the first call. "
            "Ask for one of the two."
        )
    if at_once:
        return _at_once(made, now_ms)
    return replace(made, shadow=f"{dependency}{SHADOW}") if shadow else made


def _at_once(made: Promotion, now_ms: int) -> Promotion:
    """A split that begins where it ends; it is judged by the line of the stage that has such a share."""
    if made.to >= WHOLE:
        raise ParameterError(
            "An A/B split needs a share below 1, such as 0.5: at 1 there is nothing to compare with."
        )
    stage = next(at for at, share in enumerate(STAGE_SHARES) if share >= made.to)
    stage = min(stage, len(STAGE_SHARES) - 2)  # the last line is that of half
    return replace(made, first=made.to, stages=((now_ms, stage),))


def _held_against(
    known: Dependency, counts: HourCounts, route: Route, version: str, end_hour: int
) -> str | None:
    """The version that serves now; None where its calls state none.

    Raises:
        ActionRefused: There is no other version, or it is the candidate.
    """
    placed = split_version(route.home)[1] if route.home != known.name else None
    try:
        current = placed or current_version(counts, version, end_hour=end_hour)
    except LookupError:
        raise ActionRefused(
            f"No call of another version of '{known.name}' came in the last 7 days: there is nothing to "
            f"hold {version} against."
        ) from None
    was_tried = route.promotion is not None and route.promotion.version == version
    # One whose trial was taken back may have had all calls until just now.
    if current == version or (not was_tried and serves(counts, version, end_hour=end_hour)):
        raise ActionRefused(f"{version} has the calls of '{known.name}' already: it is in use.")
    return current


def _labels(counts: HourCounts, version: str | None) -> int:
    at = counts.versions.index(version) if version in counts.versions else -1
    return int(counts.labels[counts.version == at].sum())


def split_of(made: Promotion, share: int) -> tuple[Weight, ...]:
    """The shares of traffic while a candidate has a part of it."""
    both = (Weight(made.home, WHOLE - share), Weight(made.target, share))
    return tuple(weight for weight in both if weight.share)


async def promotion_checks(
    ports: FallbackPorts,
    route: Route,
    made: Promotion,
    after: tuple[Weight, ...],
    *,
    is_start: bool,
    reading: TrialReading | None = None,
    now_ms: int,
) -> tuple[Check, ...]:
    """Everything that speaks for or against giving a candidate what `after` says; reads only.

    `reading`: of the trial that is under way, where the caller has just read it.
    """
    state = (
        not_held(route, now_ms),
        Check("state_version", True, f"version {route.version}", "always"),
    )
    if not made.is_running and made.status != "done":
        return state  # back home: never blocked by the health of anything
    is_well, told = await ports.health.answers(made.target, now_ms=now_ms)
    answers = Check("candidate_answers", is_well is not False, f"{made.target}: {told}", "agents")
    if not is_start:
        return (answers, await _evidence(ports, route, reading, now_ms), *state)
    health = await ports.health.assess(made.target, primary=route.dependency, now_ms=now_ms)
    switches = await ports.routes.switches(route.dependency, since_ms=now_ms - LIMITS_LOOK_BACK_MS)
    return (
        answers,
        *target_provider(health),
        await _has_outcomes(ports, made, route.dependency),
        _was_not_worse(route, made),
        Check(
            "no_incident",
            not (ill := await is_ill(ports, route.dependency, now_ms)),
            f"{route.dependency} is {'no_go or has an incident: a promotion is no cure' if ill else 'not in trouble'}",
            "agents",
        ),
        rate_limit(switches, now_ms),
        flap_damping(switches, now_ms),
        *await drawn_budgets(ports, route, after, now_ms=now_ms),
        *_reached(ports, made),
        *state,
    )


def _reached(ports: FallbackPorts, made: Promotion) -> tuple[Check, ...]:
    """A candidate that an actuator knows nothing of would have all calls, and get none there."""
    name = split_version(made.target)[0]
    ends = Route(name, split_of(made, min(made.to, WHOLE - 1)))
    missing = [
        f"{actuator}: {lack}"
        for actuator in actuators_of(ports, name)
        if actuator in ports.actuators and (lack := ports.actuators[actuator].lacks(ends))
    ]
    return (Check("actuators", False, "; ".join(missing), "never"),) if missing else ()


async def _evidence(
    ports: FallbackPorts, route: Route, reading: TrialReading | None, now_ms: int
) -> Check:
    """A further stage stands on the evidence of the one that the route is in."""
    known = await ports.telemetry.dependency(route.dependency)
    running = route.promotion
    if known is None or running is None or not running.is_running:
        return Check("evidence", False, "no trial is under way", "always")
    if reading is None:
        reading = await read_trial(ports.telemetry, ports.settings, known, running, now_ms=now_ms)
    return Check("evidence", reading.move == "next", told_evidence(reading), "agents")


async def _has_outcomes(ports: FallbackPorts, made: Promotion, dependency: str) -> Check:
    known = await ports.telemetry.dependency(dependency)
    if known is None or errors_decide(known, ports.settings.dependency(dependency)):
        return Check("candidate_outcomes", True, "judged by its errors", "agents")
    golden = await ports.telemetry.hours(dependency, golden=True)
    counts = await ports.telemetry.hours(dependency)
    n = _labels(counts, made.version) + _labels(golden, made.version)
    why = (
        f"{n} of {made.version}"
        if n
        else (
            f"none of {made.version} was ever recorded: whether its quality would be seen is not known"
        )
    )
    return Check("candidate_outcomes", bool(n), f"outcomes: {why}", "agents")


def _was_not_worse(route: Route, made: Promotion) -> Check:
    earlier = route.promotion
    was = earlier is not None and earlier.target == made.target and earlier.is_worse
    why = (
        f"{made.version} went back before: {earlier.why}"
        if was and earlier
        else "no trial of it failed"
    )
    return Check("earlier_trial", not was, why, "agents")
