"""A collector that receives webhooks, and what its queue has of them."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.provision import OperationalUrls
from echolead.tenancy import POLL_SECONDS
from echolead.webhooks import SOURCES, ReceivedWebhook, decode_webhook
from tests.fixtures.operational import SECRET_KEY
from tests.fixtures.queue_messages import messages
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, Webhook, make_webhook
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector

Answer = tuple[int, str]

SIGNED = ("chatwoot", "hubspot", "standard")  # with the time in the signature


OK = (200, "")


FORGED = (401, "/problems/invalid-signature")


STALE = (401, "/problems/stale-webhook")


UNKNOWN = (404, "/problems/unknown-webhook")


@pytest.fixture(scope="package")
def collector(
    streams: EmbeddedNats, system_engine: Engine, operational_urls: OperationalUrls
) -> Iterator[CollectorProcess]:
    """A running collector that can read the endpoints' secrets."""
    make = MakeCollector(system_engine, operational_urls)
    process = make(streams, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY, ECHOLEAD_COLLECTOR_URL=PUBLIC_URL + "/")
    with process.running():
        yield process


@pytest.fixture(scope="package")
def endpoints(collector: CollectorProcess, system_engine: Engine) -> dict[str, Endpoint]:
    """An endpoint of each product, all of the collector's tenant."""
    return {source: make_webhook(system_engine, collector.tenant_id, source) for source in SOURCES}


async def post(collector: CollectorProcess, webhook: Webhook, **headers: str) -> Answer:
    """What is answered: the status, and the type of a problem."""
    async with collector.client() as client:
        answer = await client.post(webhook.path, content=webhook.body, headers={**webhook.headers, **headers})
    is_problem = answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"] if is_problem else ""


async def stored(collector: CollectorProcess, endpoint: Endpoint) -> list[ReceivedWebhook]:
    """What the queue has of an endpoint."""
    lines = await messages(collector.nats, f"webhooks.{endpoint.tenant_id}.{endpoint.source}")
    received = [decode_webhook(line) for line in lines]
    return [each for each in received if each.endpoint_id == endpoint.endpoint_id]


async def bodies(collector: CollectorProcess, endpoint: Endpoint) -> list[bytes]:
    """The same, the bodies alone."""
    return [each.body for each in await stored(collector, endpoint)]


async def until(collector: CollectorProcess, webhook: Webhook, expected: Answer) -> None:
    """Post until that is the answer, as a change takes two seconds to be known."""
    deadline = time.monotonic() + POLL_SECONDS * 10
    while (answer := await post(collector, webhook)) != expected:
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)
