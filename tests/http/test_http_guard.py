"""Who may speak to a local HTTP server: places, Host and Origin, tokens."""

from __future__ import annotations

import pytest

from gonogo.errors import ParameterError
from gonogo.http.guard import (
    Place,
    bearer,
    holds,
    listening_socket,
    place_of,
    refusal,
    refuse_without_token,
    tokens_of,
)

HERE = Place("127.0.0.1", 8484)
THERE = Place("192.0.2.7", 8484)


@pytest.mark.parametrize(
    ("text", "place", "is_loopback"),
    [
        ("127.0.0.1:0", Place("127.0.0.1", 0), True),
        ("localhost:8484", Place("localhost", 8484), True),
        ("[::1]:8484", Place("::1", 8484), True),
        ("0.0.0.0:80", Place("0.0.0.0", 80), False),  # noqa: S104 - nothing listens
        ("dashboard.example:443", Place("dashboard.example", 443), False),
    ],
)
def test_a_place_is_a_host_and_a_port(text: str, place: Place, *, is_loopback: bool) -> None:
    """IPv6 stands in brackets; a name other than localhost may lead anywhere."""
    assert place_of(text, option="--host") == place
    assert place.is_loopback is is_loopback


@pytest.mark.parametrize("text", ["8484", ":8484", "::1:8484", "host:", "host:99999", "host:٣", ""])
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    """One line that names the option."""
    with pytest.raises(ParameterError, match=r"--host .* is not HOST:PORT"):
        place_of(text, option="--host")


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"host": "127.0.0.1:8484"}, None),
        ({"host": "localhost:8484", "origin": "http://localhost:8484"}, None),
        ({"host": "[::1]:8484"}, None),
        ({"host": "rebound.example:8484"}, "Host"),
        ({"host": "127.0.0.1.rebound.example"}, "Host"),
        ({}, "Host"),
        ({"host": "127.0.0.1:8484", "origin": "http://evil.example"}, "Origin"),
        ({"host": "127.0.0.1:8484", "origin": "http://127.0.0.1:9999"}, "Origin"),
        ({"host": "127.0.0.1:8484", "origin": "null"}, "Origin"),
        ({"host": "[::1"}, "Host or Origin is no address"),
        ({"host": "127.0.0.1", "origin": "http://["}, "Host or Origin is no address"),
    ],
)
def test_on_loopback_only_loopback_may_ask(headers: dict[str, str], why: str | None) -> None:
    """A page elsewhere gives itself away by its Origin, a rebound name by the Host."""
    said = refusal(headers, HERE)
    assert (said is None) if why is None else (said is not None and said.startswith(why))


def test_off_loopback_any_host_will_do_but_not_any_origin() -> None:
    """The names that lead there are not known here; what protects is the token."""
    assert refusal({"host": "dashboard.example"}, THERE) is None
    assert refusal({"host": "dashboard.example", "origin": "http://evil.example"}, THERE)


def test_off_loopback_needs_a_token() -> None:
    """It does not start without one, and says what to set."""
    refuse_without_token(HERE, None, what="The dashboard")
    refuse_without_token(THERE, "secret", what="The dashboard")
    with pytest.raises(ParameterError, match="token: set GONOGO_TOKEN"):
        refuse_without_token(THERE, None, what="The dashboard")


def test_what_only_reads_is_opened_by_either_token() -> None:
    """An empty variable is no token: it would be one that everybody holds."""
    assert tokens_of({"GONOGO_TOKEN": "act", "GONOGO_READ_TOKEN": "read"}) == ("act", "read")
    assert tokens_of({"GONOGO_TOKEN": " ", "GONOGO_READ_TOKEN": ""}) == ()


def test_a_token_is_the_whole_token() -> None:
    """Neither a part of it, nor nothing, nor another scheme."""
    assert holds("s3cret", bearer({"authorization": "Bearer s3cret"}))
    assert not holds("s3cret", bearer({"authorization": "Bearer s3cre"}))
    assert not holds("s3cret", bearer({"authorization": "Basic s3cret"}))
    assert not holds("s3cret", bearer({}))


def test_a_place_that_is_taken_is_told() -> None:
    """One line, not a traceback."""
    with listening_socket(Place("127.0.0.1", 0), option="--host") as first:
        taken = Place("127.0.0.1", first.getsockname()[1])
        with pytest.raises(ParameterError, match="--host: cannot listen at"):
            listening_socket(taken, option="--host")
