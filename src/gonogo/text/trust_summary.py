"""The words of a trust report, written from the report: its numbers are the ones shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.text.forms import TO, counted, minute, named, number, signed

if TYPE_CHECKING:
    from gonogo.answers import DoubtfulWriter, SuspectedProvider, TrustReport

_PARTS = {
    "availability": "availability",
    "quality": "quality",
    "latency_slo": "latency SLO",
    "consistency": "consistency",
}

# What `provider` says where nobody declared one.
NOT_DECLARED = "not declared"
# Points; from here on how hours differ is worth a sentence.
HOURS_SD_SAID = 1.0


def trust_summary(report: TrustReport, *, why: str, measured: bool) -> str:
    """The score with its interval and what it is the chance of, and what decided against it.

    Args:
        report: The finished report of one dependency; its own summary is not read.
        why: What decided, where it is not a go; else empty.
        measured: Whether it is known if answers are right.
    """
    chance = "is good" if measured else "comes without error and in time"
    averaged = ", averaged over hours" if report.hours_sd is None else ""
    told = (
        f"Trust {points(report.score, report.interval90)}: the chance in percent that the next call "
        f"{chance}{averaged}, from {counted(report.n or 0, 'call')}"
    )
    parts = report.parts or {}
    if len(parts) > 1:
        weakest = min(parts, key=lambda name: parts[name].rate)
        if parts[weakest].rate < 1:
            told += f"; weakest part {_PARTS[weakest]} {number(parts[weakest].rate)}"
    told += "."
    if report.hours_sd is not None and report.hours_sd >= HOURS_SD_SAID:
        told += (
            f" Hours differ by {number(report.hours_sd)} points (standard deviation): the score is "
            "their average, the interval is for the next call."
        )
    if why:
        told += f" {why[0].upper()}{why[1:]}."
    if report.upstream:
        told += f" It stands on {report.upstream[0]}."
    if report.provider_suspected is not None:
        told += f" {suspicion(report.provider_suspected)}"
    told += _doubts(report)
    health = report.score_health
    if health is not None and health.labels:
        told += f" Score health is {health.status}."
    if health is not None and health.golden_page and health.golden_deviation_sd is not None:
        told += f" Its golden set stands {signed(health.golden_deviation_sd)} sd from its baseline."
    return told


def _doubts(report: TrustReport) -> str:
    by_writer: dict[str, list[DoubtfulWriter]] = {}
    for one in report.doubtful or ():
        by_writer.setdefault(one.writer, []).append(one)
    told = "".join(f" {_doubt(of, report.dependency or '')}" for of in by_writer.values())
    rest = report.undoubted
    if rest is not None:
        told += f" Without it: trust {rest.verdict}, {points(rest.score, rest.interval90)}."
    return told


def points(score: float | None, interval90: tuple[float, float] | None) -> str:
    """A score and its interval, as "91.2 (90% interval 84–95.1)"."""  # noqa: RUF002 - as shown
    told = "unknown" if score is None else number(score)
    if interval90 is None:
        return told
    return f"{told} (90% interval {number(interval90[0])}{TO}{number(interval90[1])})"


def doubts_text(writers: Mapping[str, str]) -> str:
    """Who is doubted, of several dependencies: the writer of each."""
    if not writers:
        return ""
    who = ", ".join(dict.fromkeys(plain(name, 80) for name in writers.values()))
    return f" What {who} recorded in the last day disagrees with the golden set of {named(list(writers))}."


def _doubt(of_one: Sequence[DoubtfulWriter], dependency: str) -> str:
    """Name a writer whose calls changed otherwise than the golden set did, and how to take them out."""
    writer = plain(of_one[0].writer, 80)
    changes = [
        f"{each.metric} {signed(each.change_points)} points in {counted(each.n, 'call')}, "
        f"{signed(each.golden_change_points)} there"
        for each in of_one
    ]
    return (
        f"What {writer} recorded in the last day disagrees with the golden set: {'; '.join(changes)}. "
        f"`gonogo forget {plain(dependency, 80)} --writer {writer} --since TIME` takes it out."
    )


def suspicion(found: SuspectedProvider) -> str:
    """Name the dependencies that degrade together, and since when."""
    who, together = f"Provider {plain(found.provider, 80)}", "fail together since"
    if found.provider == NOT_DECLARED:
        # Told by when their incidents begin: how long the one that is going on lasts, drift says.
        who = "A cause that they share (no provider is declared)"
        together = "began to fail together, last at about"
    told = f"{who} is suspected: {named(found.dependencies, of=found.falling)} {together} {minute(found.since)}"
    if found.looked_at is not None and found.of is not None:
        told += f", of {number(found.looked_at)} that were looked at among {number(found.of)}"
    return f"{told}."
