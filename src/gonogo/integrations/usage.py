"""The tokens that a framework tells of a call, as fields of an observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["attributes_told", "items_told"]


def attributes_told(usage: Any, names: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401 - a framework's
    """Fields by the attributes that hold them, of a usage or of a method that gives it; 0 tells nothing."""
    told = usage() if callable(usage) else usage
    found = {field: getattr(told, name, None) for field, name in names.items()}
    return {field: value for field, value in found.items() if value}


def items_told(usage: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any]:
    """Fields by the keys that hold them; `a.b` is the key b of the mapping under a."""
    found: dict[str, Any] = {}
    for field, path in names.items():
        value: Any = usage or {}
        for key in path.split("."):
            value = (value or {}).get(key)
        if value:
            found[field] = value
    return found
