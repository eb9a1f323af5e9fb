"""Webhooks through a real process and a real queue: verification, stored content, and repeats."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from openapi_schema_validator import OAS31Validator
from sqlalchemy import Engine, text

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.webhooks import NewWebhook, add_webhook, remove_webhook, rotate_webhook
from echolead.security import Vault, new_secret_key
from echolead.tenancy import POLL_SECONDS
from echolead.webhooks import SOURCES, ReceivedWebhook, decode_webhook
from tests.fixtures.operational import SECRET_KEY, make_tenant
from tests.fixtures.parts import running
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, Webhook, make_webhook, sent
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector, messages

SIGNED = ("chatwoot", "hubspot", "standard")  # with the time in the signature
OK = (200, "")
FORGED = (401, "/problems/invalid-signature")
STALE = (401, "/problems/stale-webhook")
UNKNOWN = (404, "/problems/unknown-webhook")

Answer = tuple[int, str]


@pytest.fixture(scope="module")
def collector(
    streams: EmbeddedNats, system_engine: Engine, operational_urls: OperationalUrls
) -> Iterator[CollectorProcess]:
    """A running collector that can read the endpoints' secrets."""
    make = MakeCollector(system_engine, operational_urls)
    process = make(streams, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY, ECHOLEAD_COLLECTOR_URL=PUBLIC_URL + "/")
    with process.running():
        yield process


@pytest.fixture(scope="module")
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


def _without(*names: str) -> Callable[[Webhook], Webhook]:
    return lambda webhook: webhook.with_headers(**dict.fromkeys(names))


def _altered(webhook: Webhook) -> Webhook:
    return replace(webhook, body=webhook.body.replace(b'"', b' "', 1))


def _moved(header: str, by: int) -> Callable[[Webhook], Webhook]:
    return lambda webhook: webhook.with_headers(
        **{header.replace("-", "_"): str(int(webhook.headers[header]) + by)}
    )  # fmt: skip


FORGERIES = [
    pytest.param("chatwoot", _altered, id="chatwoot, altered body"),
    pytest.param("chatwoot", _moved("x-chatwoot-timestamp", 1), id="chatwoot, altered time"),
    pytest.param("chatwoot", _without("x_chatwoot_signature"), id="chatwoot, no signature"),
    pytest.param("chatwoot", _without("x_chatwoot_timestamp"), id="chatwoot, no time"),
    pytest.param("hubspot", _altered, id="hubspot, altered body"),
    pytest.param("hubspot", _moved("x-hubspot-request-timestamp", 1), id="hubspot, altered time"),
    pytest.param("hubspot", _without("x_hubspot_signature_v3"), id="hubspot, no signature"),
    pytest.param("hubspot", _without("x_hubspot_request_timestamp"), id="hubspot, no time"),
    pytest.param("hubspot", lambda w: replace(w, path=w.path + "?x=1"), id="hubspot, another address"),
    pytest.param("pipedrive", _without("authorization"), id="pipedrive, no password"),
    pytest.param(
        "pipedrive", lambda w: w.with_headers(authorization=w.headers["authorization"][6:]), id="pipedrive, no scheme"
    ),
    pytest.param("pipedrive", lambda w: w.with_headers(authorization="Basic ???"), id="pipedrive, no base64"),
    pytest.param("rdstation", _without("authorization"), id="rdstation, no token"),
    pytest.param("rdstation", lambda w: w.with_headers(authorization="Bearer"), id="rdstation, an empty token"),
    pytest.param("standard", _altered, id="standard, altered body"),
    pytest.param("standard", _moved("webhook-timestamp", 1), id="standard, altered time"),
    pytest.param("standard", lambda w: w.with_headers(webhook_id="another"), id="standard, altered id"),
    pytest.param("standard", _without("webhook_id"), id="standard, no id"),
    pytest.param("standard", _without("webhook_timestamp"), id="standard, no time"),
    pytest.param("standard", _without("webhook_signature"), id="standard, no signature"),
    pytest.param(
        "standard",
        lambda w: w.with_headers(webhook_signature=w.headers["webhook-signature"].replace("v1,", "v2,")),
        id="standard, another version",
    ),
    pytest.param("standard", lambda w: w.with_headers(webhook_signature="v1,é= v1"), id="standard, no base64"),
]


