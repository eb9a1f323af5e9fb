"""Tokens of links that were redeemed, known to all collectors of an installation: each is good once.

They are kept where the rate limits keep their counts, a subject and its count until a moment, and forgotten with them.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial

from psycopg import AsyncConnection

from echolead.operational.kept_connection import DatabaseUnavailable, KeptConnection

TURN_SECONDS = 3.0
"""With the connection's own 5 s less than the 9 s that the script waits, and pages with it."""
CLOCKS_DIFFER_SECONDS = 3600.0  # the database forgets by its own clock, and may not forget a token that is still good

REDEEM = """
insert into collector_counts (subject, ends_at, events) values (%s, %s, 1)
on conflict (subject, ends_at) do nothing returning subject
"""


class Redemptions:
    """Whether a token is redeemed for the first time; one question at a time."""

    def __init__(self, url: str) -> None:
        self._database = KeptConnection(url, "echolead-links")
        self._turn = asyncio.Lock()

    async def is_first(self, token: bytes, until: float) -> bool:
        """Whether nobody redeemed `token` before, which is good until then (seconds since 1970); now somebody has.

        Raises `DatabaseUnavailable`; whether it counts as redeemed is then unknown.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise DatabaseUnavailable("too many questions wait for an answer") from None
        try:
            return await self._database.do(partial(self._redeem, token, until))
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Give the connection back."""
        await self._database.close()

    @staticmethod
    async def _redeem(token: bytes, until: float, connection: AsyncConnection) -> bool:
        forgotten_at = datetime.fromtimestamp(until + CLOCKS_DIFFER_SECONDS, UTC)
        cursor = await connection.execute(REDEEM, [f"link {token.hex()}", forgotten_at])
        return await cursor.fetchone() is not None
