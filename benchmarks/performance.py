"""The speeds that are promised, each beside its floor or peer of the same run, as one table.

    python benchmarks/performance.py [--quick]

`make bench` prints it; `RESULTS.md` keeps what was reached, when and where. Every other figure has
a script of its own, named below the table.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import time
from pathlib import Path

import checks
import fleet
from wire import print_rows

import store


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller histories, fewer calls")
    share = 5 if parser.parse_args().quick else 1
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(
        f"{time.strftime('%F %R')}, {os.cpu_count()} CPUs, load average {load}, Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}; synthetic data"
    )
    print(f"{'':<62}{'reached':>12}  asked")
    print_rows(checks.rows(100_000 // share, 100 // share))
    print_rows(fleet.rows(10_000))
    print_rows(store.rows(50_000 // share))
    here = Path(__file__)
    others = {path.name for path in here.parent.glob("*.py")} - SHOWN
    print(f"Not here: {', '.join(sorted(others))}, each with its own table.")


SHOWN = {"performance.py", "checks.py", "fleet.py", "store.py", "wire.py"}

if __name__ == "__main__":
    main()
