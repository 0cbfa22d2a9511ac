"""Kills processes in the middle of what they do, cuts the power, crowds a store; says what was lost.

Run as a program, so that it forks before any thread is started:
`torture.py kill DUTY | crowd | power | migrate FOLDER ROUNDS SEED`; prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import anyio
from duties import DUTIES, NOON_MS, STORE, Place, drift_of, teller
from earlier import aged, migrated_under
from power_cut import Disk, compiled, records
from soundness import lost

from gonogo.records import DAY_MS
from gonogo.store.sqlite import writer

ALIVE_S_MAX = 120
PROCESSES = 16
# Looking through a store costs as much as it holds.
ROUNDS_A_STORE = 10
# Clocks that go wrong, beside one that is right.
JUMPS_MS = (0, 0, 0, 5000, -5000, DAY_MS // 2, -DAY_MS // 2)


class Child:
    """A process that does one duty and tells what it was told is done."""

    def __init__(self, work: Callable[[Callable[[str], None]], Awaitable[None]]) -> None:
        self._heard, tells = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            signal.alarm(ALIVE_S_MAX)
            code = 1
            try:
                anyio.run(work, teller(tells))
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        os.close(tells)
        self._rest = b""

    def hear(self, lines: int) -> None:
        """Wait until it has told so many lines."""
        deadline = time.monotonic() + ALIVE_S_MAX
        while self._rest.count(b"\n") < lines:
            ready, _, _ = select.select([self._heard], [], [], deadline - time.monotonic())
            more = os.read(self._heard, 1 << 16) if ready else b""
            assert more, "it said too little"
            self._rest += more

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.process, signal.SIGKILL)

    def ended(self) -> tuple[int, list[str]]:
        """Its exit status, and all whole lines that it told."""
        while more := os.read(self._heard, 1 << 16):
            self._rest += more
        os.close(self._heard)
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        whole, _, _ = self._rest.rpartition(b"\n")
        return code, whole.decode().splitlines()


def _done(duty: str, place: Callable[[Callable[[str], None]], Place]) -> Child:
    async def work(tell: Callable[[str], None]) -> None:
        await DUTIES[duty](place(tell))

    return Child(work)


def kill(duty: str, folder: Path, rounds: int, dice: random.Random) -> dict[str, int]:
    """Two processes do a duty and are killed at a moment that nobody chose, again and again."""
    told: list[str] = []
    acknowledged = missing = 0
    for number in range(rounds):
        if number % ROUNDS_A_STORE == 0:
            folder, told = folder.parent / f"{folder.name}-{number}", []
            folder.mkdir()
        children = [
            _done(
                duty,
                partial(Place, folder, f"{number}-{i}", now_ms=NOON_MS + dice.choice(JUMPS_MS)),
            )
            for i in range(2)
        ]
        children[0].hear(dice.choice([0, 1, 1, 2, 5]))
        select.select([], [], [], dice.uniform(0, 0.02))
        for child in children:
            child.kill()
        for child in children:
            code, lines = child.ended()
            assert code == -signal.SIGKILL
            told += lines
            acknowledged += len(lines)
        expected = _kept(told) if duty == "compact" else told
        if (folder / STORE).exists():
            missing += len(lost(folder / STORE, expected))
        if duty == "ask" and told:
            assert Child(partial(_same_drift, folder)).ended()[0] == 0
    return {"rounds": rounds, "acknowledged": acknowledged, "lost": missing}


async def _same_drift(folder: Path, _: Callable[[str], None]) -> None:
    assert len(set(await drift_of(folder))) == 1


def _kept(told: Iterable[str]) -> list[str]:
    """Of what `compact` told, what no later round can have let go: that of the last round."""
    lines = list(told)
    last = max((int(line.split(" ")[1].split("-")[0]) for line in lines), default=0)
    return [line for line in lines if line.startswith(f"call {last}-")]


def crowd(folder: Path, rounds: int, dice: random.Random) -> dict[str, int]:
    """Sixteen processes at one store, all at once, while it is copied."""
    duties = ("record", "ingest", "reserve", "settle")
    children = [
        _done(duties[i % 4], partial(Place, folder, f"c-{i}", turns=1 if i % 4 == 1 else rounds))
        for i in range(PROCESSES)
    ]
    children[0].hear(1)
    copies = [_copied(folder, number) for number in range(2)]
    told: list[str] = []
    failed = 0
    for child in children:
        code, lines = child.ended()
        failed += code != 0
        told += lines
    missing = lost(folder / STORE, told)
    del dice
    broken = sum(len(lost(copy, ())) for copy in copies)
    return {"failed": failed, "acknowledged": len(told), "lost": len(missing), "broken": broken}


def _copied(folder: Path, number: int) -> Path:
    """A backup made by the command, while others write."""
    copy = folder / "copies" / f"{number}.db"
    copy.parent.mkdir(exist_ok=True)
    gonogo = Path(sys.executable).with_name("gonogo")
    command = [str(gonogo), "backup", str(copy), "--store", str(folder / STORE)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return copy


def power(folder: Path, cuts: int, dice: random.Random) -> dict[str, int]:
    """Record all that is written on the way of one process, then cut the power at many moments."""
    live, log = folder / "live", folder / "log"
    live.mkdir()
    environ = {
        **os.environ,
        "LD_PRELOAD": str(compiled(folder)),
        "DISK_FOLDER": str(live),
        "DISK_LOG": str(log),
    }
    subprocess.run([sys.executable, __file__, "work", live, "3", "0"], env=environ, check=True)
    happened = records(log)
    # As much of what came before the first answer as of what came after it.
    moments = sorted(dice.sample(range(len(happened)), cuts))
    disk, done, told = Disk(live), 0, ""
    result = {"records": len(happened), "cuts": cuts, "lost": 0, "stores": 0, "acknowledged": 0}
    for moment in moments:
        for record in happened[done:moment]:
            if Path(record.path).name == "acks":
                told += record.data.decode()
            else:
                disk.take(record)
        done = moment
        found = folder / "found"
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        disk.cut(found, dice)
        lines = told.splitlines()
        if (found / STORE).exists():
            result["stores"] += 1
            result["lost"] += len(lost(found / STORE, lines, calls_count=False))
        else:
            result["lost"] += any(not line.startswith("call") for line in lines)
    result["acknowledged"] = len(told.splitlines())
    return result


def work(folder: Path, turns: int, dice: random.Random) -> dict[str, int]:
    """What `power` records: everything, with many checkpoints."""
    del dice
    writer.CHECKPOINT_COMMITS = 7
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    anyio.run(DUTIES["everything"], Place(folder, "p", teller(acks), turns=turns))
    return {}


def migrate(folder: Path, rounds: int, dice: random.Random) -> dict[str, int]:
    """Stores of every earlier schema, brought up to date by a process that is killed at it."""
    result = {"rounds": 0, "lost": 0}
    for number in range(rounds):
        path = folder / f"{number}" / STORE
        told = aged(path, number)
        child = _done("record", partial(Place, path.parent, "after"))
        child.hear(dice.choice([0, 0, 0, 1]))
        select.select([], [], [], dice.uniform(0, 0.015))
        child.kill()
        _, lines = child.ended()
        result["lost"] += len(lost(path, [*told, *lines]))
        result["rounds"] += 1
    return result | migrated_under(folder / "under", Child)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    *WHAT, FOLDER, ROUNDS, SEED = sys.argv[1:]
    DICE = random.Random(int(SEED))  # noqa: S311 - chooses when to kill
    RUNS = {"crowd": crowd, "power": power, "migrate": migrate, "work": work}
    RUN = partial(kill, WHAT[1]) if WHAT[0] == "kill" else RUNS[WHAT[0]]
    print(json.dumps(RUN(Path(FOLDER), int(ROUNDS), DICE)))  # noqa: T201 - its output
