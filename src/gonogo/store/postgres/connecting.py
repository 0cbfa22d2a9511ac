"""Opening a connection: who is spoken to, how, and which failures are worth another try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.errors import StoreError
from gonogo.store.postgres.address import connect_error, shown

if TYPE_CHECKING:
    from typing import Any

    import psycopg

    PsycopgConnection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["connect", "is_conflict", "is_lost"]

SERVER_MIN = 130_000
CONNECT_TIMEOUT_S = 10
# Between two looks of TCP at a peer that says nothing: a dead primary is noticed in about 15 s.
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2}

# A serialization failure, a deadlock: the transaction was undone and may be run again.
_CONFLICTS = frozenset({"40001", "40P01"})
# Lost, ended by an administrator, starting up, shutting down.
_LOST = ("08", "57P")


def driver() -> None:
    """Refuse in words where psycopg is not installed.

    Raises:
        StoreError: The extra is missing.
    """
    try:
        import psycopg  # noqa: F401 - only whether it is there
    except ImportError:
        raise StoreError(
            "A postgresql:// store needs psycopg. Install the extra: pip install 'gonogo[postgres]'."
        ) from None


def connect(address: str, schema: str) -> PsycopgConnection:
    """A connection that commits every statement by itself, with our schema on its path.

    Raises:
        StoreError: It cannot be made, or the server is too old; the password is in no message.
    """
    driver()
    import psycopg

    try:
        connection = psycopg.connect(
            address,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="gonogo",
            **_KEEPALIVE,  # type: ignore[arg-type]  # psycopg's stub names few of libpq's options
        )
    except (psycopg.Error, ValueError) as error:
        raise connect_error(address, error) from None
    try:
        _prepare(connection, schema)
    except psycopg.Error as error:
        connection.close()
        raise connect_error(address, error) from None
    if connection.info.server_version < SERVER_MIN:
        found = connection.info.server_version // 10_000
        connection.close()
        raise StoreError(
            f"Store '{shown(address)}': its server is PostgreSQL {found}, and 13 or newer is "
            "needed. Upgrade it, or name another store."
        )
    return connection


def _prepare(connection: PsycopgConnection, schema: str) -> None:
    from psycopg import sql
    from psycopg.adapt import Loader

    class Whole(Loader):
        """Sums of integers come as `numeric`; ours are integers of 64 bits."""

        def load(self, data: bytes | bytearray | memoryview) -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    connection.adapters.register_loader("numeric", Whole)
    connection.execute(
        sql.SQL("SET search_path TO {}; SET timezone TO 'UTC'").format(sql.Identifier(schema))
    )


def is_conflict(error: psycopg.Error) -> bool:
    """Whether the transaction lost against another and may be run again at once."""
    return error.sqlstate in _CONFLICTS


def is_lost(error: psycopg.Error, connection: PsycopgConnection) -> bool:
    """Whether the connection is gone: killed, restarted, failed over."""
    import psycopg

    if connection.closed or (error.sqlstate or "").startswith(_LOST):
        return True
    return error.sqlstate is None and isinstance(error, psycopg.OperationalError)
