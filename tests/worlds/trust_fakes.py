"""Telemetry in memory, for the trust services: the same counts as a store's, from observations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from gonogo.detectors.bins import LOGIT, bin_of_one
from gonogo.ports.trust_reads import (
    CallCounts,
    FleetRow,
    JudgedLabels,
    KeptScore,
    Population,
    Repeats,
)
from gonogo.records import (
    DAY_MS,
    HOUR_MS,
    MICRO,
    BatchReport,
    Costs,
    Dependency,
    GoldenAnswers,
    Histograms,
    HourCounts,
    Kind,
    Mark,
    Observation,
    Rollups,
)
from gonogo.settings import Settings
from written_by_nobody import WrittenByNobody

COLUMNS = [f.name for f in fields(HourCounts) if f.name not in ("hour", "version", "versions")]


def outcome_of(one: Observation) -> float | None:
    """Its outcome; a golden item that failed without one counts as 0."""
    return 0.0 if one.outcome is None and one.item and one.error else one.outcome


def counts_of(seen: Sequence[Observation], settings: Settings, *, bucket_ms: int) -> HourCounts:
    """Hour (or day) counts by the rules of records.HourCounts, versions added up."""
    rows: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for one in seen:
        slo = (own := settings.dependency(one.dependency)).latency_slo_ms
        met = one.latency_ms is None or slo is None or one.latency_ms <= slo
        ok = one.error is None and met
        outcome = outcome_of(one)
        labelled = outcome is not None
        good = outcome is not None and outcome >= own.quality_bar
        rows[one.ts_ms // bucket_ms].update(
            n=1,
            errors=one.error is not None,
            timed=one.latency_ms is not None,
            slo_met=one.latency_ms is not None and met,
            labels=labelled,
            outcome_sum=round((outcome or 0) * MICRO),
            good=good,
            ok=ok,
            ok_labels=ok and labelled,
            ok_good=ok and good,
        )
    hours = np.array(sorted(rows), dtype=np.int64)
    table = {c: np.array([rows[h][c] for h in hours], dtype=np.int64) for c in COLUMNS}
    return HourCounts(hour=hours, version=np.zeros_like(hours), versions=(None,), **table)


@dataclass
class MemoryTelemetry(WrittenByNobody):
    """A fake store of observations (`ports.trust_reads.TrustTelemetry`)."""

    settings: Settings
    seen: dict[str, list[Observation]] = field(default_factory=dict)
    scores: dict[str, KeptScore] = field(default_factory=dict)

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Keep them."""
        assert now_ms >= 0
        for one in observations:
            self.seen.setdefault(one.dependency, []).append(one)
        return BatchReport(accepted=len(observations))

    async def dependency(self, name: str) -> Dependency | None:
        """What is known; the count is its `rev`."""
        seen = self.seen.get(name)
        if not seen:
            return None
        times = [one.ts_ms for one in seen]
        kind = next((one.kind for one in seen if one.kind), None)
        provider = next((one.provider for one in seen if one.provider), None)
        return Dependency(name, kind, provider, len(seen), min(times), max(times), len(seen))

    async def mark(self, name: str) -> Mark | None:
        """Its `rev` and its newest; nothing is accepted or handled."""
        known = await self.dependency(name)
        return Mark(known.rev, known.newest_ts_ms, None, watched=False) if known else None

    async def names(self, *, query: str | None = None) -> dict[str, int]:
        """The newest observation of each, by name."""
        known = await self.dependencies(query=query, limit=len(self.seen))
        return {each.name: each.newest_ts_ms for each in known}

    async def dependencies(
        self, *, query: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Dependency]:
        """All of them by name."""
        names = sorted(n for n in self.seen if (query or "") in n and n > (after or ""))
        return [one for name in names[:limit] if (one := await self.dependency(name)) is not None]

    def _slice(
        self, name: str, *, golden: bool, segment: str | None, start: int | None, end: int | None
    ) -> list[Observation]:
        return [
            one
            for one in self.seen.get(name, [])
            if (one.item is not None) == golden
            and (segment is None or segment in [f"{k}={v}" for k, v in one.segments.items()])
            and (start is None or one.ts_ms // HOUR_MS >= start)
            and (end is None or one.ts_ms // HOUR_MS < end)
        ]

    async def hours(
        self,
        dependency: str,
        *,
        golden: bool = False,
        segment: str | None = None,
        start_hour: int | None = None,
        end_hour: int | None = None,
    ) -> HourCounts:
        """Counts of a slice."""
        kept = self._slice(
            dependency, golden=golden, segment=segment, start=start_hour, end=end_hour
        )
        return counts_of(kept, self.settings, bucket_ms=HOUR_MS)

    async def histograms(
        self,
        dependency: str,
        metric: str,
        *,
        golden: bool = False,
        segment: str | None = None,
        start_hour: int | None = None,
        end_hour: int | None = None,
        daily: bool = False,
    ) -> Histograms:
        """Histograms of stated confidence, with a label or with a good one."""
        bar = self.settings.dependency(dependency).quality_bar
        rows: defaultdict[int, Counter[int]] = defaultdict(Counter)
        sums: Counter[int] = Counter()
        for one in self._slice(
            dependency, golden=golden, segment=segment, start=start_hour, end=end_hour
        ):
            outcome = outcome_of(one)
            if one.confidence is None or outcome is None or not metric.startswith("confidence"):
                continue
            if metric == "confidence_labelled" or outcome >= bar:
                at = one.ts_ms // (DAY_MS if daily else HOUR_MS)
                rows[at][bin_of_one(LOGIT, one.confidence)] += 1
                sums[at] += round(one.confidence * MICRO)
        buckets = sorted(rows)
        flat = [(i, b, rows[at][b]) for i, at in enumerate(buckets) for b in sorted(rows[at])]
        table = np.array(flat, dtype=np.int64).reshape(-1, 3).T
        n = np.array([rows[at].total() for at in buckets], dtype=np.int64)
        bucket = np.array(buckets, dtype=np.int64)
        zero = np.zeros_like(bucket)
        total = np.array([sums[at] for at in buckets], dtype=np.int64)
        return Histograms(metric, "logit", bucket, zero, (None,), n, total, *table)

    async def rollups(
        self, dependency: str, *, since: tuple[int, int] | None, without: Collection[str] = ()
    ) -> Rollups | None:
        """Trust reads its hours one by one."""
        raise NotImplementedError(dependency, since, without)

    async def segments(self, dependency: str) -> list[str]:
        """Declared slices."""
        seen = self.seen.get(dependency, [])
        return sorted({f"{k}={v}" for one in seen for k, v in one.segments.items()})

    async def golden_answers(self, dependency: str) -> GoldenAnswers:
        """Golden answers by item and day."""
        rows: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        for one in self._slice(dependency, golden=True, segment=None, start=None, end=None):
            outcome = outcome_of(one)
            if one.item is not None and outcome is not None:
                rows[one.item, one.ts_ms // DAY_MS].append(outcome)
        items = sorted({item for item, _ in rows})
        table = np.array(
            [(items.index(i), 0, d, len(v), round(sum(v) * MICRO)) for (i, d), v in rows.items()],
            dtype=np.int64,
        ).reshape(-1, 5)
        return GoldenAnswers(tuple(items), (None,), *table.T)

    async def newest_costs(self, dependency: str, *, limit: int = 2000) -> Costs:
        """Trust reads no costs."""
        raise NotImplementedError(dependency, limit)

    newest_durations = newest_costs

    async def cached_state(self, dependency: str, key: str) -> tuple[int, bytes] | None:
        """Nothing is cached."""
        return None if (dependency, key) else (0, b"")

    async def cache_state(
        self, dependency: str, key: str, hour: int, state: bytes, *, rev: int | None = None
    ) -> None:
        """Nothing is cached."""

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """Totals of dependencies of a kind."""
        names, rows = [], []
        for one in await self.dependencies(limit=limit):
            if one.kind == kind:
                day = counts_of(
                    self._slice(
                        one.name, golden=False, segment=None, start=since_day * 24, end=None
                    ),
                    self.settings,
                    bucket_ms=DAY_MS,
                )
                columns = [c for c in COLUMNS if c != "outcome_sum"]
                rows.append([int(getattr(day, c).sum()) for c in columns])
                names.append(one.name)
        return Population(tuple(names), *np.array(rows, dtype=np.int64).reshape(-1, 9).T)

    async def repeats(self, dependency: str) -> Repeats:
        """Agreement of answers to one input."""
        by_input: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in self.seen.get(dependency, []):
            if one.input_hash and one.output_hash:
                by_input[one.input_hash][one.output_hash] += 1
        sizes = [(c.total(), sum(v * v for v in c.values())) for c in by_input.values()]
        return Repeats(
            sum(t for t, _ in sizes),
            sum(t - 1 for t, _ in sizes),
            sum((t * t - q) / t for t, q in sizes),
        )

    async def provider_members(self, provider: str) -> list[str]:
        """Names that were recorded with this provider."""
        known = await self.dependencies(limit=len(self.seen))
        return [one.name for one in known if one.provider == provider]

    async def newest_calls(
        self,
        dependency: str,
        *,
        version: str | None,
        since_ms: int,
        until_ms: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[str | None]:
        """Each of the newest calls' error, or None; newest first."""
        del without
        seen = [
            one
            for one in self.seen.get(dependency, [])
            if since_ms <= one.ts_ms <= until_ms and version in (None, one.version)
        ]
        seen.sort(key=lambda one: -one.ts_ms)
        return [one.error for one in seen[:limit]]

    async def revisions(
        self, dependency: str, others: Sequence[str], *, provider: str | None
    ) -> tuple[int, int]:
        """Of itself, of others, and of its provider's."""
        known = await self.dependency(dependency)
        members = await self.provider_members(provider or (known.provider if known else None) or "")
        found = [
            one
            for name in {dependency, *others, *members}
            if (one := await self.dependency(name)) is not None
        ]
        return sum(one.rev for one in found), len(found)

    async def recent_hours(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, HourCounts]:
        """Hours of several."""
        return {
            name: await self.hours(name, start_hour=start_hour)
            for name in dependencies
            if name in self.seen
        }

    async def keep_score(self, score: KeptScore) -> None:
        """Keep it, with the last one of an earlier day."""
        last = self.scores.get(score.dependency)
        if last is not None and last.ts_ms // DAY_MS < score.ts_ms // DAY_MS:
            score = score._replace(earlier_verdict=last.verdict, earlier_score=last.score)
        elif last is not None:
            earlier = last.earlier_verdict, last.earlier_score
            score = score._replace(earlier_verdict=earlier[0], earlier_score=earlier[1])
        self.scores[score.dependency] = score

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """Lowest lower bound first."""
        return sorted(self.scores.values(), key=lambda s: (s.lower, s.dependency))[:limit]

    async def keep_scores(self, scores: Sequence[KeptScore]) -> None:
        """Each in turn."""
        for score in scores:
            await self.keep_score(score)

    async def fleet(self) -> list[FleetRow]:
        """Every dependency with its score, by lower bound."""
        rows = []
        for name in self.seen:
            known = await self.dependency(name)
            assert known is not None
            row = FleetRow(name, known.kind, known.provider, known.n, known.newest_ts_ms, known.rev)
            score = self.scores.get(name)
            if score is not None:
                earlier = score.earlier_score
                row = row.scored(score)._replace(
                    earlier_verdict=score.earlier_verdict,
                    earlier_score_e6=None if earlier is None else round(earlier * MICRO),
                )
            rows.append(row)
        return sorted(rows, key=FleetRow.order)

    async def call_counts(
        self, dependencies: Sequence[str], *, start_hour: int, end_hour: int
    ) -> dict[str, tuple[CallCounts, CallCounts]]:
        """From the hours of each."""

        async def of(name: str, *, golden: bool) -> CallCounts:
            found = await self.hours(name, golden=golden, start_hour=start_hour, end_hour=end_hour)
            return CallCounts(found.hour, found.n, found.ok, found.ok_labels, found.ok_good)

        return {
            name: (await of(name, golden=False), await of(name, golden=True))
            for name in dependencies
            if name in self.seen
        }

    async def partly_labelled(self, dependencies: Sequence[str], *, start_hour: int) -> list[str]:
        """All with two versions or more: a look at each tells."""
        del start_hour
        return [
            name
            for name in dependencies
            if len({one.version for one in self.seen.get(name, ())} - {None}) > 1
        ]

    async def with_outcomes(self, dependencies: Sequence[str]) -> set[str]:
        """Those whose metrics name it."""
        found = set()
        for name in dependencies:
            known = await self.dependency(name)
            if known is not None and "outcome" in known.metrics:
                found.add(name)
        return found

    async def judged_labels(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, JudgedLabels]:
        """Outcomes whose `outcome_by` is a judge."""
        found = {}
        for name in dependencies:
            new = [o for o in self.seen.get(name, []) if o.ts_ms // HOUR_MS >= start_hour]
            new = [o for o in new if o.outcome is not None and not o.item]
            if own := [o.outcome_by for o in new if (o.outcome_by or "").startswith("judge:")]:
                found[name] = JudgedLabels(", ".join(sorted({by or "" for by in own})), len(own))
        return found

    async def golden_lately(self, *, start_hour: int) -> list[str]:
        """Those with a golden call since."""
        return sorted(
            name
            for name, seen in self.seen.items()
            if any(o.item and o.ts_ms // HOUR_MS >= start_hour for o in seen)
        )

    async def repeats_of(self, dependencies: Sequence[str]) -> dict[str, Repeats]:
        """Of each."""
        return {name: await self.repeats(name) for name in dependencies if name in self.seen}