@pytest.mark.parametrize(("source", "forge"), FORGERIES)
async def test_a_request_that_differs_from_what_was_signed_is_refused(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str, forge: Callable[[Webhook], Webhook]
) -> None:
    """Control: the same request without the change is taken."""
    webhook = sent(endpoints[source], at=time.time())
    forged = forge(webhook)
    encoded = replace(forged, headers={name: value.encode("utf-8") for name, value in forged.headers.items()})  # type: ignore[misc]
    assert await post(collector, encoded) == FORGED
    before = await bodies(collector, endpoints[source])
    assert forged.body not in before
    assert await post(collector, webhook) == OK
    assert len(await bodies(collector, endpoints[source])) == len(before) + 1


@pytest.mark.parametrize("source", SOURCES)
async def test_a_signature_with_another_secret_is_refused(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str
) -> None:
    endpoint = endpoints[source]
    other = "whsec_" + base64.b64encode(b"x" * 32).decode() if source == "standard" else endpoint.secret[:-1] + "~"
    body = sent(endpoint, at=time.time()).body
    assert await post(collector, sent(endpoint, at=time.time(), secret=other, body=body)) == FORGED
    assert await post(collector, sent(endpoint, at=time.time(), body=body)) == OK


@pytest.mark.parametrize("source", SIGNED)
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(-330, STALE, id="too old"),
        pytest.param(-270, OK, id="old and taken"),
        pytest.param(330, STALE, id="from the future"),
        pytest.param(270, OK, id="a clock that is ahead"),
    ],
)
async def test_a_signature_holds_for_five_minutes(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], source: str, seconds: float, expected: Answer
) -> None:
    webhook = sent(endpoints[source], at=time.time() + seconds)
    assert await post(collector, webhook) == expected
    assert (webhook.body in await bodies(collector, endpoints[source])) is (expected == OK)


