"""Commands on what is stored: copies, removals, the move to another database."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gonogo.answers import rfc3339
from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError

if TYPE_CHECKING:
    from gonogo.store.sqlite.backup import BackupFacts

NAMES_SHOWN = 5
# In the list of commands each stands elsewhere.
copies, removals, moves = (typer.Typer() for _ in range(3))


@command(
    copies,
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


@command(copies, "restore", "gonogo restore gonogo-copy.db", panel="Set up")
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


@command(
    removals,
    "forget",
    "gonogo forget triage --run 2026-04-02",
    "gonogo forget gpt-4 --since 2026-05-01 --until 2026-05-02 --yes",
    "gonogo forget 'scratch-*' old-tool --yes",
    panel="Record",
)
async def forget(
    session: Session,
    *,
    dependencies: Annotated[
        list[str],
        typer.Argument(metavar="DEPENDENCY...", help="Names, as recorded, or patterns of names."),
    ],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From this day or time on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Up to this day, whole, or time.")
    ] = None,
    writer: Annotated[
        str | None, typer.Option(help="What this user, agent or recorder wrote.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="What came with this run of an import.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take observations back, and all that was made of them; it is logged, each name by itself."""
    from gonogo.app.taking_back import forget as take_back
    from gonogo.app.taking_back import forgettable, selection_of

    selection = selection_of(
        since=since, until=until, writer=writer, run=run, zone=session.settings.timezone
    )
    session.app.refuse_read_only("forget observations")
    found = await forgettable(session.app, dependencies, selection)
    if not yes:
        said = "\n".join(one.summary for one in found[:NAMES_SHOWN])
        if len(found) > NAMES_SHOWN:
            said += f"\nAnd observations of {len(found) - NAMES_SHOWN} more names."
        if not sys.stdin.isatty():
            raise ParameterError(f"{said[:300]} Pass --yes to do it.")
        sys.stderr.write(f"{said}\nForget them? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            session.screen.line("Nothing was removed.")
            return
    given = {"since": since, "until": until, "writer": writer, "run": run}
    asked = {name: value for name, value in given.items() if value is not None}
    for one in found:
        session.show(await take_back(session.app, one.dependency, selection, asked))


@command(
    moves,
    "migrate-store",
    "gonogo migrate-store gonogo.db postgresql://gonogo@db.example/gonogo",
    panel="Set up",
)
async def migrate_store(
    session: Session,
    *,
    source: Annotated[str, typer.Argument(metavar="FROM", help="A store file.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="postgresql://…, empty.")],
) -> None:
    """Move a store file to PostgreSQL, and check that both answer the same.

    Stop what writes to the file first. A move that breaks off goes on when it is run again; the
    file stays as it was.
    """
    from gonogo.app.store_transfer import move_store

    moved = await move_store(
        session.settings,
        source=source,
        target=target,
        now_ms=time.time_ns() // 1_000_000,
        say=(lambda _: None) if session.screen.as_json else session.screen.line,
    )
    if session.screen.as_json:
        session.screen.line(json.dumps(asdict(moved)))
    else:
        session.screen.line(
            f"Moved {moved.rows:,} rows in {moved.parts} parts; {moved.tables} tables have as many "
            f"rows as in the file, and {moved.verdicts} answers are the same. Set GONOGO_STORE."
        )
