"""Opening a connection: who is spoken to, how, and which failures are worth another try."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonogo.clock import AHEAD_MS, running_ms, wall_clock_ms
from gonogo.errors import StoreError
from gonogo.records import HOUR_MS
from gonogo.store.postgres.address import connect_error, shown
from gonogo.store.postgres.lock_waits import session_name

if TYPE_CHECKING:
    import psycopg

    PsycopgConnection = psycopg.Connection[tuple[Any, ...]]

_log = logging.getLogger("gonogo.store")

SERVER_MIN = 130_000
# Far beyond any statement of ours: a bound for what would never end.
STATEMENT_TIMEOUT = "10min"
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


@dataclass(slots=True)
class Terms:
    """The settings under which every statement of a store runs.

    `lock_wait_s`: how long it waits for what another session holds. `is_pooled`: a pooler stands
    between, which may give each transaction another session, so that nothing that was set or prepared
    before is there; found at the first connection.
    """

    schema: str
    lock_wait_s: float = 10.0
    is_pooled: bool = False
    # The server's time less `running_ms`, as the last connection found it.
    server_ms: float | None = None

    def skew_ms(self) -> int:
        """The lead of the server's clock over this machine's; 0 where they are close.

        Told by a clock that nobody sets, so that it holds before and after this machine's is put right.
        """
        if self.server_ms is None:
            return 0
        skew_ms = round(self.server_ms + running_ms() - wall_clock_ms())
        return skew_ms if abs(skew_ms) > AHEAD_MS else 0

    @property
    def path(self) -> str:
        """The schema, quoted."""
        return '"' + self.schema.replace('"', '""') + '"'

    @property
    def of_transaction(self) -> bytes:
        """The settings to send after BEGIN where each transaction has to be told; nothing elsewhere."""
        if not self.is_pooled:
            return b""
        told = (
            ("search_path", self.path),
            ("timezone", "'UTC'"),
            ("lock_timeout", str(round(self.lock_wait_s * 1000))),
            ("statement_timeout", f"'{STATEMENT_TIMEOUT}'"),
            ("synchronous_commit", "on"),
        )
        return "".join(f"; SET LOCAL {name} TO {value}" for name, value in told).encode()


def connect(address: str, terms: Terms) -> PsycopgConnection:
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
            application_name=session_name(),
            **_KEEPALIVE,  # type: ignore[arg-type]  # psycopg's stub names few of libpq's options
        )
    except (psycopg.Error, ValueError) as error:
        raise connect_error(address, error) from None
    if connection.info.server_version < SERVER_MIN:
        found = connection.info.server_version // 10_000
        connection.close()
        raise StoreError(
            f"Store '{shown(address)}': its server is PostgreSQL {found}, and 13 or newer is "
            "needed. Upgrade it, or name another store."
        )
    try:
        _prepare(connection, terms)
        _refuse_encoding(connection, address)
    except psycopg.Error as error:
        connection.close()
        raise connect_error(address, error) from None
    except StoreError:
        connection.close()
        raise
    return connection


def _refuse_encoding(connection: PsycopgConnection, address: str) -> None:
    """A database that cannot hold every text would refuse one call in a batch, and again for ever."""
    found = connection.info.parameter_status("server_encoding")
    if found != "UTF8":
        raise StoreError(
            f"Store '{shown(address)}' has the encoding {found}, which cannot hold every text. Name a "
            "database with UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _prepare(connection: PsycopgConnection, terms: Terms) -> None:
    from psycopg.adapt import Loader

    class Whole(Loader):
        """Sums of integers come as `numeric`; ours are integers of 64 bits."""

        def load(self, data: bytes | bytearray | memoryview) -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    connection.adapters.register_loader("numeric", Whole)
    # A pooler tells its clients a number of its own for the session that they seem to have.
    [(own, server_ms)] = connection.execute(
        "SELECT pg_backend_pid(), CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        prepare=False,
    ).fetchall()
    is_first, terms.server_ms = terms.server_ms is None, server_ms - running_ms()
    if is_first and (skew_ms := terms.skew_ms()):
        side = "behind" if skew_ms > 0 else "ahead of"
        hours = abs(skew_ms) / HOUR_MS
        _log.warning(
            "the clock is %.1f h %s the database server's, by which times are taken", hours, side
        )
    if own != connection.info.backend_pid:
        terms.is_pooled = True
    if terms.is_pooled:
        connection.prepare_threshold = None
        return
    connection.execute(
        f"SET search_path TO {terms.path}; SET timezone TO 'UTC'".encode()  # a quoted name
    )
    # What the address or the role was given stands; so does a stricter word about commits.
    connection.execute(
        "SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN %s WHEN 'statement_timeout'"
        " THEN %s ELSE 'on' END, false) FROM pg_settings"
        " WHERE name IN ('lock_timeout', 'statement_timeout') AND setting = '0'"
        " OR name = 'synchronous_commit' AND setting = 'off'",
        (str(round(terms.lock_wait_s * 1000)), STATEMENT_TIMEOUT),
        prepare=False,
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
