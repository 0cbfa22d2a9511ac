"""Changes as a pipeline tells them: an event of OpenTelemetry, or the JSON of a webhook."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.border.foreign import foreign_json
from gonogo.errors import plain
from gonogo.ingest.otlp.names import OWN, Scalar
from gonogo.ingest.otlp.wire import MalformedMessage
from gonogo.ingest.times import LIKE, epoch_ms
from gonogo.ports.change_event import ChangeEvent

TEXTS = ("what", "dependency", "version", "segment", "note")


def change_of(found: Mapping[str, Scalar], at_ms: int) -> ChangeEvent:
    """The change that a log record's attributes `gonogo.what`, `gonogo.dependency`, … state."""
    told = {name: str(found[OWN + name]) for name in TEXTS if OWN + name in found}
    return ChangeEvent(told.pop("what", ""), at_ms, **told)


def change_of_json(body: bytes, *, now_ms: int) -> ChangeEvent:
    """The change that an object states: `what`, and where they are known the other texts and `at`.

    Raises:
        MalformedMessage: It is no such object.
    """
    try:
        stated = foreign_json(body, names_once=True)
        at = stated.pop("at", None) if isinstance(stated, dict) else None
        at_ms = now_ms if at is None else epoch_ms(at) if isinstance(at, str) else None
    except ValueError as problem:
        raise MalformedMessage(400, f"The change {problem}.") from None
    if not isinstance(stated, dict):
        raise MalformedMessage(400, "The change is no object.")
    if at_ms is None:
        raise MalformedMessage(400, f"'at' must be a time like {LIKE}.")
    told: dict[str, str] = {}
    for name, value in stated.items():
        if name not in TEXTS:
            known = ", ".join((*TEXTS, "at"))
            raise MalformedMessage(400, f"'{plain(name, 60)}' is no key of a change: {known}.")
        if value is not None and not isinstance(value, str):
            raise MalformedMessage(400, f"'{name}' must be text.")
        if value:
            told[name] = value
    return ChangeEvent(told.pop("what", ""), at_ms, **told)
