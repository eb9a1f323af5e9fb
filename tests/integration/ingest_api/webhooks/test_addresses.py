"""Addresses of webhooks and their secrets: made, changed, removed."""

import time
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.webhooks import NewWebhook, add_webhook, remove_webhook, rotate_webhook
from echolead.security import Vault, new_secret_key
from echolead.webhooks import SOURCES
from tests.fixtures.operational import SECRET_KEY, make_tenant
from tests.fixtures.webhooks import PUBLIC_URL, Endpoint, Webhook, make_webhook, sent
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector
from tests.integration.ingest_api.webhooks.conftest import FORGED, OK, UNKNOWN, bodies, post, stored, until


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
