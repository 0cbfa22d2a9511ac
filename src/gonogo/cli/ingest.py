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

from gonogo.cli.command import START, Session, command
from gonogo.errors import ParameterError

if TYPE_CHECKING:
    from gonogo.ingest.load import LoadReport, Progress
    from gonogo.ingest.mapping import ColumnMap

group = typer.Typer()

SOME_REFUSED = 65
REFUSED_SHOWN = 20
RUN_CHARS_MAX = 200
GARBAGE_LOOKED_FOR_AFTER = 100_000


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        help="JSONL, CSV, Parquet, or results of another tool, also .gz; - is stdin.",
    ),
]
FormatOption = Annotated[
    Literal[
        "auto",
        "jsonl",
        "csv",
        "cells",
        "promptfoo",
        "lm-eval",
        "inspect",
        "openai-batch",
        "openai-evals",
        "usage-report",
        "anthropic-batch",
        "mlflow",
        "langsmith",
        "braintrust",
        "deepeval",
        "datadog",
        "phoenix",
        "phoenix-annotations",
        "langfuse-scores",
        "langfuse",
        "litellm-spend",
        "helicone",
    ],
    typer.Option(help="Default: told by what the file holds."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=COLUMN[*NUMBER]", help="Fill a field from a column; repeat it."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=VALUE", help="Fill a field with a value; repeat it."),
]
IgnoreOption = Annotated[
    bool, typer.Option("--ignore-unknown", help="Leave out what is no field and not mapped.")
]
DropOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Leave out a column though it has a field's name."),
]
FailedOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="A call with this value failed; repeat it."),
]
GoodOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE",
        help="An answer with this value is good, with any other not; repeat it.",
    ),
]
DayOption = Annotated[
    bool | None,
    typer.Option(
        "--day-first/--month-first",
        help="Of dates such as 10/11/2026. Default: told by others of the file.",
        show_default=False,
    ),
]
HoursOption = Annotated[
    bool,
    typer.Option(
        "--hours-only", help="Count Parquet by the hour and keep the hours, not the calls."
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Tells runs of the same work apart, as nightly results."),
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE", help="Of times that state none, as Europe/Berlin. [settings.timezone]"
    ),
]


@command(
    group,
    "ingest",
    "gonogo ingest calls.jsonl",
    "gonogo ingest runs.csv.gz --map dependency=model --map latency_ms=latency_s*1000",
    "gonogo ingest results.json",
    "gonogo ingest hours.parquet --format cells",
    "gonogo ingest results.csv --set dependency=triage --run 2026-04-02",
    "tail -f calls.jsonl | gonogo ingest - --set dependency=search",
    panel=START,
)
async def ingest(
    session: Session,
    *,
    files: Files,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    map: MapOption = None,  # noqa: A002 - the option's name
    set: SetOption = None,  # noqa: A002 - the option's name
    ignore_unknown: IgnoreOption = False,
    drop: DropOption = None,
    error_when: FailedOption = None,
    good_when: GoodOption = None,
    day_first: DayOption = None,
    hours_only: HoursOption = False,
    run: RunOption = None,
    timezone: ZoneOption = None,
) -> int:
    """Store observations from files (JSONL, CSV, …); refused lines are named, the others are kept."""
    from gonogo.ingest.batches import Reading
    from gonogo.ingest.mapping_options import parse_mapping
    from gonogo.ingest.times import time_zone

    mapping: ColumnMap = parse_mapping(
        map or [],
        set or [],
        ignore_unknown=ignore_unknown,
        error_when=error_when or [],
        good_when=good_when or [],
        drop=drop or [],
        day_first=day_first,
    )
    stated = None if format == "auto" else format
    zone = timezone or session.settings.stated_timezone
    reading = Reading(stated, _run_name(run), None if zone is None else time_zone(zone), hours_only)
    if stated == "cells" and (set or drop or error_when or good_when):
        raise ParameterError("--format cells takes its columns as they are; leave out the mapping.")
    if stated not in (None, "jsonl", "csv") and (map or good_when):
        raise ParameterError(
            f"--format {stated} maps every column itself; leave out --map and --good-when."
        )
    if hours_only and stated is not None:
        raise ParameterError("--hours-only counts Parquet files of your own; leave out --format.")
    # A batch is many thousand objects without a cycle: to look through them took a twentieth of all.
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    with progress_bar() as progress:
        loaded = await session.app.ingest(
            files, mapping, reading=reading, stdin=sys.stdin.buffer, progress=progress
        )
    session.screen.line(_json(loaded) if session.screen.as_json else _words(loaded))
    return SOME_REFUSED if loaded.refused_count else 0


