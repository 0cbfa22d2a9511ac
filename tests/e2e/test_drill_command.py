"""`gonogo drill` as a person runs it: exit statuses, JSON, Markdown, and what it leaves behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anyio
import pytest
from product import answer, gonogo

from drill_world import recorded

CONFIG = """
[dependencies.sentiment-v3]
fallback = ["sentiment-v2", "rules:keyword-list"]
fallback_policy = "{policy}"
recovery_share = 0.05
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's healthy morning."""
    return Path(anyio.run(recorded, tmp_path_factory.mktemp("drill")).store)


def test_a_drill_passes_or_fails_by_its_policy_and_touches_nothing(store: Path) -> None:
    """0 where an agent may switch, 2 where a person has to and nobody answers; same bytes."""
    config = store.with_name("gonogo.toml")
    before = hashlib.sha256(store.read_bytes()).hexdigest()
    for policy, status, replicates in (("allow", 0, 2), ("ask", 2, 1)):
        config.write_text(CONFIG.format(policy=policy))
        done = gonogo(
            *("drill", "--scenario", "outage", "--replicates", str(replicates), "--json"),
            *("--config", str(config)),
            store=store,
        )
        said = answer(done)
        assert done.returncode == status
        told = done.stderr.splitlines()
        assert told[0].startswith(f"Rehearsing 1 scenario with {replicates} replicate")
        assert [line for line in told[1:] if not line.startswith(f"1 of {replicates} ")] == []
        assert said["passed"] is (status == 0)
        assert said["scenarios"][0]["replicates"] == replicates
    assert hashlib.sha256(store.read_bytes()).hexdigest() == before


def test_markdown_not_enough_history_and_usage(store: Path, tmp_path: Path) -> None:
    """3 without history, 64 for a scenario or a choice that is not there, a page on request."""
    empty = gonogo("drill", "--dependency", "x", "--json", store=tmp_path / "none.db")
    assert (empty.returncode, answer(empty)["verdict"]) == (3, "unknown")
    assert not (tmp_path / "none.db").exists()
    wrong = gonogo("drill", "--dependency", "sentiment-v3", "--scenario", "flood", store=store)
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert "Known: none, slide" in wrong.stderr
    assert gonogo("drill", store=store).returncode == 64
    lacking = gonogo(
        *("drill", "--dependency", "sentiment-v3", "--scenario", "golden", "--json"), store=store
    )
    assert (lacking.returncode, answer(lacking)["verdict"]) == (3, "unknown")
    assert "no golden set was asked" in answer(lacking)["summary"]
    page = gonogo(
        *("drill", "--dependency", "sentiment-v3", "--scenario", "missing"),
        *("--replicates", "1", "--markdown"),
        store=store,
    )
    assert page.returncode == 0, page.stderr
    assert page.stdout.startswith("# Drill of sentiment-v3: passed")
    assert "| missing | passed |" in page.stdout
