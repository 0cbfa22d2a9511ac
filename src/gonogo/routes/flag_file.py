"""The format of the route file: flagd's flag definitions, written and read.

A flag of ours splits by `fractional` over the salt and the targeting key; without a key the
largest share is the answer. Source: flagd's flag definition and fractional operation documents.
"""

from __future__ import annotations

from gonogo.border.foreign import foreign_json
from gonogo.ports.routes import WHOLE, Route, Weight

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
BYTES_MAX = 16 * 1024 * 1024

Json = dict[str, object]


class UnreadableFlags(ValueError):
    """The bytes are not a flag file."""


def parse_document(raw: bytes) -> Json:
    """The file's object, whose `flags` are an object too.

    Raises:
        UnreadableFlags: It is something else, or larger than 16 MiB.
    """
    try:
        document = foreign_json(raw, bytes_max=BYTES_MAX)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("flags", {}), dict):
        raise UnreadableFlags
    return document


def with_route(document: Json, route: Route) -> Json:
    """The document with this route's flag set; everything else as it was."""
    return {
        "$schema": SCHEMA,
        **document,
        "flags": {**flags(document), route.dependency: _flag(route)},
    }


def flags(document: Json) -> Json:
    """The flags of a parsed document, by name."""
    found = document.get("flags", {})
    return found if isinstance(found, dict) else {}


def is_disabled(flag: object) -> bool:
    """Whether a flag is switched off: its readers answer with the caller's default."""
    return isinstance(flag, dict) and flag.get("state") == "DISABLED"


def parse_flag(dependency: str, flag: object) -> Route | None:
    """The route that a flag of ours carries: targets, salt and epoch; None for any other flag."""
    try:
        split = flag["targeting"]["if"][1]["fractional"]  # type: ignore[index]
        metadata = flag["metadata"]  # type: ignore[index]
        salt, epoch = metadata["gonogo_salt"], metadata["gonogo_epoch"]
        variants = flag["variants"]  # type: ignore[index]
        targets = tuple(Weight(target, share) for target, share in split[1:])
        shares = [share for _, share in split[1:]]
        good = (
            split[0] == {"cat": [salt, {"var": "targetingKey"}]}
            and type(epoch) is int
            and all(type(w.target) is str and type(w.share) is int for w in targets)
            # A name that a hand changed in one place alone is a slip, and no target.
            and all(w.target and variants[w.target] == w.target for w in targets)
            and min(shares) >= 0
            and sum(shares) == WHOLE
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return Route(dependency, targets, epoch=epoch, salt=str(salt)) if good else None


def shadow_of(flag: object) -> tuple[str, str] | None:
    """The target that a flag of ours has called beside the others, and the name that records it."""
    try:
        target, record_as = flag["metadata"]["gonogo_shadow"]  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None
    return (target, record_as) if type(target) is str and type(record_as) is str else None


def _flag(route: Route) -> Json:
    split = [[w.target, w.share] for w in route.targets]
    key = {"var": "targetingKey"}
    fractional = {"fractional": [{"cat": [route.salt, key]}, *split]}
    trial = route.promotion
    shadow = {}
    if trial is not None and trial.is_shadowed:
        shadow = {"gonogo_shadow": [trial.target, trial.shadow]}
    return {
        "state": "ENABLED",
        "variants": {w.target: w.target for w in route.targets},
        "defaultVariant": max(route.targets, key=lambda w: w.share).target,
        "targeting": {"if": [key, fractional, None]},
        "metadata": {"gonogo_epoch": route.epoch, "gonogo_salt": route.salt, **shadow},
    }
