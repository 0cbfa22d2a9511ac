"""A gated call holds, runs and settles: also where it raises, is cancelled, or streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from pathlib import Path

import pytest

import engines
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.guard.call_gate import CallGate
from gonogo.guard.held_calls import CallRefusedError

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guard.md"
TOML = """
[budgets.day]
limit_usd = 1
dependencies = ["model"]
"""


@pytest.fixture
def gate(tmp_path: Path) -> CallGate:
    """A gate of a budget of a dollar, whose calls cost a tenth where they do not say."""
    config = tmp_path / "gonogo.toml"
    config.write_text(TOML)
    return CallGate(
        budget="day", call_usd=0.1, store=engines.store_of(tmp_path), config=str(config)
    )


async def money(tmp_path: Path) -> tuple[float, float]:
    """What the budget has spent and holds."""
    settings = load_settings(str(tmp_path / "gonogo.toml"), engines.store_of(tmp_path), {})
    async with Gonogo(settings) as app:
        found = await app.check_budget_with_confidence("day", planned_cost_usd=0.01)
        return found.spent_usd, found.held_usd


async def test_a_call_holds_while_it_runs_and_settles_at_what_it_cost(
    gate: CallGate, tmp_path: Path
) -> None:
    """A stated cost stands; without one it is the declared one; nothing is left held."""
    with gate.call("model", kind="model") as call:
        assert await money(tmp_path) == (0.0, 0.1)
        call.set(cost_usd=0.25)
    assert gate.flush(60)
    assert await money(tmp_path) == (0.25, 0.0)
    async with gate.call("model"):
        assert await money(tmp_path) == (0.25, 0.1)
    assert gate.flush(60)
    assert await money(tmp_path) == (0.35, 0.0)


async def test_tokens_without_a_price_cost_what_was_declared_and_the_budget_ends(
    gate: CallGate, tmp_path: Path
) -> None:
    """They counted as nothing spent, so that after a few calls nothing was held and each call went on."""
    for _ in range(10):
        with gate.call("model", kind="model") as call:
            call.set(input_tokens=300, output_tokens=20)
    with pytest.raises(CallRefusedError, match="remaining budget"), gate.call("model"):
        pass
    assert gate.flush(60)
    assert await money(tmp_path) == (1.0, 0.0)


async def test_calls_that_fail_do_not_open_the_gate(gate: CallGate, tmp_path: Path) -> None:
    """Whoever makes them fail would have the money of the next ones held no more.

    Fewer go on than have money, where the verdict is asked again meanwhile: so many failures are a no_go.
    """
    for _ in range(20):
        with suppress(ZeroDivisionError, CallRefusedError), gate.call("model", kind="model"):
            raise ZeroDivisionError
    went_on = 0
    for _ in range(20):
        with suppress(CallRefusedError), gate.call("model", kind="model"):
            went_on += 1
    assert went_on <= 10
    assert gate.flush(60)
    spent, held = await money(tmp_path)
    assert spent == pytest.approx(went_on / 10)
    assert held == 0


async def test_tokens_with_a_price_cost_it(gate: CallGate, tmp_path: Path) -> None:
    """Not what was declared, which is held only."""
    prices = "[settings.prices.model]\ninput_usd_per_mtok = 1000\noutput_usd_per_mtok = 1000\n"
    (tmp_path / "gonogo.toml").write_text(TOML + prices)
    with gate.call("model", kind="model") as call:
        call.set(input_tokens=30, output_tokens=20)
    assert gate.flush(60)
    assert await money(tmp_path) == (0.05, 0.0)


async def test_what_raises_or_is_cancelled_holds_nothing_any_more(
    gate: CallGate, tmp_path: Path
) -> None:
    """The error passes on; what was served until then is booked, and else nothing."""

    @gate.wrap("model")
    def fails() -> None:
        raise ZeroDivisionError

    @gate.wrap("model")
    async def hangs() -> None:
        running.set()
        await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        fails()
    assert gate.flush(60)
    running = asyncio.Event()
    task = asyncio.create_task(hangs())
    await running.wait()
    assert (await money(tmp_path))[1] == 0.1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with suppress(OSError), gate.call("model") as call:
        call.set(cost_usd=0.05)
        raise OSError
    assert gate.flush(60)
    assert await money(tmp_path) == (0.05, 0.0)


async def test_a_stream_is_one_call_from_its_first_value_to_its_end(
    gate: CallGate, tmp_path: Path
) -> None:
    """Read to its end, or no further than its first value; of either kind."""

    @gate.wrap("model")
    def stream() -> Generator[int]:
        yield from (1, 2)

    @gate.wrap("model")
    async def stream_async() -> AsyncGenerator[int]:
        yield 1
        yield 2

    values = stream()
    assert await money(tmp_path) == (0.0, 0.0)
    assert next(values) == 1
    assert (await money(tmp_path))[1] == 0.1
    assert list(values) == [2]
    early = stream_async()
    assert await anext(early) == 1
    await early.aclose()
    assert [value async for value in stream_async()] == [1, 2]
    assert gate.flush(60)
    spent, held = await money(tmp_path)
    assert spent == pytest.approx(0.3)
    assert held == 0


async def test_no_call_goes_past_a_spent_budget(gate: CallGate, tmp_path: Path) -> None:
    """Forty at once: as many run as fit, the others are refused with the reason, and none twice."""
    ran: list[int] = []

    @gate.wrap("model")
    async def work(n: int) -> None:
        ran.append(n)

    done = await asyncio.gather(*(work(n) for n in range(40)), return_exceptions=True)
    assert gate.flush(60)
    refused = [error for error in done if isinstance(error, CallRefusedError)]
    assert len(ran) + len(refused) == 40
    assert 5 <= len(ran) <= 10
    assert "Budget check failed" in str(refused[0])
    spent, held = await money(tmp_path)
    assert spent == pytest.approx(len(ran) * 0.1)
    assert held == 0


async def test_open_or_closed_where_nothing_can_be_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Default open, and said once; closed refuses."""
    (tmp_path / "gonogo.toml").write_text(TOML)
    for closed in (False, True):
        gate = CallGate(
            budget="none-such",
            closed=closed,
            store=engines.store_of(tmp_path),
            config=str(tmp_path / "gonogo.toml"),
        )
        for _ in range(2):
            if closed:
                with pytest.raises(CallRefusedError, match="none-such"), gate.call("model"):
                    pass
            else:
                with gate.call("model"):
                    pass
        assert gate.flush(60)
    assert caplog.text.count("the call goes on") == 1


async def test_the_example_in_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls of it: one at its declared cost, one at what it says."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "gonogo.toml").write_text(TOML)
    monkeypatch.setenv("GONOGO_STORE", engines.store_of(tmp_path))
    monkeypatch.setenv("GONOGO_CONFIG", str(tmp_path / "gonogo.toml"))
    names: dict[str, object] = {}
    exec(compile(example, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    gate = names["gate"]
    assert isinstance(gate, CallGate)
    assert gate.flush(60)
    assert capsys.readouterr().out == "what a call returns passes through unchanged\n"
    assert await money(tmp_path) == (0.024, 0.0)
