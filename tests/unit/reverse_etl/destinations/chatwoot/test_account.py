"""What an account of Chatwoot needs before deliveries, and every call as Chatwoot describes it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot import Faults, create_app
from echolead.demo.chatwoot.faults import Fault
from reverse_etl.calls import Calls
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.errors import Misconfigured
from tests.fixtures.chatwoot_account import LEAD, InProcess
from tests.fixtures.chatwoot_description import Described, Description
from tests.fixtures.demo_chatwoot import ACCOUNT, ACCOUNTS


async def test_preparing_twice_defines_nothing_twice(chatwoot: InProcess) -> None:
    await chatwoot.destination.prepare(Calls(chatwoot.connection))
    again = Calls(chatwoot.connection)
    await chatwoot.destination.prepare(again)

    assert [exchange.operation for exchange in again.recorded] == ["list labels", *["list attributes"] * 2]


async def test_setup_says_first_what_it_would_define_and_then_defines_it_once(chatwoot: InProcess) -> None:
    destination, calls = chatwoot.destination, Calls(chatwoot.connection)
    tested = [finding for finding in await destination.test(calls) if finding.state != "ok"]
    would = await destination.setup(calls, is_dry_run=True)
    assert tested == would
    assert {finding.state for finding in would} == {"missing"}
    assert chatwoot.store.attribute_definitions(ACCOUNT.account_id) == []

    made = await destination.setup(calls, is_dry_run=False)
    assert [finding.subject for finding in made] == [finding.subject for finding in would]
    assert {finding.state for finding in made} == {"made"}
    assert await destination.setup(calls, is_dry_run=False) == []
    assert {finding.state for finding in await destination.test(calls)} == {"ok"}
    assert [label["title"] for label in chatwoot.store.labels(ACCOUNT.account_id)] == ["sem-consentimento-marketing"]


async def test_an_inbox_that_is_not_there_and_an_attribute_of_another_type_are_found(chatwoot: InProcess) -> None:
    chatwoot.store.create_attribute_definition(
        ACCOUNT.account_id,
        {"attribute_key": "first_seen_at", "attribute_model": 1, "attribute_display_type": 5,
         "attribute_display_name": "Primeira visita"},
    )  # fmt: skip
    destination = ChatwootContacts.of(
        {"base_url": "http://localhost", "account_id": ACCOUNT.account_id, "inbox_id": 77},
        {"api_access_token": ACCOUNT.api_access_token},
        str,
    )
    found = {finding.subject: finding for finding in await destination.test(Calls(chatwoot.connection))}
    assert found["inbox 77"].state == "wrong"
    assert f"{ACCOUNT.inbox_id} Demo site" in found["inbox 77"].detail
    assert found["attribute first_seen_at"].state == "note"
    assert found["attribute first_seen_at"].detail == "it is date there, and its values are text"


async def test_an_agents_token_may_test_but_not_set_up(tmp_path: Path) -> None:
    """Each missing thing is named with the reason, after a single call that was refused."""
    faults = Faults([Fault("status", where="POST .", status=401)])
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS, faults=faults)
    async with app.router.lifespan_context(app):
        chatwoot = InProcess(app, httpx.ASGITransport(app))
        would = await chatwoot.destination.setup(chatwoot.calls, is_dry_run=True)
        found = await chatwoot.destination.setup(chatwoot.calls, is_dry_run=False)
    assert [finding.subject for finding in found] == [finding.subject for finding in would]
    assert {(finding.state, finding.detail) for finding in found} == {
        ("wrong", "defining it takes an administrator's token")
    }
    assert [call.operation for call in chatwoot.calls.recorded].count("define attribute") == 1


@pytest.mark.parametrize(
    ("configuration", "secrets", "missing"),
    [
        pytest.param({"account_id": 1, "inbox_id": 1}, {"api_access_token": "x"}, "base_url", id="no address"),
        pytest.param(
            {"base_url": "https://x.test", "account_id": 1, "inbox_id": 1}, {}, "api_access_token", id="no token"
        ),
        pytest.param(
            {"base_url": "https://x.test", "account_id": "a", "inbox_id": 1}, {"api_access_token": "x"}, "numbers",
            id="a word for an account",
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_says_what_it_lacks(
    configuration: dict[str, Any], secrets: dict[str, str], missing: str
) -> None:
    with pytest.raises(Misconfigured, match=missing):
        ChatwootContacts.of(configuration, secrets, str)


async def test_every_call_and_answer_is_as_chatwoot_describes_it(tmp_path: Path, description: Description) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        transport = Described(httpx.ASGITransport(app), description)
        chatwoot = InProcess(app, transport)
        await chatwoot.destination.test(chatwoot.calls)
        await chatwoot.destination.prepare(chatwoot.calls)
        delivered = await chatwoot.deliver()
        await chatwoot.verify(LEAD, delivered)
        chatwoot.add(phone_number="+5511777770000")
        changed = replace(LEAD, phone="+5511777770000", attributes={"channel": "Email"})
        await chatwoot.deliver(changed, remote_id=delivered.remote_id, sent=(LEAD,))
        await chatwoot.deliver(changed)

    assert transport.faults == []
    assert transport.seen == {
        ("get", "/inboxes", 200),
        ("get", "/labels", 200),
        ("post", "/labels", 200),
        ("get", "/custom_attribute_definitions", 200),
        ("post", "/custom_attribute_definitions", 200),
        ("post", "/contacts/filter", 200),
        ("post", "/contacts", 200),
        ("get", "/contacts/{id}", 200),
        ("put", "/contacts/{id}", 200),
        ("put", "/contacts/{id}", 422),
        ("get", "/contacts/{id}/labels", 200),
        ("post", "/contacts/{id}/labels", 200),
        ("post", "/contacts/{id}/destroy_custom_attributes", 200),
    }


async def test_a_call_that_the_description_does_not_allow_is_noticed(description: Description) -> None:
    transport = Described(
        httpx.MockTransport(lambda _: httpx.Response(200, json={"payload": [{"id": "x"}]})), description
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://x.test/api/v1/accounts/1/") as client:
        await client.post("contacts", json={"name": 5})
        await client.get("contacts/search")
        await client.get("contact")

    assert transport.faults == [
        "POST /api/v1/accounts/1/contacts request: : 'inbox_id' is a required property",
        "POST /api/v1/accounts/1/contacts request: name: 5 is not of type 'string'",
        "GET /api/v1/accounts/1/contacts/search answer: payload/0/id: 'x' is not of type 'integer'",
        "GET /api/v1/accounts/1/contact is not described",
    ]
