"""Notes on rows that came in: refused ones, calls that share an id, and stamps ahead of the clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gonogo.answers import Ahead, DriftReport, RefusalCount, RefusedName, TrustReport, rfc3339
from gonogo.errors import plain
from gonogo.records import (
    DAY_MS,
    HOUR_MS,
    MICRO,
    NANO_A_MICRO,
    BatchReport,
    HourCounts,
    Observation,
    RefusedRows,
)
from gonogo.text.forms import counted, minute, money, named

if TYPE_CHECKING:
    Report = TypeVar("Report", DriftReport, TrustReport)

# Parts of one call may come with times of their own: its start, its end, its outcomes.
TIMES_OF_ONE_CALL_MAX = 9
# What one call took or cost is told once; a server that counts its ids anew tells it of another call.
_QUANTITIES = ("latency_ms", "cost_micro_usd", "output_tokens", "input_tokens", "confidence")
APART_MS = 60_000
# Files of one dependency of which an answer says what was left out.
LEFT_OUT_MAX = 5
# Clocks of two machines differ by so much without anybody minding.
SKEW_MS = 60_000


def refused_text(refused: RefusedRows) -> str:
    """Say how many rows were refused since when, and why most of them were."""
    since = rfc3339(refused.since_day * DAY_MS)[:10]
    was, are = ("was", "is") if refused.n == 1 else ("were", "are")
    return (
        f"{counted(refused.n, 'row')} since {since} {was} refused and {are} not counted: "
        # Its first sentence: what to type at the next import follows, and stands in the object.
        f"{refused.field} {refused.problem.partition('. ')[0].rstrip('.?')}"
    )


def beside_refused(report: Report, refused: RefusedRows | None, *, now_ms: int) -> Report:
    """The report, with the rows of its dependency that were refused lately, and what was left out of its files."""
    if refused is None or not refused.is_recent(now_ms):
        return report
    told = [report.summary]
    if refused.n:
        told.append(f"{refused_text(refused)}.")
    if refused.left_out:
        told.append(f"Left out when it came in: {refused.left_out[0]}.")
    return report.model_copy(
        update={
            "summary": " ".join(told),
            "refused": refusal_count(refused),
            "left_out": left_out_of(refused),
        }
    )


def left_out_of(refused: RefusedRows | None) -> list[str] | None:
    """Name what was left out of the newest files of a dependency; None: nothing was."""
    return None if refused is None else list(refused.left_out[:LEFT_OUT_MAX]) or None


def refusal_count(refused: RefusedRows | None) -> RefusalCount | None:
    """Count refused rows for an answer about their dependency: how many, since when, and why; None: none were."""
    if refused is None or not refused.n:
        return None
    return RefusalCount(
        n=refused.n,
        since=rfc3339(refused.since_day * DAY_MS),
        field=refused.field,
        problem=refused.problem,
    )


def refused_names(refused: Sequence[RefusedRows]) -> list[RefusedName]:
    """Refused rows by dependency, as a part of a list."""
    return [
        RefusedName(dependency=one.dependency or None, **count.model_dump())
        for one in refused
        if (count := refusal_count(one))
    ]


def all_refused_text(refused: Sequence[RefusedRows]) -> str:
    """Say how many rows of which names were refused, and what was left out of their files; empty where nothing was."""
    parts = [
        f"{counted(one.n, 'row')} of {plain(one.dependency, 80) or 'no name'}"
        for one in refused
        if one.n
    ]
    told = f" Refused lately and not counted: {named(parts)}." if parts else ""
    # A file of many dependencies is told of once.
    left = list(dict.fromkeys(one.left_out[0] for one in refused if one.left_out))
    return f"{told} Left out when it came in: {named(left)}." if left else told


def corrections_text(calls: int, change_nano_usd: int) -> str:
    """Say how many calls were first known at another cost, and the difference in all."""
    usd = change_nano_usd / NANO_A_MICRO / MICRO
    change = f"{money(abs(usd))} {'more' if usd > 0 else 'less'}" if usd else "the same"
    known = counted(calls, "call was", "calls were")
    return f"{known} known at another cost, which is corrected: {change} in all."


def contradictions_text(records: int) -> str:
    """How many said another outcome than their call has, and what to do where they are right."""
    say, are = ("says", "it is") if records == 1 else ("say", "they are")
    return (
        f"{counted(records, 'record')} {say} another outcome than the call of that id has, which stays as it was told "
        f"first; where {are} right, take the calls back (gonogo forget) and bring them again."
    )


class SharedIds(NamedTuple):
    """The number of records dated otherwise than the first with their id, and one such id."""

    n: int = 0
    id: str = ""

    def and_of(self, taken: Sequence[Observation], stored: BatchReport) -> SharedIds:
        """Add another batch: ids with more times than one call has, or with one quantity minutes apart."""
        if not stored.duplicates + stored.updated:
            return self
        times: dict[tuple[str, str], set[int]] = defaultdict(set)
        told_ms: dict[tuple[str, str, str], int] = {}
        apart: Counter[tuple[str, str]] = Counter()
        for one in taken:
            if one.id is None or one.ts_assumed:
                continue
            at = (one.dependency, one.id)
            times[at].add(one.ts_ms)
            firsts = [
                told_ms.setdefault((*at, name), one.ts_ms)
                for name in _QUANTITIES
                if getattr(one, name) is not None
            ]
            apart[at] += any(abs(one.ts_ms - first_ms) > APART_MS for first_ms in firsts)
        shared = +apart
        for at, seen in times.items():
            if len(seen) > TIMES_OF_ONE_CALL_MAX:
                shared[at] = len(seen) - 1
        if not shared:
            return self
        most = max(shared, key=lambda at: shared[at])
        return SharedIds(self.n + sum(shared.values()), self.id or most[1])

    def words(self) -> list[str]:
        """The note; empty where there is none."""
        if not self.n:
            return []
        told = (
            f"{counted(self.n, 'record')} with the id of a call at another time, as '{plain(self.id, 40)}', "
            "were taken for parts of it, so that their outcomes and errors count for nothing: give each call "
            "an id of its own, or none (of a file: --drop id)."
        )
        return [told]


NO_SHARED_IDS = SharedIds()


# Observations that are stamped ahead of the clock: said, and not judged until their time comes.
#
# Up to a day ahead is taken, for clocks that differ; hours ahead are mostly a local time sent as UTC.


def ahead_of(hours: Iterable[HourCounts], newest_ts_ms: int, now_ms: int) -> Ahead | None:
    """The last call ahead of the clock, and how many lie in hours to come; None where none is ahead.

    Args:
        hours: The counts of a dependency, hours to come included.
        newest_ts_ms: Of its newest observation.
        now_ms: Now.
    """
    ahead = newest_ahead(newest_ts_ms, now_ms)
    if ahead is None:
        return None
    n = sum(int(counts.n[counts.hour > now_ms // HOUR_MS].sum()) for counts in hours)
    return ahead.model_copy(update={"n": n or None})


def newest_ahead(newest_ts_ms: int | None, now_ms: int) -> Ahead | None:
    """The newest observation where it lies ahead of the clock; what lies there is not counted."""
    if newest_ts_ms is None or newest_ts_ms <= now_ms + SKEW_MS:
        return None
    return Ahead(latest=rfc3339(newest_ts_ms))


def newest_until(hours: Iterable[HourCounts], newest_ts_ms: int, now_ms: int) -> int | None:
    """The time of the newest observation that is not ahead of the clock; None where all are."""
    if newest_ts_ms <= now_ms:
        return newest_ts_ms
    # The current hour may hold what lies ahead within it: only what is over is known to have come.
    over = [int(c.hour[c.hour < now_ms // HOUR_MS].max(initial=-1)) for c in hours]
    newest_hour = max(over, default=-1)
    return None if newest_hour < 0 else (newest_hour + 1) * HOUR_MS


def age_s(newest_ts_ms: int | None, now_ms: int) -> int | None:
    """The age of the newest observation, seconds; of one ahead of the clock there is none."""
    if newest_ts_ms is None or newest_ahead(newest_ts_ms, now_ms) is not None:
        return None
    return max(0, now_ms - newest_ts_ms) // 1000


def ahead_note(ahead: Ahead | None) -> str:
    """The sentence for a summary; empty where nothing lies ahead."""
    return "" if ahead is None else ahead_text(ahead.n, ahead.latest)


def ahead_names_note(ahead: Mapping[str, Ahead]) -> str:
    """The sentence, after a blank, for a summary of several dependencies; empty where none is ahead."""
    if not ahead:
        return ""
    counted_n = [one.n for one in ahead.values() if one.n is not None]
    n = sum(counted_n) if len(counted_n) == len(ahead) else None
    return f" {ahead_text(n, max(one.latest for one in ahead.values()), of=list(ahead))}"


def ahead_text(n: int | None, latest: str, *, of: Sequence[str] = ()) -> str:
    """Describe data ahead of the clock and the usual reason; `n` is None where they were not counted."""
    names = f" of {named(of)}" if of else ""
    if n is None:
        return (
            f"Observations{names} lie ahead of the clock, up to {minute(latest)}: was a local time"
            " sent as UTC?"
        )
    lies, counts, they = ("lies", "counts", "it is") if n == 1 else ("lie", "count", "they are")
    return (
        f"{counted(n, 'observation')}{names} {lies} ahead of the clock, up to {minute(latest)}, and "
        f"{counts} when {they} due: was a local time sent as UTC?"
    )
