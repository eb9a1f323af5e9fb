"""How many events an address and a tenant may send: fixed windows, counted here and shared by all collectors.

Each process counts in memory, so a request costs one dictionary look-up. Once a second it adds its counts to the
operational database, which returns the sum of all collectors (docs/decisions/0012-rate-limits.md).
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
from functools import partial
from ipaddress import ip_network

from psycopg import AsyncConnection

from echolead.operational.kept_connection import DatabaseUnavailable, KeptConnection
from echolead.tenancy import ActiveTenant
from ingest_api.http.addresses import parse_ip
from ingest_api.http.problems import QUOTA_REACHED, TOO_MANY_EVENTS_A_MINUTE, Problem, ProblemType

MINUTE = 60.0
SHARE_SECONDS = 1.0
SHARED_FROM = 0.05
"""The counts of an address are shared once it has used this part of its limit. Most of the millions never do."""
UNREADABLE_COST = 100
"""The cost of a body that cannot be read, in events."""
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
    """Events of a subject in the window that ends at `ends_at`: the shared sum, and those not shared yet."""

    ends_at: float
    share_from: float
    shared: int = 0
    unshared: int = 0


@dataclass(slots=True, frozen=True)
class Limit:
    """The limit of a count in events; `problem` and `whose` make the answer beyond it."""

    count: Count
    events: int
    problem: ProblemType
    whose: str

    def check(self, events: int, clock: Callable[[], float]) -> None:
        """Raises `Problem` when `events` more are too many."""
        if self.count.shared + self.count.unshared + events > self.events:
            seconds = max(1, math.ceil(self.count.ends_at - clock()))
            until = datetime.fromtimestamp(self.count.ends_at, UTC)
            sentence = (
                f"{self.whose} may send {self.events} events until {until:%Y-%m-%d %H:%M:%S} UTC; send it again then."
            )
            raise Problem(self.problem, sentence, seconds)


@dataclass(slots=True, frozen=True)
class Meter:
    """The limits of one tenant's requests from one address, in this minute."""

    of_address: Limit | None
    limits: tuple[Limit, ...]
    clock: Callable[[], float]

    def check(self) -> None:
        """Raises `Problem` for an address that has used up its minute, before its request is read."""
        if self.of_address is not None:
            self.of_address.check(1, self.clock)

    def charge(self, events: int = UNREADABLE_COST) -> None:
        """Count against the address what a body costs beside its events, in events."""
        if self.of_address is not None:
            self.of_address.count.unshared += events

    def add(self, events: int) -> None:
        """Count `events`. Raises `Problem`, and counts none, when they are too many."""
        for limit in self.limits:
            limit.check(events, self.clock)
        for limit in self.limits:
            limit.count.unshared += events


class RateLimits:
    """The limits of one process. While the database is down each process counts alone and refuses nothing for that."""

    def __init__(
        self, url: str, key: str, per_address: int, per_tenant: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Events a minute; 0 is no limit. `key` makes addresses in the database unreadable.

        Without a `url` the counts are not shared.
        """
        self._database = KeptConnection(url, "echolead-rates") if url else None
        self._key = key.encode() or secrets.token_bytes(32)
        self._per_address = per_address
        self._per_tenant = per_tenant
        self._clock = clock
        self._counts: dict[str, Count] = {}
        self._meters: dict[tuple[ActiveTenant, str], Meter] = {}
        self._minute_ends = self._next_forgetting = 0.0

    def meter(self, tenant: ActiveTenant, ip: str) -> Meter:
        """The meter of requests of `tenant` from `ip`; an empty `ip` is a server with a key."""
        if self._clock() >= self._minute_ends:
            self._minute_ends = end_of_minute(self._clock())
            self._meters.clear()
        meter = self._meters.get((tenant, ip))
        if meter is None:
            meter = self._meters[tenant, ip] = self._meter(tenant, ip)
        return meter

    def _meter(self, tenant: ActiveTenant, ip: str) -> Meter:
        minute = self._minute_ends
        limits: list[Limit] = []
        if len(self._counts) >= MAX_SUBJECTS or len(self._meters) >= MAX_SUBJECTS:
            # Very many addresses: admit too much rather than run out of memory.
            self._counts.clear()
            self._meters.clear()
        if ip and self._per_address:
            share_from = self._per_address * SHARED_FROM
            count = self._count(f"address {prefix(ip)}", minute, share_from)
            limits.append(Limit(count, self._per_address, TOO_MANY_EVENTS_A_MINUTE, "This address"))
        of_address = limits[0] if limits else None
        per_tenant = self._per_tenant if tenant.events_per_minute is None else tenant.events_per_minute
        if per_tenant:
            count = self._count(f"tenant {tenant.tenant_id}", minute, 0.0)
            limits.append(Limit(count, per_tenant, TOO_MANY_EVENTS_A_MINUTE, "The tenant"))
        if tenant.events_per_month:
            count = self._count(f"quota {tenant.tenant_id}", end_of_month(self._clock()), 0.0)
            limits.append(Limit(count, tenant.events_per_month, QUOTA_REACHED, "The tenant"))
        return Meter(of_address, tuple(limits), self._clock)

    def _count(self, subject: str, ends_at: float, share_from: float) -> Count:
        count = self._counts.get(subject)
        if count is None or count.ends_at != ends_at:
            count = self._counts[subject] = Count(ends_at, share_from)
        return count

    async def run(self) -> None:
        """Share counts every `SHARE_SECONDS` until cancelled."""
        try:
            while True:
                await asyncio.sleep(SHARE_SECONDS)
                if self._clock() >= self._next_forgetting:  # windows end with a minute, and there may be 200,000
                    self._forget_windows()
                if self._database is not None:
                    await self._share(self._database)
        finally:
            if self._database is not None:
                await self._database.close()

    def _forget_windows(self) -> None:
        now = self._clock()
        self._counts = {subject: count for subject, count in self._counts.items() if count.ends_at > now}

    async def _share(self, database: KeptConnection) -> None:
        # Sorted, so that two collectors cannot wait for each other's row locks.
        sharing = sorted(
            (self._stored(subject), count, count.unshared)
            for subject, count in self._counts.items()
            if count.unshared and count.shared + count.unshared >= count.share_from
        )
        try:
            sums = await database.do(partial(self._add, sharing))
        except DatabaseUnavailable as error:
            log.warning("counts are not shared: %s", error)
            return
        for stored, count, events in sharing:
            count.unshared -= events
            count.shared = sums[stored]

    async def _add(self, sharing: list[tuple[str, Count, int]], connection: AsyncConnection) -> dict[str, int]:
        now = self._clock()
        if now >= self._next_forgetting:
            await connection.execute(FORGET)
            self._next_forgetting = end_of_minute(now)
        if not sharing:
            return {}
        cursor = await connection.execute(
            ADD,
            [
                [stored for stored, _, _ in sharing],
                [datetime.fromtimestamp(count.ends_at, UTC) for _, count, _ in sharing],
                [events for _, _, events in sharing],
            ],
        )
        return {stored: int(events) for stored, events in await cursor.fetchall()}

    def _stored(self, subject: str) -> str:
        if not subject.startswith("address"):
            return subject
        return "address " + hmac.digest(self._key, subject.encode(), "sha256").hex()[:32]


def prefix(ip: str) -> str:
    """The part of an address that one client has: all of an IPv4 address, the first 64 bits of an IPv6 address."""
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
