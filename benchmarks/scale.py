"""What a fleet would ask of the store on PostgreSQL: which part is full first, and what to turn.

A calculation, not a measurement: 10,000 dependencies with 1,000 observations a second each, from
figures that `benchmarks/postgres.py` gave on one small machine. Every figure can be given; the table
says how many machines each resource needs and what lowers it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is asked, and what a unit of each resource bears."""

    dependencies: int = 10_000
    rate: float = 1_000.0  # observations a second of each
    batch_s: float = 5.0  # seconds of a dependency's observations that one worker writes at once
    keep_days: float = 7.0  # rows; rollups stay
    sample: float = 1.0  # share of the calls that is recorded
    cells: int = 8  # slices of an hour that are in use: versions, segments, golden
    client_us: float = 22.0  # CPU of a worker for an observation, in batches of 5,000
    server_us: float = 12.0  # CPU of the server for one
    row_bytes: float = 360.0  # heap and index of an observation and its id
    wal_ratio: float = 1.3  # WAL for each byte of row
    cell_bytes: float = 8_700.0  # rollup and nine histograms of one cell
    cell_us: float = 900.0  # CPU of the server to rewrite the cells of one slice in a batch
    node_cores: int = 32
    node_disk_bytes: float = 8e12
    node_wal_bytes_s: float = 800e6
    node_commits_s: float = 8_000.0
    worker_cores: int = 16


@dataclass(frozen=True, slots=True)
class Need:
    """How many machines a resource needs, and what lowers it."""

    what: str
    asked: str
    machines: float
    turn: str


def needs(fleet: Fleet) -> list[Need]:
    """Every resource, the scarcest first."""
    total = fleet.dependencies * fleet.rate * fleet.sample
    batches = fleet.dependencies / fleet.batch_s
    client = total * fleet.client_us / 1e6
    server = (total * fleet.server_us + batches * fleet.cells * fleet.cell_us) / 1e6
    disk = total * DAY_S * fleet.keep_days * fleet.row_bytes
    rollups = fleet.dependencies * fleet.cells * 24 * 365 * fleet.cell_bytes
    wal = total * fleet.row_bytes * fleet.wal_ratio + batches * fleet.cells * fleet.cell_bytes
    busiest = fleet.rate * fleet.sample * (fleet.client_us + fleet.server_us) / 1e6
    rows = (
        ("disk for rows", f"{disk / 1e12:,.0f} TB for {fleet.keep_days:g} days",
         disk / fleet.node_disk_bytes,
         "record a share of the calls; delete rows of old days: verdicts need the rollups alone"),
        ("disk for rollups", f"{rollups / 1e12:,.1f} TB a year", rollups / fleet.node_disk_bytes,
         "fewer segment keys and metrics"),
        ("server CPU", f"{server:,.0f} cores", server / fleet.node_cores,
         "longer batches; more nodes, dependencies spread over them"),
        ("write-ahead log", f"{wal / 1e9:,.1f} GB/s", wal / fleet.node_wal_bytes_s,
         "record a share of the calls; wal_compression; more nodes"),
        ("commits", f"{batches:,.0f}/s", batches / fleet.node_commits_s,
         "longer batches: one commit a dependency and batch"),
        ("workers' CPU", f"{client:,.0f} cores", client / fleet.worker_cores,
         "stateless: add machines; record a share of the calls"),
        ("busiest shard", f"{busiest:.0%} of one lock", busiest,
         "a dependency is written by one at a time: split it by region or version"),
    )  # fmt: skip
    return sorted((Need(*row) for row in rows), key=lambda need: -need.machines)


def table(fleet: Fleet) -> str:
    """The needs as a table."""
    calls = fleet.dependencies * fleet.rate / 1e6
    lines = [
        (
            f"{fleet.dependencies:,.0f} dependencies x {fleet.rate:,.0f}/s = {calls:,.1f} M calls/s, "
            f"of which {fleet.sample:.0%} are recorded in batches of {fleet.batch_s:g} s"
        ),
        f"{'resource':18} {'asked':24} {'machines':>8}  turn",
    ]
    lines += [
        f"{need.what:18} {need.asked:24} {need.machines:8,.1f}  {need.turn}"
        for need in needs(fleet)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in Fleet.__dataclass_fields__:
        default = getattr(Fleet, name) if hasattr(Fleet, name) else None
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=None, help=str(default)
        )
    given = {k: v for k, v in vars(parser.parse_args()).items() if v is not None}
    print(table(Fleet(**given)))
    if not given:
        print("\nThe same, a hundredth of the calls recorded (36,000 an hour of each):")
        print(table(Fleet(sample=0.01, batch_s=30)))
