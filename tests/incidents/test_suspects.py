"""Where a degradation may come from: only what was seen when and where it began is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from gonogo.answers import DriftReport, TrustReport, rfc3339
from gonogo.answers.drift_report import Baseline, Change, Current, Onset, SegmentDrift
from gonogo.answers.trust_report import SuspectedProvider
from gonogo.app import Gonogo
from gonogo.app.incident_actions import record_change
from gonogo.app.parts import Stores
from gonogo.errors import ParameterError, UnknownTarget
from gonogo.incidents.change_events import changes_in_words
from gonogo.incidents.suspects import suspected_cause
from gonogo.records import Dependency, VersionSeen
from gonogo.settings import DependencySettings, Settings

ONSET = Onset(
    ts="2026-04-22T10:00:00Z", earliest="2026-04-21T22:00:00Z", latest="2026-04-22T16:00:00Z"
)


def slice_of(name: str, *, drifted: bool) -> SegmentDrift:
    """A slice that went from 0.9 to 0.7."""
    return SegmentDrift(
        segment=name, n=40, mean=0.7, baseline_mean=0.9, change=-0.2, e_value=9.0, drifted=drifted
    )


def drift(*slices: SegmentDrift) -> DriftReport:
    """A report of something that began on the 22nd."""
    return DriftReport(
        verdict="no_go",
        summary="",
        as_of="2026-04-25T00:00:00Z",
        dependency="m",
        metric="outcome",
        status="degraded",
        onset=ONSET,
        segments=list(slices),
    )


def known(**first_seen: str) -> Dependency:
    """A dependency whose versions were first seen at these times."""
    times = {
        name: round(datetime.fromisoformat(f"{ts}+00:00").timestamp() * 1000)
        for name, ts in first_seen.items()
    }
    versions = tuple(VersionSeen(name, 9, ts, ts) for name, ts in times.items())
    return Dependency("m", "model", "acme", 9, min(times.values()), 0, 1, versions)


def test_a_version_that_came_while_it_began_is_named() -> None:
    """The one in the onset's interval; not the first of all, nor one of last week."""
    seen = known(a="2026-04-01T00:00", b="2026-04-15T00:00", c="2026-04-22T09:30")
    assert suspected_cause(drift(), None, seen) == "version c, first seen 2026-04-22T09:30:00Z"
    assert suspected_cause(drift(), None, known(c="2026-04-22T09:30")) is None


def test_the_worst_slice_that_drifted_is_named() -> None:
    """One that merely looks bad is not."""
    told = suspected_cause(
        drift(slice_of("tier=old", drifted=False), slice_of("tier=new", drifted=True)), None, None
    )
    assert told == "slice tier=new (0.9 to 0.7, n 40)"


def test_a_slice_that_shows_what_is_everywhere_is_not_named() -> None:
    """All calls changed by nearly as much: the slice is no place to look."""
    everywhere = drift(slice_of("tier=new", drifted=True)).model_copy(
        update={"change": Change(absolute=-0.15)}
    )
    assert suspected_cause(everywhere, None, None) is None
    confined = everywhere.model_copy(update={"change": Change(absolute=-0.04)})
    assert suspected_cause(confined, None, None) == "slice tier=new (0.9 to 0.7, n 40)"


def test_a_slice_that_may_have_changed_as_all_did_is_not_named() -> None:
    """Of 40 labels a fall of 0.2 may be one of 0.1; of 4,000 it is not."""
    few = drift(slice_of("day_type=weekend", drifted=True)).model_copy(
        update={
            "change": Change(absolute=-0.1, interval95=(-0.14, -0.06)),
            "baseline": Baseline(source="learned", n=5000),
            "current": Current(n=200),
        }
    )
    assert suspected_cause(few, None, None) is None
    many = slice_of("day_type=weekend", drifted=True).model_copy(update={"n": 4000})
    sure = few.model_copy(update={"segments": [many], "current": Current(n=20_000)})
    assert suspected_cause(sure, None, None) == "slice day_type=weekend (0.9 to 0.7, n 4,000)"


def test_who_falls_together_and_what_it_depends_on_come_first() -> None:
    """The provider with who else fell, then what is upstream."""
    trust = TrustReport(
        verdict="no_go",
        summary="",
        as_of="2026-04-25T00:00:00Z",
        dependency="m",
        provider_suspected=SuspectedProvider(
            provider="acme",
            dependencies=["a", "b", "c", "d", "m"],
            since="2026-04-24T23:00:00Z",
            e_value=50.0,
        ),
        upstream=["search is no_go"],
    )
    assert suspected_cause(None, trust, None) == (
        "provider acme, since 2026-04-24T23:00:00Z (a, b, c and 1 more too); "
        "upstream search is no_go"
    )
    suspect = trust.provider_suspected
    assert suspect is not None
    nobody = suspect.model_copy(update={"provider": "not declared"})
    shared = suspected_cause(
        None, trust.model_copy(update={"provider_suspected": nobody, "upstream": None}), None
    )
    assert (
        shared
        == "a cause that is shared, last at about 2026-04-24T23:00:00Z (a, b, c and 1 more too)"
    )


