"""`gonogo doctor --repair` and `--prune`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gonogo.cli.command import Session
from gonogo.cli.doctor.reached import Finding
from gonogo.coherence import MOMENT_RULES, RULES, look, moment_disagreements
from gonogo.dashboard.dashboard_server import Onlooker
from gonogo.errors import GonogoError
from gonogo.store.figures.figure import Figure
from gonogo.store.postgres.address import is_address

# The whole store, however long that takes.
ENDLESS_S = 1e9
# How long plain `gonogo doctor` compares before it counts what it has not looked at.
COMPARE_S = 10.0

# Asked about one by one, the worst of the fleet first; lists and counts are of all.
DEPENDENCIES_MAX = 50


async def compared(session: Session) -> list[Finding]:
    """Compare all that can be derived with what is stored, one finding a figure."""
    try:
        found = await session.app.compare(COMPARE_S)
    except GonogoError as error:
        return [Finding("figures", "broken", str(error))]
    findings = [_told(figure, None) for figure in found.figures]
    if found.left_out:
        said = f"{found.left_out} dependencies not compared in {COMPARE_S:.0f} s; --repair compares all"
        findings.append(Finding("figures", "note", said))
    return findings


async def repaired(session: Session) -> list[Finding]:
    """Make anew what can be derived; then compare again, and say of each figure what it was and is."""
    try:
        damage = None if is_address(session.settings.store) else _damage(session.settings.store)
        if damage is not None:
            said = f"damaged: {damage}. Nothing was changed; gonogo restore FILE puts a backup in place"
            return [Finding("pages", "broken", said)]
        found = await session.app.repair()
        after = {figure.what: figure for figure in (await session.app.compare(ENDLESS_S)).figures}
    except GonogoError as error:
        return [Finding("repair", "broken", str(error))]
    return [_told(figure, after.get(figure.what)) for figure in found.figures]


def _told(figure: Figure, after: Figure | None) -> Finding:
    """A figure as it was found; with what became of it, where it was mended."""
    if not figure.amiss:
        return Finding(figure.what, "note" if figure.doubtful else "ok", figure.said)
    if after is not None and not after.amiss:
        return Finding(figure.what, "ok", f"mended: {figure.said}")
    if figure.is_derived:
        said = f"{figure.said}. gonogo doctor --repair makes it anew"
    else:
        said = f"{figure.said}. It cannot be derived: restore a backup, or keep it in mind"
    return Finding(figure.what, "broken", said)


async def pruned(session: Session) -> Finding:
    """Let go what is older than it is kept; the rollups stay."""
    try:
        gone = await session.app.let_go()
    except GonogoError as error:
        return Finding("retention", "broken", str(error))
    days = session.settings.retention_days
    kept = (
        "rows are kept for ever (settings.retention)"
        if days is None
        else f"rows are kept for {days} days"
    )
    return Finding("retention", "ok", f"{gone.rows:,} rows, {gone.checks:,} checks let go; {kept}")


def _damage(store: str) -> str | None:
    """The first thing that SQLite finds wrong with the file's pages; None where all is well."""
    path = Path(store)
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            [found] = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else " ".join(str(found).split())


async def coherent(session: Session) -> list[Finding]:
    """Check that every answer of the store agrees with the others; nothing is written."""
    now_ms = session.app.clock()  # time stands still meanwhile: it decides verdicts, too
    try:
        async with Onlooker(session.settings, clock=lambda: now_ms, actor="doctor") as onlooker:
            moment = await look(onlooker, names_max=DEPENDENCIES_MAX)
    except GonogoError as error:
        return [Finding("coherence", "broken", str(error))]
    found = moment_disagreements(moment)
    if found:
        return [Finding(each.rule, "broken", each.found) for each in dict.fromkeys(found)]
    asked = f"{len(moment.said)} answers about {len(moment.asked)} of {len(moment.rows)}"
    rules = len(RULES) + len(MOMENT_RULES)
    return [Finding("coherence", "ok", f"{asked} dependencies agree by {rules} rules")]
