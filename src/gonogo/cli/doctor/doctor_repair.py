"""What `gonogo doctor` does beyond looking: `--repair` and `--prune`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gonogo.cli.command import Session
from gonogo.cli.doctor.findings import Finding
from gonogo.errors import GonogoError
from gonogo.store.postgres.address import is_address


async def repaired(session: Session) -> list[Finding]:
    """Make rollups anew from the rows; say whether pages, ledger and audit trail are whole."""
    try:
        damage = None if is_address(session.settings.store) else _damage(session.settings.store)
        if damage is not None:
            said = f"damaged: {damage}. Restore a backup; nothing was changed"
            return [Finding("pages", "broken", said)]
        mended = await session.app.repair()
        chain = await session.app.verify_audit()
    except GonogoError as error:
        return [Finding("repair", "broken", str(error))]
    findings = [
        Finding("rollups", "ok", f"of {mended.dependencies} dependencies made anew from their rows")
    ]
    if mended.unbalanced:
        named = ", ".join(mended.unbalanced)
        findings.append(Finding("ledger", "broken", f"entries do not add up to {named}"))
    else:
        findings.append(Finding("ledger", "ok", "every reservation is what its entries add up to"))
    if chain.broken_at is not None:
        said = f"broken at link {chain.broken_at}: {chain.problem}"
        findings.append(Finding("audit", "broken", said))
    else:
        findings.append(Finding("audit", "ok", f"{chain.entries} actions, unbroken"))
    return findings


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
