"""Random histories of three processes at one database, as `tests/torture/histories.py` plays them at a file.

Instead of the file's moves and copies, every session is ended by an administrator, somebody's psql
keeps what all of them need, and the server is shut down or crashed and started again.

    postgres_histories.py FOLDER RUNS SEED    prints JSON; a history that fails says its seed
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType

import histories
from environments import program
from histories import History
from postgres_server import USER, Server, server
from postgres_torture import looked_through

import engines
from gonogo.store.postgres.database import PostgresDatabase
from torture import Child

EVERY_OTHER_ENDED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass
class ServerHistory(History):
    """At a database of a server, whose sessions, locks and life are not the processes' own."""

    running: Server = field(kw_only=True)

    steps = MappingProxyType(
        {"ask": 10, "kill": 5, "suspend": 4, "disconnect": 3, "lock": 2, "shut_down": 1, "crash": 1}
    )

    @cached_property
    def address(self) -> str:
        """Of the store, as the settings name it."""
        return engines.store_of(self.folder)

    def missing(self) -> list[str]:
        """What was told and is not in the store; looked at in a process of its own, which has threads."""
        code, said = Child(self._looked).ended()
        assert code == 0
        rows = int(said.pop().removeprefix("rows "))
        assert rows <= self.keys, (rows, self.keys)
        return [] if said == ["missing 0"] else said

    async def _looked(self, tell: Callable[[str], None]) -> None:
        await looked_through("", self.folder, self.address, self.told, tell)
        database = await PostgresDatabase.open(self.address, read_only=True)
        count = "SELECT (SELECT count(*) FROM observation) + (SELECT count(*) FROM reservation)"
        [rows] = await database.read(lambda connection: connection.execute(count).fetchone())
        await database.close()
        tell(f"rows {rows}")

    def disconnect(self) -> None:
        """Every session is ended in the middle of what it is at."""
        self._ask_all()
        select.select([], [], [], self.dice.uniform(0, 0.05))
        self._psql(EVERY_OTHER_ENDED).wait()
        self._hear()

    def lock(self) -> None:
        """Somebody's transaction keeps what every write needs, for less than they wait."""
        kept = (
            "BEGIN; LOCK gonogo.shard_lock, gonogo.account, gonogo.observation;"
            f" SELECT pg_sleep({self.dice.uniform(0, 0.3)}); ROLLBACK"
        )
        with self._psql(kept) as psql:
            self._ask_all()
            self._hear()
        assert psql.returncode == 0

    def shut_down(self) -> None:
        """The server ends in order, and is started again."""
        self._start_again(signal.SIGINT)

    def crash(self) -> None:
        """The server ends in the middle of everything, and is started again."""
        self._start_again(signal.SIGQUIT)

    def _start_again(self, how: signal.Signals) -> None:
        self._ask_all()
        select.select([], [], [], self.dice.uniform(0, 0.05))
        self.running.stop(how)
        self.running.start()
        self._hear()

    def _psql(self, statement: str) -> subprocess.Popen[bytes]:
        """Somebody else at this history's database."""
        of = ("-h", str(self.running.folder), "-U", USER, engines.schema_of(self.folder))
        command = [program("psql"), "-q", "-c", statement, *of]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    WHERE, RUNS, SEED = sys.argv[1:]
    with server() as RUNNING:
        engines.ADDRESS = os.environ["GONOGO_TEST_POSTGRES"] = RUNNING.address
        BEGUN: Callable[[Path, random.Random], History] = partial(ServerHistory, running=RUNNING)
        print(json.dumps(histories.play(Path(WHERE), int(RUNS), int(SEED), BEGUN)))  # noqa: T201 - its output