async def test_a_signed_time_that_is_not_a_number_is_refused(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    class Never(float):
        def __format__(self, _: str) -> str:
            return "now"

    assert await post(collector, sent(endpoints["standard"], at=Never(0))) == FORGED


async def test_a_webhook_address_belongs_to_one_product_and_one_tenant(
    collector: CollectorProcess, endpoints: dict[str, Endpoint], system_engine: Engine
) -> None:
    mine = endpoints["chatwoot"]
    other_tenant = make_tenant(system_engine, f"other-{uuid4().hex[:8]}").tenant_id
    theirs = make_webhook(system_engine, other_tenant, "chatwoot")
    webhook = sent(mine, at=time.time())
    assert await post(collector, replace(webhook, path=theirs.path)) == FORGED
    assert await post(collector, replace(webhook, path=mine.path.replace("chatwoot", "standard"))) == UNKNOWN
    assert await post(collector, replace(webhook, path=mine.path.replace("chatwoot", "salesforce"))) == UNKNOWN
    assert await post(collector, sent(theirs, at=time.time())) == OK
    assert [each.tenant_id for each in await stored(collector, theirs)] == [other_tenant]
    assert webhook.body not in await bodies(collector, theirs)
    assert await post(collector, webhook) == OK


@pytest.mark.parametrize("endpoint", ["0" * 32, "A" * 32, "short", "0" * 31 + "%0A"])
async def test_an_address_without_a_webhook_is_unknown(collector: CollectorProcess, endpoint: str) -> None:
    assert await post(collector, Webhook(f"/v1/webhooks/chatwoot/{endpoint}", {}, b"{}")) == UNKNOWN


@pytest.mark.parametrize("source", SOURCES)
async def test_both_secrets_work_while_they_are_changed(
    collector: CollectorProcess, system_engine: Engine, source: str
) -> None:
    """Without a restart, and always with a valid secret. Control: the old one expires."""
    old = make_webhook(system_engine, collector.tenant_id, source)
    assert await post(collector, sent(old, at=time.time())) == OK
    new = replace(old, secret=rotate(system_engine, old, keep_previous=True))
    assert new.secret != old.secret
    assert await post(collector, sent(old, at=time.time())) == OK
    await until(collector, sent(new, at=time.time()), OK)
    assert await post(collector, sent(old, at=time.time())) == OK
    with system_session(system_engine) as session:
        statement = text("update webhook_endpoints set rotated_at = rotated_at - interval '24 hours' where name = :n")
        session.execute(statement, {"n": old.name})
    await until(collector, sent(old, at=time.time()), FORGED)
    assert await post(collector, sent(new, at=time.time())) == OK


async def test_rotating_now_ends_the_leaked_secret_at_once(collector: CollectorProcess, system_engine: Engine) -> None:
    old = make_webhook(system_engine, collector.tenant_id, "standard")
    assert await post(collector, sent(old, at=time.time())) == OK
    new = replace(old, secret=rotate(system_engine, old, keep_previous=False))
    await until(collector, sent(old, at=time.time()), FORGED)
    assert await post(collector, sent(new, at=time.time())) == OK


def rotate(engine: Engine, endpoint: Endpoint, *, keep_previous: bool) -> str:
    """Another secret for the endpoint."""
    given = f"another-secret-{uuid4().hex}" if endpoint.source in ("chatwoot", "hubspot") else None
    with system_session(engine) as session:
        return rotate_webhook(
            session,
            Vault(SECRET_KEY),
            endpoint.tenant_id,
            endpoint.name,
            actor="test",
            secret=given,
            keep_previous=keep_previous,
        ).secret


async def test_an_address_that_was_removed_is_unknown(collector: CollectorProcess, system_engine: Engine) -> None:
    endpoint = make_webhook(system_engine, collector.tenant_id, "standard")
    assert await post(collector, sent(endpoint, at=time.time())) == OK
    with system_session(system_engine) as session:
        remove_webhook(session, collector.tenant_id, endpoint.name, actor="test")
    await until(collector, sent(endpoint, at=time.time()), UNKNOWN)


async def test_an_address_of_a_tenant_that_is_not_served_is_unknown(
    collector: CollectorProcess, system_engine: Engine
) -> None:
    tenant_id = make_tenant(system_engine, f"leaving-{uuid4().hex[:8]}").tenant_id
    endpoint = make_webhook(system_engine, tenant_id, "standard")
    assert await post(collector, sent(endpoint, at=time.time())) == OK
    with system_session(system_engine) as session:
        session.execute(text("update tenants set is_active = false where tenant_id = :t"), {"t": tenant_id})
    await until(collector, sent(endpoint, at=time.time()), UNKNOWN)


@pytest.mark.parametrize(
    ("source", "secret", "given", "expected"),
    [
        pytest.param("chatwoot", None, None, OK, id="chatwoot, unsigned"),
        pytest.param(
            "chatwoot", None, "unlike-what-is-shown", OK, id="chatwoot, signed with a secret that is not shown"
        ),
        pytest.param("chatwoot", "the-shown-secret", None, OK, id="chatwoot, unsigned though there is a secret"),
        pytest.param("chatwoot", "the-shown-secret", "another-secret", FORGED, id="chatwoot, forged"),
        pytest.param("rdstation", None, None, OK, id="rdstation, no token"),
        pytest.param("rdstation", "the-token-given", "another-token", FORGED, id="rdstation, forged"),
    ],
)
async def test_allow_unsigned_accepts_webhooks_without_a_signature(
    collector: CollectorProcess,
    system_engine: Engine,
    source: str,
    secret: str | None,
    given: str | None,
    expected: Answer,
) -> None:
    """Control: `test_a_request_that_differs_from_what_was_signed_is_refused` posts unsigned where it is not allowed."""
    endpoint = make_webhook(system_engine, collector.tenant_id, source, secret, allow_unsigned=True)
    webhook = sent(endpoint, at=time.time(), secret=given or "any")
    if given is None:
        webhook = webhook.with_headers(x_chatwoot_signature=None, x_chatwoot_timestamp=None, authorization=None)
    assert await post(collector, webhook) == expected
    if expected == OK:
        assert [each.proof for each in await stored(collector, endpoint)] == ["address"]


async def test_webhooks_are_refused_until_their_secret_is_entered(
    collector: CollectorProcess, system_engine: Engine
) -> None:
    with system_session(system_engine) as session:
        wanted = NewWebhook("chatwoot", f"waiting-{uuid4().hex[:8]}")
        known = add_webhook(session, Vault(SECRET_KEY), collector.tenant_id, wanted, actor="test")
        row = known.row
        endpoint = Endpoint(
            "chatwoot", collector.tenant_id, row.endpoint, str(row.webhook_endpoint_id), known.secret, row.name
        )
    assert endpoint.secret == ""
    assert await post(collector, sent(endpoint, at=time.time(), secret="")) == FORGED
    assert await post(collector, Webhook(endpoint.path, {}, b"{}")) == FORGED
    entered = replace(endpoint, secret=rotate(system_engine, endpoint, keep_previous=True))
    await until(collector, sent(entered, at=time.time()), OK)
    assert await post(collector, sent(endpoint, at=time.time(), secret="")) == FORGED


async def test_hubspot_signs_the_public_url_or_the_host_of_the_request(
    collector: CollectorProcess, endpoints: dict[str, Endpoint]
) -> None:
    endpoint = endpoints["hubspot"]
    by_host = sent(endpoint, at=time.time(), url=f"https://{collector.host}{endpoint.path}")
    by_proxy = sent(endpoint, at=time.time(), url=f"https://lp.acme.test{endpoint.path}")
    query = "?redirect=https%3A%2F%2Fx.test%2F%3Fa%3D1"
    with_query = sent(
        endpoint, at=time.time(), url=f"{PUBLIC_URL}{endpoint.path}?redirect=https://x.test/?a%3D1"
    )  # fmt: skip
    assert await post(collector, by_host) == OK
    assert await post(collector, by_proxy) == FORGED
    assert await post(collector, by_proxy, **{"x-forwarded-host": "lp.acme.test"}) == OK
    assert await post(collector, replace(with_query, path=endpoint.path + query)) == OK


async def test_rd_station_sends_its_token_in_the_configured_header(
    collector: CollectorProcess, system_engine: Engine
) -> None:
    endpoint = make_webhook(system_engine, collector.tenant_id, "rdstation", token_header="X-RD-Key")
    webhook = sent(endpoint, at=time.time()).with_headers(authorization=None)
    assert await post(collector, webhook, authorization=endpoint.secret) == FORGED
    assert await post(collector, webhook, **{"x-rd-key": endpoint.secret}) == OK
    assert await post(collector, sent(endpoint, at=time.time()), **{"x-rd-key": f"Bearer {endpoint.secret}"}) == OK
    lines = await messages(collector.nats, f"webhooks.{endpoint.tenant_id}.rdstation")
    assert not [line for line in lines if endpoint.secret.encode() in line]


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


async def test_refusals_and_webhooks_are_counted(collector: CollectorProcess, endpoints: dict[str, Endpoint]) -> None:
    webhook = sent(endpoints["standard"], at=time.time())
    await post(collector, webhook)
    await post(collector, _altered(webhook))
    await post(collector, sent(endpoints["standard"], at=time.time() - 1000))
    await post(collector, replace(webhook, path="/v1/webhooks/standard/nowhere"))
    async with collector.client() as client:
        metrics = (await client.get("/metrics")).text
    labels = f'{{source="standard",tenant_id="{collector.tenant_id}"}}'
    assert f"echolead_collector_webhooks_accepted_total{labels}" in metrics
    for problem in ("invalid-signature", "stale-webhook", "unknown-webhook"):
        assert f'echolead_collector_requests_refused_total{{problem="{problem}"}}' in metrics


async def test_the_description_has_an_example_of_each_product_and_every_problem(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        document = (await client.get("/openapi.json")).json()
    described = document["paths"]["/v1/webhooks/{source}/{endpoint}"]["post"]
    assert set(described["responses"]) == {"200", "401", "404", "405", "408", "413", "503"}
    assert set(described["requestBody"]["content"]["application/json"]["examples"]) == set(SOURCES)
    told = {name for each in described["responses"].values() for content in each["content"].values()
            for name in content["examples"]}  # fmt: skip
    assert {"invalid-signature", "stale-webhook", "unknown-webhook", "webhooks-unavailable"} <= told
    answer = described["responses"]["200"]["content"]["application/json"]
    OAS31Validator(answer["schema"]).validate(answer["examples"]["queued"]["value"])


async def test_no_webhook_is_acknowledged_while_the_queue_is_down(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine, tmp_path: object
) -> None:
    collector = collector_beside(own_nats, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY, ECHOLEAD_COLLECTOR_URL=PUBLIC_URL)
    endpoint = make_webhook(system_engine, collector.tenant_id, "standard")
    with running(own_nats.part(), own_nats.data_dir / "logs"), collector.running(ready_path="/healthz"):
        webhook = sent(endpoint, at=time.time())
        assert await post(collector, webhook) == (503, "/problems/queue-unavailable")  # it has no streams


async def test_a_secret_that_cannot_be_decrypted_gets_503(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine
) -> None:
    collector = collector_beside(
        streams, ECHOLEAD_COLLECTOR_SECRET_KEYS=new_secret_key(), ECHOLEAD_COLLECTOR_URL=PUBLIC_URL
    )
    endpoint = make_webhook(system_engine, collector.tenant_id, "standard")
    with collector.running():
        async with collector.client() as client:
            headers = sent(endpoint, at=time.time()).headers
            answer = await client.post(endpoint.path, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/webhooks-unavailable")
    assert answer.headers["retry-after"] == "60"
