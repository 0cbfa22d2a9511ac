"""`gonogo ingest`: observations from files and streams."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError

if TYPE_CHECKING:
    from gonogo.ingest.load import Loaded, Progress
    from gonogo.ingest.mapping import FieldMap

group = typer.Typer()

SOME_REFUSED = 65
REFUSED_SHOWN = 20
GARBAGE_LOOKED_FOR_AFTER = 100_000


@command(
    group,
    "ingest",
    "gonogo ingest calls.jsonl",
    "gonogo ingest runs.csv.gz --map dependency=model --map latency_ms=latency_s*1000",
    "gonogo ingest spend.csv --format litellm-spend",
    "tail -f calls.jsonl | gonogo ingest - --set dependency=search",
    panel="Record",
)
async def ingest(
    session: Session,
    *,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="JSONL or CSV, also .gz; - is stdin.")
    ],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["jsonl", "csv", "litellm-spend"] | None,
        typer.Option(help="Default: told by the file. litellm-spend: rows of LiteLLM's SpendLogs."),
    ] = None,
    map: Annotated[  # noqa: A002 - the option's name
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN[*NUMBER]", help="Fill a field from a column; repeat it."
        ),
    ] = None,
    set: Annotated[  # noqa: A002 - the option's name
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Fill a field with a value; repeat it."),
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Leave out what is no field and not mapped.")
    ] = False,
) -> int:
    """Store observations from files; refused lines are named, the others are kept."""
    from gonogo.ingest.mapping import parse_mapping
    from gonogo.ingest.spend_logs import SpendLogs

    mapping: FieldMap = parse_mapping(map or [], set or [], ignore_unknown=ignore_unknown)
    stated = format if format != "litellm-spend" else None
    if format == "litellm-spend":
        if map:
            raise ParameterError(
                "--format litellm-spend maps every column itself; leave out --map."
            )
        mapping = SpendLogs(parse_mapping([], set) if set else None)
    # A batch is many thousand objects without a cycle: to look through them took a twentieth of all.
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    with progress_bar() as progress:
        loaded = await session.app.ingest(
            files, mapping, stated=stated, stdin=sys.stdin.buffer, progress=progress
        )
    session.screen.line(_json(loaded) if session.screen.as_json else _words(loaded))
    return SOME_REFUSED if loaded.refused_count else 0


def _json(loaded: Loaded) -> str:
    refused = [{"line": r.line, "field": r.field, "problem": r.problem} for r in loaded.refused]
    told = {"accepted": loaded.accepted, "duplicates": loaded.duplicates}
    notes = {"notes": loaded.notes} if loaded.notes else {}
    return json.dumps({**told, "updated": loaded.updated, "rejected": refused, **notes})


def _words(loaded: Loaded) -> str:
    said = f"{loaded.accepted:,} accepted, {loaded.duplicates:,} duplicates"
    lines = [f"{said}, {loaded.updated:,} updated, {loaded.refused_count:,} refused"]
    lines += loaded.notes
    for refused in loaded.refused[:REFUSED_SHOWN]:
        where = f"{refused.path}:{refused.line}"
        lines.append(f"{where}: {refused.field}: {refused.problem}")
    if loaded.refused_count > REFUSED_SHOWN:
        lines.append(f"… {loaded.refused_count - REFUSED_SHOWN:,} more refused (--json names them)")
    return "\n".join(lines)


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error while files are read; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rows]} rows"),
        bars.TimeRemainingColumn(compact=True),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, bars.TaskID] = {}

        def tell(told: Progress) -> None:
            if told.path not in tasks:
                name = Path(told.path).name or "-"
                tasks[told.path] = shown.add_task(name, total=told.bytes_total, rows="0")
            loaded = told.loaded
            rows = loaded.accepted + loaded.duplicates + loaded.updated + loaded.refused_count
            shown.update(tasks[told.path], completed=told.bytes_read or 0, rows=f"{rows:,}")

        yield tell
