"""A long-running process's connection to the operational database, which is reopened after a failure."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection

CONNECT_TIMEOUT_SECONDS = 5
QUERY_TIMEOUT_SECONDS = 5.0

T = TypeVar("T")


class DatabaseUnavailable(Exception):
    """The work was not done, or its result did not arrive in time; the message has the cause."""


class KeptConnection:
    """Runs work on the database, one piece at a time; each statement is a transaction."""

    def __init__(self, url: str, name: str) -> None:
        """`name` is the connection's name in the database's list of connections."""
        self.url = url
        self._name = name
        self._connection: AsyncConnection | None = None

    async def do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """The result of `work`. Raises `DatabaseUnavailable`; the next call connects again."""
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_SECONDS):
                return await work(await self._open())
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self.close()
            raise DatabaseUnavailable(str(error).strip() or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                await self._connection.close()
            self._connection = None

    async def _open(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(
                self.url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name=self._name
            )
        return self._connection
