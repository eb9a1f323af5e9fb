"""A destination of the operational database becomes its product with connections to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from ssl import SSLContext
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import Engine

from echolead.operational.models import Destination as DestinationRow
from echolead.outbound import GuardedTransport, opened_places
from echolead.security import Vault
from echolead.settings import Settings
from reverse_etl.calls import LaneConnection
from reverse_etl.destination import DestinationProduct
from reverse_etl.destinations import KINDS
from reverse_etl.errors import Misconfigured
from reverse_etl.kept_tokens import KeptTokens
from reverse_etl.lane import Policy
from reverse_etl.pace import Pace, Quota
from reverse_etl.tokens import OAuth

# Calls at 96 % of the allowed rate, one after the other, are never more than allowed in any window.
SHARE_OF_THE_RATE = 0.96


@dataclass(frozen=True)
class Connected:
    """A product, what its calls share, how many deliveries it takes at a time, and how to connect anew."""

    destination: DestinationProduct
    connection: LaneConnection
    concurrency: int
    connect: Callable[[], httpx.AsyncClient]


def product(row: DestinationRow, settings: Settings, secrets: Mapping[str, str], **replaced: Any) -> DestinationProduct:
    """The product of a destination, with some values of its configuration replaced. Raises `Misconfigured`."""
    kind = KINDS.get(row.kind)
    if kind is None:
        raise Misconfigured(f"{row.kind!r} is not a kind of destination: {', '.join(sorted(KINDS))}.")
    return kind.of({**row.configuration, **replaced}, secrets, partial(lead_url, settings, row.tenant_id))


def connected(row: DestinationRow, settings: Settings, vault: Vault, policy: Policy, database: Engine) -> Connected:
    """The product with a connection pool of its own. Within an event loop, in which the pool is then used.

    `database` is connected as the deliveries' role: it has the tokens. Raises `Misconfigured`, `Undecryptable`.
    """
    secrets = vault.decrypt(row.secrets)
    destination = product(row, settings, secrets)
    traits, configured = destination.traits, row.configuration
    allowed = policy.requests_per_second or traits.requests_per_second
    rate = _number(configured, "requests_per_second", allowed, 0.1, 1000)
    concurrency = int(_number(configured, "concurrency", traits.concurrency, 1, 1000))
    reserve = _number(configured, "daily_reserve_percent", 10, 0, 100)

    def connect() -> httpx.AsyncClient:
        client = destination.client(guarded(settings, 2 * concurrency))
        if isinstance(client.auth, OAuth):
            client.auth.store = KeptTokens(database, vault, row.tenant_id, row.destination_id)
        return client

    connection = LaneConnection(
        client=connect(),
        pace=Pace(SHARE_OF_THE_RATE * rate, burst=1),
        breaker=policy.breaker(),
        secrets=tuple(secrets.values()),
        judge=destination.judge,
        allowance=destination.allowance,
        quota=Quota(reserve),
    )
    return Connected(destination, connection, concurrency, connect)


def guarded(settings: Settings, connections: int) -> GuardedTransport:
    """A pool of at most so many connections, to addresses that products may have."""
    return GuardedTransport(
        allow_private=settings.allow_private_destinations,
        private_places=opened_places(settings),
        inner=httpx.AsyncHTTPTransport(verify=_certificates(), limits=httpx.Limits(max_connections=connections)),
    )


def lead_url(settings: Settings, tenant_id: str, lead_id: str) -> str:
    """The console's page of a lead."""
    base = settings.console_url.rstrip("/")
    return f"{base}/leads?tenant_id={quote(tenant_id, safe='')}&lead_id={quote(lead_id, safe='')}"


@cache
def _certificates() -> SSLContext:
    """One for all pools: reading the certificates takes longer than all else in opening a lane."""
    return httpx.create_ssl_context()


def _number(configuration: Mapping[str, Any], key: str, default: float, least: float, most: float) -> float:
    try:
        number = float(configuration.get(key, default))
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{key} is a number, not {configuration[key]!r}.") from error
    if not least <= number <= most:
        raise Misconfigured(f"{key} is between {least:g} and {most:g}, not {number:g}.")
    return number