DialectArgument = Annotated[
    Literal["duckdb", "spark", "postgresql"],
    typer.Argument(help="The engine that will run the query."),
]
CallsOption = Annotated[
    str, typer.Option("--calls", metavar="TABLE", help="The table of calls, or what stands for it.")
]
CountedOption = Annotated[
    list[str],
    typer.Option(
        "--field", metavar="FIELD[=EXPRESSION]", help="A field that calls have; repeat it."
    ),
]
SegmentOption = Annotated[
    list[str] | None,
    typer.Option("--segment", metavar="KEY[=EXPRESSION]", help="A segment of calls; repeat it."),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME[=EXPRESSION]", help="A metric of calls; repeat it."),
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="NAME", help="Who counts, where several do.")
]
RevisionOption = Annotated[
    int, typer.Option("--revision", min=0, help="Higher for hours that are counted again.")
]


@command(
    group,
    "cells",
    "gonogo cells duckdb --calls \"'calls/*.parquet'\" --field dependency --field ts --field outcome",
    "gonogo cells spark --calls lake.calls --field dependency=model --field ts --field latency_ms=took_s*1000",
    panel="Record",
)
async def cells(
    session: Session,
    *,
    dialect: DialectArgument,
    calls: CallsOption,
    field: CountedOption,
    segment: SegmentOption = None,
    metric: MetricOption = None,
    source: SourceOption = "",
    revision: RevisionOption = 0,
) -> int:
    """Print the query that counts calls by the hour where they lie; `ingest` takes its rows."""
    from gonogo.ingest.hour_cells.cell_dialects import CallTable
    from gonogo.ingest.hour_cells.cell_sql import cells_query

    table = CallTable(
        calls,
        _expressions(field),
        segments=_expressions(segment or []),
        metrics=_expressions(metric or []),
        counted_by=source,
        revision=revision,
    )
    session.screen.line(cells_query(dialect, table, session.settings))
    return 0


def _expressions(stated: list[str]) -> dict[str, str]:
    """Expressions by name; one that is not stated is the column of that name."""
    parted = [each.partition("=") for each in stated]
    return {name: expression or name for name, _, expression in parted}


def _run_name(run: str | None) -> str:
    if run is not None and not (0 < len(run) <= RUN_CHARS_MAX and run.isprintable()):
        raise ParameterError(f"--run is a name of 1 to {RUN_CHARS_MAX} printable characters.")
    return run or ""


def _json(loaded: LoadReport) -> str:
    refused = [{"line": r.line, "field": r.field, "problem": r.problem} for r in loaded.refused]
    told = {"accepted": loaded.accepted, "duplicates": loaded.duplicates}
    notes = {"notes": loaded.notes} if loaded.notes else {}
    if loaded.understood:
        notes["understood"] = loaded.understood
    return json.dumps({**told, "updated": loaded.updated, "rejected": refused, **notes})


def _words(loaded: LoadReport) -> str:
    from gonogo.text.forms import counted

    said = f"{loaded.accepted:,} accepted, {loaded.duplicates:,} duplicates"
    lines = [f"{said}, {loaded.updated:,} updated, {loaded.refused_count:,} refused"]
    lines += loaded.understood + loaded.notes
    shown = list(loaded.alike.items())[:REFUSED_SHOWN]
    for refused, n in shown:
        more = f" (and {counted(n - 1, 'line')} alike)" if n > 1 else ""
        where = f"{refused.path}:{refused.line}" if refused.line else refused.path
        lines.append(f"{where}: {refused.field}: {refused.problem}{more}")
    left = loaded.refused_count - sum(n for _, n in shown)
    if left:
        lines.append(f"… {left:,} more refused (--json names them)")
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
