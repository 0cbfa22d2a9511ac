"""Failures in any form count, and nothing in any spelling stays nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.ingest.error_codes import error_code
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.ingest.observation import parse_observation
from gonogo.records import Observation

NOW_MS = 1_780_000_000_000

CODES = [
    ("timeout", "timeout"),
    (
        "Rate limit reached for gpt-4o in organization org-x9 on tokens",
        "rate_limit_reached_for_gpt-",
    ),
    ("Error code: 429 - {'error': {'message': 'slow down'}}", "http_429"),
    ("503 Server Error: Service Unavailable for url: https://x", "http_503"),
    ("openai.APIConnectionError: Connection error.", "APIConnectionError"),
    ('Traceback (most recent call last):\n  File "a.py"\nValueError: 3 is bad', "ValueError"),
    ("Request timed out after 60s", "timeout"),
    ({"code": "context_length_exceeded", "message": "too long"}, "context_length_exceeded"),
    ({"error": {"type": "overloaded_error"}}, "overloaded_error"),
    ({"status": 500}, "http_500"),
    ('{"code": 404, "message": "gone"}', "http_404"),
    ({"message": ""}, "error"),
    (["boom"], "boom"),
    (502, "http_502"),
    (1, "error"),
    (True, "error"),
    ("true", "error"),
    (137, "http_137"),
    ("Übertragung fehlgeschlagen", "bertragung_fehlgeschlagen"),
    ("💥", "error"),
]
FINE = ["", "0", 0, 0.0, False, "False", "ok", "OK", "success", "None", "null", "nan", "\\N", "N/A"]
FINE += ["-", 200, "200", "204", "http_200", {}, [], None, float("nan"), "{}"]


@pytest.mark.parametrize(("stated", "code"), CODES)
def test_any_failure_becomes_a_code(stated: object, code: str) -> None:
    """A sentence, an object, a number, a traceback; never the message, which may quote the request."""
    assert (error_code(stated) or "").startswith(code)


@pytest.mark.parametrize("stated", FINE)
def test_what_says_that_nothing_failed_is_no_failure(stated: object) -> None:
    """Else every good call of such a file would be an error."""
    assert error_code(stated) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(error=JSON | st.text(min_size=1), prose=st.text())
def test_a_failed_call_is_never_less_likely_to_be_stored(error: object, prose: str) -> None:
    """Whatever stands in `error`, the call around it is kept."""
    for stated in (error, prose, {"error": error, "message": prose}):
        kept = parse_observation(
            {"dependency": "m", "error": stated, "outcome": 0}, now_ms=NOW_MS, from_file=True
        )
        assert isinstance(kept, Observation)
        assert kept.error is None or (0 < len(kept.error) <= 64 and kept.error.isprintable())


@pytest.mark.parametrize("word", ["", "NULL", "None", "nan", "NaN", "\\N", "N/A", "-", "<NA>", " "])
def test_a_cell_without_a_value_is_absent_in_every_field(word: str) -> None:
    """Else it becomes an error, a version, an item, or refuses the row."""
    header = ("dependency", "version", "error", "outcome", "latency_ms", "item", "label", "ts")
    mapping = parse_mapping([], []).with_header(header, "a.csv")
    fields = mapping.apply({"dependency": "m", **dict.fromkeys(header[1:], word)})
    kept = parse_observation(fields, now_ms=NOW_MS, from_file=True)
    assert kept == Observation(dependency="m", ts_ms=NOW_MS)


def test_numbers_are_ids_and_empty_names_are_absent() -> None:
    """As databases keep ids; a null entry of segments or metrics is none."""
    kept = parse_observation(
        {
            "dependency": "m",
            "id": 17,
            "item": 4.0,
            "version": "",
            "label": True,
            "segments": {"tier": None, "lang": "", "day": "we"},
            "metrics": {"a": None, "b": 0},
            "outcome": "pass",
        },
        now_ms=NOW_MS,
        from_file=True,
    )
    assert isinstance(kept, Observation)
    assert (kept.id, kept.item, kept.version, kept.label) == ("17", "4", None, "true")
    assert (kept.segments, kept.metrics, kept.outcome) == ({"day": "we"}, {"b": 0}, 1.0)
