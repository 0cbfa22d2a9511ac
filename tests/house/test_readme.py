"""What README tells a newcomer to type or paste is there and well formed."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_client_set_ups_are_json_that_starts_the_server() -> None:
    """Each pasted block parses, and every one of them runs `gonogo serve` from the checkout."""
    pasted = [json.loads(body) for language, body in BLOCKS if language == "json"]
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
