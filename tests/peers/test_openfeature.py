"""The real OpenFeature SDK with flagd's file provider reads the route file as we do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from environments import python_environment

from gonogo.actuators.route_file import RouteFile
from gonogo.ports.routes import WHOLE, Route, Weight
from gonogo.routes.split import key_place, pick
from gonogo.store.sqlite.lock import FileLock

KEYS = 2_000
RAMP = (1_000, 2_500, 5_000, WHOLE)


def test_a_ramp_is_the_same_there_and_nobody_moves_back(tmp_path: Path) -> None:
    """10, 25, 50, 100 % over 2,000 keys: each key where `gonogo.route` puts it, at every step."""
    path, lock = tmp_path / "routes.json", FileLock(tmp_path / "lock")
    file = RouteFile("routes", path, lock.held)
    reader = None
    moved: set[str] = set()
    for epoch, share in enumerate(RAMP, 1):
        weights = (Weight("m", WHOLE - share), Weight("v2", share))
        route = Route("m", tuple(w for w in weights if w.share), epoch=epoch, salt="m/1/")
        assert file._apply(route, file._read("m").version).status == "done"
        if reader is None:  # a provider that starts without a file gives up
            reader = subprocess.Popen(
                [
                    python_environment("flagd"),
                    Path(__file__).with_name("flagd_reader.py"),
                    path,
                    str(KEYS),
                    str(len(RAMP)),
                ],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "FLAGD_OFFLINE_POLL_MS": "50"},
            )
        assert reader.stdout is not None
        found, keyless = json.loads(reader.stdout.readline())
        keys = [f"user-{number}" for number in range(KEYS)]
        assert found == [pick(route.targets, key_place(route.salt, key)).target for key in keys]
        assert keyless == max(route.targets, key=lambda weight: weight.share).target
        there = {key for key, target in zip(keys, found, strict=True) if target == "v2"}
        assert moved <= there
        assert abs(len(there) / KEYS - share / WHOLE) < 0.03
        moved = there
    assert reader is not None
    assert reader.wait(30) == 0
    if reader.stdout is not None:
        reader.stdout.close()
    lock.close()
