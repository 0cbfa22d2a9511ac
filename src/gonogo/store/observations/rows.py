"""One stored observation, and the rule by which it is rolled up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from gonogo.errors import StoreError, plain
from gonogo.records import MICRO
from gonogo.settings import Settings

# Quantities beyond it are stored as this: they stay exact as floats, and sums fit 64 bits.
QUANTITY_MAX = 10**15


class Row(NamedTuple):
    """A row of `observation`, in the order of its columns."""

    dependency_id: int
    ts_ms: int
    seq: int
    version_id: int
    item_id: int | None
    outcome_e6: int | None
    outcome_lag_ms: int | None
    error_id: int | None
    confidence_e6: int | None
    latency_us: int | None
    cost_micro_usd: int | None
    input_tokens: int | None
    output_tokens: int | None
    segments: str | None
    budget_id: int | None
    reservation: str | None
    prediction_id: int | None
    label_id: int | None
    input_hash: int | None
    output_hash: int | None
    metrics: str | None
    output: str | None
    run_id: int | None
    writer_id: int | None
    outcome_by_id: int | None
    judge_id: int | None
    judge_e6: int | None
    booked_nano_usd: int | None
    weight_e6: int | None
    # Of those who told it afterwards: who said its outcome, and who filled in what it is judged by, where that
    # is not its writer.
    outcome_writer_id: int | None = None
    filled_by_id: int | None = None


class Place(NamedTuple):
    """The location of a stored observation; `assumed`: its time is only that of its arrival."""

    ts_ms: int
    seq: int
    assumed: bool


COLUMNS = ", ".join(Row._fields)
# Of the tables to which whole rows are added.
COLUMNS_OF = {
    "observation": Row._fields,
    "observation_id": ("dependency_id", "id", "ts_ms", "seq", "assumed"),
}


# dependency, golden (0 or 1), segment (0: the whole), version (0: none stated)
SeriesKey = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule by which a dependency's rollups are made; stored with it, so that all writers agree.

    `pairs` are the segment keys that are also rolled up in combination, each pair sorted. `weight_e6` is the
    largest weight of a row. Where calls were recorded with different chances (each failure, one good call of a
    hundred), rates and evidence need a sample in which all have one: a row is counted with the chance of
    its weight among the largest, so that each call was counted with the chance 1 / largest. A row that stood
    for many would have to count as many, and evidence that counts what nobody saw keeps no promise.
    """

    slo_us: int | None
    bar_e6: int
    pairs: tuple[tuple[str, str], ...] = ()
    weight_e6: int = MICRO

    @classmethod
    def configured(cls, settings: Settings, dependency: str, *, weight_e6: int = MICRO) -> Rule:
        """The rule that the settings ask for, where the largest weight of a row is this."""
        asked = settings.dependency(dependency)
        slo_ms = asked.latency_slo_ms
        pairs = {(min(pair), max(pair)) for pair in settings.rolled_up_segment_pairs}
        return cls(
            slo_us=None if slo_ms is None else round(slo_ms * 1000),
            bar_e6=round(asked.quality_bar * 1_000_000),
            pairs=tuple(sorted(pairs)),
            weight_e6=weight_e6,
        )

    def is_configured(self, settings: Settings, dependency: str) -> bool:
        """Whether it is the rule that the settings ask for; weights are not theirs."""
        return self == Rule.configured(settings, dependency, weight_e6=self.weight_e6)

    def counts(self, row: Row) -> bool:
        """Whether a row is counted in rates and evidence; golden calls are not drawn from a stream."""
        weight = row.weight_e6 or MICRO
        if weight >= self.weight_e6 or row.item_id is not None:
            return True
        # Drawn by when it was, and nothing that a call could be good or bad by.
        return hash64(f"{row.ts_ms} {row.seq}") % self.weight_e6 < weight

    @classmethod
    def parse(cls, text: str) -> Rule:
        """The rule that `text()` wrote.

        Raises:
            StoreError: The text is another.
        """
        try:
            slo_us, bar_e6, pairs, *weight = json.loads(text)
            return cls(slo_us, bar_e6, tuple((first, second) for first, second in pairs), *weight)
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"A dependency's rule in the store cannot be read: '{plain(text, 60)}'. gonogo doctor says "
                "whose; put a backup in place with gonogo restore FILE."
            ) from error

    def text(self) -> str:
        """The rule as it is stored: equal rules have equal texts."""
        parts = [self.slo_us, self.bar_e6, self.pairs]
        weight = [] if self.weight_e6 == MICRO else [self.weight_e6]
        return json.dumps([*parts, *weight], separators=(",", ":"))


# Of a hash that stands for an id: that any two of a billion ids have the same is a chance of 6e-12.
ID_BYTES = 12


def hash16(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def id_hash(text: str) -> bytes:
    """The key by which the observation of a caller's id is found."""
    return hash16(text)[:ID_BYTES]


def hash64(text: str) -> int:
    """A signed 64-bit number that stands for a text."""
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
