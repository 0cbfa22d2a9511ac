"""From a fall that nobody asks about to a page and a post-mortem: real processes, a real receiver."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from product import GONOGO, answer, environment, gonogo, lines, typed

from receivers import SECRET, Receiver, receiver, webhook

ENVIRON = {"HOOK_SECRET": SECRET}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which `steady` is well and `fallen` fell yesterday; both have 8 days of calls."""
    path = tmp_path / "gonogo.db"
    start = datetime.now(UTC) - timedelta(days=8)
    calls = [
        {
            "dependency": name,
            "ts": (start + timedelta(minutes=12 * call)).isoformat(),
            "outcome": 0 if call % (4 if name == "fallen" and call > 700 else 20) == 0 else 1,
        }
        for name in ("steady", "fallen")
        for call in range(960)
    ]
    assert gonogo("ingest", "-", store=path, stdin=lines(calls)).returncode == 0
    return path


@contextmanager
def told(folder: Path) -> Iterator[tuple[Receiver, Event, Path]]:
    """A receiver, an event for its first message, and a configuration that tells it."""
    heard = Event()

    def judge(headers: object, body: bytes) -> tuple[int, str]:
        status, text = webhook(headers, body)  # type: ignore[arg-type]
        heard.set()
        return status, text

    with receiver(judge) as listening:
        config = folder / "gonogo.toml"
        config.write_text(
            f'settings.notify.ops = {{ kind = "webhook", url = "{listening.url}",'
            ' secret_env = "HOOK_SECRET" }\n'
        )
        yield listening, heard, config


def test_watch_opens_an_incident_and_tells_it(store: Path) -> None:
    """Nobody asks; one message comes, signed, about the one that fell."""
    with (
        told(store.parent) as (listening, heard, config),
        subprocess.Popen(
            [GONOGO, "watch", "--config", str(config)],
            env=environment(store) | ENVIRON,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        is_told = heard.wait(60)
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=30)
    assert (is_told, process.returncode, complaints) == (True, 0, "")
    [message] = listening.taken
    assert (message["dependency"], message["status"]) == ("fallen", "open")
    assert message["news"][0]["event"].startswith("opened: ")


def test_a_missing_secret_is_said_and_nothing_else_stops(store: Path) -> None:
    """The line names the variable and never a value."""
    with (
        told(store.parent) as (_, _, config),
        subprocess.Popen(
            [GONOGO, "watch", "--config", str(config)],
            env=environment(store),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert "tell ops failed (1 in a row): settings.notify.ops: the environment" in said
    assert process.returncode == 0


def test_a_person_handles_an_incident_to_its_end(store: Path) -> None:
    """Acknowledge, call it a false alarm, write it down; the new normal is taken and audited."""
    assert typed("check", "drift", "fallen", store=store).returncode == 2
    [found] = answer(typed("incidents", "--json", store=store))["incidents"]
    seen = answer(typed("incident", "ack", found["id"], "--json", store=store))
    assert seen["incidents"][0]["status"] == "acknowledged"
    ended = ("--false-alarm", "--note", "the index was built anew")
    done = typed("incident", "resolve", found["id"], *ended, "--json", store=store)
    assert "(false alarm)" in answer(done)["incidents"][0]["cause"]
    assert typed("check", "drift", "fallen", store=store).returncode != 2
    written = typed("incident", "report", found["id"], store=store).stdout
    assert written.startswith("# fallen: quality, incident")
    assert "| Status | resolved (false alarm) |" in written
    assert "accepted a new normal" in written
    assert "the index was built anew" in written
    verified = answer(typed("audit", "verify", "--json", store=store))
    assert verified["entries"] == 4
    kept = typed("audit", "verify", "--head", verified["head"], store=store)
    assert (kept.returncode, kept.stdout[:20]) == (0, "4 actions, unbroken;")


def test_one_that_opens_while_its_calls_go_elsewhere_is_mitigated(store: Path) -> None:
    """A person closed it, the fallback is in place, it is as bad as before: nobody is woken as if nothing were done."""
    assert typed("check", "drift", "fallen", store=store).returncode == 2
    asked = ("fallback", "fallen", "--reason", "it fell", "--to", "human", "--json")
    plan = answer(typed(*asked, store=store))
    why = ("--reason", "people answer")
    assert typed("approve", plan["plan_id"], *why, store=store).returncode == 0
    [found] = answer(typed("incidents", "--json", store=store))["incidents"]
    assert typed("incident", "resolve", found["id"], store=store).returncode == 0
    assert typed("check", "drift", "fallen", store=store).returncode == 2
    new, _ = answer(typed("incidents", "--json", store=store))["incidents"]
    assert new["status"] == "mitigated"
    assert new["timeline"][0]["event"].startswith(
        "mitigated; opened while its calls go to human 100%"
    )


def test_a_chain_that_was_tampered_with_is_found(store: Path) -> None:
    """A changed action, and a head that is no longer in it: status 70, one line."""
    typed("check", "drift", "fallen", store=store)
    [found] = answer(typed("incidents", "--json", store=store))["incidents"]
    typed("incident", "ack", found["id"], store=store)
    gone = typed("audit", "verify", "--head", "00" * 32, store=store)
    assert (gone.returncode, gone.stderr.count("\n")) == (70, 1)
    assert "the head that was kept" in gone.stderr
    with sqlite3.connect(store) as raw:
        raw.execute("UPDATE decision SET actor = 'somebody else' WHERE action = 1")
    raw.close()
    broken = typed("audit", "verify", "--json", store=store)
    assert broken.returncode == 70
    assert json.loads(broken.stdout)["broken_at"] == 1
    assert "was changed" in broken.stderr


def test_an_unknown_incident_is_named(store: Path) -> None:
    """One line and status 66."""
    for verb in ("ack", "resolve", "report"):
        done = typed("incident", verb, "nope", store=store)
        assert (done.returncode, done.stderr.count("\n")) == (66, 1)
