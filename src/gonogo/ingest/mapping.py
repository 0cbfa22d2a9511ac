"""The mapping of columns or keys to fields, and the values of text cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from gonogo.border.foreign import whole
from gonogo.errors import DataError, plain
from gonogo.ingest.cell_words import (
    Form,
    is_decimal_comma,
    is_nothing,
    typed_cell,
)
from gonogo.ingest.column_names import (
    MAP_ADVICE,
    counted_calls,
    names_no_columns,
    states_no_unit,
    suggestion,
)
from gonogo.ingest.error_codes import error_code, error_code_of
from gonogo.ingest.observation import FIELDS
from gonogo.ingest.times import with_year_first

_NESTED: dict[str, Form] = {"segments": "text", "metrics": "number"}
_NUMERIC: frozenset[Form] = frozenset(["number", "count", "outcome"])
_TIMES = ("ts", "outcome_ts")
LISTED = 3
# Of a whole file that is refused: a command that takes it in at once, however many columns it has.
_SUGGESTION_CHARS_MAX, _REFUSAL_CHARS_MAX = 700, 1_100


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a column's value: a field, or an entry of `segments` or `metrics`."""

    # What the field holds: asked for each cell, so found once.
    form: Form = field(init=False)
    field: str
    key: str | None = None
    factor: float | None = None

    def __post_init__(self) -> None:
        form = FIELDS[self.field].form if self.key is None else _NESTED[self.field]
        object.__setattr__(self, "form", form)


