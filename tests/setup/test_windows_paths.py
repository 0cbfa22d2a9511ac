"""What is written on Windows, with the system's name forced: drive letters, backslashes and spaces."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gonogo.setup.clients import CLIENTS, Client, entry, place_of, program_in
from gonogo.setup.guard_hooks import commands_in, hook_place_of, planned_hook, program_of
from gonogo.setup.merging import carry_out, planned, server_in


@pytest.mark.parametrize("client", CLIENTS)
def test_paths_of_windows_are_written_as_they_are(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With drive letters and spaces, in JSON, TOML and YAML, and the same a second time."""
    monkeypatch.setattr(sys, "platform", "win32")
    where = place_of(client, {"HOME": str(tmp_path), "APPDATA": str(tmp_path / "R")}, project=None)
    where.path.parent.mkdir(parents=True, exist_ok=True)
    program, store = r"C:\Program Files\new\gonogo.exe", r"D:\Users\a b\tools.db"
    for number in range(2):
        before = server_in(where)
        made = entry(client, [program], config=None, store=store, read_only=True, before=before)
        change = planned(where, made)
        assert change.is_none == bool(number)
        carry_out(change, stamp=str(number))
    found = server_in(where)
    assert found is not None
    assert program_in(found) == program
    assert found["args"] == ["serve", "--store", store, "--read-only"]


def test_a_program_of_windows_is_quoted_as_windows_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shell knows no single quotes; the doctor finds the program again."""
    monkeypatch.setattr(sys, "platform", "win32")
    where = hook_place_of("claude-code", {"HOME": str(tmp_path)}, project=None)
    assert where is not None
    where.path.parent.mkdir()
    program = r"C:\Program Files\new\gonogo.exe"
    options = {"--store": r"D:\a b\s.db"}
    carry_out(planned_hook(where, [program], options=options, tools=()), stamp="1")
    [asked] = commands_in(where)
    assert asked == rf'"{program}" guard hook claude-code --store "D:\a b\s.db"'
    assert program_of(asked) == program
