"""A lease: at most one holder at a time among all processes, held as an advisory lock of a PostgreSQL session.

The lock lives exactly as long as the connection: a holder that is killed frees it, and one that lost its connection
must not go on as if it still held it.
"""

import logging
import time
from types import TracebackType
from typing import Self
from zlib import crc32

import psycopg

POLL_SECONDS = 0.2
# First half of the key; the second is made of the lease's name.
NAMESPACE = 0x4C454144
# So that the server notices within half a minute that a holder's machine is gone.
KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"

log = logging.getLogger(__name__)


class LeaseLost(RuntimeError):
    """The connection that held the lease is gone: another process may hold it by now."""


class Lease:
    """The lease `name` among all who use the database of `url`; entering waits until it is free.

    `check()` raises `LeaseLost` unless this process still holds it.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self.name = name
        self._key = (NAMESPACE, crc32(name.encode()) - 2**31)
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            application_name=f"echolead {self.name}",
            options=KEEPALIVE,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=4,
        )
        try:
            self._wait(self._connection)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def check(self) -> None:
        """Ask the server whether this session still holds the lock."""
        if self._connection is None:
            raise LeaseLost(f"The lease {self.name} is not held.")
        try:
            row = self._connection.execute(
                "select exists(select from pg_locks where locktype = 'advisory' and granted and"
                " pid = pg_backend_pid() and classid::bigint = %s and objid::bigint = %s)",
                (self._key[0], self._key[1] % 2**32),
            ).fetchone()
        except psycopg.OperationalError as error:
            raise LeaseLost(f"The connection that held the lease {self.name} ended: {error}") from error
        if row is None or not row[0]:
            raise LeaseLost(f"The lease {self.name} is no longer held by this session.")

    def _wait(self, connection: psycopg.Connection) -> None:
        announced = False
        while True:
            row = connection.execute("select pg_try_advisory_lock(%s, %s)", self._key).fetchone()
            if row is not None and row[0]:
                return
            if not announced:
                log.info("waiting for the lease %s, which another process holds", self.name)
                announced = True
            time.sleep(POLL_SECONDS)


def is_held(url: str, name: str) -> bool:
    """Whether some process holds the lease `name` now."""
    first, second = Lease(url, name)._key
    with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="echolead lease") as connection:
        row = connection.execute(
            "select exists(select from pg_locks where locktype = 'advisory' and granted and"
            " classid::bigint = %s and objid::bigint = %s)",
            (first, second % 2**32),
        ).fetchone()
    return row is not None and bool(row[0])
