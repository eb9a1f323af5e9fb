"""Secrets are changed under load: during the overlap old and new ones are accepted, and no request is refused."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.api_keys import create_key, revoke_key
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.webhooks import rotate_webhook
from echolead.security import Vault
from echolead.tenancy import POLL_SECONDS
from tests.fixtures.operational import SECRET_KEY
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, make_webhook, sent
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector, make_body
from tests.integration.ingest_api.load import until

CLIENTS = 8
Request = tuple[str, dict[str, str], bytes]


@pytest.fixture(scope="module")
def collector(
    streams: EmbeddedNats, system_engine: Engine, operational_urls: OperationalUrls
) -> Iterator[CollectorProcess]:
    """A running collector that can read the endpoints' secrets."""
    make = MakeCollector(system_engine, operational_urls)
    process = make(streams, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY, ECHOLEAD_COLLECTOR_URL=PUBLIC_URL)
    with process.running():
        yield process


@asynccontextmanager
async def loaded(collector: CollectorProcess, make: Callable[[], Request]) -> Any:
    """Clients that send what `make` gives, one after the other, until the end; yields the statuses so far."""
    statuses: Counter[int] = Counter()
    is_over = asyncio.Event()

    async def send_on() -> None:
        async with collector.client() as client:
            while not is_over.is_set():
                path, headers, body = make()
                statuses[(await client.post(path, content=body, headers=headers)).status_code] += 1

    tasks = [asyncio.create_task(send_on()) for _ in range(CLIENTS)]
    try:
        yield statuses
    finally:
        is_over.set()
        await asyncio.gather(*tasks)


async def more(statuses: Counter[int], requests: int = 200) -> None:
    """Wait until so many more are answered."""
    before = statuses.total()
    await until(lambda: statuses.total() >= before + requests)


async def test_an_api_key_is_changed_under_load_without_a_refusal(
    collector: CollectorProcess, system_engine: Engine
) -> None:
    """Control: the key that was revoked is refused afterwards."""

    def new_key(name: str) -> tuple[str, str]:
        with system_session(system_engine) as session:
            made = create_key(session, collector.tenant_id, name, actor="test")
            return made.key, made.row.key_prefix

    (old, old_prefix), body = new_key("server"), make_body()
    key = old
    async with loaded(collector, lambda: ("/v1/events", {"authorization": f"Bearer {key}"}, body)) as statuses:
        await more(statuses)
        new, _ = new_key("server-2")
        await more(statuses)
        key = new  # the next requests have it, whether the collector knows it yet or not
        await more(statuses)
        with system_session(system_engine) as session:
            revoke_key(session, collector.tenant_id, old_prefix, actor="test")
        await asyncio.sleep(2 * POLL_SECONDS)
        assert set(statuses) == {202}
        key = old
        await until(lambda: statuses[401] > CLIENTS)
    assert set(statuses) == {202, 401}


def rotate(engine: Engine, endpoint: Endpoint, *, keep_previous: bool) -> str:
    """Another secret for the endpoint."""
    with system_session(engine) as session:
        made = rotate_webhook(
            session, Vault(SECRET_KEY), endpoint.tenant_id, endpoint.name, actor="test", keep_previous=keep_previous
        )
        return made.secret


def signed(endpoint: Endpoint) -> Request:
    """A webhook nobody has sent."""
    webhook = sent(endpoint, at=time.time())
    return webhook.path, webhook.headers, webhook.body


@pytest.mark.parametrize("source", ["standard", "pipedrive"])
async def test_a_webhooks_secret_is_changed_under_load_without_a_refusal(
    collector: CollectorProcess, system_engine: Engine, source: str
) -> None:
    """Control: without the overlap senders that still have the old secret are refused."""
    endpoint = make_webhook(system_engine, collector.tenant_id, source)
    async with loaded(collector, lambda: signed(endpoint)) as statuses:
        await more(statuses)
        changed = replace(endpoint, secret=rotate(system_engine, endpoint, keep_previous=True))
        await asyncio.sleep(2 * POLL_SECONDS)  # what the collector takes by now it has read after the rotation
        await more(statuses)
        endpoint = changed
        await more(statuses)
        assert set(statuses) == {200}
        rotate(system_engine, endpoint, keep_previous=False)
        await until(lambda: statuses[401] > CLIENTS)