def test_nothing_is_made_up() -> None:
    """Without anything that stands out there is no suspicion."""
    assert suspected_cause(drift(), None, known(a="2026-04-01T00:00")) is None
    assert suspected_cause(None, None, None) is None


BEGAN = "2026-04-22T09:30:00Z"
NOW_MS = 1_777_075_200_000  # 2026-04-25
VERSIONS = known(a="2026-04-01T00:00", b="2026-04-22T10:15", c="2026-04-24T12:00")


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """A store that knows `m` and `other` by their tables."""
    tables = {name: DependencySettings(name) for name in ("m", "other")}
    settings = Settings(store=str(tmp_path / "gonogo.db"), dependencies=tables)
    async with Gonogo(settings, clock=lambda: NOW_MS) as app:
        yield await app.stores()


async def near(stores: Stores, report: DriftReport, seen: Dependency | None = None) -> list[str]:
    """What stands beside the onset, without the times."""
    found = await changes_in_words(stores.decisions, report, seen)
    return [line.replace(" at 2026-04-22T09:30Z", "") for line in found]


@pytest.mark.anyio
async def test_a_change_is_told_with_what_speaks_for_it(stores: Stores) -> None:
    """Its version began then; the prompt was changed for all; what is known otherwise is not named."""

    async def changed(what: str, *names: str, version: str | None = None, at: str = BEGAN) -> None:
        await record_change(stores, what, names, version=version, at=at, now_ms=NOW_MS)

    await changed("prompt")
    await changed("deploy", "m", version="b")
    await changed("deploy", "m", version="c")  # whose calls began two days later
    await changed("deploy", "other", version="b")
    await changed("config", "m", at="2026-04-21T03:00:00Z")  # long before it can have begun
    await changed("config", "m", at="2026-04-23T03:00:00Z")  # after it had begun
    assert await near(stores, drift(), VERSIONS) == [
        "deploy b, its calls began 2026-04-22T10:15Z",
        "prompt, near in time alone",
    ]


@pytest.mark.anyio
async def test_a_slice_that_a_change_names_has_to_be_where_it_fell(stores: Stores) -> None:
    """Of one that fell it is a suspect, of another it is none, and where nothing is known it is near."""
    await record_change(stores, "config", ["m"], segment="tier=new", at=BEGAN, now_ms=NOW_MS)
    fell = drift(slice_of("tier=new", drifted=True))
    assert await near(stores, fell) == ["config of tier=new, this slice fell"]
    assert await near(stores, drift(slice_of("tier=old", drifted=True))) == []
    assert await near(stores, drift()) == ["config of tier=new, near in time alone"]


@pytest.mark.anyio
async def test_a_change_is_found_behind_those_of_a_busy_fleet(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More deploys than are read at first were recorded since; told again it is still the same change."""
    monkeypatch.setattr("gonogo.incidents.change_events.READ_FIRST", 5)
    await record_change(stores, "prompt", [], at=BEGAN, now_ms=NOW_MS)
    for minutes in range(30):
        at = rfc3339(NOW_MS - 60_000 * minutes)
        await record_change(stores, "deploy", ["other"], at=at, now_ms=NOW_MS)
    assert await near(stores, drift()) == ["prompt, near in time alone"]
    assert await record_change(stores, "prompt", [], at=BEGAN, now_ms=NOW_MS) == []


@pytest.mark.anyio
async def test_what_stands_beside_the_onset_is_the_first_suspect(stores: Stores) -> None:
    """Of an incident that opens then; its own words hold no mark that parts suspects."""
    note = "a; b; c"
    await record_change(stores, "data", ["m"], note=note, at=BEGAN, now_ms=NOW_MS)
    report = drift()
    assert report.onset is not None
    changes = await changes_in_words(stores.decisions, report, None)
    beside = report.onset.model_copy(update={"changes": changes})
    told = suspected_cause(report.model_copy(update={"onset": beside}), None, None)
    assert told == "data (a, b, c) at 2026-04-22T09:30Z, near in time alone"


@pytest.mark.anyio
async def test_what_cannot_be_is_refused_in_a_line(stores: Stores) -> None:
    """A name that nothing is known of, a slice without a value, a time to come."""
    with pytest.raises(UnknownTarget, match="Known: m, other"):
        await record_change(stores, "deploy", ["n"], now_ms=NOW_MS)
    with pytest.raises(ParameterError, match="KEY=VALUE"):
        await record_change(stores, "deploy", ["m"], segment="eu", now_ms=NOW_MS)
    with pytest.raises(ParameterError, match="a day ahead"):
        await record_change(stores, "deploy", ["m"], at="2026-05-01", now_ms=NOW_MS)
    assert await stores.decisions.decisions(kind="change_event") == []
