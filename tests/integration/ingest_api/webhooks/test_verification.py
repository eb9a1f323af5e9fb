"""Which webhooks are taken: signatures, tokens, and the time they are of."""

import base64
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from openapi_schema_validator import OAS31Validator
from sqlalchemy import Engine

from echolead.webhooks import SOURCES
from tests.fixtures.queue_messages import messages
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, Webhook, make_webhook, sent
from tests.integration.ingest_api.conftest import CollectorProcess
from tests.integration.ingest_api.webhooks.conftest import FORGED, OK, SIGNED, STALE, Answer, bodies, post, stored


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
