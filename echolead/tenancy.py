"""The directory of tenants with their hosts, origins, API keys and webhooks, read from PostgreSQL, kept in memory.

A process polls for changes, so a new host works within `POLL_SECONDS`. A host that was not requested before is looked
up before it is refused, all such hosts together and at most `1 / MISS_SECONDS` times a second, so that invented hosts
cannot overload the database. While PostgreSQL is down known tenants are still served.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

from echolead.operational.kept_connection import DatabaseUnavailable, KeptConnection
from echolead.security import read_api_key
from echolead.webhooks import ENDPOINT, ROTATION_OVERLAP

POLL_SECONDS = 2.0
MISS_SECONDS = 0.5
MAX_UNKNOWN = 10_000
HOST_PATTERN = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]|[0-9a-f:]{2,45}")

# One statement, one snapshot: a host never points at a tenant that this read does not have.
LOAD = """
select
    t.tenant_id, t.default_region, t.ip_policy, t.consent_default, t.collect_path, t.events_per_minute,
    t.events_per_month, convert_from(t.secrets, 'UTF8'),
    t.secrets is not null
        or exists (select from destinations d
                   where d.tenant_id = t.tenant_id and d.kind = 'chatwoot' and d.is_enabled)
        or exists (select from webhook_endpoints w
                   where w.tenant_id = t.tenant_id and w.source = 'chatwoot' and w.is_active),
    array(select h.host from tenant_hosts h where h.tenant_id = t.tenant_id order by 1),
    array(select o.origin from tenant_origins o where o.tenant_id = t.tenant_id order by 1),
    array(select k.key_prefix || ' ' || k.key_hash || ' ' || k.api_key_id::text from api_keys k
          where k.tenant_id = t.tenant_id and k.revoked_at is null order by 1),
    array(select array[w.endpoint, w.source, w.webhook_endpoint_id::text, convert_from(w.secrets, 'UTF8'),
                       w.token_header, w.allow_unsigned::text, coalesce(extract(epoch from w.rotated_at)::text, '')]
          from webhook_endpoints w where w.tenant_id = t.tenant_id and w.is_active order by 1)
from tenants t
where t.is_active
order by 1
"""


class TenantRow(NamedTuple):
    """A row of `LOAD`."""

    tenant_id: str
    default_region: str
    ip_policy: str
    consent_default: str
    collect_path: str | None
    events_per_minute: int | None
    events_per_month: int | None
    secrets: str | None
    has_chatwoot: bool
    hosts: list[str]
    origins: list[str]
    keys: list[str]
    webhooks: list[list[str]]


RECORD_USE = "update api_keys set last_used_at = %s where api_key_id = %s"

log = logging.getLogger(__name__)


class DirectoryUnavailable(Exception):
    """The tenants could not be read, and the requested one is not known; a later request may succeed."""


@dataclass(frozen=True, eq=False)
class ActiveTenant:
    """The data of an active tenant that its requests need. `hosts` and `origins` are lower-case, limits are events.

    Compared by identity: it is the key of prepared answers, and comparing its fields would cost more than they save.
    """

    tenant_id: str
    default_region: str = "BR"
    ip_policy: str = "truncated"
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    consent_default: str = "granted"
    collect_path: str | None = None
    events_per_minute: int | None = None
    events_per_month: int | None = None
    secrets: bytes = field(default=b"", repr=False)
    """Encrypted (`security.Vault`); empty when there are none."""
    has_chatwoot: bool = False
    """Whether the tenant delivers to Chatwoot, receives its webhooks, or has the token of its widget."""

    def allows(self, origin: str) -> bool:
        """Whether pages of `origin` may read answers: it is listed, or its host is one of the tenant's own."""
        origin = origin.lower()
        if origin in self.origins:
            return True
        try:
            parts = urlsplit(origin)
            host = parts.hostname
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and host in self.hosts and not parts.path


@dataclass(frozen=True)
class AcceptedKey:
    """A key that may send a tenant's events."""

    api_key_id: UUID
    key_hash: str = field(repr=False)
    tenant: ActiveTenant


@dataclass(frozen=True)
class Webhook:
    """An address to which a product posts a tenant's webhooks; `secrets` is encrypted (`security.Vault`)."""

    endpoint_id: str
    source: str
    tenant: ActiveTenant
    secrets: bytes = field(repr=False)
    token_header: str = ""
    allow_unsigned: bool = False
    previous_until: datetime | None = None
    """Until when the secret before the last rotation is accepted."""


@dataclass(frozen=True)
class Directory:
    """All tenants at one moment; `keys` by prefix, `paths` are those chosen by tenants, `webhooks` by the unguessable
    word of their address.
    """

    tenants: Mapping[str, ActiveTenant] = field(default_factory=dict)
    hosts: Mapping[str, ActiveTenant] = field(default_factory=dict)
    keys: Mapping[str, AcceptedKey] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def host_name(header: str) -> str:
    """The host of a `Host` header: lower-case, without port and final dot; empty if it is not a valid host."""
    host = header.strip().lower()
    if host.startswith("["):
        host = host.partition("]")[0] + "]"
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.rstrip(".")
    return host if HOST_PATTERN.fullmatch(host) else ""


