"""A copy of the store, and the way back from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gonogo.answers import rfc3339
from gonogo.cli.command import Session, command

if TYPE_CHECKING:
    from gonogo.store.sqlite.backup import BackupFacts

group = typer.Typer()


@command(
    group,
    "backup",
    "gonogo backup gonogo-copy.db",
    "gonogo backup --verify gonogo-copy.db",
    panel="Set up",
)
async def backup(
    session: Session,
    *,
    to: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read a backup through; write nothing.")
    ] = False,
) -> None:
    """Copy the store while it is in use, into one file that says when it was made and what it holds."""
    from gonogo.store.sqlite.backup import verified

    if not verify:
        await session.app.backup(to)
    facts = verified(to)
    if session.screen.as_json:
        session.screen.line(json.dumps({"path": str(to), **_told(facts)}))
    else:
        session.screen.line(f"{to} {'is whole' if verify else 'written'}: {_words(facts)}")


@command(group, "restore", "gonogo restore gonogo-copy.db", panel="Set up")
async def restore(
    session: Session, *, backup_file: Annotated[Path, typer.Argument(metavar="FILE")]
) -> None:
    """Put a backup in the store's place: read through first, refused while the store is in use.

    What was there is kept beside it, and named.
    """
    from gonogo.app.parts import restore_stores

    app = session.app
    restored = await restore_stores(session.settings, backup_file, actor=app.actor, clock=app.clock)
    kept = str(restored.kept) if restored.kept else None
    if session.screen.as_json:
        told = {"store": session.settings.store, **_told(restored.facts)}
        session.screen.line(json.dumps(told | ({"kept": kept} if kept else {})))
        return
    session.screen.line(f"Restored {session.settings.store}: {_words(restored.facts)}.")
    if kept:
        session.screen.line(f"What was there is kept as {kept}.")


def _words(facts: BackupFacts) -> str:
    newest = "none" if facts.newest_ts_ms is None else rfc3339(facts.newest_ts_ms)
    made = "a plain copy, without digest" if facts.made_ms is None else _made(facts)
    return (
        f"{facts.observations:,} observations, the newest of {newest}; "
        f"{facts.actions:,} actions; {facts.size:,} bytes; {made}"
    )


def _made(facts: BackupFacts) -> str:
    return f"made {rfc3339(facts.made_ms or 0)}, sha256 {(facts.digest or '')[:12]}"


def _told(facts: BackupFacts) -> dict[str, object]:
    told = {
        "made": None if facts.made_ms is None else rfc3339(facts.made_ms),
        "observations": facts.observations,
        "actions": facts.actions,
        "newest_ts": None if facts.newest_ts_ms is None else rfc3339(facts.newest_ts_ms),
        "bytes": facts.size,
        "sha256": facts.digest,
    }
    return {name: value for name, value in told.items() if value is not None}
