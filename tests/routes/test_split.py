"""The traffic split: right shares, sticky, monotone, and the same keys as flagd."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.fallback.plan import shifted
from gonogo.ports.routes import WHOLE, Route, Weight, primary_route
from gonogo.routes.split import key_place, murmur3, pick

KEYS = [f"user-{number}" for number in range(10_000)]


def two(share: int) -> tuple[Weight, ...]:
    """The primary and a target with this share."""
    return (Weight("m", WHOLE - share), Weight("v2", share))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 0x3C2569B2), ("test", 0xBA6BD213), ("Hello, world!", 0xC0363E43)],
)
def test_the_hash_is_murmur3(text: str, expected: int) -> None:
    """Reference values of MurmurHash3_x86_32 with seed 0, as published with its ports."""
    assert murmur3(text.encode()) == expected


@pytest.mark.parametrize(
    ("salt", "key", "bucket"),
    [
        ("m/1/", "user-1", 7680),
        ("m/1/", "user-2", 8550),
        ("", "€" * 100, 9347),
        ("s" * 300, "k", 9103),
    ],
)
def test_a_key_has_the_bucket_that_flagd_gives_it(salt: str, key: str, bucket: int) -> None:
    """Computed with openfeature-flagd-core's own `fractional` over 10,000 weights."""
    assert int(key_place(salt, key) * WHOLE) == bucket


def test_ten_thousand_keys_split_as_they_should() -> None:
    """Within 2 points of every share (binomial sd at most 0.5 points)."""
    for share in (100, 500, 1_000, 2_500, 5_000, 9_500):
        got = sum(pick(two(share), key_place("m/1/", key)).target == "v2" for key in KEYS)
        assert abs(got / len(KEYS) - share / WHOLE) < 0.02


def test_nobody_moves_back_while_a_share_grows() -> None:
    """Whoever has left the primary stays away from it until its share grows again."""
    away: set[str] = set()
    for share in (100, 500, 2_500, 5_000, WHOLE):
        now = {key for key in KEYS if pick(two(share), key_place("m/1/", key)).target == "v2"}
        assert away <= now
        away = now
    assert away == set(KEYS)


def test_another_salt_begins_with_other_keys() -> None:
    """The next incident does not fall on the same keys first: overlap as by chance (1 %)."""
    first, second = (
        {key for key in KEYS if pick(two(1_000), key_place(salt, key)).target == "v2"}
        for salt in ("m/1/", "m/7/")
    )
    assert 0.005 < len(first & second) / len(KEYS) < 0.015


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["m", "v2", "rules:basic", "human", "m@1"]), st.integers(1, WHOLE)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_shares_always_add_up_and_the_primary_comes_first(steps: list[tuple[str, int]]) -> None:
    """Any sequence of shifts keeps the whole, in one fixed order, and gives what was asked."""
    route = primary_route("m")
    for target, share in steps:
        targets = shifted(route, target, share, ("v2", "rules:basic"))
        assert sum(weight.share for weight in targets) == WHOLE
        assert all(weight.share > 0 for weight in targets)
        names = [weight.target for weight in targets]
        ladder = [name for name in ("m", "v2", "rules:basic") if name in names]
        assert names[: len(ladder)] == ladder
        given_share = {weight.target: weight.share for weight in targets}[target]
        assert given_share == share or (target == "m" and len(targets) == 1)
        route = Route("m", targets)


@pytest.mark.parametrize(
    "key", [42, True, 4.5, uuid.UUID(int=7), b"user-1", b"\xff\xfe", "\ud800", "", ("a", 1)]
)
def test_any_key_has_a_place(key: object) -> None:
    """A number, a UUID, bytes: as their text; nothing raises in the night of the split."""
    assert 0 <= key_place("m/1/", key) < 1
    if isinstance(key, int | float | uuid.UUID):
        assert key_place("m/1/", key) == key_place("m/1/", str(key))
    assert key_place("m/1/", b"user-1") == key_place("m/1/", "user-1")
