"""Random histories of three processes at one store, held to a model of what each was told is done.

A history is a list of steps that a seed chooses: a process is asked to record, hold, settle or check;
its clock jumps; it is stopped for a while, killed in the middle of a step, or started again; the file
is moved away and back, copied, or put back from the last copy while nobody has it open. The model
is the lines that were told, and how many there were when the copy was begun: everything that was
told, and not undone by a restore, is in the store at the end, once, and the store is whole.
`tests/peers/postgres_histories.py` plays them at a database.

    histories.py FOLDER RUNS SEED    prints JSON; a history that fails says its seed
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import anyio
from duties import BUDGET, NOON_MS, STORE
from soundness import lost

from gonogo.app import Gonogo
from gonogo.errors import GonogoError
from gonogo.records import DAY_MS
from gonogo.settings import Settings

PROCESSES = 3
STEPS = 30
ANSWERED_S_MAX = 60
# Clocks that go wrong, beside one that is right.
JUMPS_MS = (0, 0, 5000, -5000, DAY_MS // 2, -DAY_MS // 2)
ASKED = ("record", "record", "record", "hold", "hold", "settle", "settle", "check")


class Worker:
    """A process that does what it is asked, one thing at a time, and tells what is done."""

    def __init__(self, store: str, name: str) -> None:
        asked, self._asks = os.pipe()
        self._heard, tells = os.pipe()
        self.name, self.is_busy = name, False
        self.process = os.fork()
        if self.process == 0:
            os.close(self._asks)
            os.close(self._heard)
            signal.alarm(2 * ANSWERED_S_MAX)
            try:
                anyio.run(_serve, store, asked, tells)
            finally:
                os._exit(0)
        os.close(asked)
        os.close(tells)
        self._rest = b""

    def ask(self, what: str, key: str, now_ms: int) -> None:
        """Ask without waiting for the answer."""
        os.write(self._asks, json.dumps([what, key, now_ms]).encode() + b"\n")
        self.is_busy = True

    def answer(self) -> str:
        """Wait for the answer: the line that tells what is done, or `refused …`."""
        deadline = time.monotonic() + ANSWERED_S_MAX
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._heard], [], [], deadline - time.monotonic())
            more = os.read(self._heard, 1 << 16) if ready else b""
            assert more, f"{self.name} did not answer"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        self.is_busy = False
        return line.decode()

    def end(self) -> list[str]:
        """Kill it; what it had told and nobody has read yet."""
        os.kill(self.process, signal.SIGKILL)
        while more := os.read(self._heard, 1 << 16):
            self._rest += more
        os.waitpid(self.process, 0)
        os.close(self._heard)
        os.close(self._asks)
        whole, _, _ = self._rest.rpartition(b"\n")
        return whole.decode().splitlines()


def _settings(store: str) -> Settings:
    return Settings(store=store, budgets={"nightly": BUDGET})


async def _serve(store: str, asked: int, tells: int) -> None:
    """Do what comes in, and open the store anew after it refused."""
    clock = [NOON_MS]
    with os.fdopen(asked) as lines:
        waiting: list[str] = []
        while True:
            try:
                async with Gonogo(_settings(store), clock=lambda: clock[0]) as app:
                    while line := waiting.pop() if waiting else await _line(lines):
                        waiting.append(line)
                        what, key, clock[0] = json.loads(line)
                        told = await _do(app, what, key)
                        os.write(tells, f"{told}\n".encode())
                        waiting.clear()
                    return
            except GonogoError as error:
                if not waiting:
                    raise
                os.write(tells, f"refused {' '.join(str(error).split())[:200]}\n".encode())
                waiting.clear()


async def _line(lines: Iterator[str]) -> str:
    return await anyio.to_thread.run_sync(next, lines, "", abandon_on_cancel=True)


async def _do(app: Gonogo, what: str, key: str) -> str:
    if what == "record":
        call = {"dependency": "model", "id": key, "outcome": 1, "cost_usd": 0.001}
        report = await app.record_observations([call])
        return f"call {key}" if report.accepted + report.duplicates == 1 else "refused"
    if what == "check":
        await app.check_model_drift("model")
        return "checked"
    answer = await app.check_budget_with_confidence(
        "nightly", planned_cost_usd=0.01, reserve=True, idempotency_key=key
    )
    if answer.reservation is None:
        return "refused"
    held = answer.reservation.id
    if what == "hold":
        return f"held {held}"
    await app.settle_reservation(held, 0.006)
    return f"settled {held}"


@dataclass
class History:
    """One history: its processes, and the model. What happens to the store is an engine's own."""

    folder: Path
    dice: random.Random
    told: list[str] = field(default_factory=list)
    keys: int = 0
    workers: list[Worker] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    # How often each step is taken.
    steps: ClassVar[Mapping[str, int]]

    @property
    def address(self) -> str:
        """Of the store, as the settings name it."""
        raise NotImplementedError

    def missing(self) -> list[str]:
        """What was told and is not in the store, which is held to every invariant.

        No more stands in it than was asked for.
        """
        raise NotImplementedError

    def play(self) -> None:
        """All steps, and what must be true then."""
        self.workers = [Worker(self.address, f"p{i}") for i in range(PROCESSES)]
        try:
            self._ask(self.workers[0], "record")
            self._hear()
            for _ in range(STEPS):
                step = self.dice.choices(list(self.steps), list(self.steps.values()))[0]
                self.counts[step] = self.counts.get(step, 0) + 1
                getattr(self, step)()
            self._hear()
        finally:
            for worker in self.workers:
                self._take(worker.end())
        missing = self.missing()
        assert missing == [], missing

    def ask(self) -> None:
        """Some are asked at once, and answer."""
        for worker in self.dice.sample(self.workers, self.dice.randint(1, PROCESSES)):
            self._ask(worker, self.dice.choice(ASKED))
        self._hear()

    def kill(self) -> None:
        """One is killed in the middle of what it was asked, while the others work, and begins anew."""
        self._ask_all()
        select.select([], [], [], self.dice.uniform(0, 0.03))
        self._again(self.dice.randrange(PROCESSES))
        self._hear()

    def suspend(self) -> None:
        """One is stopped in the middle of what it was asked; the others are asked meanwhile."""
        stopped, *others = self.dice.sample(self.workers, PROCESSES)
        self._ask(stopped, self.dice.choice(ASKED))
        select.select([], [], [], self.dice.uniform(0, 0.02))
        os.kill(stopped.process, signal.SIGSTOP)
        for worker in others:
            self._ask(worker, self.dice.choice(ASKED))
        select.select([], [], [], self.dice.uniform(0, 0.1))
        os.kill(stopped.process, signal.SIGCONT)
        self._hear()

    def _ask_all(self) -> None:
        for worker in self.workers:
            self._ask(worker, self.dice.choice(ASKED))

    def _ask(self, worker: Worker, what: str) -> None:
        self.keys += 1
        worker.ask(what, f"k{self.keys}", NOON_MS + self.dice.choice(JUMPS_MS))

    def _hear(self) -> None:
        for worker in self.workers:
            if worker.is_busy:
                self._take([worker.answer()])

    def _again(self, at: int) -> None:
        dead = self.workers[at]
        self._take(dead.end())
        self.workers[at] = Worker(self.address, dead.name)

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            kind = line.partition(" ")[0]
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind in {"call", "held", "settled"}:
                self.told.append(line)


