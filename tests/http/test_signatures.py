"""Signatures: only who holds the secret can make one, for one body, for five minutes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.http.signatures import AGE_S_MAX, is_signed, sign

NOW = 1_790_000_000


@given(st.text(min_size=1), st.binary(), st.integers(-AGE_S_MAX, AGE_S_MAX))
def test_what_was_signed_is_recognised(secret: str, body: bytes, late_s: int) -> None:
    """Any secret and body, either clock ahead by up to five minutes."""
    assert is_signed(secret, body, sign(secret, body, now_s=NOW), now_s=NOW + late_s)


@pytest.mark.parametrize(
    ("secret", "body", "now_s"),
    [("other", b"{}", NOW), ("key", b"{ }", NOW), ("key", b"{}", NOW + AGE_S_MAX + 1)],
    ids=["another secret", "another body", "a replay"],
)
def test_anything_else_is_not(secret: str, body: bytes, now_s: int) -> None:
    """A wrong secret, a changed body, an old message."""
    assert not is_signed(secret, body, sign("key", b"{}", now_s=NOW), now_s=now_s)


@pytest.mark.parametrize("header", ["", "t=", "v1=00", "t=x,v1=00", "t=1,t=2", f"t={NOW},v1=é"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    """Whatever arrives, the answer is no and not a crash."""
    assert not is_signed("key", b"{}", header, now_s=NOW)
