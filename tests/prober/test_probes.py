"""Probes as a user runs them: the command, the watch, their money, and the evidence they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from servers import Chat, Loopback

from gonogo.answers import ProbeLine
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.records import DAY_MS
from gonogo.settings import Settings
from gonogo.watch.probe_schedule import keep_probing

pytestmark = pytest.mark.anyio
GONOGO = str(Path(sys.executable).with_name("gonogo"))
NOW_MS = 1_750_000_000_000
SECRET = "sk-not-to-be-seen"  # noqa: S105 - what must not be seen
ITEMS = 40


def configured(folder: Path, chat: Loopback, more: str = "", items: int = ITEMS) -> Path:
    """A gonogo.toml with one probe of the stub, and its golden set."""
    golden = "".join(
        json.dumps({"id": f"sum-{n}", "input": f"{n}+{n + 1}", "number": 2 * n + 1}) + "\n"
        for n in range(items)
    )
    (folder / "golden.jsonl").write_text(golden)
    path = folder / "gonogo.toml"
    path.write_text(
        f'[probes.sums]\ndependency = "adder"\nurl = "{chat.url("/v1/chat/completions")}"\n'
        f'golden = "golden.jsonl"\napi_key_env = "ADDER_KEY"\n{more}'
    )
    return path


def gonogo(
    *arguments: str, config: Path, status: int, key: str = SECRET
) -> subprocess.CompletedProcess[str]:
    """Run the command; its status is the verdict."""
    done = subprocess.run(
        [GONOGO, "--config", str(config), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(config.parent),
            "GONOGO_STORE": str(config.parent / "gonogo.db"),
            "ADDER_KEY": key,
        },
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_a_stub_that_degrades_is_found_out_by_its_golden_set(
    tmp_path: Path, chat: Loopback
) -> None:
    """`gonogo probe --once` before and after; then `check drift` names the golden evidence."""
    config = configured(tmp_path, chat)
    done = gonogo("probe", "--once", "--json", config=config, status=0)
    [line] = json.loads(done.stdout)["probes"]
    assert (line["asked"], line["answered"], line["right"]) == (ITEMS, ITEMS, 1)
    Chat.degraded = True
    done = gonogo("probe", "sums", "--once", config=config, status=1)
    assert "20 of 40 answers wrong" in done.stdout
    done = gonogo(
        *("check", "drift", "adder", "--baseline-version", "adder-1", "--version", "adder-2"),
        "--json",
        config=config,
        status=2,
    )
    report = json.loads(done.stdout)
    assert report["status"] == "degraded"
    assert report["golden"]["worse"] == 20
    assert report["golden"]["e_value"] > 1000
    assert chat.asked == 2 * ITEMS
    for path in tmp_path.glob("gonogo.db*"):
        assert SECRET.encode() not in path.read_bytes()


async def test_days_of_probing_find_the_day_on_which_it_degraded(
    tmp_path: Path, chat: Loopback
) -> None:
    """A run a day by a clock of the test's own: stable for two weeks, then degraded by golden evidence."""
    day = 0
    settings = loaded(configured(tmp_path, chat, items=20))
    async with Gonogo(settings, clock=lambda: NOW_MS + day * DAY_MS) as app:
        for day in range(14):  # noqa: B007 - the clock reads it
            assert (await app.probe_once()).verdict == "go"
        assert (await app.check_model_drift("adder")).verdict in ("go", "unknown")
        Chat.degraded = True
        for day in range(14, 20):  # noqa: B007 - the same
            assert (await app.probe_once()).verdict == "caution"
        found = await app.check_model_drift("adder")
        trust = await app.get_trust_score_health("adder")
    assert (found.status, found.verdict) == ("degraded", "no_go")
    assert found.golden is not None
    assert trust.score_health is not None
    assert trust.score_health.golden_page


def loaded(config: Path) -> Settings:
    """The settings of a test's gonogo.toml."""
    store = str(config.with_name("gonogo.db"))
    return load_settings(str(config), store, {"ADDER_KEY": SECRET})


