"""The store's contract suite again, every test of it on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import Server

TESTS = Path(__file__).resolve().parents[1]
CONTRACT = (
    "test_telemetry",
    "test_any_order",
    "test_stored_form",
    "test_judges",
    "test_trust_reads",
    "test_signal_reads",
    "test_drift_answers",
    "test_incremental_drift",
    "test_remembered_answers",
    "test_decision_log",
    "test_doctor_names_damage",
    "test_incidents",
    "test_notices",
    "test_post_mortem",
    "test_fallback",
    "test_asked_by",
    "test_reservations",
    "test_money_over_time",
    "test_budget_forecast",
    "test_offer",
    "test_token_costs",
    "test_unpriced",
    "test_units",
    "test_session_windows",
    "test_edits",
    "test_not_counted",
    "test_fine_costs",
    "test_corrected_costs",
    "test_keyed_budgets",
    "test_values_of_a_key",
    "test_low_budgets",
    "test_runs",
    "test_ledger_replay",
    "test_leases",
    "test_recovery",
    "test_promotion",
    "test_promotion_own_word",
    "test_retention",
    "test_shard_columns",
    "test_shorter_ids",
    "test_one_entry",
    "test_refused_rows",
    "test_hour_cells",
    "test_arrival_times",
    "test_call_gate",
    "test_held_ahead",
)


@pytest.mark.parametrize("suite", CONTRACT)
def test_the_contract_holds(postgres: Server, suite: str) -> None:
    """What every store promises: the tests that the file passes, unchanged."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", "not sqlite", "-p", "no:cacheprovider"),
            *map(str, TESTS.glob(f"*/{suite}.py")),
        ],
        cwd=TESTS.parent,
        env={**os.environ, "GONOGO_TEST_POSTGRES": postgres.address},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
