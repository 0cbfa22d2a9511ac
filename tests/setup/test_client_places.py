"""Where clients look for their servers, as their versions and their variables have it."""

from __future__ import annotations

from pathlib import Path

from gonogo.setup.clients import place_of


def test_cline_is_looked_for_where_its_version_keeps_its_servers(tmp_path: Path) -> None:
    """An older extension's own file, where nothing of a newer one is there; else the one that all share."""
    environ = {"HOME": str(tmp_path)}
    shared = place_of("cline", environ, project=None).path
    assert shared.parent == tmp_path / ".cline/data/settings"
    older = tmp_path / ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings"
    older.mkdir(parents=True)
    (older / shared.name).touch()
    assert place_of("cline", environ, project=None).path == older / shared.name
    (tmp_path / ".cline").mkdir()
    assert place_of("cline", environ, project=None).path == shared


def test_claude_code_is_looked_for_where_it_was_told_to_live(tmp_path: Path) -> None:
    """CLAUDE_CONFIG_DIR moves its file."""
    environ = {"HOME": "/home/a", "CLAUDE_CONFIG_DIR": str(tmp_path)}
    assert place_of("claude-code", environ, project=None).path == tmp_path / ".claude.json"