def target_of(text: str, factor: float | None = None) -> Target | None:
    """The target that a name stands for; None where it is no field."""
    if text in FIELDS:
        return Target(text, None, factor)
    name, _, key = text.partition(".")
    return Target(name, key, factor) if key and name in _NESTED else None


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The ways of columns into fields; without any, columns carry the fields' own names.

    Args:
        targets: A column, or a path into an object as `a.b`, and where its value goes.
        constants: Fields with one value for every record.
        ignore_unknown: Whether columns that are no fields are left out.
        error_when: Columns and the value of each at which a call has failed.
        good_when: One column, and the values at which an answer is good; at any other it is not.
        day_first: Whether 10/11/2026 is the tenth; None: such a time is refused.
        dropped: Columns that are left out though they have a field's name.
    """

    targets: tuple[tuple[str, Target], ...] = ()
    constants: tuple[tuple[Target, object], ...] = ()
    ignore_unknown: bool = False
    error_when: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()
    good_when: tuple[tuple[str, str], ...] = ()
    day_first: bool | None = None
    from_text: bool = False
    decimal_comma: bool = False
    thousands_dot: bool = False
    _columns: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        conditions = (*self.error_when, *self.good_when)
        named = self._read()
        # `provider.id` takes the place of the object `provider`, which is no name of a provider.
        roots = [column.partition(".")[0] for column in named if target_of(column) is None]
        taken = {*(part for each in self.targets for part in _parts(*each)), *self.dropped}
        taken |= {root for root in roots if root in FIELDS}
        taken |= {column for column, _ in conditions if column not in FIELDS}
        taken |= {"outcome"} if self.good_when else set()
        object.__setattr__(self, "_columns", frozenset(taken))

    @property
    def is_empty(self) -> bool:
        """Whether values pass as they are."""
        return not (
            self.targets
            or self.constants
            or self.ignore_unknown
            or self.from_text
            or self.error_when
            or self.good_when
            or self.dropped
            or self.day_first is not None
        )

    @property
    def names_columns(self) -> bool:
        """Whether a user said which columns are what."""
        return bool(self.targets or self.error_when or self.good_when or self.dropped)

    def _read(self) -> list[str]:
        """The columns that it asks for."""
        parts = [part for each in self.targets for part in _parts(*each)]
        return [*parts, *(column for column, _ in (*self.error_when, *self.good_when))]

    def columns_of(self, field: str) -> list[str]:
        """The columns that fill a field."""
        return [column for column, target in self.targets if target.field == field]

    def latency_without_unit(self, record: Mapping[str, object]) -> str | None:
        """The column that is taken for milliseconds though neither it, its mapping nor a record's value says so."""
        for column, target in self.targets:
            if target.field == "latency_ms" and target.factor is None and states_no_unit(column):
                value = _at(record, column)
                # 1.5s and 0:00:01.5 say it.
                is_bare = not isinstance(value, str) or (value[-1:].isdigit() and ":" not in value)
                return column if value is not None and is_bare else None
        return None

    def has_decimal_comma(self, records: Iterable[Mapping[str, object]]) -> bool:
        """Whether a cell of a number shows that commas are decimal, so that 1.234 is a thousand and more."""
        columns = [column for column, target in self.targets if target.form in _NUMERIC]
        return any(
            is_decimal_comma(cell)
            for record in records
            for column in columns
            if isinstance(cell := record.get(column), str)
        )

    @property
    def identity(self) -> str:
        """The mapping's constants, and the columns that say whose call a row is, and when.

        Not the other columns: a second import that also maps outcomes fills in those of the first.
        """
        by = [(column, t.field) for column, t in self.targets if t.field in _IDENTIFYING]
        if self.from_text:
            by = [(column, name) for column, name in by if column != name]
        constants = [(target.field, target.key, value) for target, value in self.constants]
        return repr((sorted(by), sorted(constants, key=repr))) if by or constants else ""

    def with_header(
        self,
        header: Iterable[str],
        path: str,
        *,
        decimal_comma: bool = False,
        first: Mapping[str, object] = MappingProxyType({}),
        has_zone: bool = True,
    ) -> ColumnMap:
        """The mapping of a CSV file: every column has its target, and cells are text.

        Args:
            header: Its columns.
            path: Names it.
            decimal_comma: Whether its numbers may have decimal commas.
            first: Its first record, where it can be looked at.
            has_zone: Whether the zone of times that state none was said.

        Raises:
            DataError: columns that are neither fields nor mapped, or mapped ones that are missing.
        """
        columns = list(header)
        missing = sorted(set(self._read()) - set(columns))
        if missing:
            raise DataError(
                f"'{plain(path, 150)}' has no column {_listed(missing)}. It has: {_listed(columns)}."
            )
        own = [(c, target_of(c)) for c in columns if c not in self._columns]
        unknown = [column for column, target in own if target is None]
        if unknown and not self.ignore_unknown:
            if counted := counted_calls(unknown):
                raise DataError(
                    f"'{plain(path, 150)}' seems to count calls ({_listed(counted)}), and a line here is one call. "
                    "Bring in the calls, or hours counted as docs/cells.md says; to take each line for a call anyway, "
                    "map every column that is wanted and pass --ignore-unknown."
                )
            taken = [target.field for _, target in (*self.targets, *own) if target is not None]
            taken += [target.field for target, _ in self.constants]
            likely = suggestion(
                unknown, taken, first, has_zone=has_zone, chars_max=_SUGGESTION_CHARS_MAX
            )
            if not self.targets and names_no_columns(columns):
                raise DataError(
                    f"'{plain(Path(path).name, 40)}' is no table: its first line names no columns (it begins with "
                    f"'{plain(columns[0], 40)}'). Give a CSV a header, or write a record of JSON a line; "
                    "docs/collect.md lists what else is read."
                )
            raise DataError(
                f"'{plain(Path(path).name, 40)}' has columns that are no fields: {_listed(unknown, 20)}. "
                + (f"Perhaps: {likely}" if likely else f"{MAP_ADVICE}."),
                _REFUSAL_CHARS_MAX,
            )
        passing = [(column, target) for column, target in own if target is not None]
        return replace(
            self,
            targets=(*passing, *self.targets),
            from_text=True,
            decimal_comma=decimal_comma,
        )

    def apply(self, values: dict[str, object]) -> dict[str, object]:
        """Fields of one record: its own, then the mapped ones, then the constants."""
        fields = {
            name: value
            for name, value in values.items()
            if name not in self._columns
            and (not self.ignore_unknown or (name in FIELDS and _fits(name, value)))
        }
        for column, target in self.targets:
            value = values.get(column)
            if value is None:
                value = _at(values, column) if "." in column else _joined(values, column, target)
            if value is not None:
                value = self._converted(target, value)
                if value is not None:
                    put(fields, target, value)
        for target, constant in self.constants:
            put(fields, target, constant)
        for column, _ in self.good_when[:1]:
            value = _at(values, column)
            if value is not None and not is_nothing(str(value)):
                fields["outcome"] = any(_says(value, word) for _, word in self.good_when)
        for column, said in self.error_when:
            if _says(_at(values, column), said) and error_code(fields.get("error")) is None:
                fields["error"] = error_code_of(said)
        return fields if self.day_first is None else _dated(fields, day_first=self.day_first)

    def left_out(self, values: Mapping[str, object]) -> set[str]:
        """The columns of a record that become nothing, beside those that were said to be dropped."""
        if not self.ignore_unknown:
            return set()
        read = set(self._read())
        read |= {column.partition(".")[0] for column in read} | self.dropped
        own = {name for name in values if name in FIELDS and _fits(name, values[name])}
        return values.keys() - read - own

    @property
    def filled(self) -> set[str]:
        """The fields that it has a value for."""
        mapped = {target.field for _, target in self.targets}
        mapped |= {target.field for target, _ in self.constants}
        return mapped | ({"outcome"} if self.good_when else set())

    def _converted(self, target: Target, value: object) -> object:
        form = target.form
        if self.from_text and isinstance(value, str):
            if form == "text":
                # R writes NA for nothing; the label of a class, or a region, may be called so.
                is_na = value == "NA" and target.field not in _WORDS_OF_CONTENT
                return None if is_na or is_nothing(value) else value
            if not value[:1].isdigit() and is_nothing(value, numeric=True):
                return None
            value = typed_cell(
                form,
                value,
                decimal_comma=self.decimal_comma,
                thousands_dot=self.thousands_dot,
                # A rate, or a measure of one's own: nobody takes it for USD.
                is_any_money=target.factor is not None or target.key is not None,
            )
        elif isinstance(value, str):
            value = _of_json(form, value)
        elif form == "text" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # an identifier that its file keeps as a number
        if target.factor is None or isinstance(value, bool) or not isinstance(value, int | float):
            return value
        try:
            return value * target.factor
        except OverflowError:
            return math.inf


