"""The threat model names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_threat_model_names_is_there() -> None:
    """A defence without its test is a claim."""
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 60
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(
            rf"(def {name}\(|^{name} = )", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert missing == []


def test_no_unix_socket_is_opened() -> None:
    """Nothing listens but pipes and ports; HAProxy's socket is connected to, not opened."""
    opening = re.compile(r"start_unix_server|create_unix_listener|uds\s*=|UnixStreamServer")
    found = [
        str(file)
        for file in (ROOT / "src").rglob("*.py")
        if opening.search(file.read_text(encoding="utf-8"))
    ]
    assert found == []
