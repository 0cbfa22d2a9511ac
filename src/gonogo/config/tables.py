"""A table of gonogo.toml as a pydantic model, and its first error as one line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gonogo.config.values import Refusal
from gonogo.errors import ConfigError, plain
from gonogo.settings import Secret

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Table(BaseModel):
    """A table whose keys are known. Fields are named as in `Settings`, aliases as in the file.

    Defaults stand in `Settings`: a field without a value here was not given.
    """

    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: object) -> object:
        if isinstance(values, dict):
            refuse_unknown_keys(values, cls.all_keys())
        return values

    @classmethod
    def all_keys(cls) -> list[str]:
        """Every key that it takes, as the file has them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def keys(self) -> list[str]:
        """The keys that were given, as the file has them."""
        fields = type(self).model_fields
        return [fields[name].alias or name for name in fields if name in self.model_fields_set]

    def parted(self, *, without: Sequence[str]) -> tuple[Mapping[str, str], Secret | None]:
        """The other fields that were given, as texts, and the one that is a secret."""
        given = self.given(without=without)
        secrets = [value for value in given.values() if isinstance(value, Secret)]
        options = {key: str(v) for key, v in given.items() if not isinstance(v, Secret)}
        return MappingProxyType(options), secrets[0] if secrets else None

    def given(self, *, without: Sequence[str] = ()) -> dict[str, Any]:
        """The fields that were given, by name."""
        return {n: getattr(self, n) for n in self.model_fields_set if n not in without}


def refuse_unknown_keys(values: Mapping[str, object], known: Sequence[str]) -> None:
    """Refuse the first key that is not known, with the one that may have been meant."""
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            if key == "store":
                hint = "the store is named by --store or GONOGO_STORE; "
            elif key == "notify":
                hint = "receivers stand as [settings.notify.NAME]; "
            elif not near and isinstance(values[key], dict):
                # TOML reads gpt-4.1 as a table "1" in a table "gpt-4".
                hint = f'a name with a dot stands in quotes, as [dependencies."NAME.{key}"]; '
            raise Refusal(f"is no key; {hint}allowed: {', '.join(known)}", key)


def first_refusal(
    error: ValidationError, file: Path, content: Mapping[str, object], section: str
) -> ConfigError:
    """The first thing that pydantic found wrong in a section."""
    # A name that cannot be one is said before what its table has.
    found = min(error.errors(include_url=False), key=lambda each: "[key]" not in each["loc"])
    refused = _refused(found)
    path, within = [section], content.get(section)
    for part in (*found["loc"], *refused.below):
        table = within if isinstance(within, dict) else {}
        # Neither is a key of the file: which kind of table it is, and the place in a list.
        if part != "[key]" and isinstance(part, str) and table.get("kind") != part:
            path.append(part)
            within = table.get(part)
    return refusal(file, content, Refusal(str(refused), *path, shown=refused.shown))


def _refused(found: ErrorDetails) -> Refusal:
    """Translate pydantic's errors into our one line."""
    context = found.get("ctx", {})
    error = context.get("error")
    if isinstance(error, Refusal):
        return error
    kind = found["type"]
    if kind == "missing":
        return Refusal("is required")
    if kind == "bool_type":
        return Refusal("must be true or false")
    if kind == "literal_error":
        listed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return Refusal(f"must be one of {listed}")
    if kind.startswith("union_tag"):
        listed = str(context.get("expected_tags", "")).replace("'", "")
        return Refusal(f"must be one of {listed}" if listed else "is required", "kind")
    return Refusal("must be a table")


def refusal(file: Path, content: Mapping[str, object], refused: Refusal) -> ConfigError:
    """The line that names the file, the key, its value where it has one, and what is allowed."""
    value: object = content
    for part in refused.below:
        value = value.get(part) if isinstance(value, dict) else None
    text = plain(json.dumps(value, ensure_ascii=False, default=str), 60)
    told = f" = {text}" if refused.shown and value is not None else ""
    return ConfigError(f"{file}: {plain('.'.join(refused.below), 120)}{told}: {refused}.")
