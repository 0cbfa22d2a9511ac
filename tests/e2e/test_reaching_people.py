"""People are reached: a receiver that hangs delays nobody, plans that wait are told, tests and silences."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from threading import Event

import pytest
from product import GONOGO, answer, environment, lines, typed

from receivers import SECRET, Receiver, receiver, webhook

CONFIG = """
[dependencies.m]
fallback = ["m-old"]

[budgets.small]
limit_usd = 1
dependencies = ["m"]

[settings]
url = "https://gonogo.example"

[settings.notify.ahangs]
kind = "webhook"
url = "{ahangs}"
secret_env = "HOOK_SECRET"

[settings.notify.ops]
kind = "webhook"
url = "{ops}"
secret_env = "HOOK_SECRET"
"""


def _world(folder: Path, ahangs: Receiver, ops: Receiver) -> tuple[Path, dict[str, str]]:
    store, config = folder / "gonogo.db", folder / "gonogo.toml"
    config.write_text(CONFIG.format(ahangs=ahangs.url, ops=ops.url))
    environ = environment(store) | {"GONOGO_CONFIG": str(config), "HOOK_SECRET": SECRET}
    calls = folder / "calls.jsonl"
    calls.write_text(
        lines([{"dependency": "m", "outcome": 1, "cost_usd": 2}, {"dependency": "m-old"}])
    )
    assert typed("ingest", str(calls), store=store, environ=environ).returncode == 0
    return store, environ


def test_one_receiver_that_hangs_delays_nobody(tmp_path: Path) -> None:
    """The plan that waits and the budget that is gone come at once, with link and command."""
    hangs, both = Event(), Event()
    heard: list[dict[str, object]] = []

    def judge(headers: object, body: bytes) -> tuple[int, str]:
        heard.append(json.loads(body))
        if {"plan", "budget"} <= {message["kind"] for message in heard}:
            both.set()
        return webhook(headers, body)  # type: ignore[arg-type]

    def hang(headers: object, body: bytes) -> tuple[int, str]:
        hangs.set()
        return webhook(headers, body)  # type: ignore[arg-type]

    with receiver(hang) as ahangs, receiver(judge) as ops:
        ahangs.hangs_s = 60
        store, environ = _world(tmp_path, ahangs, ops)
        told = typed("fallback", "m", "--reason", "it fell", "--json", store=store, environ=environ)
        plan_id = answer(told)["plan_id"]
        with subprocess.Popen(
            [GONOGO, "watch"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert hangs.wait(60)
            # Well within the ten seconds after which that one is given up.
            in_time = both.wait(8)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert in_time
    plan = next(message for message in heard if message["kind"] == "plan")
    assert (plan["next"], plan["severity"]) == (f"gonogo approve {plan_id}", "warning")
    assert plan["url"] == "https://gonogo.example/#view=incidents"
    assert str(plan["summary"]).startswith("m: a plan waits for a person until ")
    assert "it fell" in str(plan["summary"])
    budget = next(message for message in heard if message["kind"] == "budget")
    assert "budget small: 200% of its limit is spent" in str(budget["summary"])


def test_what_waits_is_listed_and_lives_as_configured(tmp_path: Path) -> None:
    """`gonogo plans`, `gonogo incidents` and the answer itself name the plan and its command."""
    with receiver(webhook) as one, receiver(webhook) as other:
        store, environ = _world(tmp_path, one, other)
    told = typed("fallback", "m", "--reason", "it fell", "--json", store=store, environ=environ)
    plan = answer(told)
    [waiting] = json.loads(
        typed("plans", "--json", store=store, environ=environ).stdout
    )["plans"]  # fmt: skip
    assert waiting["plan_id"] == plan["plan_id"]
    assert waiting["approve_command"] == f"gonogo approve {plan['plan_id']}"
    listed = answer(typed("incidents", "--json", store=store, environ=environ))
    assert listed["waiting_plans"] == [waiting]
    assert f"1 plan waits for a person: gonogo approve {plan['plan_id']}" in listed["summary"]
    done = typed("approve", plan["plan_id"], "--json", store=store, environ=environ)
    if done.returncode:  # the budget is gone: a person says why
        done = typed(
            "approve", plan["plan_id"], "--reason", "it has to run", "--json",
            store=store, environ=environ,
        )  # fmt: skip
    assert answer(done)["applied"]
    said = typed("plans", store=store, environ=environ)
    assert said.stdout.strip() == "No plan waits for a person."


def test_a_test_reaches_whom_it_can_and_says_whom_not(tmp_path: Path) -> None:
    """Exit 1 where one did not take it; doctor has a line for each."""
    with receiver(webhook) as gone, receiver(webhook) as ops:
        store, environ = _world(tmp_path, gone, ops)
        gone.is_down = True
        done = typed("notify", "--test", "--json", store=store, environ=environ)
        told = {line["receiver"]: line for line in json.loads(done.stdout)["told"]}
        assert done.returncode == 1
        assert told["ops"]["status"] == "done"
        assert told["ahangs"]["detail"].startswith("HTTP 503")
        assert ops.taken[0]["summary"] == "gonogo: a test: nothing is wrong"
        assert (
            typed("notify", "--test", "--to", "ops", store=store, environ=environ).returncode == 0
        )
        wrong = typed("notify", "--test", "--to", "pagr", store=store, environ=environ)
        assert "Unknown receiver 'pagr'" in wrong.stderr
        found = json.loads(typed("doctor", "--json", store=store, environ=environ).stdout)
        states = {line["what"]: line["state"] for line in found["findings"]}
        assert (states["receiver ops"], states["receiver ahangs"]) == ("ok", "ok")
    found = json.loads(typed("doctor", "--json", store=store, environ=environ).stdout)
    assert {line["what"]: line["state"] for line in found["findings"]}["receiver ops"] == "broken"


@pytest.mark.parametrize("name", ["m", "m*"])
def test_a_silence_says_why_and_ends(tmp_path: Path, name: str) -> None:
    """Nobody is told of the plan meanwhile; its end is at its time or by hand."""
    with receiver(webhook) as one, receiver(webhook) as ops:
        store, environ = _world(tmp_path, one, ops)
        typed("fallback", "m", "--reason", "it fell", store=store, environ=environ)
        refused = typed("silence", name, "--for", "2h", store=store, environ=environ)
        assert (refused.returncode, "--reason" in refused.stderr) == (64, True)
        made = typed(
            "silence", name, "--for", "2h", "--reason", "migration", "--json",
            store=store, environ=environ,
        )  # fmt: skip
        [standing] = json.loads(made.stdout)["silences"]
        assert (standing["dependency"], standing["reason"]) == (name, "migration")
        assert typed("notify", "--to", "ops", store=store, environ=environ).returncode == 0
        assert "plan" not in [message["kind"] for message in ops.taken]
        assert typed("silence", name, "--end", store=store, environ=environ).returncode == 0
        assert typed("notify", "--to", "ops", store=store, environ=environ).returncode == 0
        assert "plan" in [message["kind"] for message in ops.taken]


def test_one_receiver_without_its_secret_silences_nobody_else(tmp_path: Path) -> None:
    """A test and what is news reach the other one; what is lacking is said, and the exit status is 1."""
    with receiver(webhook) as ahangs, receiver(webhook) as ops:
        store, environ = _world(tmp_path, ahangs, ops)
        config = Path(environ["GONOGO_CONFIG"])
        lacking = '[settings.notify.a_first]\nkind = "slack"\nurl_env = "NOT_SET"\n'
        config.write_text(config.read_text() + lacking)
        for words in (("notify", "--test"), ("notify",)):
            done = typed(*words, "--json", store=store, environ=environ)
            told = {one["receiver"]: one for one in answer(done)["told"]}
            assert (told["a_first"]["status"], told["ops"]["status"]) == ("failed", "done")
            assert "NOT_SET is not set" in told["a_first"]["detail"]
            assert done.returncode == 1
        alone = typed("notify", "--test", "--to", "a_first", store=store, environ=environ)
        assert alone.returncode == 78


def test_a_test_waits_for_no_receiver_that_hangs(tmp_path: Path) -> None:
    """The first answers only when the second was told: one after another, it would be given up."""
    other = Event()

    def waits(headers: object, body: bytes) -> tuple[int, str]:
        other.wait(30)
        return webhook(headers, body)  # type: ignore[arg-type]

    def told(headers: object, body: bytes) -> tuple[int, str]:
        other.set()
        return webhook(headers, body)  # type: ignore[arg-type]

    with receiver(waits) as ahangs, receiver(told) as ops:
        store, environ = _world(tmp_path, ahangs, ops)
        for words in (("notify", "--test"), ("notify",)):
            other.clear()
            done = typed(*words, "--json", store=store, environ=environ)
            statuses = {(one["receiver"], one["status"]) for one in answer(done)["told"]}
            assert statuses == {("ahangs", "done"), ("ops", "done")}


def test_a_silence_of_nothing_that_is_known_is_noted(tmp_path: Path) -> None:
    """Who mistypes a name at night learns it then; it holds all the same, and a budget can be silenced."""
    with receiver(webhook) as one, receiver(webhook) as ops:
        store, environ = _world(tmp_path, one, ops)
        for name, note in (("m-odl", "did you mean m-old"), ("m-*", ""), ("small", "")):
            made = typed(
                "silence", name, "--for", "2h", "--reason", "r", store=store, environ=environ
            )
            assert (made.returncode, name in made.stdout) == (0, True)
            assert ("note: nothing that is known has this name" in made.stdout) == bool(note)
            assert note in made.stdout


def test_the_end_of_a_plan_ends_the_alert_that_it_began(tmp_path: Path) -> None:
    """Told under the key and the name that it was told with; what to run next is no approval of what is over."""
    with receiver(webhook) as one, receiver(webhook) as ops:
        store, environ = _world(tmp_path, one, ops)
        told = typed("fallback", "m", "--reason", "it fell", "--json", store=store, environ=environ)
        plan_id = answer(told)["plan_id"]
        assert typed("notify", "--to", "ops", store=store, environ=environ).returncode == 0
        why = ("--reason", "it has to be")
        assert typed("approve", plan_id, *why, store=store, environ=environ).returncode == 0
        assert typed("notify", "--to", "ops", store=store, environ=environ).returncode == 0
        began, ended = [message for message in ops.taken if message["kind"] == "plan"]
        assert (began["key"], began["status"]) == (ended["key"], "open")
        assert ended["status"] == "resolved"
        assert f"{plan_id} waits no more: it was carried out" in ended["summary"]
        assert (began["next"], ended["next"]) == (f"gonogo approve {plan_id}", "gonogo plans")
