"""The parts of the store on PostgreSQL that need no server: addresses, marks, roots, groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from unittest.mock import MagicMock

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.errors import StoreError
from gonogo.ports.money import Balance, Draft, ReserveRequest, Scope
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.postgres.address import connect_error, is_address, shown, store_error
from gonogo.store.postgres.books import BalanceSnapshot, root_of
from gonogo.store.postgres.connecting import Terms, connect
from gonogo.store.postgres.reserving import Group
from gonogo.store.postgres.session import _translated

# Of letters that stand in no other part of the addresses below.
_passwords = st.text(alphabet="ZQXJ@:/?#% ", min_size=1).filter(lambda p: set(p) & set("ZQXJ"))


def test_an_address_is_told_from_a_file() -> None:
    """By its scheme alone."""
    assert is_address("postgresql://host/db")
    assert is_address("postgres://host/db")
    assert not is_address("postgres.db")
    assert shown("data/gonogo.db") == "data/gonogo.db"
    assert shown("postgresql://me:secret@db:5433/gonogo?sslmode=require") == (
        "postgresql://me@db:5433/gonogo"
    )


@given(_passwords)
def test_no_part_of_a_password_is_ever_shown(password: str) -> None:
    """Also where it holds what should have been escaped, and where the server echoes it."""
    address = f"postgresql://me:{password}@db.example:5432/gonogo?password={password}"
    echoed = Exception(f'could not translate host name "{password}@db.example" to address')
    for text in (shown(address), str(connect_error(address, echoed))):
        assert not set(text) & set("ZQXJ")


def test_without_the_driver_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'gonogo\[postgres\]'"):
        connect("postgresql://host/db", Terms("gonogo"))


def test_a_server_that_is_too_old_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ours needs came with 13; the connection does not stay open."""
    old = MagicMock()
    old.info.server_version = 120_019
    monkeypatch.setattr(psycopg, "connect", MagicMock(return_value=old))
    with pytest.raises(StoreError) as refused:
        connect("postgresql://me:secret@db/gonogo", Terms("gonogo"))
    assert str(refused.value) == (
        "Store 'postgresql://me@db/gonogo': its server is PostgreSQL 12, and 13 or newer is "
        "needed. Upgrade it, or name another store."
    )
    old.close.assert_called_once()


def test_marks_of_parameters_are_translated_and_nothing_else() -> None:
    """Casts and percent signs stay what they are."""
    statement = "SELECT ?1, ?, :name, CAST(x AS TEXT), y::text LIKE 'a.%'"
    assert _translated(statement) == (
        "SELECT %(p1)s, %s, %(name)s, CAST(x AS TEXT), y::text LIKE 'a.%%'"
    )


def test_a_budgets_root_is_the_top_of_its_parents() -> None:
    """Of a cycle the first by name; of what is not configured, itself."""
    budgets = {
        name: BudgetSettings(name, 1, parent=parent)
        for name, parent in (("team", "org"), ("org", None), ("b", "a"), ("a", "b"), ("c", "b"))
    }
    settings = Settings(store="", budgets=budgets)
    roots = {name: root_of(settings, name) for name in ("team", "org", "a", "b", "c", "else", "")}
    assert roots == {
        "team": "org",
        "org": "org",
        "a": "a",
        "b": "a",
        "c": "a",
        "else": "else",
        "": "",
    }


@given(limit=st.integers(0, 40), held=st.integers(0, 40), asks=st.integers(1, 20))
def test_requests_together_are_decided_as_one_after_the_other(
    limit: int, held: int, asks: int
) -> None:
    """As many fit as fit; others may be granted so much more that all of it still fits."""

    def decide(balances: Sequence[Balance]) -> Draft:
        left = limit - balances[0].held_micro_usd
        return Draft(lambda: f"{left} left", 1 if left >= 1 else None, 0.9, left)

    scopes = (Scope("b", ("b",), (), None, None),)
    requests = [
        ReserveRequest(f"r{i}", "b", scopes, decide, now_ms=0, expires_ms=1) for i in range(asks)
    ]
    group = Group(("b",), requests, holds_max=0)
    group.decide(BalanceSnapshot((Balance(0, held, ()),), (100,)))
    fitting = min(asks, max(limit - held, 0))
    assert len(group.holds) == fitting
    assert group.answers[0] == f"{limit - held} left"
    if fitting:
        assert group.room + held + fitting <= limit


def test_a_table_that_is_gone_is_no_riddle() -> None:
    """What is not there, and that the tables were changed; too short a time to open it is said as that."""
    told = str(store_error("postgresql://h/d", psycopg.errors.UndefinedTable()))
    assert "not those of its schema number" in told
    slow = psycopg.errors.QueryCanceled("canceling statement due to statement timeout")
    assert "statement_timeout is too short" in str(connect_error("postgresql://h/d", slow))
