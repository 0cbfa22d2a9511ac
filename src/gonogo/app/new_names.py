"""A new name that looks like a known one is said, and a budget that is not there: a typo splits in two."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gonogo.border.characters import skeleton
from gonogo.drift.backdating import BackdatedIntake
from gonogo.errors import plain
from gonogo.ingest.refused_lines import Refusals
from gonogo.money.not_counted import nearest
from gonogo.ports.hour_cells import HourCell
from gonogo.ports.money import Ledger, Payer
from gonogo.records import BatchReport, Observation, Rejection
from gonogo.settings import PER_DEPENDENCY, BudgetSettings, Settings
from gonogo.store.books.refused_book import StoredRefusals
from gonogo.store.observations.batch_parts import Told
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.text.forms import counted
from gonogo.trust.writers import kept_of, refused_of, with_refused

NOTES_MAX = 5
# Among more names than this a typo is looked for by its skeleton alone.
COMPARED_MAX = 2000
ALIKE = 0.9
_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class NewNames:
    """A sink of observations that also says which names are new, and near known ones, or nowhere.

    `seen`: the names that this process has met, which are looked at no more.
    """

    sink: BackdatedIntake
    telemetry: StoredTelemetry
    ledger: Ledger
    refusals: StoredRefusals
    actor: str
    seen: set[str] = field(default_factory=set)

    @property
    def notes(self) -> list[str]:
        """Notes on the rows that were stored: odd names, unknown budgets, misplaced times."""
        return self.sink.notes

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch in one transaction, but for what its writer may not say."""
        stored, told = await self._stored(observations, self.sink.record, now_ms)
        await self._note_payers(told)
        return stored

    async def record_cells(self, cells: Sequence[HourCell], now_ms: int) -> BatchReport:
        """Store a batch of hour cells, but for what its writer may not say."""
        return (await self._stored(cells, self.sink.record_cells, now_ms))[0]

    async def _stored(
        self,
        batch: Sequence[Told],
        store: Callable[[Sequence[Told], int], Awaitable[BatchReport]],
        now_ms: int,
    ) -> tuple[BatchReport, Sequence[Told]]:
        """Store what the writer may say of a batch, and note which of its names are new; that too."""
        names = [one.dependency for one in batch]
        refused = refused_of(names, self.sink.settings, self.actor)
        kept = kept_of(names, refused) if refused else range(len(names))
        if refused and not kept:
            return BatchReport(rejected=tuple(refused)), ()
        told = [batch[at] for at in kept] if refused else batch
        came = {one.dependency for one in told} - self.seen
        known = await self.telemetry.names() if came else {}
        stored = await store(told, now_ms)
        if came and not known:
            await self._keep_keys()
        self._note_names(came, known)
        return (with_refused(stored, refused, kept) if refused else stored), told

    async def _keep_keys(self) -> None:
        """Sums by the keys of budgets begin with a store: later they are made of all its calls first."""
        for per in {budget.per for budget in self.sink.settings.keyed_budgets.values()}:
            if per and per != PER_DEPENDENCY:
                await self.ledger.keyed_names(per, "")

    def _note_names(self, came: set[str], known: Collection[str]) -> None:
        """Say which names that came now are near known ones."""
        if came:
            self.notes.extend(near_names(sorted(came.difference(known)), known))
            self.seen |= came

    async def _note_payers(self, observations: Sequence[Observation]) -> None:
        """Say which budgets and reservations pay for calls and are not there: their cost is nobody's."""
        settings = self.sink.settings
        keyed = settings.keyed_budgets
        payers = Counter(
            o.budget
            for o in observations
            if o.budget and settings.budget(o.budget) is None and not _is_of_value(o, keyed)
        )
        for name, n in payers.items():
            if name in keyed:
                self.notes.append(
                    f"Budget '{plain(name, 80)}', which {counted(n, 'call')} of these name, is a limit for "
                    f"each {keyed[name].per}: name one, '{plain(name, 80)}/VALUE', or give the segment."
                )
                continue
            near = nearest(name, {*settings.budgets, *keyed})
            meant = f": is '{plain(near, 80)}' meant?" if near else ", so none counts them by it."
            self.notes.append(
                f"Budget '{plain(name, 80)}', which {counted(n, 'call')} of these name, is not configured"
                f"{meant}"
            )
        await self._note_reservations(observations)

    async def _note_reservations(self, observations: Sequence[Observation]) -> None:
        """Say which reservations are not there, and which calls count in another budget than they name, or in none."""
        named = sorted({(o.reservation, o.budget or "") for o in observations if o.reservation})
        payers = await self.ledger.payers([name for name, _ in named]) if named else {}
        settings = self.sink.settings
        notes = (_reservation_note(name, by, payers.get(name), settings) for name, by in named)
        self.notes.extend([note for note in dict.fromkeys(notes) if note][:NOTES_MAX])

    def refuse(self, rejections: Sequence[Rejection], now_ms: int) -> None:
        """Count what was refused of what comes one by one, for later answers."""
        refused = Refusals(rejections).counts
        self.refusals.note(refused, source=self.actor, now_ms=now_ms)

    def refuse_of(self, file: str, refusals: Refusals, now_ms: int) -> None:
        """Count what the newest reading of a file refused; what earlier ones did counts no more."""
        self.refusals.replace(refusals.counts, source=file, now_ms=now_ms)

    async def refused_before(self, file: str) -> int:
        """Count the rows of a file that its newest reading refused."""
        return await self.refusals.of_source(file)

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        return await self.sink.dependencies_of(ids)


