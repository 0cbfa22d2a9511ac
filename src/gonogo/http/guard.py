"""The rules of access that every local HTTP server of gonogo shares.

On loopback a web page elsewhere must not reach it through a visitor's browser, so the Host header
must name loopback and an Origin must be the server's own (DNS rebinding, cross-site requests). Off
loopback whoever asks must hold a token, and without one the server refuses to start.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gonogo.border.foreign import whole
from gonogo.errors import GonogoError, ParameterError, UnknownTarget, plain

PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Place:
    """The address where a server listens. Port 0: the system chooses."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


def place_of(text: str, *, option: str) -> Place:
    """Read HOST:PORT; `[::1]:8000` for IPv6.

    Raises:
        ParameterError: It is not of that form.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    number = whole(port)
    is_port = number is not None and number <= PORT_MAX
    if number is None or not (colon and bare and is_port) or (":" in bare and bare == host):
        raise ParameterError(
            f"{option} '{plain(text, 60)}' is not HOST:PORT, as in 127.0.0.1:8765."
        )
    return Place(bare, number)


def listening_socket(place: Place, *, option: str) -> socket.socket:
    """A socket that listens there.

    Raises:
        ParameterError: The system does not let it.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        where = f"'{plain(place.host, 60)}:{place.port}'"
        why = error.strerror or str(error)
        raise ParameterError(f"{option}: cannot listen at {where}: {why}.") from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_without_token(place: Place, token: str | None, *, what: str) -> None:
    """Refuse to listen where others can connect unless they must show a token.

    Raises:
        ParameterError: The place is off loopback and there is no token.
    """
    if not (place.is_loopback or token):
        raise ParameterError(
            f"{what} on {plain(place.host, 60)} can be reached from other machines and needs a "
            "token: set GONOGO_TOKEN, or listen on 127.0.0.1."
        )


def refusal(headers: Mapping[str, str], place: Place) -> str | None:
    """The reason to refuse a request for where it comes from; None where it may come in.

    Args:
        headers: By lower-case name.
        place: Where the server listens. Off loopback any Host will do: what a page elsewhere
            cannot have is the token.
    """
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        origin = headers.get("origin")
        own = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return "Host or Origin is no address."
    if place.is_loopback and not is_loopback(name):
        return f"Host '{plain(host, 60)}' is not this machine's loopback."
    if not own:
        return f"Origin '{plain(origin or '', 60)}' is not this server's."
    return None


def tokens_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The tokens that open what only reads: the one to act, and the one to read."""
    found = (environ.get(name, "").strip() for name in ("GONOGO_TOKEN", "GONOGO_READ_TOKEN"))
    return tuple(token for token in found if token)


def holds(token: str, shown: str | None) -> bool:
    """Compare the token that was shown in constant time."""
    return shown is not None and hmac.compare_digest(token.encode(), shown.encode())


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a request."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value else None


def status_of(error: GonogoError) -> int:
    """404: what is named is not there; 400: it is asked in a wrong way; else 503: it may work later."""
    match error:
        case UnknownTarget():
            return 404
        case ParameterError():
            return 400
        case _:
            return 503