async def test_an_answer_that_makes_the_pattern_endless_is_wrong_and_the_run_says_why(
    tmp_path: Path, chat: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is there, and the line names the item, the check and what became of it."""
    config = configured(tmp_path, chat, items=1)
    item = {"id": "p-1", "input": "1+2", "regex": "^(a+)+$"}
    (tmp_path / "golden.jsonl").write_text(json.dumps(item) + "\n")
    Chat.fixed = "a" * 60 + "!"
    monkeypatch.setattr("gonogo.prober.checkers.PATTERN_CPU_S", 0.05)
    async with Gonogo(loaded(config)) as app:
        [line] = (await app.probe_once()).probes
    assert (line.verdict, line.checked, line.right) == ("caution", 1, 0)
    assert line.why == (
        "1 of 1 answers wrong (item p-1, regex: not matched within 0.05 s of processor time, taken as wrong)"
    )


async def test_the_same_item_asked_twice_tells_consistency(tmp_path: Path, chat: Loopback) -> None:
    """Answers that agree; then answers to the same inputs that do not."""
    settings = loaded(configured(tmp_path, chat, "repeat = 2\n", items=20))
    async with Gonogo(settings) as app:
        await app.probe_once()
        steady = await (await app.stores()).telemetry.repeats("adder")
        Chat.fixed = "It is 1, or 3, or 5."
        await app.probe_once()
        shaken = await (await app.stores()).telemetry.repeats("adder")
    assert (steady.answers, steady.repeats, steady.disagreeing) == (40, 20, 0)
    assert shaken.disagreeing > 10


PRICES = """
[settings.prices.adder]
input_usd_per_mtok = 100
output_usd_per_mtok = 200
[budgets.tests]
limit_usd = 0.05
"""  # 10 tokens in and 5 out: $0.002 a call


async def test_a_run_stops_before_its_ceiling_and_its_cost_is_settled(
    tmp_path: Path, chat: Loopback
) -> None:
    """Five calls of $0.002 fit into $0.011; what was held beyond them is free again."""
    more = f'budget = "tests"\nmax_cost_usd = 0.011\n{PRICES}'
    settings = loaded(configured(tmp_path, chat, more))
    async with Gonogo(settings) as app:
        [line] = (await app.probe_once()).probes
        check = await app.check_budget_with_confidence("tests", planned_cost_usd=0.001)
    assert (line.asked, line.cost_usd, line.verdict) == (5, 0.01, "unknown")
    assert line.why is not None
    assert "stopped after 5 of 40 calls" in line.why
    assert (check.spent_usd, check.held_usd) == (0.01, 0)
    assert chat.asked == 5


async def test_a_budget_that_is_spent_keeps_a_probe_from_asking(
    tmp_path: Path, chat: Loopback
) -> None:
    """Nothing is asked, nothing recorded, and the reason is the budget's."""
    more = f'budget = "tests"\nmax_cost_usd = 0.06\n{PRICES}'
    async with Gonogo(loaded(configured(tmp_path, chat, more))) as app:
        [line] = (await app.probe_once()).probes
    assert (line.asked, line.verdict, chat.asked) == (0, "unknown", 0)
    assert line.why is not None
    assert line.why.startswith("nothing asked: Budget check failed")


async def test_a_ceiling_without_a_price_asks_once(tmp_path: Path, chat: Loopback) -> None:
    """What cannot be counted is not spent."""
    more = 'budget = "tests"\nmax_cost_usd = 0.01\n[budgets.tests]\nlimit_usd = 1\n'
    async with Gonogo(loaded(configured(tmp_path, chat, more))) as app:
        [line] = (await app.probe_once()).probes
    assert (line.asked, line.verdict) == (1, "unknown")
    assert line.why is not None
    assert "no price is known" in line.why


async def test_none_of_many_hostile_endpoints_stops_the_others(
    tmp_path: Path, chat: Loopback, hostile: Loopback
) -> None:
    """On one schedule: each bad one is told by its error, again and again, and the good one goes on."""
    paths = ("hangs", "drips", "resets", "no-http", "garbage", "elsewhere", "gigabyte", "broken")
    base = loaded(configured(tmp_path, chat, items=2)).probes["sums"]
    probes = [replace(base, name="good", every_s=1)] + [
        replace(base, name=p, dependency=p, url=hostile.url(f"/{p}"), every_s=1, timeout_s=0.4)
        for p in paths
    ]
    told: dict[str, list[ProbeLine]] = {probe.name: [] for probe in probes}
    every_one_twice = anyio.Event()

    def hear(line: ProbeLine) -> None:
        told[line.probe].append(line)
        if min(map(len, told.values())) > 1:
            every_one_twice.set()

    async with Gonogo(Settings(store=str(tmp_path / "gonogo.db"))) as app:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: keep_probing(app, probes, draw=lambda: 0.1, told=hear))
                await every_one_twice.wait()
                tasks.cancel_scope.cancel()
        known = await app.list_dependencies()
    assert {line.verdict for line in told["good"]} == {"go"}
    for path in paths:
        assert {line.verdict for line in told[path]} == {"no_go"}
    assert {found.dependency for found in known.dependencies} == {"adder", *paths}


@pytest.mark.parametrize("command", ["watch", "probe"])
def test_the_commands_that_stay_probe_on_schedule(
    tmp_path: Path, chat: Loopback, command: str
) -> None:
    """`gonogo watch` has the duty, `gonogo probe` tells each run; both end when told to."""
    config = configured(tmp_path, chat, 'every = "1s"\n', items=1)
    with subprocess.Popen(
        [GONOGO, command, "--config", str(config)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GONOGO_STORE": str(tmp_path / "gonogo.db"),
            "ADDER_KEY": SECRET,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if command == "probe":
            assert said == "Probing: sums.\n"
            assert process.stdout.readline() == "go: sums: 1 of 1 answered, 100.0% right\n"
        else:
            assert "probe" in said
            assert wait_until_asked(chat)
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert complaints == ""
    assert process.returncode == 0


def wait_until_asked(chat: Loopback) -> bool:
    """Whether the stub is asked within a minute."""
    for _ in range(1200):
        if chat.asked or chat.ended.wait(0.05):
            break
    return chat.asked > 0


def test_cron_gets_the_verdict_and_one_line_for_what_is_wrong_here(
    tmp_path: Path, chat: Loopback
) -> None:
    """Exit 2 where nothing answers, 3 without its key, 66 and 78 for a wrong name and no probe."""
    config = configured(tmp_path, chat, 'timeout = "2s"\n', items=1)
    done = gonogo("probe", "--once", config=config, status=3, key="")
    assert "ADDER_KEY is not set" in done.stdout
    assert chat.asked == 0
    assert "Known: sums" in gonogo("probe", "sum", "--once", config=config, status=66).stderr
    chat.server_close()
    assert "refused" in gonogo("probe", "--once", config=config, status=2).stdout
    config.write_text("")
    assert "No probe is configured" in gonogo("probe", config=config, status=78).stderr


def test_a_golden_set_that_is_malformed_is_told_by_its_line(tmp_path: Path, chat: Loopback) -> None:
    """The probe says which line; nothing is asked."""
    config = configured(tmp_path, chat)
    (tmp_path / "golden.jsonl").write_text('{"id": "a", "exakt": 1}')
    done: Any = gonogo("probe", "--once", config=config, status=3)
    assert "golden.jsonl, line 1: 'exakt' is no key" in done.stdout
    assert chat.asked == 0
