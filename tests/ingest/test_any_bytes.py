"""Whatever bytes arrive, every parser ends in a value or in the refusal that it promises."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parser_seeds import SEEDS
from parsers import PARSERS

PIECES = [
    b"null",
    b"1e999",
    b"-1",
    b'"\\ud800"',
    b"\x00",
    b"\xff",
    b"[" * 200,
    b"9" * 400,
    b"NaN",
    b"\n",
]


@st.composite
def inputs(draw: st.DrawFn) -> bytes:
    """A seed that was cut, spliced with another and damaged; or any bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=200))
    dice = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - no secret is made
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(dice.randrange(6)):
        at = dice.randrange(len(data) + 1)
        piece = dice.choice([*PIECES, dice.choice(SEEDS)[: dice.randrange(80)]])
        match dice.randrange(4):
            case 0:
                data[at:at] = piece
            case 1:
                data[at : at + len(piece)] = piece
            case 2:
                del data[at : at + dice.randrange(20)]
            case _:
                data[at : at + 1] = bytes([dice.randrange(256)])
    return bytes(data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=inputs())
def test_any_bytes_end_as_promised(name: str, data: bytes) -> None:
    """Nothing else is raised, no problem is told in more than one printable line."""
    PARSERS[name](data)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seeds_reach_what_they_are_for(seed: bytes) -> None:
    """Unharmed they are taken by every parser without a crash."""
    for parse in PARSERS.values():
        parse(seed)


def test_a_key_that_is_no_unicode_text_is_refused() -> None:
    """Found by the test above: protobuf raises SystemError for it."""
    PARSERS["otlp-json"](b'{"\\ud800": 1, "resourceSpans": []}')
