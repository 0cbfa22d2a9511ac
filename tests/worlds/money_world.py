"""A store with recorded calls and a gonogo.toml, asked as a client asks: the application, whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import engines
from gonogo.answers import rfc3339
from gonogo.app import Gonogo
from gonogo.config import load_settings

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
HOUR_MS = 3_600_000


def opened_app(folder: Path, toml: str, *, now_ms: int = NOW_MS) -> Gonogo:
    """The application over a store of this folder, configured by a text."""
    config = folder / "gonogo.toml"
    config.write_text(toml, encoding="utf-8")
    settings = load_settings(
        config=str(config), store=engines.store_of(folder), environ={"HOME": str(folder)}
    )
    return Gonogo(settings, clock=lambda: now_ms)


def calls(
    dependency: str,
    n: int,
    usd: float | None = None,
    *,
    sd: float = 0.0,
    since_h: float = 10.0,
    **fields: object,
) -> list[dict[str, object]]:
    """`n` calls over the last hours, each `usd` but for a lognormal spread."""
    rng = random.Random(f"{dependency} {n}")  # noqa: S311 - not for secrets
    return [
        {
            "dependency": dependency,
            "id": f"{dependency}-{since_h}-{i}",
            "ts": rfc3339(NOW_MS - round(since_h * HOUR_MS * (n - i) / n) - 1),
            **({} if usd is None else {"cost_usd": usd * rng.lognormvariate(0, sd)}),
            **fields,
        }
        for i in range(n)
    ]


async def record(app: Gonogo, observations: list[dict[str, object]]) -> None:
    """Record all of them; none may be refused."""
    for some in _batches(observations):
        answer = await app.record_observations(some)
        assert not answer.rejected, answer.rejected


def _batches(items: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    for start in range(0, len(items), 1000):
        yield items[start : start + 1000]
