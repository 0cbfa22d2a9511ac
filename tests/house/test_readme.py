"""What README and the documents tell a newcomer to type or paste is there and well formed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gonogo.config import load_settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CLIENTS = (ROOT / "docs" / "mcp.md").read_text()


def test_client_set_ups_are_json_that_starts_the_server() -> None:
    """Each pasted block parses, and every one of them runs `gonogo serve` from the checkout."""
    pasted = [json.loads(body) for body in re.findall(r"```json\n(.*?)```", CLIENTS, re.DOTALL)]
    assert len(pasted) == 3
    for block in pasted:
        [servers] = block.values()
        assert servers["gonogo"]["command"].endswith("/.venv/bin/gonogo")
        assert servers["gonogo"]["args"] == ["serve"]


def test_every_make_target_that_readme_names_is_there() -> None:
    """`make demo`, `make test` and what else is told."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_configuration_in_a_document_is_one_that_gonogo_takes(
    page: Path, tmp_path: Path
) -> None:
    """Each TOML block stands alone: what it names is in it, and no secret has to be set to read it."""
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        (tmp_path / "gonogo.toml").write_text(block)
        settings = load_settings(str(tmp_path / "gonogo.toml"), None, {"HOME": str(tmp_path)})
        said = (settings.dependencies, settings.probes, settings.notify, settings.maintenance)
        assert any(said) or settings.guard.tools or settings.budgets or settings.oauth
