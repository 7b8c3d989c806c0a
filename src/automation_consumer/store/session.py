"""Connections to PostgreSQL that notice when the other side is dead, and what their errors mean to the journal."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from automation_consumer.errors import StoreError, UsageError
from automation_consumer.store.database import AwayError

Connection = psycopg.Connection[tuple[Any, ...]]

# About 11 s until a host that vanished is noticed, on either side. What the URL says wins.
_DEFAULTS: Final[dict[str, str]] = {
    "application_name": "automation-consumer",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "11000",
    "target_session_attrs": "read-write",  # after a failover the old primary may still answer
}
# The server notices a dead client by these, and frees its locks. What is confirmed has to be on disk. A process that
# is frozen within a transaction must not hold its rows for long: it will find that nothing was written, and repeat it.
_SETTINGS: Final = """
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET idle_in_transaction_session_timeout = '10s'"""

# Connection, rollback (deadlock), resources (disk full), intervention (shutdown, cancel), system error.
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
_PASSING: Final = frozenset(
    {"55P03", "25006", "25P02", "25P03"}
)  # locked, a read-only server, an aborted or idle transaction

_NO_RIGHT: Final = frozenset(
    {"42501", "3F000"}
)  # the second: a schema that one may not use is as if it were not there
_GRANT: Final = (
    "the service needs USAGE and CREATE on the schema and owns its tables; commands beside it need USAGE on the schema, "
    "SELECT on its tables, and INSERT and UPDATE on switches and requests"
)


def connect(url: str) -> Connection:
    """A connection in autocommit. Blocks for the connect timeout at most per host. AwayError, UsageError."""
    given = _read(url)
    if given is None:
        raise UsageError(
            "the store's postgresql:// URL cannot be read",
            hint="postgresql://user@host:5432/database; special characters in user and password are written as %XX",
        )
    try:
        connection = psycopg.connect("", autocommit=True, **{**_DEFAULTS, **given})
        try:
            connection.execute(_SETTINGS)
        except psycopg.Error:
            connection.close()
            raise
    except psycopg.Error as error:
        raise AwayError(
            f"no connection to {address(url)}{_as_user(given)}: {_in_one_line(error, given.get('password'))}",
            hint="is it up, is there such a database, and may this user connect to it (password, pg_hba.conf)?",
        ) from None
    return connection


def address(url: str) -> str:
    """Where the URL points to, without user and password."""
    given = _read(url)
    if given is None:
        return "the PostgreSQL store"
    return (
        f"PostgreSQL {given.get('host', 'localhost')}:{given.get('port', '5432')}/{given.get('dbname', '')}"
    )


def account(connection: Connection) -> str:
    """Whose session it is, for people: database and user."""
    return f"database {connection.info.dbname!r}, user {connection.info.user!r}"


def _as_user(given: dict[str, Any]) -> str:
    return f" as user {given['user']!r}" if given.get("user") else ""


def _read(url: str) -> dict[str, Any] | None:
    """The URL's parts; None when it is wrong. What libpq says of a wrong one may quote parts of the password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return None
    numbers = str(given.get("port", "0")).split(",")
    # A password with an unquoted slash is read as a port, and its rest as the database's name.
    return (
        given
        if all(number.isdigit() for number in numbers) and "@" not in str(given.get("dbname", ""))
        else None
    )


def mapped(error: psycopg.Error, whose: str = "") -> StoreError:
    """AwayError for what may pass by itself, StoreError for what can never be written. `whose`: see `account`."""
    state = error.sqlstate or getattr(error.diag, "sqlstate", None)
    text = _in_one_line(error)
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return AwayError(f"the connection to PostgreSQL is lost: {text}")
    if state is not None and (state[:2] in _PASSING_CLASSES or state in _PASSING):
        return AwayError(f"PostgreSQL cannot do it now: {text}")
    hint = _GRANT if state in _NO_RIGHT else None
    return StoreError(f"PostgreSQL refuses it{f' ({whose})' if whose else ''}: {text}", hint=hint)


def _in_one_line(error: psycopg.Error, password: Any = None) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(str(password), "***") if password else text
