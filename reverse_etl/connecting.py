"""A destination of the operational database becomes its product with connections to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from echolead.operational.models import Destination as DestinationRow
from echolead.outbound import GuardedTransport, opened_places
from echolead.security import Vault
from echolead.settings import Settings
from reverse_etl.calls import LaneConnection
from reverse_etl.destination import Destination
from reverse_etl.destinations import KINDS
from reverse_etl.errors import Misconfigured
from reverse_etl.lane import Policy
from reverse_etl.pace import Breaker, Pace


@dataclass(frozen=True)
class Connected:
    """A product, what its calls share, and how many deliveries it takes at a time."""

    destination: Destination
    connection: LaneConnection
    concurrency: int


def product(row: DestinationRow, settings: Settings, secrets: Mapping[str, str], **replaced: Any) -> Destination:
    """The product of a destination, with some values of its configuration replaced. Raises `Misconfigured`."""
    make = KINDS.get(row.kind)
    if make is None:
        raise Misconfigured(f"{row.kind!r} is not a kind of destination: {', '.join(sorted(KINDS))}.")
    return make({**row.configuration, **replaced}, secrets, partial(lead_url, settings, row.tenant_id))


def connected(row: DestinationRow, settings: Settings, vault: Vault, policy: Policy) -> Connected:
    """The product with a connection pool of its own. Within an event loop, in which the pool is then used.

    Raises `Misconfigured`, `Undecryptable`.
    """
    secrets = vault.decrypt(row.secrets)
    destination = product(row, settings, secrets)
    traits = destination.traits
    rate = _number(row.configuration, "requests_per_second", policy.requests_per_second or traits.requests_per_second)
    concurrency = int(_number(row.configuration, "concurrency", traits.concurrency))
    transport = GuardedTransport(
        allow_private=settings.allow_private_destinations,
        private_places=opened_places(settings),
        inner=httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=2 * concurrency)),
    )
    connection = LaneConnection(
        client=destination.client(transport),
        pace=Pace(rate, burst=max(1, int(rate))),
        breaker=Breaker(
            threshold=policy.breaker_threshold,
            cooldown_seconds=policy.breaker_seconds,
            longest_seconds=policy.breaker_longest_seconds,
        ),
        secrets=tuple(secrets.values()),
        judge=destination.judge,
        allowance=destination.allowance,
    )
    return Connected(destination, connection, concurrency)


def lead_url(settings: Settings, tenant_id: str, lead_id: str) -> str:
    """The console's page of a lead."""
    base = settings.console_url.rstrip("/")
    return f"{base}/leads?tenant_id={quote(tenant_id, safe='')}&lead_id={quote(lead_id, safe='')}"


def _number(configuration: dict[str, Any], key: str, default: float) -> float:
    try:
        number = float(configuration.get(key, default))
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{key} is a number, not {configuration[key]!r}.") from error
    if not 0.1 <= number <= 1000:
        raise Misconfigured(f"{key} is between 0.1 and 1000, not {number}.")
    return number
