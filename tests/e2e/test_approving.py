"""`gonogo approve` as a person meets it at a terminal, and as a script runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from product import GONOGO, answer, environment, lines, typed

CONFIG = """
[dependencies.m]
fallback = ["m-old"]
"""


@pytest.fixture(name="world")
def planned(tmp_path: Path) -> tuple[Path, dict[str, str], str]:
    """A store, its environment, and a plan that waits for a person."""
    store, config = tmp_path / "gonogo.db", tmp_path / "gonogo.toml"
    config.write_text(CONFIG)
    calls = tmp_path / "calls.jsonl"
    calls.write_text(lines([{"dependency": "m", "outcome": 1}, {"dependency": "m-old"}]))
    environ = environment(store) | {"GONOGO_CONFIG": str(config)}
    assert typed("ingest", str(calls), store=store, environ=environ).returncode == 0
    plan = typed("fallback", "m", "--reason", "it fell", "--json", store=store, environ=environ)
    return store, environ, str(answer(plan)["plan_id"])


def at_a_terminal(
    environ: dict[str, str], *arguments: str, says: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with a person at its standard input, who says one thing."""
    person, terminal = pty.openpty()
    try:
        os.write(person, says.encode())
        done = subprocess.run(
            [GONOGO, *arguments],
            stdin=terminal,
            capture_output=True,
            text=True,
            env=environ,
            check=False,
            timeout=60,
        )
    finally:
        os.close(person)
        os.close(terminal)
    return done


def test_a_person_sees_the_plan_and_says_no(world: tuple[Path, dict[str, str], str]) -> None:
    """Where traffic would go, why, what is touched; the default answer changes nothing."""
    store, environ, plan_id = world
    done = at_a_terminal(environ, "approve", plan_id, "--json", says="\n")
    assert (done.returncode, done.stdout) == (1, "")
    for said in (f"fallback plan {plan_id}", "m 100% → ", "m-old", "it fell", "Effect: store"):
        assert said in done.stderr, said
    assert done.stderr.endswith("Nothing was changed.\n")
    routed = answer(typed("route", "m", "--json", store=store, environ=environ))
    assert (routed["target"], routed["route_epoch"]) == ("m", 0)


def test_a_person_says_yes_and_a_second_time_is_not_asked(
    world: tuple[Path, dict[str, str], str],
) -> None:
    """It is carried out under the person's name; what was used already only shows its result."""
    store, environ, plan_id = world
    done = at_a_terminal(environ, "approve", plan_id, "--json", says="y\n")
    result = json.loads(done.stdout)
    assert (done.returncode, result["applied"]) == (0, True)
    again = at_a_terminal(environ, "approve", plan_id, "--json", says="")
    assert "Carry out" not in again.stderr
    assert json.loads(again.stdout)["replayed"] is True
    log = typed("decisions", "--json", store=store, environ=environ).stdout.splitlines()
    actors = {entry["actor"] for line in log if (entry := json.loads(line)).get("action")}
    assert {actor.partition(":")[0] for actor in actors} == {"person"}


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_a_script_is_not_asked(
    world: tuple[Path, dict[str, str], str], yes: tuple[str, ...]
) -> None:
    """Without a terminal to ask at, running the command is the yes."""
    store, environ, plan_id = world
    done = typed("approve", plan_id, "--json", *yes, store=store, environ=environ)
    assert (done.returncode, answer(done)["applied"]) == (0, True)


def test_under_person_only_a_terminal_that_asks_is_a_yes(
    world: tuple[Path, dict[str, str], str],
) -> None:
    """Neither a script nor --yes, which an agent with a shell can run; the audit says how it was given."""
    store, environ, plan_id = world
    Path(environ["GONOGO_CONFIG"]).write_text(CONFIG + 'fallback_policy = "person"\n')
    for yes in ((), ("--yes",)):
        refused = typed("approve", plan_id, *yes, store=store, environ=environ)
        assert refused.returncode != 0
        assert "at a terminal, where it asks" in refused.stderr
    hurried = at_a_terminal(environ, "approve", plan_id, "--yes", says="")
    assert hurried.returncode != 0
    done = at_a_terminal(environ, "approve", plan_id, "--json", says="y\n")
    assert json.loads(done.stdout)["approved_by"]["how"] == "terminal"


def test_a_terminal_is_told_how_to_take_it_back_as_a_command(
    world: tuple[Path, dict[str, str], str],
) -> None:
    """What an agent gets as a call, a person can type."""
    store, environ, plan_id = world
    said = typed("approve", plan_id, store=store, environ=environ).stdout
    assert "undo: gonogo fallback m --undo " in said
    assert "trigger_fallback" not in said