def _reservation_note(
    name: str, budget: str, payer: Payer | None, settings: Settings
) -> str | None:
    """A note on calls that name a budget and a reservation, where they count elsewhere than they may be meant to."""
    of = f"Reservation '{plain(name, 80)}'"
    if payer is None:
        return (
            f"{of} is not known: what its calls cost counts by their budget and dependency alone."
        )
    if payer.is_declared:
        return (
            f"{of} was settled at a declared amount, which stands: what its calls cost counts by their "
            f"dependency, and not in '{plain(payer.budget, 80)}'."
        )
    if budget and not _counts_in(payer.budget, budget, settings):
        return (
            f"{of} is of budget '{plain(payer.budget, 80)}': what its calls cost counts there, and in "
            f"'{plain(budget, 80)}', which they name, by their dependency alone."
        )
    return None


def _counts_in(payer: str, budget: str, settings: Settings) -> bool:
    """Whether what one budget pays for counts in another that calls name: itself, its key, or one above."""
    if payer == budget or payer.startswith(f"{budget}/"):
        return True
    configured = settings.budget(payer)
    if configured is None:
        return False
    above = configured.parent
    return budget in configured.formerly or (
        above is not None and _counts_in(above, budget, settings)
    )


def _is_of_value(one: Observation, keyed: Mapping[str, BudgetSettings]) -> bool:
    """Whether a call that names a keyed budget also gives the key's value."""
    limit = keyed.get(one.budget or "")
    return limit is not None and limit.per in one.segments


def near_names(new: Sequence[str], known: Collection[str]) -> list[str]:
    """A note for each new name that a known one, or another new one, may be meant by."""
    names = [*known, *new]
    looks: dict[str, list[str]] = {}
    for name in names:
        looks.setdefault(skeleton(name), []).append(name)
    notes = []
    said: set[str] = set()
    for name in new:
        alike = [o for o in looks[skeleton(name)] if o != name and o not in said]
        said.add(name)
        if alike:
            notes.append(_note(name, alike[0], "looks like"))
        elif len(names) <= COMPARED_MAX and (typo := _typo(name, names)) is not None:
            notes.append(_note(name, typo, "is spelt almost like"))
    more = len(notes) - NOTES_MAX
    return notes[:NOTES_MAX] + (
        [f"{more} more new names look like known ones."] if more > 0 else []
    )


def _typo(name: str, names: Iterable[str]) -> str | None:
    """The name that this one may be a slip of; another number is another thing, not a slip."""
    numbers = _NUMBERS.findall(name)
    others = [
        other
        for other in names
        # A name that goes on where another ends is a variant of it: gpt-4 and gpt-4o.
        if not (other.startswith(name) or name.startswith(other))
        and _NUMBERS.findall(other) == numbers
    ]
    found = difflib.get_close_matches(name, others, n=1, cutoff=ALIKE)
    return found[0] if found else None


def _note(name: str, other: str, how: str) -> str:
    spelt = "" if name.isascii() == other.isascii() else ", in letters of another script"
    return (
        f"New dependency '{plain(name, 80)}' {how} '{plain(other, 80)}'{spelt}. They are kept "
        "apart; if one is meant, record under one name."
    )
