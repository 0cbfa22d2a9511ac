"""Recording a change: checked against what is known, logged once for each dependency it touches."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.app.parts import Stores
from gonogo.border.characters import name_of
from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.hours.periods import moment
from gonogo.incidents.change_events import ChangeEvent, entry_of_change
from gonogo.records import DAY_MS, Decision

TEXT_CHARS_MAX = 200


async def record_change(
    stores: Stores,
    what: str,
    names: Sequence[str],
    *,
    version: str | None = None,
    segment: str | None = None,
    note: str | None = None,
    at: str | None = None,
    now_ms: int,
) -> list[Decision]:
    """Record a change of these dependencies, or of all; the entries of the decision log.

    Raises:
        UnknownTarget: A name is neither recorded nor configured.
        ParameterError: The time is none or lies over a day ahead, or a slice is not KEY=VALUE.
    """
    known = {*await stores.telemetry.names(), *stores.settings.dependencies}
    meant = [name_of(name) for name in names]
    for name in meant:
        if name not in known:
            raise UnknownTarget(
                "dependency", name, sorted(known), "Record observations first, or check the name."
            )
    if segment is not None and "=" not in segment:
        raise ParameterError(f"--segment '{plain(segment, 60)}' is not KEY=VALUE.")
    zone = stores.settings.timezone
    at_ms = now_ms if at is None else moment(at, name="at", zone=zone).start_ms
    if at_ms > now_ms + DAY_MS:
        raise ParameterError(f"--at '{plain(at or '', 60)}' is more than a day ahead of the clock.")
    made = []
    touched: list[str | None] = [*dict.fromkeys(meant)] or [None]
    for one in touched:
        event = ChangeEvent(
            what,
            at_ms,
            dependency=one,
            version=_short(version),
            segment=_short(segment),
            note=_short(note),
        )
        entry = entry_of_change(
            event,
            entry_id=stores.new_id(now_ms),
            now_ms=now_ms,
            actor=stores.actor,
            digest=stores.settings.digest,
        )
        await stores.decisions.append(entry)
        made.append(entry)
    return made


def _short(text: str | None) -> str | None:
    # Suspects are told one after another with "; " between them.
    return None if text is None else plain(text.strip(), TEXT_CHARS_MAX).replace(";", ",") or None
