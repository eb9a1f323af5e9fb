"""A connection of a long-running process without an event loop; `kept_connection` is for those with one."""

from typing import Any

import psycopg

CONNECT_TIMEOUT_SECONDS = 5


class Reconnecting:
    """Keeps a connection to the operational database, and opens it again when it was lost.

    Each statement is a transaction of its own. Subclasses ask `_open()` for the connection each time; it raises
    `psycopg.OperationalError` when PostgreSQL does not answer.
    """

    def __init__(self, url: str, name: str, *, statement_seconds: int | None = None) -> None:
        """`name` is the connection's name in the database's list; `statement_seconds` limits each statement."""
        self._url = url
        self._name = name
        self._options = "" if statement_seconds is None else f"-c statement_timeout={statement_seconds * 1000}"
        self._connection: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name=self._name,
                options=self._options,
            )
        return self._connection
