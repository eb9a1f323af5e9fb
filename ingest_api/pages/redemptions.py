"""Redeemed tokens of links, shared by all collectors of an installation: each token is accepted once.

They are rows in the table of the rate limits, `collector_counts`, and are deleted with those.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial

from psycopg import AsyncConnection

from echolead.operational.kept_connection import DatabaseUnavailable, KeptConnection

LOCK_SECONDS = 3.0
"""Together with the connection's own 5 s this is less than the 9 s that the script waits."""
CLOCKS_DIFFER_SECONDS = 3600.0  # the database deletes by its own clock, and must not delete a valid token

REDEEM = """
insert into collector_counts (subject, ends_at, events) values (%s, %s, 1)
on conflict (subject, ends_at) do nothing returning subject
"""


class Redemptions:
    """Whether a token is redeemed for the first time; one query at a time."""

    def __init__(self, url: str) -> None:
        self._database = KeptConnection(url, "echolead-links")
        self._lock = asyncio.Lock()

    async def is_first(self, token: bytes, until: float) -> bool:
        """Redeem `token`, valid until `until` (seconds since 1970). False if it was redeemed before.

        Raises `DatabaseUnavailable`; the token may count as redeemed then.
        """
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            raise DatabaseUnavailable("too many queries wait for the database") from None
        try:
            return await self._database.do(partial(self._redeem, token, until))
        finally:
            self._lock.release()

    async def close(self) -> None:
        """Give the connection back."""
        await self._database.close()

    @staticmethod
    async def _redeem(token: bytes, until: float, connection: AsyncConnection) -> bool:
        forgotten_at = datetime.fromtimestamp(until + CLOCKS_DIFFER_SECONDS, UTC)
        cursor = await connection.execute(REDEEM, [f"link {token.hex()}", forgotten_at])
        return await cursor.fetchone() is not None
