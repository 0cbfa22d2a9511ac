"""The image's steps in a Debian root of its own: no name, no home, nothing writable but /data."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
from debian_root import confined
from gonogo_server import served
from ports import free_port

TOKEN = "t" * 32


def test_it_serves_and_keeps_its_store_in_the_volume(image: Path, data: Path) -> None:
    """Healthy, asked for its metrics with the token alone, and nothing was written elsewhere."""
    serve = ("gonogo", "serve", "--http", f"127.0.0.1:{free_port()}")
    with served(*confined(image, data, *serve, GONOGO_TOKEN=TOKEN)) as address:
        base = address.removesuffix("/mcp")
        assert httpx.get(f"{base}/healthz", timeout=20).text.strip() == "ok"
        assert httpx.get(f"{base}/metrics", timeout=20).status_code == 401
        shown = httpx.get(
            f"{base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20
        )
        assert "gonogo_up 1" in shown.text
    assert {path.name for path in data.iterdir()} >= {"gonogo.db"}


def test_a_command_there_finds_nothing_wrong(image: Path, data: Path) -> None:
    """`init`, `ingest`, `check` and `doctor` as an operator types them in the container."""
    (data / "calls.jsonl").write_text('{"dependency":"m","outcome":1}\n' * 40)

    def typed(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            confined(image, data, *command), capture_output=True, text=True, check=False
        )

    begun = typed("gonogo", "init", "--dependency", "m")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert (data / "gonogo" / "gonogo.toml").exists()
    assert typed("gonogo", "ingest", "/data/calls.jsonl").returncode == 0
    asked = typed("gonogo", "check", "trust", "m")
    assert asked.returncode in (0, 1, 3), asked.stdout + asked.stderr
    looked = typed("gonogo", "doctor")
    assert looked.returncode == 0, looked.stdout + looked.stderr
