"""A store whose rows are not what was written: commands say so, and none crashes."""

from __future__ import annotations

import contextlib
import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from product import environment

from gonogo.__main__ import run
from gonogo.app import Gonogo
from whole_store import NOW_MS, filled, settings_of

DAMAGES = {
    "a route of another form": "UPDATE route SET targets = 'null'",
    "a way back of another form": "UPDATE route SET recovery = '{}'",
    "a plan of junk": "UPDATE plan SET body = '['",
    "an incident's signals": "UPDATE incident SET bad_signals = '['",
    "an entry's versions": "UPDATE decision SET versions = '['",
    "a check's question": "UPDATE decision SET inputs = '['",
    "a time that is none": "UPDATE dependency SET newest_ts_ms = 9223372036854775807",
    "the time of an incident": "UPDATE incident SET opened_ms = 9223372036854775807",
    "the time of a verdict": "UPDATE standing SET drift_ms = 9223372036854775807",
    "a sum that is none": "UPDATE spend SET rest_nano_usd = 9223372036854775807",
}
COMMANDS = (
    *(
        "doctor",
        "list",
        "check drift m",
        "check trust m",
        "check trust",
        "route m",
        "incidents",
        "plans",
    ),
    *(
        "decisions",
        "audit verify",
        "check budget work --planned-cost-usd 0.1",
        "fallback m --reason ill",
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with something in every table, and its configuration beside it."""
    folder = tmp_path_factory.mktemp("whole")
    settings = settings_of(str(folder / "store.db"))

    async def made() -> None:
        async with (
            Gonogo(settings, clock=lambda: NOW_MS, actor="agent") as app,
            Gonogo(settings, clock=lambda: NOW_MS, actor="otlp") as traffic,
        ):
            await filled(app, traffic)

    anyio.run(made)
    (folder / "gonogo.toml").write_text(
        '[dependencies.m]\nfallback = ["n"]\nfallback_policy = "confirm"\n[dependencies.n]\n'
        "[budgets.work]\nlimit_usd = 1000000\n"
    )
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_command_crashes_on_what_a_damaged_store_holds(
    whole: Path, tmp_path: Path, damage: str
) -> None:
    """Each answers, or says in one line what cannot be read and that gonogo doctor names it; doctor ends."""
    folder = Path(shutil.copytree(whole, tmp_path / "copy"))
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        assert connection.execute(DAMAGES[damage]).rowcount > 0
        connection.commit()
    refused = 0
    for command in COMMANDS:
        # Not `typed`: what is answered of wrong figures keeps no rule.
        said = io.StringIO()
        asked = *command.split(), "--config", str(folder / "gonogo.toml")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = run(asked, environment(folder / "store.db"))
        error = said.getvalue()
        assert "crashed" not in error, command
        if error.startswith("gonogo: "):
            refused += "damaged" in error
            assert len(error.splitlines()) == 1
        elif command == "doctor":
            refused += status
    assert refused