def typed_texts(values: Mapping[str, object]) -> dict[str, object]:
    """A record of JSON whose numbers are texts, as exact decimals often are, with numbers."""
    typed: dict[str, object] = {}
    for name, value in values.items():
        form = FIELDS[name].form if name in FIELDS else "text"
        if isinstance(value, str):
            typed[name] = _of_json(form, value)
        elif form == "numbers" and isinstance(value, dict):
            typed[name] = {
                key: _of_json("number", entry) if isinstance(entry, str) else entry
                for key, entry in value.items()
            }
        else:
            typed[name] = value
    return typed


def _of_json(form: Form, text: str) -> object:
    """A text of JSON as its field wants it; a time that says nothing stays, and is refused."""
    if form not in ("text", "time") and is_nothing(text, numeric=True):
        return None
    return typed_cell(form, text)


_WORDS_OF_CONTENT = frozenset({"prediction", "label", "segments", "output"})
_IDENTIFYING = frozenset({"dependency", "version", "ts", "item"})


def _fits(name: str, value: object) -> bool:
    """Whether a value could be that of the field whose name its column happens to have."""
    form = FIELDS[name].form
    if form in ("texts", "numbers"):
        return value is None or isinstance(value, dict | str)
    return form == "list" or name == "error" or not isinstance(value, dict | list)


def _says(value: object, word: str) -> bool:
    """Whether a cell holds a word, however it is capitalised."""
    return value is not None and str(value).strip().casefold() == word.strip().casefold()


def _at(values: Mapping[str, object], column: str) -> object:
    """The value of a column, or at a path such as `usage.input_tokens` or `choices.0.text`."""
    value = values.get(column)
    if value is not None or "." not in column:
        return value
    here: object = values
    for part in column.split("."):
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and (place := whole(part)) is not None and place < len(here):
            here = here[place]
        else:
            return None
    return here


def _dated(fields: dict[str, object], *, day_first: bool) -> dict[str, object]:
    """The fields, with the year first in each time."""
    for name in _TIMES:
        stated = fields.get(name)
        if isinstance(stated, str):
            fields[name] = with_year_first(stated, day_first=day_first)
    return fields


def _parts(column: str, target: Target) -> list[str]:
    """The columns that a field is read from: of a time two, as `date+time`."""
    return column.split("+") if target.form == "time" else [column]


def _joined(values: Mapping[str, object], column: str, target: Target) -> object:
    """A time whose day and clock stand in columns of their own; None where one is empty."""
    parts = [values.get(part) for part in _parts(column, target)]
    if len(parts) == 1 or not all(isinstance(part, str) and part for part in parts):
        return None
    return " ".join(str(part) for part in parts)


def put(fields: dict[str, object], target: Target, value: object) -> None:
    """Set a field, or an entry of one."""
    if target.key is None:
        fields[target.field] = value
        return
    entries = fields.get(target.field) or {}
    # Anything but an object stays as it is and is refused by its type.
    if isinstance(entries, dict):
        fields[target.field] = {**entries, target.key: value}


def _listed(names: Sequence[str], chars_max: int = 40) -> str:
    shown = ", ".join(f"'{plain(name, chars_max)}'" for name in names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"