class Tenants:
    """The directory of one process, updated by `run()`; look-ups wait for the database only on a miss."""

    def __init__(self, url: str) -> None:
        self._database = KeptConnection(url, "echolead-tenancy")
        self._directory = Directory()
        self._rows: list[TenantRow] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._known_as_of = self._refreshed_at = float("-inf")
        self._unknown: set[str] = set()
        self._used_keys: dict[UUID, datetime] = {}
        self.missing: str | None = "the tenants have not been read yet"
        """Why the last read failed, None if it succeeded."""

    async def run(self) -> None:
        """Refresh every `POLL_SECONDS` until cancelled, then close the connection."""
        try:
            while True:
                await self._refresh_once()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await self._database.close()

    @property
    def directory(self) -> Directory:
        """The tenants as last read. A new object after every change, so that caches can detect it."""
        return self._directory

    async def by_host(self, host: str) -> ActiveTenant | None:
        """The tenant of `host` (from `host_name`), None for an unknown host.

        Raises `DirectoryUnavailable` if a look-up in the database is necessary and fails.
        """
        tenant = self._directory.hosts.get(host)
        if tenant is None and host:
            await self._ask_about(host)
            tenant = self._directory.hosts.get(host)
        return tenant

    async def by_api_key(self, api_key: str) -> ActiveTenant | None:
        """The tenant of a key that is not revoked, None for any other text. Raises as `by_host`."""
        presented = read_api_key(api_key)
        if presented is None:
            return None
        if presented.prefix not in self._directory.keys:
            await self._ask_about(presented.prefix)
        found = self._directory.keys.get(presented.prefix)
        if found is None or not presented.matches(found.key_hash):
            return None
        self._used_keys[found.api_key_id] = datetime.now(UTC)
        return found.tenant

    async def by_webhook(self, source: str, endpoint: str) -> Webhook | None:
        """The webhook of `source` at this address, None for any other. Raises as `by_host`."""
        if ENDPOINT.fullmatch(endpoint) is None:
            return None
        if endpoint not in self._directory.webhooks:
            await self._ask_about(endpoint)
        found = self._directory.webhooks.get(endpoint)
        return found if found is not None and found.source == source else None

    async def _ask_about(self, name: str) -> None:
        """Read the tenants again before `name` is refused for the first time. Raises `DirectoryUnavailable`.

        Names that were refused before wait for the next poll.
        """
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        if name not in self._unknown:
            await asyncio.sleep(self._refreshed_at + MISS_SECONDS - asked_at)
            # A refresh that began earlier and still runs has no result yet.
            while self._known_as_of < asked_at:
                await self._refresh_once()
        if self.missing is not None:
            raise DirectoryUnavailable(self.missing)
        if len(self._unknown) >= MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown.add(name)

    async def _refresh_once(self) -> None:
        """Refresh, or join the running refresh. It does not raise if the database is down: see `missing`."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        # A cancelled caller must not cancel the others' refresh.
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        began_at = asyncio.get_running_loop().time()
        try:
            rows = await self._database.do(self._read)
        except DatabaseUnavailable as error:
            sentence = f"the operational database does not answer: {error}"
            if self.missing != sentence:
                log.warning("%s", sentence)
            self.missing = sentence
        else:
            self.missing = None
            if rows != self._rows:
                self._rows = rows
                self._directory = directory_of(rows)
        self._known_as_of = began_at
        self._refreshed_at = asyncio.get_running_loop().time()

    async def _read(self, connection: AsyncConnection) -> list[TenantRow]:
        used, self._used_keys = self._used_keys, {}
        for api_key_id, at in used.items():
            await connection.execute(RECORD_USE, [at, api_key_id])
        async with connection.cursor(row_factory=args_row(TenantRow)) as cursor:
            rows: list[TenantRow] = await (await cursor.execute(LOAD)).fetchall()
        return rows


def directory_of(rows: list[TenantRow]) -> Directory:
    """The directory that rows of `LOAD` describe."""
    tenants: dict[str, ActiveTenant] = {}
    hosts: dict[str, ActiveTenant] = {}
    keys: dict[str, AcceptedKey] = {}
    webhooks: dict[str, Webhook] = {}
    for row in rows:
        tenant = ActiveTenant(
            row.tenant_id,
            row.default_region,
            row.ip_policy,
            frozenset(row.hosts),
            frozenset(origin.lower().rstrip("/") for origin in row.origins),
            row.consent_default,
            row.collect_path,
            row.events_per_minute,
            row.events_per_month,
            (row.secrets or "").encode(),
            row.has_chatwoot,
        )
        tenants[tenant.tenant_id] = tenant
        hosts.update(dict.fromkeys(row.hosts, tenant))
        for key in row.keys:
            prefix, key_hash, api_key_id = key.split(" ")
            keys[prefix] = AcceptedKey(UUID(api_key_id), key_hash, tenant)
        for endpoint, *columns in row.webhooks:
            webhooks[endpoint] = _webhook(tenant, *columns)
    paths = frozenset(tenant.collect_path for tenant in tenants.values() if tenant.collect_path)
    return Directory(tenants, hosts, keys, paths, webhooks)


def _webhook(
    tenant: ActiveTenant,
    source: str,
    endpoint_id: str,
    secrets: str,
    token_header: str,
    allow_unsigned: str,
    rotated: str,
) -> Webhook:
    until = datetime.fromtimestamp(float(rotated), UTC) + ROTATION_OVERLAP if rotated else None
    return Webhook(endpoint_id, source, tenant, secrets.encode(), token_header, allow_unsigned == "true", until)
