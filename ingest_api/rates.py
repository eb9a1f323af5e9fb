"""How many events an address and a tenant may send: fixed windows, counted here and shared by all collectors.

Each process counts in memory, so that a request pays two dictionary look-ups, and adds what it counted to the
operational database once a second, which answers with everybody's sum (docs/decisions/0012-rate-limits.md).
"""

import asyncio
import hmac
import logging
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from ipaddress import ip_network

from psycopg import AsyncConnection

from echolead.operational.kept_connection import DatabaseUnavailable, KeptConnection
from echolead.tenancy import Tenant
from ingest_api.addresses import parse_ip
from ingest_api.problems import QUOTA_REACHED, TOO_MANY_EVENTS_A_MINUTE, Problem

MINUTE = 60.0
SHARE_SECONDS = 1.0
SHARED_FROM = 0.05
"""Addresses are shared once they have used this part of their limit: most never do, and there are millions."""
UNREADABLE_COST = 100
MAX_SUBJECTS = 200_000

ADD = """
insert into collector_counts (subject, ends_at, events)
select * from unnest(%s::text[], %s::timestamptz[], %s::bigint[])
on conflict (subject, ends_at) do update set events = collector_counts.events + excluded.events
returning subject, events
"""
FORGET = "delete from collector_counts where ends_at < clock_timestamp()"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Count:
    """Events of a subject in the window that ends at `ends_at`: known of all collectors, and not yet told to them."""

    ends_at: float
    share_from: float
    known: int = 0
    untold: int = 0


class RateLimits:
    """Limits of one process. Nothing is refused because the database is down: then each process counts for itself."""

    def __init__(
        self, url: str, key: str, per_address: int, per_tenant: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Events a minute; 0 is no limit. `key` makes addresses in the database unreadable.

        Without a `url` the counts are shared with nobody.
        """
        self._database = KeptConnection(url, "echolead-rates") if url else None
        self._key = key.encode() or secrets.token_bytes(32)
        self._per_address = per_address
        self._per_tenant = per_tenant
        self._clock = clock
        self._counts: dict[str, Count] = {}
        self._next_forgetting = 0.0

    def check(self, ip: str) -> None:
        """Raises `Problem` for an address that has used its minute up, before anything of its request is read."""
        count = self._counts.get(address_subject(ip)) if ip and self._per_address else None
        if count is not None and count.known + count.untold >= self._per_address and count.ends_at > self._clock():
            raise self._refusal("address", self._per_address, count.ends_at)

    def charge(self, ip: str) -> None:
        """Count a body that could not be read against its address: finding out costs as much as a hundred events."""
        if ip and self._per_address:
            minute = end_of_minute(self._clock())
            count = self._count(address_subject(ip), minute, self._per_address * SHARED_FROM)
            count.untold += UNREADABLE_COST

    def take(self, tenant: Tenant, ip: str, events: int) -> None:
        """Count `events` from `ip` (empty: a server with a key). Raises `Problem` when they are too many."""
        now = self._clock()
        minute = end_of_minute(now)
        wanted: list[Count] = []
        if ip and self._per_address:
            self._want(wanted, address_subject(ip), minute, self._per_address, SHARED_FROM, events)
        per_tenant = self._per_tenant if tenant.events_per_minute is None else tenant.events_per_minute
        if per_tenant:
            self._want(wanted, f"tenant {tenant.tenant_id}", minute, per_tenant, 0.0, events)
        if tenant.events_per_month:
            subject = f"quota {tenant.tenant_id}"
            self._want(wanted, subject, end_of_month(now), tenant.events_per_month, 0.0, events)
        for count in wanted:  # only when nothing refuses
            count.untold += events

    async def run(self) -> None:
        """Share counts every `SHARE_SECONDS` until cancelled."""
        try:
            while True:
                await asyncio.sleep(SHARE_SECONDS)
                self._forget_windows()
                if self._database is not None:
                    await self._share(self._database)
        finally:
            if self._database is not None:
                await self._database.close()

    def _want(
        self, wanted: list[Count], subject: str, ends_at: float, limit: int, shared_from: float, events: int
    ) -> None:
        count = self._count(subject, ends_at, limit * shared_from)
        if count.known + count.untold + events > limit:
            raise self._refusal(subject, limit, ends_at)
        wanted.append(count)

    def _count(self, subject: str, ends_at: float, share_from: float) -> Count:
        count = self._counts.get(subject)
        if count is None or count.ends_at != ends_at:
            if len(self._counts) >= MAX_SUBJECTS:
                self._counts.clear()  # a crowd of addresses: better too much is let in than memory runs out
            count = self._counts[subject] = Count(ends_at, share_from)
        return count

    def _refusal(self, subject: str, limit: int, ends_at: float) -> Problem:
        kind = QUOTA_REACHED if subject.startswith("quota") else TOO_MANY_EVENTS_A_MINUTE
        whose = "This address" if subject.startswith("address") else "The tenant"
        return Problem(kind, f"{whose} may send {limit} events until then.", math.ceil(ends_at - self._clock()))

    def _forget_windows(self) -> None:
        now = self._clock()
        self._counts = {subject: count for subject, count in self._counts.items() if count.ends_at > now}

    async def _share(self, database: KeptConnection) -> None:
        # Sorted, so that two collectors cannot wait for each other.
        telling = sorted(
            (self._stored(subject), count, count.untold)
            for subject, count in self._counts.items()
            if count.untold and count.known + count.untold >= count.share_from
        )
        try:
            sums = await database.do(partial(self._add, telling))
        except DatabaseUnavailable as error:
            log.warning("counts are not shared: %s", error)
            return
        for stored, count, told in telling:
            count.untold -= told
            count.known = sums[stored]

    async def _add(self, telling: list[tuple[str, Count, int]], connection: AsyncConnection) -> dict[str, int]:
        now = self._clock()
        if now >= self._next_forgetting:
            await connection.execute(FORGET)
            self._next_forgetting = end_of_minute(now)
        if not telling:
            return {}
        cursor = await connection.execute(
            ADD,
            [
                [stored for stored, _, _ in telling],
                [datetime.fromtimestamp(count.ends_at, UTC) for _, count, _ in telling],
                [told for _, _, told in telling],
            ],
        )
        return {stored: int(events) for stored, events in await cursor.fetchall()}

    def _stored(self, subject: str) -> str:
        if not subject.startswith("address"):
            return subject
        return "address " + hmac.digest(self._key, subject.encode(), "sha256").hex()[:32]


@lru_cache(maxsize=65_536)
def address_subject(ip: str) -> str:
    """What the events of an address are counted under."""
    return f"address {prefix(ip)}"


def prefix(ip: str) -> str:
    """What of an address stands for one client: all of IPv4, 64 bits of IPv6, which one client may fill."""
    address = parse_ip(ip)
    if address is None or address.version == 4:
        return ip
    return str(ip_network(f"{address}/64", strict=False).network_address)


def end_of_minute(now: float) -> float:
    """When the minute of `now` ends, in seconds since 1970."""
    return (now // MINUTE + 1) * MINUTE


def end_of_month(now: float) -> float:
    """When the UTC month of `now` ends, in seconds since 1970."""
    today = datetime.fromtimestamp(now, UTC)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
