"""Hourly rollups cut and joined: what is joined again after a cut is what it was."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.records import GoldenAnswers, Histograms, HourCounts

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Ints

    Chosen = NDArray[np.bool_]

_COUNTS = tuple(f.name for f in fields(HourCounts) if f.name not in ("version", "versions"))


def hours_where(counts: HourCounts, inside: Chosen | Ints) -> HourCounts:
    """The rows that are chosen, by a mask of shape (n,) or by their places."""
    rows = {name: getattr(counts, name)[inside] for name in (*_COUNTS, "version")}
    return replace(counts, **rows)


def hours_joined(old: HourCounts, new: HourCounts) -> HourCounts:
    """Hours, and later ones."""
    versions, version = _versions(old, new)
    rows = {name: np.concatenate((getattr(old, name), getattr(new, name))) for name in _COUNTS}
    return HourCounts(version=version, versions=versions, **rows)


def hours_less(counts: HourCounts, part: HourCounts) -> HourCounts:
    """The hours without a part of their calls; rows of which nothing is left are left out."""
    at = {
        (hour, counts.versions[version]): row
        for row, (hour, version) in enumerate(
            zip(counts.hour.tolist(), counts.version.tolist(), strict=True)
        )
    }
    keys = zip(part.hour.tolist(), part.version.tolist(), strict=True)
    rows = np.array([at.get((hour, part.versions[version]), -1) for hour, version in keys], int)
    there = rows >= 0
    left = {name: getattr(counts, name).copy() for name in _COUNTS if name != "hour"}
    for name, column in left.items():
        # Read one after the other: what came in between is in the part alone.
        column[rows[there]] -= getattr(part, name)[there]
        column.clip(min=0, out=column)
    return hours_where(replace(counts, **left), left["n"] > 0)


def histograms_where(found: Histograms, inside: Chosen) -> Histograms:
    """The rows that are chosen, shape (n,), with their bins."""
    entries = inside[found.row]
    return replace(
        found,
        bucket=found.bucket[inside],
        version=found.version[inside],
        n=found.n[inside],
        sum=found.sum[inside],
        row=(np.cumsum(inside) - 1)[found.row[entries]],
        bins=found.bins[entries],
        counts=found.counts[entries],
    )


def histograms_joined(old: Histograms, new: Histograms) -> Histograms:
    """Histograms, and later ones of the same metric."""
    versions, version = _versions(old, new)
    return Histograms(
        metric=old.metric,
        layout=old.layout,
        bucket=np.concatenate((old.bucket, new.bucket)),
        version=version,
        versions=versions,
        n=np.concatenate((old.n, new.n)),
        sum=np.concatenate((old.sum, new.sum)),
        row=np.concatenate((old.row, new.row + len(old.bucket))),
        bins=np.concatenate((old.bins, new.bins)),
        counts=np.concatenate((old.counts, new.counts)),
    )


def _versions(
    old: HourCounts | Histograms, new: HourCounts | Histograms
) -> tuple[tuple[str | None, ...], Ints]:
    """The versions of both, "none stated" first, and each row's index among them."""
    if old.versions == new.versions:
        return old.versions, np.concatenate((old.version, new.version))
    named = sorted({*old.versions, *new.versions}, key=lambda v: (v is not None, v or ""))
    place = {version: at for at, version in enumerate(named)}
    indices = [
        np.array([place[v] for v in part.versions], dtype=np.int64)[part.version]
        for part in (old, new)
    ]
    return tuple(named), np.concatenate(indices)


def golden_where(answers: GoldenAnswers, rows: Chosen | Ints) -> GoldenAnswers:
    """The chosen rows."""
    return replace(
        answers,
        item=answers.item[rows],
        version=answers.version[rows],
        day=answers.day[rows],
        n=answers.n[rows],
        outcome_sum=answers.outcome_sum[rows],
    )


def golden_joined(old: GoldenAnswers, new: GoldenAnswers) -> GoldenAnswers:
    """Answers, and later ones of the same items and versions."""
    return replace(
        old,
        item=np.concatenate((old.item, new.item)),
        version=np.concatenate((old.version, new.version)),
        day=np.concatenate((old.day, new.day)),
        n=np.concatenate((old.n, new.n)),
        outcome_sum=np.concatenate((old.outcome_sum, new.outcome_sum)),
    )
