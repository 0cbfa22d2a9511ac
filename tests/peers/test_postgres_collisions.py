"""Two texts of one hash: the second is refused in one line, alone, and nothing of the two is mixed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import MappingProxyType

import pytest
from postgres_server import Server

from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.observations import rows
from gonogo.store.postgres import catalogue
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000


@pytest.fixture
async def telemetry(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[PostgresTelemetry]:
    """A store to which a text and the same one with `!` are one number."""
    monkeypatch.setattr(catalogue, "hash64", lambda text: rows.hash64(text.rstrip("!")))
    schema = f"same_{abs(hash(request.node.name)) % 10**8}"
    database = await PostgresDatabase.open(postgres.address, schema=schema)
    yield PostgresTelemetry(database, Settings(store=""))
    await database.close()


def call(n: int, **said: object) -> Observation:
    """A call of `m`, unless it is said to be another's."""
    told = {"dependency": "m", "ts_ms": NOW_MS + n, "outcome": 1.0, **said}
    return Observation(**told)  # type: ignore[arg-type]  # the test's own


@pytest.mark.parametrize(
    "said",
    [
        {"dependency": "m!"},
        {"version": "1!"},
        {"error": "timeout!"},
        {"item": "q!"},
        {"segments": MappingProxyType({"tier": "new!"})},
    ],
    ids=["dependency", "version", "error", "item", "segment"],
)
async def test_the_second_of_two_is_refused_alone(
    telemetry: PostgresTelemetry, said: dict[str, object]
) -> None:
    """In one batch with others, and again when it is sent again."""
    first = {
        name: text.rstrip("!") if isinstance(text, str) else MappingProxyType({"tier": "new"})
        for name, text in said.items()
    }
    assert (await telemetry.record([call(0, **first)], NOW_MS)).accepted == 1
    for n in (1, 3):
        stored = await telemetry.record([call(n), call(n + 1, **said)], NOW_MS)
        assert (stored.accepted, [one.position for one in stored.rejected]) == (1, [1])
        assert "have the same 64-bit hash" in stored.rejected[0].problem
        assert "Rename" in stored.rejected[0].problem
    known = await telemetry.dependency("m")
    assert known is not None
    assert known.n == 3
    assert await telemetry.dependency("m!") is None
