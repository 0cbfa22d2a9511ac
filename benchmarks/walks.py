"""How far one call walks through the source: files entered, functions, moves from file to file.

    python benchmarks/walks.py [--list]

Each question is asked once of a store that is open but has answered nothing, with every module
imported before. A move is a call of a function that lies in another file than the last function
that was entered, on the same thread: what a reader turns pages for. `--list` names the files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import anyio
from checks import fill
from wire import Row, print_rows

import gonogo
from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, DependencySettings, Settings

SOURCE = str(Path(gonogo.__file__).parent)
OBSERVATIONS = 3_000


@dataclass
class Walk:
    """What one call entered. `moves` counts changes of file between functions entered in turn.

    `ways` are the different ones of them: a loop's thousand turns are one way to a reader.
    """

    files: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    ways: set[tuple[str, str]] = field(default_factory=set)
    moves: int = 0
    begun: bool = False
    _last: dict[int, str] = field(default_factory=dict)

    def enter(self, frame: FrameType, event: str, _: object) -> None:
        """Note a function of the package that is entered; everything else is passed over."""
        code = frame.f_code
        if not self.begun or event != "call" or not code.co_filename.startswith(SOURCE):
            return
        self.files.add(code.co_filename)
        self.functions.add((code.co_filename, code.co_qualname))
        thread = threading.get_ident()
        last = self._last.get(thread, code.co_filename)
        if last != code.co_filename:
            self.moves += 1
            self.ways.add((last, code.co_filename))
        self._last[thread] = code.co_filename


Asked = Callable[[Gonogo], Awaitable[object]]
ASKED: dict[str, Asked] = {
    "check_model_drift": lambda app: app.check_model_drift("m"),
    "plan of a fallback": lambda app: app.trigger_fallback("m", reason="a walk"),
    "reservation": lambda app: app.check_budget_with_confidence("work", "m", 10, reserve=True),
    "one recorded observation": lambda app: app.record_observations(
        [{"dependency": "m", "outcome": 1}]
    ),
}
ASKED_FOR = {
    "check_model_drift": (60, 1300),
    "plan of a fallback": (55, None),
    "reservation": (28, None),
    "one recorded observation": (22, None),
}


async def walk(store: Path, ask: Asked) -> Walk:
    """Open a store, ask once, and say where the call went."""
    model = DependencySettings(name="m", fallback=("rules:simple",))
    budget = BudgetSettings(name="work", limit_micro_usd=10**12, dependencies=("m",))
    found = Walk()
    # The store's threads are started while it opens; each hands what it enters to the walk.
    threading.setprofile(found.enter)
    settings = Settings(store=str(store), dependencies={"m": model}, budgets={"work": budget})
    async with Gonogo(settings) as app:
        await app.list_dependencies()
        found.begun = True
        sys.setprofile(found.enter)
        try:
            await ask(app)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            found.begun = False
    return found


def rows(*, listed: bool = False) -> list[Row]:
    """Every walk, each on a store of its own copy, after one that imports what it needs."""
    told = []
    with tempfile.TemporaryDirectory() as folder:
        filled = Path(folder, "walks.db")
        anyio.run(fill, filled, OBSERVATIONS)
        for number, (name, ask) in enumerate(ASKED.items()):
            for turn in ("first", "again"):
                store = Path(folder, f"{number}-{turn}.db")
                shutil.copy(filled, store)
                found = anyio.run(walk, store, ask)
            files, moves = ASKED_FOR[name]
            told += [
                Row(f"{name}: files", len(found.files), f"<= {files}"),
                Row("  functions", len(found.functions)),
                Row("  moves from file to file", found.moves, f"<= {moves:,}" if moves else ""),
                Row("  different ones", len(found.ways)),
            ]
            if listed:
                print(*sorted(str(Path(f).relative_to(SOURCE)) for f in found.files), sep="\n")
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the files of each walk")
    print_rows(rows(listed=parser.parse_args().list))
