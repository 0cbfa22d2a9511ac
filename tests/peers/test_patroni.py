"""PostgreSQL under Patroni: the leader dies for good in the middle of reservations, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from environments import program
from ports import answers, free_port, wait_for
from postgres_server import PASSWORD, UNPRIVILEGED, USER, as_user

from gonogo.app import Gonogo
from gonogo.errors import StoreError
from gonogo.settings import BudgetSettings, DependencySettings, Settings

pytestmark = pytest.mark.anyio

# Patroni's defaults, but that it looks every second: shorter ones demote a healthy leader of a busy machine.
TIMES = {"ttl": 30, "loop_wait": 1, "retry_timeout": 10, "synchronous_mode": True}
READY_WITHIN_S = 300.0
HELD = 40
ASKED = 60


@dataclass
class Node:
    """One server and the Patroni that runs it."""

    folder: Path
    rest: int
    port: int
    process: subprocess.Popen[bytes]

    def leads(self) -> bool:
        """Whether Patroni says that this is the leader."""
        return answers(f"http://127.0.0.1:{self.rest}/primary")

    def follows(self) -> bool:
        """Whether it has every commit of the leader before that is answered."""
        return answers(f"http://127.0.0.1:{self.rest}/synchronous")

    def die(self) -> None:
        """As a machine that loses its power: Patroni and the server, and neither comes back."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        self.process.kill()
        os.kill(postmaster, signal.SIGKILL)
        self.process.wait(10)


def _started(folder: Path, command: str, settings: object) -> subprocess.Popen[bytes]:
    (folder / "patroni.yml").write_text(json.dumps(settings))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*as_user(), program(command), str(folder / "patroni.yml")],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )


def _node(folder: Path, name: str, raft: object) -> Node:
    rest, port = free_port(), free_port()
    here = f"127.0.0.1:{rest}"
    process = _started(
        folder,
        "patroni",
        {
            "scope": "gonogo",
            "name": name,
            "raft": raft,
            "restapi": {"listen": here, "connect_address": here},
            "bootstrap": {"dcs": TIMES, "initdb": [{"encoding": "UTF8"}, "no-sync"]},
            "postgresql": {
                "listen": f"127.0.0.1:{port}",
                "connect_address": f"127.0.0.1:{port}",
                "data_dir": str(folder / "data"),
                "pgpass": str(folder / "pgpass"),
                "bin_dir": str(Path(program("pg_ctl")).resolve().parent),
                "basebackup": [{"checkpoint": "fast"}],
                "parameters": {"unix_socket_directories": str(folder)},
                "authentication": {
                    "superuser": {"username": USER, "password": PASSWORD},
                    "replication": {"username": "replicator", "password": PASSWORD},
                },
                "pg_hba": [
                    f"host {database} all 127.0.0.1/32 scram-sha-256"
                    for database in ("all", "replication")
                ],
            },
        },
    )
    return Node(folder, rest, port, process)


@contextmanager
def cluster() -> Iterator[tuple[Node, Node]]:
    """A leader, its synchronous standby, and a third voice that has no data."""
    raft = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        folders = []
        for _ in range(3):
            folders.append(Path(tempfile.mkdtemp(prefix="gonogo-patroni-")))
            stack.callback(shutil.rmtree, folders[-1], ignore_errors=True)
            if os.geteuid() == 0:
                shutil.chown(folders[-1], UNPRIVILEGED)
        places = [f"127.0.0.1:{port}" for port in raft]
        voices = [
            {
                "data_dir": str(each),
                "self_addr": own,
                "partner_addrs": [place for place in places if place != own],
            }
            for each, own in zip(folders, places, strict=True)
        ]
        voice = _started(folders[2], "patroni_raft_controller", {"raft": voices[2]})
        stack.callback(voice.wait, 10)
        stack.callback(voice.kill)
        nodes = [_node(folders[n], f"node{n}", voices[n]) for n in range(2)]
        for node in nodes:
            stack.callback(_end, node)
        one, two = nodes
        wait_for(
            lambda: (one.leads() and two.follows()) or (two.leads() and one.follows()),
            within_s=READY_WITHIN_S,
        )
        yield (one, two) if one.leads() else (two, one)


def _end(node: Node) -> None:
    node.process.terminate()
    try:
        node.process.wait(30)
    except subprocess.TimeoutExpired:
        node.die()


async def test_a_leader_that_dies_in_the_middle_of_reservations_costs_none_of_them() -> None:
    """What was answered is held once by the new leader; what was refused is held when asked again."""
    with cluster() as (leader, follower):
        hosts = f"127.0.0.1:{leader.port},127.0.0.1:{follower.port}"
        settings = Settings(
            store=f"postgresql://{USER}:{PASSWORD.replace(' ', '%20')}@{hosts}/postgres"
            "?target_session_attrs=read-write",
            dependencies={"m": DependencySettings(name="m")},
            budgets={"team": BudgetSettings("team", HELD * 1_000_000, dependencies=("m",))},
        )
        verdicts: dict[str, str] = {}
        refused: list[str] = []
        async with Gonogo(settings) as app, anyio.create_task_group() as tasks:
            limiter = anyio.Semaphore(6)

            async def one(key: str) -> None:
                while key not in verdicts:
                    try:
                        async with limiter:
                            answer = await app.check_budget_with_confidence(
                                "team", planned_cost_usd=1, reserve=True, idempotency_key=key
                            )
                        verdicts[key] = answer.reservation.id if answer.reservation else "full"
                    except StoreError as error:
                        refused.append(str(error))

            for number in range(ASKED):
                tasks.start_soon(one, f"r{number}")
            while len(verdicts) < ASKED // 4:
                await anyio.lowlevel.checkpoint()
            before = dict(verdicts)
            await anyio.to_thread.run_sync(leader.die)
        assert follower.leads()
        assert before.items() <= verdicts.items()
        held = [each for each in verdicts.values() if each != "full"]
        assert len(held) == len(set(held)) == HELD
        assert all("\n" not in each for each in refused)
        async with Gonogo(settings) as app:
            left = await app.check_budget_with_confidence("team", planned_cost_usd=1)
            assert (left.held_usd, left.remaining_usd) == (HELD, 0)
