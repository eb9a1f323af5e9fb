"""What is stored of webhooks: their bytes, each once, and no credential."""

import asyncio
import time
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.webhooks import SOURCES
from tests.fixtures.operational import SECRET_KEY, make_tenant
from tests.fixtures.queue_messages import messages
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, make_webhook, sent
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector
from tests.integration.ingest_api.webhooks.conftest import OK, SIGNED, bodies, post, stored


@pytest.mark.parametrize("source", SOURCES)
async def test_a_webhook_is_stored_byte_by_byte_before_it_is_answered(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str
) -> None:
    endpoint = endpoints[source]
    body = b'{"caf\xe9": "not UTF-8", "n": 1.50 }\n\x00' + uuid4().bytes
    webhook = sent(endpoint, at=time.time(), body=body)
    assert await post(collector, webhook, **{"x-custom": "kept", "cookie": "a=b"}) == OK
    [received] = [each for each in await stored(collector, endpoint) if each.body == body]
    assert (received.tenant_id, received.source) == (collector.tenant_id, source)
    assert received.delivery_id
    assert abs(received.received_at.timestamp() - time.time()) < 60
    assert received.proof == {"pipedrive": "password", "rdstation": "token"}.get(source, "signature")
    assert received.headers["x-custom"] == "kept"
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize("source", SOURCES)
async def test_stored_webhooks_hold_no_credential(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str
) -> None:
    endpoint = endpoints[source]
    webhook = sent(endpoint, at=time.time())
    assert await post(collector, webhook) == OK
    lines = await messages(collector.nats, f"webhooks.{endpoint.tenant_id}.{source}")
    proofs = [value for name, value in webhook.headers.items() if "signature" in name or name == "authorization"]
    assert proofs
    for secret in (endpoint.secret, endpoint.endpoint, *proofs):
        assert not [line for line in lines if secret.encode() in line]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_repeated_webhook_gets_the_same_answer_and_is_stored_once(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str
) -> None:
    webhook, other = (sent(endpoints[source], at=time.time()) for _ in range(2))
    answers = await asyncio.gather(*(post(collector, webhook) for _ in range(5)), post(collector, other))
    assert answers == [OK] * 6
    assert await post(collector, webhook) == OK
    found = await bodies(collector, endpoints[source])
    assert (found.count(webhook.body), found.count(other.body)) == (1, 1)


@pytest.mark.parametrize("source", SOURCES)
async def test_the_same_delivery_of_two_tenants_is_stored_for_both(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], system_engine: Engine, source: str
) -> None:
    """Products number their deliveries for each account, and two may well send the same body."""
    other_tenant = make_tenant(system_engine, f"other-{uuid4().hex[:8]}").tenant_id
    both = [endpoints[source], make_webhook(system_engine, other_tenant, source)]
    at, body, delivery_id = time.time(), sent(endpoints[source], at=0).body, str(uuid4())
    for endpoint in both:
        assert await post(collector, sent(endpoint, at=at, body=body, delivery_id=delivery_id)) == OK
    for endpoint in both:
        [received] = [each for each in await stored(collector, endpoint) if each.body == body]
        assert received.tenant_id == endpoint.tenant_id


async def test_a_replay_under_another_delivery_id_is_stored_once(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    """Chatwoot does not sign its delivery id, so an attacker with a request could change the id."""
    webhook = sent(endpoints["chatwoot"], at=time.time())
    assert await post(collector, webhook) == OK
    assert await post(collector, webhook.with_headers(x_chatwoot_delivery=str(uuid4()))) == OK
    assert (await bodies(collector, endpoints["chatwoot"])).count(webhook.body) == 1


async def test_a_retry_of_the_product_keeps_its_delivery_id(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    first = sent(endpoints["chatwoot"], at=time.time() - 20, delivery_id="a-delivery")
    again = sent(endpoints["chatwoot"], at=time.time(), delivery_id="a-delivery", body=first.body)
    assert [await post(collector, first), await post(collector, again)] == [OK, OK]
    found = [each for each in await stored(collector, endpoints["chatwoot"]) if each.body == first.body]
    assert {each.delivery_id for each in found} == {"a-delivery"}


async def test_a_retry_that_counts_itself_is_stored_once_and_another_change_twice(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    """Pipedrive sends a body up to four times, with the number of the attempt in it."""
    change = f'{{"meta":{{"id":"{uuid4()}","attempt":%d}},"data":{{"id":7,"attempt":%d}}}}'.encode()
    first, *retries, another = (change % counts for counts in [(1, 1), (2, 1), (4, 1), (1, 2)])
    for body in (first, *retries, another):
        assert await post(collector, sent(endpoints["pipedrive"], at=time.time(), body=body)) == OK
    found = await bodies(collector, endpoints["pipedrive"])
    assert [body for body in found if body in (first, *retries, another)] == [first, another]


@pytest.mark.parametrize("source", SIGNED)
async def test_webhooks_that_come_in_another_order_are_all_stored(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str
) -> None:
    late_to_early = [sent(endpoints[source], at=time.time() - ago) for ago in (0, 200, 100)]
    assert [await post(collector, each) for each in late_to_early] == [OK] * 3
    found = await bodies(collector, endpoints[source])
    assert [body for body in found if body in {each.body for each in late_to_early}] == [
        each.body for each in late_to_early
    ]


async def test_a_compressed_body_is_checked_and_stored_as_it_came(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    webhook = sent(endpoints["standard"], at=time.time(), body=b"\x1f\x8bnot really" + uuid4().bytes)
    assert await post(collector, webhook, **{"content-encoding": "gzip"}) == OK
    [received] = [each for each in await stored(collector, endpoints["standard"]) if each.body == webhook.body]
    assert received.headers["content-encoding"] == "gzip"


async def test_a_body_has_its_limit(collector: CollectorProcess, endpoints: dict[str, Endpoint]) -> None:
    largest = sent(endpoints["standard"], at=time.time(), body=b"x" * 1024**2)
    too_large = sent(endpoints["standard"], at=time.time(), body=b"x" * (1024**2 + 1))
    assert await post(collector, largest) == OK
    assert await post(collector, too_large) == (413, "/problems/body-too-large")


async def test_no_webhook_is_acknowledged_while_the_queue_is_down(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine, tmp_path: object
) -> None:
    collector = collector_beside(own_nats, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY, ECHOLEAD_COLLECTOR_URL=PUBLIC_URL)
    endpoint = make_webhook(system_engine, collector.tenant_id, "standard")
    with running(own_nats.part(), own_nats.data_dir / "logs"), collector.running(ready_path="/healthz"):
        webhook = sent(endpoint, at=time.time())
        assert await post(collector, webhook) == (503, "/problems/queue-unavailable")  # it has no streams
