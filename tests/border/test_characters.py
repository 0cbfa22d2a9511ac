"""Names that can be told by looking at them, and texts without what cannot be seen."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.app.new_names import near_names
from gonogo.border.characters import UnclearName, name_of, skeleton, visible
from gonogo.ingest.observation import parse_observation
from gonogo.records import Observation, Rejection

# Default-ignorable code points and blanks that `isprintable` lets pass, and some that it does not.
UNSEEN = "\u034f\u115f\u1160\u17b4\u180b\u180f\u200b\u200d\u202e\u2060\u2065\u2800\u3164\ufe00\ufe0f\ufeff\uffa0\U000e0041\U000e0100\U0001d159\xad\x00\x85\u2028\ud800"
BORDERS = ("dependency", "version", "id", "prediction", "label", "provider", "budget", "item")


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"{ord(char):04x}")
def test_a_name_with_what_cannot_be_seen_is_refused_and_a_text_loses_it(char: str) -> None:
    """Wherever it stands: 78 bytes of it can carry orders that only a model reads."""
    for name in (f"gpt{char}-4", f"{char}gpt-4", f"gpt-4{char}", char, char * 78 + "gpt-4"):
        with pytest.raises(UnclearName):
            name_of(name)
        assert visible(f"<{name}>") == f"<{name.replace(char, '')}>"


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"{ord(char):04x}")
@pytest.mark.parametrize("field", [*BORDERS, "segments"])
def test_it_is_refused_in_every_name_of_an_observation(field: str, char: str) -> None:
    """The message names the field and repeats nothing of it."""
    for value in ({f"k{char}": "v"}, {"k": f"v{char}"}) if field == "segments" else (f"a{char}b",):
        parsed = parse_observation(
            {"dependency": "m", field: value}, now_ms=1_780_000_000_000, from_file=False
        )
        assert isinstance(parsed, Rejection)
        assert char not in parsed.problem


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (" gpt-4 ", "gpt-4"),
        ("gpt   4", "gpt 4"),
        ("e\u0301cole", "\u00e9cole"),
        ("\u212b", "\u00c5"),
        ("\u2764\ufe0f", "\u2764"),
        ("1\u0301", "1\u0301"),
        ("\u0928\u093f\u092e\u094d\u0928", "\u0928\u093f\u092e\u094d\u0928"),
        ("日本語 モデル", "日本語 モデル"),
    ],
)
def test_a_name_is_written_in_one_way(written: str, stored: str) -> None:
    """Outer and double spaces and Unicode's other ways to write a letter make no second name."""
    assert name_of(written) == name_of(stored) == stored
    parsed = parse_observation(
        {"dependency": written, "segments": {written: written}},
        now_ms=1_780_000_000_000,
        from_file=True,
    )
    assert isinstance(parsed, Observation)
    assert (parsed.dependency, dict(parsed.segments)) == (stored, {stored: stored})


@given(st.text(st.characters(codec=None), max_size=12))
def test_any_name_is_refused_or_stands(text: str) -> None:
    """What is taken is taken again as it is, and loses nothing on its way out."""
    try:
        name = name_of(text)
    except UnclearName:
        return
    assert name_of(name) == name == visible(name)
    assert unicodedata.is_normalized("NFC", name)


def test_marks_pile_up_on_no_letter() -> None:
    """Four on one letter are a language's; eight draw over the lines around."""
    assert name_of("a" + "\u0323" * 4)
    for piled in ("a" + "\u0323" * 5, "\u0301a"):
        with pytest.raises(UnclearName):
            name_of(piled)


@pytest.mark.parametrize(
    ("new", "known", "near"),
    [
        ("gpt4", "gpt-4", True),
        ("GPT-4", "gpt-4", True),
        ("g\u0440t-4", "gpt-4", True),
        ("\uff47pt-4", "gpt-4", True),
        ("sentimnet-v3", "sentiment-v3", True),
        ("c1aude", "claude", True),
        ("sentiment-v4", "sentiment-v3", False),
        ("gpt-4o", "gpt-4", False),
        ("gpt-41", "gpt-4.1", False),
        ("search", "ticket-search", False),
    ],
)
def test_a_new_name_near_a_known_one_is_said(new: str, known: str, near: bool) -> None:  # noqa: FBT001
    """A slip and a look-alike are; another version is not."""
    assert bool(near_names([new], [known])) == near
    assert (skeleton(new) == skeleton(known)) <= near


def test_names_of_all_the_world_are_taken() -> None:
    """Every letter and digit that Unicode knows may stand in a name."""
    refused = [
        f"{code:04x}"
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Lu", "Ll", "Lt", "Lm", "Nd")
        and not _taken(chr(code))
    ]
    assert refused == []


def _taken(char: str) -> bool:
    try:
        return bool(name_of(f"a{char}"))
    except UnclearName:
        return False
