"""Taking observations back: which, what that removes, and the log entry that says so."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.answers import ForgetReport, rfc3339
from gonogo.app.maintenance import Maintenance
from gonogo.app.question_arguments import why_unknown
from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.hours.periods import moment
from gonogo.money.scopes import matched
from gonogo.records import MICRO, Decision
from gonogo.store.observations.forget import ForgottenRows, Selection
from gonogo.text.forms import counted, money, number
from gonogo.views.decision_log import entry_of, with_id

ACTION = "forget"


def selection_of(
    *,
    since: str | None = None,
    until: str | None = None,
    writer: str | None = None,
    run: str | None = None,
    zone: str = "UTC",
) -> Selection:
    """Build the selection of observations to forget; a date as `until` includes that whole day.

    Raises:
        ParameterError: a bound is no time, or the period is empty.
    """
    start_ms = None if since is None else moment(since, name="since", zone=zone).start_ms
    end_ms = None
    if until is not None:
        last = moment(until, name="until", zone=zone)
        end_ms = last.end_ms if last.end_ms > last.start_ms else last.end_ms + 1
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        raise ParameterError(f"since '{since}' is after until '{until}': nothing lies between.")
    return Selection(start_ms, end_ms, writer, run)


async def forgettable(
    app: Maintenance, dependencies: Sequence[str], selection: Selection
) -> list[ForgetReport]:
    """Count the observations that `forget` would remove, of each name; changes nothing.

    Args:
        app: The application.
        dependencies: Names, or patterns of names; of what a pattern matches, only names of which something is meant.
        selection: Which of their observations.

    Raises:
        UnknownTarget: nothing is known of a dependency, or a pattern matches none.
        ParameterError: nothing of any of them is meant.
    """
    stores = await app.stores()
    known = await stores.telemetry.names()
    found = []
    for asked in dependencies:
        names = matched([asked], known)
        if not names:
            raise UnknownTarget("dependency", asked, known)
        for name in names:
            rows = await stores.telemetry.forgettable(name, selection)
            if rows is None:
                unknown = UnknownTarget("dependency", name, known)
                raise await why_unknown(app, unknown) or unknown
            if not rows.is_nothing:
                found.append(_report(name, rows, app.clock(), done=False))
    if not found:
        raise _nothing_of(", ".join(dependencies))
    return list({one.dependency: one for one in found}.values())


def _nothing_of(names: str) -> ParameterError:
    return ParameterError(f"Nothing of {plain(names, 80)} is meant by that: nothing was removed.")


async def forget(
    app: Maintenance, dependency: str, selection: Selection, asked: dict[str, str]
) -> ForgetReport:
    """Take observations back; rollups, money and verdicts are as if they had never come.

    Raises:
        UnknownTarget: nothing is known of the dependency.
        ParameterError: nothing of it was meant.
        ActionRefused: started read-only.
    """
    app.refuse_read_only("forget observations")
    stores, now_ms = await app.stores(), app.clock()
    entry_id = stores.new_id(now_ms)

    def entry(found: ForgottenRows) -> Decision:
        return entry_of(
            ACTION,
            {"dependency": dependency, **asked},
            _report(dependency, found, now_ms, done=True),
            entry_id=entry_id,
            now_ms=now_ms,
            actor=app.actor,
            digest=app.settings.digest,
            action=True,
        )

    done = await stores.telemetry.forget(dependency, selection, now_ms=now_ms, entry=entry)
    if done is None:
        await forgettable(app, [dependency], selection)
        raise _nothing_of(dependency)
    return with_id(_report(dependency, done[0], now_ms, done=True), entry_id)


def _report(dependency: str, found: ForgottenRows, now_ms: int, *, done: bool) -> ForgetReport:
    told = f"{counted(found.rows, 'observation')} of {dependency}"
    if found.first_ms is not None and found.newest_ms is not None:
        told += f", {rfc3339(found.first_ms)} to {rfc3339(found.newest_ms)}"
    said = f"{told}: {'removed' if done else 'would be removed'}, {number(found.remaining)} left"
    if found.outcomes:
        calls = "of another writer's call" if found.outcomes == 1 else "of other writers' calls"
        said += f"; so {'is' if done else 'would be'} what it said {calls}: {counted(found.outcomes, 'outcome')}"
    if done and found.micro_usd:
        said += f"; {money(found.micro_usd / MICRO)} taken out of the books"
    if found.kept_from_ms is not None and found.remaining:
        said += f"; what was rolled up of days before {rfc3339(found.kept_from_ms)[:10]} stays"
    return ForgetReport(
        verdict="go",
        summary=f"{said}.",
        as_of=rfc3339(now_ms),
        dependency=dependency,
        removed=found.rows if done else 0,
        remaining=found.remaining if done else found.rows + found.remaining,
        spent_usd=found.micro_usd / MICRO,
    )
