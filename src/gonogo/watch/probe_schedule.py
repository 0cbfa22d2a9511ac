"""Probes on their schedule, each by itself: none waits for another, and none stops another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import anyio

from gonogo.answers import ProbeLine
from gonogo.app import Gonogo
from gonogo.app.probing import open_prober, run_probe
from gonogo.prober.probe_run import Prober
from gonogo.settings import ProbeSettings
from gonogo.watch.duties import Duty, keep

logger = logging.getLogger("gonogo.watch")

FIRST_S_MAX = 60.0
BACKOFF_S_MAX = 3600.0
JITTER = 0.1
_DOUBLINGS_MAX = 10


async def keep_probing(
    app: Gonogo,
    probes: Sequence[ProbeSettings],
    *,
    draw: Callable[[], float],
    told: Callable[[ProbeLine], None] | None = None,
) -> None:
    """Run probes on their schedules until cancelled.

    Args:
        app: What records and holds money.
        probes: Which.
        draw: Uniform on [0, 1): the jitter.
        told: Called with what each run found; else only changes are logged.
    """
    async with (
        open_prober(app.settings, clock=app.clock) as prober,
        anyio.create_task_group() as tasks,
    ):
        for probe in probes:
            work = partial(_follow, prober, probe, draw, told or _Changes())
            tasks.start_soon(keep, Duty(f"probe {probe.name}", work), app)


async def _follow(
    prober: Prober,
    probe: ProbeSettings,
    draw: Callable[[], float],
    told: Callable[[ProbeLine], None],
    app: Gonogo,
) -> None:
    await anyio.sleep(first_delay_s(probe.every_s, draw()))
    failures = 0
    while True:
        begun = anyio.current_time()
        line = await run_probe(app, prober, probe)
        told(line)
        failures = failures + 1 if line.asked and not line.answered else 0
        delay_s = next_delay_s(probe.every_s, failures=failures, draw=draw())
        await anyio.sleep(max(begun + delay_s - anyio.current_time(), 0))


class _Changes:
    """Logs a run that is not good, when the one before it was otherwise, and the first good one."""

    def __init__(self) -> None:
        self._last: str | None = None

    def __call__(self, line: ProbeLine) -> None:
        if line.why is not None and line.why != self._last:
            logger.warning("probe %s: %s", line.probe, line.why)
        elif line.why is None and self._last is not None:
            logger.warning("probe %s: all is well again", line.probe)
        self._last = line.why


def first_delay_s(every_s: float, draw: float) -> float:
    """Seconds to the first run: spread, so that a start does not ask everything at once.

    Args:
        every_s: The probe's interval.
        draw: Uniform on [0, 1).
    """
    return min(every_s, FIRST_S_MAX) * draw


def next_delay_s(every_s: float, *, failures: int, draw: float) -> float:
    """Seconds from a run's start to the next.

    Doubles with every run in a row without one answer, up to an hour (or the interval, where that
    is longer), and is spread by a tenth either way, so that probes do not fall into step.

    Args:
        every_s: The probe's interval.
        failures: Runs in a row that nothing answered.
        draw: Uniform on [0, 1).
    """
    backed_off = every_s * 2.0 ** min(failures, _DOUBLINGS_MAX)
    return min(backed_off, max(every_s, BACKOFF_S_MAX)) * (1 + JITTER * (2 * draw - 1))
