"""Three lines on how a file was understood: what it holds, what became of it, what to ask next."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from gonogo.answers import rfc3339
from gonogo.errors import plain
from gonogo.ingest.column_names import note_values, suggestion
from gonogo.ingest.formats.foreign_format import File
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.numbered_lines import STDIN, LineText
from gonogo.ingest.observation import FIELDS
from gonogo.ingest.refused_lines import Refusals
from gonogo.ports.booked_costs import SERVICE_TIERS
from gonogo.records import DAY_MS, Observation
from gonogo.text.forms import counted, number

SHOWN = 3
_QUANTITIES = ("latency_ms", "cost_usd", "output_tokens", "input_tokens", "confidence")
COLUMNS_SHOWN, COLUMNS_MAX = 8, 1_000
# In each later answer about its dependency.
COLUMNS_RECALLED = 3
# Records of each batch that are looked at for the fields that they have.
LOOKED_AT = 100
_TIER_ADVICE = (
    " '{}' is no service tier that is known, and tiers set prices: if it is a customer's, take it back "
    "(gonogo forget) and say --map segments.tier=tier."
)
# A call of hours is likelier one in nanoseconds, as logs write them.
_LONG_MS, _ROUNDED_MS = 1e7, 100
_MADE_ID = re.compile(r"[0-9a-f]{32}(-\d+)?")
STALE_MS = 7 * DAY_MS
# A baseline is learned over three days: of less no drift can be told, but two versions can be compared.
BASELINE_MS = 3 * DAY_MS


def _has(observation: Observation, name: str) -> bool:
    """Whether a record said a field by itself."""
    if name == "id" and _MADE_ID.fullmatch(observation.id or ""):
        return False
    if name == "ts":
        return not observation.ts_assumed
    if name == "outcome_ts" and observation.outcome_ts_assumed:
        return False
    return getattr(observation, FIELDS[name].attribute) not in (None, {})


def _quoted(name: str) -> str:
    return (
        name if name.replace("-", "").replace(".", "").replace("_", "").isalnum() else f"'{name}'"
    )


def columns_named(names: Sequence[str], most: int = COLUMNS_SHOWN) -> str:
    """The first of some columns, and how many more there are."""
    named = ", ".join(f"'{plain(name, 40)}'" for name in names[:most])
    more = len(names) - most
    return f"column{'s' if len(names) > 1 else ''} {named}" + (
        f" and {more} more" if more > 0 else ""
    )


class Understanding:
    """Counts what a file holds while it is read.

    Args:
        title: What its records are written as.
        file: The file, with what its format left out.
        text: Its lines as text, with how many were no UTF-8.
        understood: What became of its columns; None where they are fields, which are named as found.
        without_unit: The column that is taken for milliseconds though nothing says so.
    """

    def __init__(
        self,
        title: str,
        file: File,
        text: LineText,
        understood: str | None = None,
        *,
        without_unit: str | None = None,
    ) -> None:
        self._title, self._file, self._text, self._understood = title, file, text, understood
        self._name = "stdin" if file.path == STDIN else plain(Path(file.path).name, 80)
        self._without_unit = without_unit
        self._latencies: list[float] = []
        self._fields: set[str] = set()
        self._dependencies: Counter[str] = Counter()
        self._versions: dict[str, dict[str, None]] = {}
        self._times: dict[
            str, tuple[int, int]
        ] = {}  # of the first and last call of each dependency
        self.outcomes = self.errors = 0
        self._metrics: list[str] = []
        self._columns: set[str] = set()
        self._values: dict[str, object] = {}
        self._filled: set[str] = set()
        self._weights: dict[str, tuple[float, float]] = {}
        self._tier: str | None = None  # one that is no service's

    def note(self, observations: Sequence[Observation]) -> None:
        """Take a batch in."""
        self._note_names(observations)
        self.outcomes += sum(one.outcome is not None for one in observations)
        self.errors += sum(one.error is not None for one in observations)
        for name, weight in {(one.dependency, one.weight or 1.0) for one in observations}:
            low, high = self._weights.get(name, (weight, weight))
            self._weights[name] = min(low, weight), max(high, weight)
        if self._without_unit is not None and not self._latencies:
            some = observations[:LOOKED_AT]
            self._latencies = sorted(o.latency_ms for o in some if o.latency_ms is not None)
        for one in [] if self._metrics else observations[:LOOKED_AT]:
            self._metrics = [name for name in _QUANTITIES if _has(one, name)]
            self._metrics += [f"metrics.{name}" for name in one.metrics]
            if self._metrics:
                break
        if self._understood is None:
            for one in observations[:LOOKED_AT]:
                self._fields.update(name for name in FIELDS if _has(one, name))
                if one.tier and one.tier.casefold() not in SERVICE_TIERS:
                    self._tier = one.tier

    def _note_names(self, observations: Sequence[Observation]) -> None:
        """Count the calls of each dependency, with its versions and the times of its first and last."""
        self._dependencies.update([one.dependency for one in observations])
        for one in observations:
            if one.version is not None:
                self._versions.setdefault(one.dependency, {})[one.version] = None
        for name, ts_ms in [
            (one.dependency, one.ts_ms) for one in observations if not one.ts_assumed
        ]:
            first, last = self._times.get(name, (ts_ms, ts_ms))
            self._times[name] = min(first, ts_ms), max(last, ts_ms)

    def leave_out(self, record: Mapping[str, object], mapping: ColumnMap) -> None:
        """Take in the columns of a record that became nothing, and what has a value."""
        self._filled |= mapping.filled | record.keys()
        columns = mapping.left_out(record)
        if len(self._columns) < COLUMNS_MAX:
            left = {c: value for c, value in record.items() if c in columns}
            # A scalar tells nothing new; an object may hold what no record before had.
            new = {c: v for c, v in left.items() if c not in self._columns or isinstance(v, dict)}
            note_values(self._values, new)
            self._columns |= columns

    def note_left_out(self, refusals: Refusals) -> None:
        """Say of each dependency, for later answers, which columns of its file were left out, and what its format lost."""
        left = [f"{what} ({number(self._file.left_out[what])})" for what in sorted(self._file.lost)]
        left += [columns_named(sorted(self._columns), COLUMNS_RECALLED)] if self._columns else []
        if left:
            refusals.leave_out(self._dependencies, f"{'; '.join(left)} of {self._name}")

    def lines(self, now_ms: int, read: dict[str, dict[str, None]]) -> list[str]:
        """The three lines.

        Args:
            now_ms: The time, epoch milliseconds.
            read: Versions by dependency of the files before, in their order; this one's are added.
        """
        for name, versions in self._versions.items():
            read.setdefault(name, {}).update(versions)
        if not self._dependencies:
            return [f"{self._name}: {self._title}; nothing of it was taken.", *self._left_out()]
        others = len(self._dependencies) - 1
        rest = f", and gonogo list for the other{'s' if others > 1 else ''}" if others else ""
        return [self._what(), self._became(), self._next(now_ms, read) + rest]

    def _what(self) -> str:
        calls = sum(self._dependencies.values())
        named = [
            f"{plain(name, 60)} ({number(n)})" for name, n in self._dependencies.most_common(SHOWN)
        ]
        if len(self._dependencies) > SHOWN:
            named.append(f"{len(self._dependencies) - SHOWN} more")
        told = f"{self._name}: {self._title}; {counted(calls, 'record')} of "
        told += ", ".join(named) or "nothing"
        if self._versions:
            told += f"; {counted(sum(map(len, self._versions.values())), 'version')}"
        if self._times:
            times = [ts_ms // 1000 * 1000 for both in self._times.values() for ts_ms in both]
            first, last = rfc3339(min(times)), rfc3339(max(times))
            told += f"; {first}" if first == last else f"; {first} to {last}"
        else:
            told += "; without times, so dated now"
        return f"{told}; {counted(self.outcomes, 'outcome')}, {counted(self.errors, 'error')}."

    def _became(self) -> str:
        counts = {"outcome": self.outcomes, "error": self.errors}
        seen = self._fields | {name for name, n in counts.items() if n}
        fields = [name for name in FIELDS if name in seen]
        told = f"Understood as {self._understood or 'fields: ' + ', '.join(fields)}."
        told += self._unit()
        if others := self._text.others:
            are = "line is" if others == 1 else "lines are"
            told += f" {number(others)} {are} not UTF-8 text: look at names with accents."
        if self._tier is not None:
            told += _TIER_ADVICE.format(plain(self._tier, 40))
        differing = [name for name, (low, high) in self._weights.items() if low < high]
        if differing:
            told += (
                f" Weights of {plain(differing[0], 60)} differ: its rates are of a sample in which all calls "
                "have one chance, its money is of all."
            )
        return " ".join([told, *self._left_out()])

    def _unit(self) -> str:
        """The unit that a latency was taken in, where its column names none."""
        if not self._latencies or self._without_unit is None:
            return ""
        column, usual = plain(self._without_unit, 60), self._latencies[len(self._latencies) // 2]
        is_fine = usual > _LONG_MS
        unit, factor = ("nanoseconds", "0.000001") if is_fine else ("seconds", "1000")
        told = f"{usual:,.0f}" if usual >= _ROUNDED_MS else f"{usual:.3g}"
        return (
            f" '{column}' states no unit and is taken for milliseconds, as {told} ms; if it is in {unit}, "
            f"take it back (gonogo forget) and say --map {quote(f'latency_ms={column}*{factor}')}."
        )

    def _left_out(self) -> list[str]:
        left = [f"{what} ({number(n)})" for what, n in sorted(self._file.left_out.items())]
        left += [columns_named(sorted(self._columns))] if self._columns else []
        told = [f"Left out: {'; '.join(left)}."] if left else []
        could = suggestion(list(self._values), {"dependency", *self._filled}, self._values)
        could = could.removesuffix("--ignore-unknown").strip()
        return [*told, f"Perhaps wanted: {plain(could, 300)}"] if could else told

    def _next(self, now_ms: int, read: dict[str, dict[str, None]]) -> str:
        name = self._dependencies.most_common(1)[0][0]
        quoted = _quoted(name)
        first, last = self._times.get(name, (now_ms, now_ms))
        is_old = last < now_ms - STALE_MS
        check = f"gonogo check drift {quoted}"
        if not self.outcomes and not self.errors and self._metrics:
            check += f" --metric {_quoted(self._metrics[0])}"
        elif not self.outcomes:
            # Trust is of now: of what is old it cannot be asked.
            check = f"{check} --metric error" if is_old else f"gonogo check trust {quoted}"
        if self.outcomes and last - first < BASELINE_MS:
            versions = list(read.get(name, ()))
            if len(versions) > 1:
                old, new = _quoted(versions[0]), _quoted(versions[-1])
                return f"Next: {check} --baseline-version {old} --version {new}"
            if last >= now_ms - STALE_MS:
                return (
                    f"Next: gonogo check trust {quoted}, and {check} once there are some days of it"
                )
        if is_old:
            # Of what is that old no verdict about now is given; one as of its last day is.
            check += f" --until {rfc3339(last)[:10]}"
        return f"Next: {check}"