@dataclass
class FileHistory(History):
    """At a file, which is moved, copied and restored as well."""

    # How many lines were told when the last copy was begun; None: there is none.
    copied: int | None = None
    copies: int = 0
    moved: bool = False

    steps = MappingProxyType(
        {"ask": 10, "kill": 5, "suspend": 4, "move": 2, "copy": 2, "restore": 1}
    )

    @property
    def store(self) -> Path:
        """Where the store belongs."""
        return self.folder / STORE

    @property
    def address(self) -> str:
        """Of the store, as the settings name it."""
        return str(self.store)

    @property
    def away(self) -> Path:
        """Where it is moved to."""
        return self.folder / "archive.db"

    def missing(self) -> list[str]:
        """What was told and is not in the store, where it is now."""
        if self.moved:
            self.move()
        missing = set(lost(self.store, self.told))
        if self.away.exists():
            # Nobody had it open when it was moved, and so another was begun in its place.
            missing &= set(lost(self.away, self.told))
        with closing(sqlite3.connect(self.store)) as connection:
            calls, held = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - constant names
                for table in ("observation", "reservation")
            )
        assert calls + held <= self.keys, (calls, held, self.keys)
        return sorted(missing)

    def move(self) -> None:
        """The file is moved away under them, or back. What they say meanwhile is held to it as well."""
        here, there = (self.away, self.store) if self.moved else (self.store, self.away)
        if there.exists():
            return
        here.rename(there)
        self.moved = not self.moved

    def copy(self) -> None:
        """A copy is made by the command, while the others work."""
        if self.moved:
            return
        self._ask_all()
        told = len(self.told)
        self.copies += 1
        done = self._command("backup", str(self._copy(self.copies)))
        assert done.returncode == 0, done.stderr
        self.copied = told
        self._hear()

    def restore(self) -> None:
        """Everybody is killed, and the last copy takes the store's place."""
        if self.copied is None or self.moved:
            return
        self._hear()
        for worker in self.workers:
            self._take(worker.end())
        done = self._command("restore", str(self._copy(self.copies)))
        assert done.returncode == 0, done.stderr
        self.told = self.told[: self.copied]
        self.workers = [Worker(self.address, worker.name) for worker in self.workers]

    def _copy(self, number: int) -> Path:
        return self.folder / f"copy-{number}.db"

    def _command(self, *words: str) -> subprocess.CompletedProcess[str]:
        gonogo = Path(sys.executable).with_name("gonogo")
        command = [str(gonogo), *words, "--store", self.address]
        return subprocess.run(command, check=False, capture_output=True, text=True)


async def _warm(store: str) -> None:
    """Do everything once, so that no worker has to import what it needs."""
    async with Gonogo(_settings(store), clock=lambda: NOON_MS) as app:
        for what in ("record", "settle", "check"):
            await _do(app, what, what)


def play(
    folder: Path, runs: int, seed: int, begun: Callable[[Path, random.Random], History]
) -> dict[str, int]:
    """Histories of as many seeds; what they held, counted."""
    total: dict[str, int] = {"runs": 0}
    anyio.run(_warm, begun(_made(folder / "warm"), random.Random(seed)).address)  # noqa: S311
    for number in range(seed, seed + runs):
        history = begun(_made(folder / str(number)), random.Random(number))  # noqa: S311 - chooses steps
        try:
            history.play()
        except BaseException:
            program = Path(sys.argv[0]).name
            print(f"history {number} failed: {program} FOLDER 1 {number}", file=sys.stderr)  # noqa: T201
            raise
        total["runs"] += 1
        for kind, n in history.counts.items():
            total[kind] = total.get(kind, 0) + n
    return total


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    WHERE, RUNS, SEED = sys.argv[1:]
    print(json.dumps(play(Path(WHERE), int(RUNS), int(SEED), FileHistory)))  # noqa: T201 - its output
