"""The examples run as they stand; those with a heavy component run in `tests/peers`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from product import environment, gonogo

from eight_days import steady_and_fallen

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which `steady` is well and `fallen` fell yesterday."""
    path = tmp_path / "gonogo.db"
    assert gonogo("ingest", "-", store=path, stdin=steady_and_fallen()).returncode == 0
    return path


def example(
    path: Path, *arguments: str, store: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run an example with the project's own interpreter and command."""
    command = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    here = environment(store) | environ
    here["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{here['PATH']}"
    return subprocess.run(
        [*command, *arguments], env=here, capture_output=True, text=True, check=False, timeout=120
    )


def test_an_agent_asks_obeys_and_records(store: Path) -> None:
    """The work runs for what is well and stops for what has fallen."""
    asking = EXAMPLES / "ask_before_work.py"
    well = example(asking, "steady", store=store)
    assert (well.returncode, well.stdout.split(" - ")[0]) == (0, "go"), well.stderr
    stopped = example(asking, "fallen", store=store)
    assert stopped.returncode == 1
    assert stopped.stdout.startswith("no_go - ")


def test_a_pipeline_is_gated_by_exit_status(store: Path) -> None:
    """The worst of the dependencies decides: 0, 2, and 66 becomes 70 for a name that is unknown."""
    gate = EXAMPLES / "ci_gate.sh"
    assert example(gate, "steady", store=store).returncode == 0
    assert example(gate, "steady", "fallen", store=store).returncode == 2
    assert example(gate, "nothing", store=store).returncode == 70


@contextmanager
def endpoint(script: Path, *arguments: str) -> Iterator[str]:
    """The stub's address while it answers, on a port that the system chose."""
    with subprocess.Popen(
        [sys.executable, str(script), "0", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def test_cron_hears_of_a_golden_set_only_when_it_is_not_well(tmp_path: Path) -> None:
    """Silence and 0 while sums are right; then a line that says what, and the verdict's status."""
    folder = shutil.copytree(EXAMPLES / "cron_probe", tmp_path / "cron_probe")
    config, store = folder / "gonogo.toml", tmp_path / "gonogo.db"
    written = config.read_text()

    def asked(address: str) -> tuple[int, str]:
        config.write_text(re.sub(r"http://[^\"]+", address, written))
        done = example(folder / "probe.sh", "sums", store=store)
        return done.returncode, done.stdout

    with endpoint(folder / "stub_endpoint.py") as address:
        assert asked(address) == (0, "")
    with endpoint(folder / "stub_endpoint.py", "--wrong") as address:
        status, said = asked(address)
    assert status == 1
    assert said.startswith("probe sums: some answers failed or were wrong\n")
    assert "3 of 4 answers wrong" in said
    status, said = asked(address)
    assert (status, said.splitlines()[0]) == (2, "probe sums: nothing answered")


def test_the_walk_through_real_data_finds_what_the_paper_found(
    shared_data: Path, tmp_path: Path
) -> None:
    """GPT-4 fell from 84.0 % to 51.1 % of the same questions, GPT-3.5 rose; today nobody knows."""
    store, walk = tmp_path / "not-used.db", EXAMPLES / "walkthrough.py"
    done = example(walk, str(shared_data / "llmdrift" / "prime.jsonl.gz"), store=store)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "no_go: gpt-4 version 0613 against 0314 has degraded: outcome 0.84 → 0.511 on 1,000 paired",
        "1000 items: 476 worse, 147 better",
        "go: gpt-3.5-turbo version 0613 against 0301 has improved",
        "unknown: 2 dependencies checked, not known to be fit",
    ):
        assert words in done.stdout
    assert not store.exists()


def test_the_walk_says_what_it_needs_where_the_data_is_absent(tmp_path: Path) -> None:
    """One line, and a status that is no success."""
    done = example(EXAMPLES / "walkthrough.py", store=tmp_path / "s.db", GONOGO_SHARED="nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No data at nowhere/data/llmdrift/prime.jsonl.gz" in done.stderr


def test_every_example_is_listed_and_says_how_it_is_run() -> None:
    """README's table names each, and each names itself in its first lines."""
    table = (EXAMPLES / "README.md").read_text()
    listed = set(re.findall(r"\]\(([\w./]+)\)", table))
    there = {f"{p.name}/" if p.is_dir() else p.name for p in EXAMPLES.iterdir()}
    assert listed == there - {"README.md", "__pycache__/"}
    for path in (*EXAMPLES.rglob("*.py"), *EXAMPLES.rglob("*.sh")):
        head = path.read_text().split('"""')[1] if path.suffix == ".py" else path.read_text()[:400]
        assert path.stem in head, path
