"""`postgresql://` addresses: which text is one, how it is shown, and what failures say.

Nothing that libpq says goes out as it is: where a password is mistyped, parts of it may stand in
the place of a host. An address is shown without its password and without its options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gonogo.errors import StoreError, ValueRefused, plain

if TYPE_CHECKING:
    import psycopg

_SCHEMES = ("postgresql://", "postgres://")

# What libpq's message contains, and what to say. In order: the first that fits.
_REFUSALS = (
    ("password authentication failed", "the password or the user is wrong"),
    ("no password supplied", "it asks for a password; put it in the URL or in a .pgpass file"),
    ("no pg_hba.conf entry", "its pg_hba.conf does not let this user in from here"),
    ("authentication failed", "the user is not let in; check the URL's user"),
    ("Connection refused", "no server listens there; start it, or check host and port"),
    ("No such file or directory", "no server listens there; start it, or check host and port"),
    ("could not translate host name", "its host is not known; check the name"),
    ("failed to resolve host", "its host is not known; check the name"),
    ("statement timeout", "its statement_timeout is too short to open it; raise it for this user"),
    ("timeout", "it does not answer; check host, port and network"),
    ("No route to host", "it cannot be reached; check host and network"),
    ("starting up", "the server is starting; try again in a moment"),
    ("shutting down", "the server is shutting down; try again in a moment"),
    ("too many clients", "it takes no more connections; raise max_connections"),
    ("too many connections", "it takes no more connections; raise its connection limit"),
    ("SSL", "TLS cannot be agreed on; check sslmode"),
)
# By the class or code of a failure in SQL.
_ADVICE = {
    "53100": "the server's disk is full. Free space; nothing of this write was kept",
    "53": "the server has run out of memory, disk or connections",
    "25006": "it is read-only, perhaps a standby. Name the primary",
    "42501": "the user may not do this. Grant it the schema, or use another user",
    "55P03": "another session holds a lock that this needs (pg_locks and pg_stat_activity name it). End "
    "it and try again; nothing of this was kept",
    "57014": "the statement was cancelled, or took longer than statement_timeout",
    "28": "the user is not let in",
    "XX": "its content is damaged or the server has a fault; see the server's log",
}


# A table or a column that is not there.
_MISFITS = ("42P01", "42703")
_MISFIT = (
    "its tables are not those of its schema number; were they changed by hand? Put the database's own "
    "backup back"
)
# Classes of failures that are a value's: a data exception, a broken rule, a limit of the program.
_OF_VALUES = ("22", "23", "54")


class LockHeld(StoreError):
    """Another session held what a statement needs, and did for as long as it waits."""


def is_address(store: str) -> bool:
    """Whether a store's name is the address of a PostgreSQL database."""
    return store.startswith(_SCHEMES)


def shown(address: str) -> str:
    """A store that may be printed: of an address the user, host, port and database, no more."""
    if not is_address(address):
        return address
    scheme, _, rest = address.partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return f"{scheme}://…"
    # An unescaped `/`, `?`, `#` or second `@` of a password would put the rest of it in another part.
    if "@" in (parts.path + parts.query + parts.fragment) or parts.netloc.count("@") > 1:
        return f"{scheme}://…"
    user = f"{parts.username}@" if parts.username else ""
    return plain(f"{scheme}://{user}{place}{parts.path}", 200)


def connect_error(address: str, error: Exception) -> StoreError:
    """The one line for a connection that cannot be made."""
    said = str(error)
    for part, advice in _REFUSALS:
        if part in said:
            return StoreError(f"Store '{shown(address)}' cannot be opened: {advice}.")
    if "does not exist" in said:
        what = "role" if "role" in said else "database"
        return StoreError(
            f"Store '{shown(address)}' cannot be opened: its {what} does not exist; create it, or "
            "check the URL."
        )
    return StoreError(
        f"Store '{shown(address)}' cannot be opened: check the URL "
        "(postgresql://USER@HOST:PORT/DATABASE) and the server."
    )


def store_error(address: str, error: psycopg.Error) -> StoreError:
    """The one line for a failure of PostgreSQL, with what to do about it."""
    from psycopg import DataError

    state = error.sqlstate or ""
    if state.startswith(_OF_VALUES) or (not state and isinstance(error, DataError)):
        said = error.diag.message_primary or str(error)
        return ValueRefused(f"Store '{shown(address)}': {plain(said, 200)} ({state or 'psycopg'}).")
    advice = _ADVICE.get(state) or _ADVICE.get(state[:2])
    if not state or state.startswith(("08", "57P")):
        advice = "the connection was lost. Check the server and try again"
    said = error.diag.message_primary or type(error).__name__
    if state in _MISFITS:
        advice = f"{plain(said, 120)}: {_MISFIT}"
    code = f" ({state})" if state else ""
    kind = LockHeld if state == "55P03" else StoreError
    return kind(f"Store '{shown(address)}': {advice or plain(said, 200)}{code}.")
