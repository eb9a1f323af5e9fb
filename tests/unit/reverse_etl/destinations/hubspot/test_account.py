"""Setup and test of a HubSpot account; every request is as HubSpot's description says."""

import httpx
import pytest

from reverse_etl.calls import Calls
from reverse_etl.errors import Misconfigured
from tests.fixtures.demo_hubspot import CHAT, DEALS, FORM, TOKEN, HubSpotAccount, changed
from tests.fixtures.vendor_descriptions import DescribedBy, Descriptions


async def test_a_token_without_the_scope_to_make_properties_writes_those_that_are_there(
    hubspot: HubSpotAccount,
) -> None:
    """Somebody made echolead_id by hand, and nothing else."""
    account = HubSpotAccount()
    account.app.state.missing_scopes = {"crm.schemas.contacts.write"}
    with pytest.raises(Misconfigured, match=r"crm\.schemas\.contacts\.write"):
        await account.prepare()
    body = {"name": "echolead_id", "label": "id", "type": "string", "fieldType": "text", "groupName": "information"}
    account.store.definitions.add_property("contacts", {**body, "hasUniqueValue": True})
    account.connection.breaker.succeeded()  # its pause is over

    await account.prepare()
    outcome = await account.deliver()

    assert account.contact(outcome.remote_id)["email"] == "ana@lead.test"
    assert any("echolead_channel" in each for each in outcome.conflicts)


async def test_a_key_that_is_not_unique_is_refused(hubspot: HubSpotAccount) -> None:
    account = HubSpotAccount()
    account.define("echolead_id", "string", "text")
    with pytest.raises(Misconfigured, match="unique"):
        await account.prepare()


async def test_setup_makes_what_is_missing_and_test_changes_nothing() -> None:
    account = HubSpotAccount(**DEALS)
    calls = Calls(account.connection)
    before = {each.subject: each.state for each in await account.destination.test(calls)}
    planned = await account.destination.setup(calls, is_dry_run=True)
    assert "echolead_id" not in account.store.definitions.properties["contacts"]

    made = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}
    again = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}

    assert {each.subject: each.state for each in planned} == before
    assert before["contacts echolead_id"] == before["contact echolead_channel"] == "missing"
    assert made["deals echolead_id"] == made["contact echolead_channel"] == "made"
    assert set(again.values()) == {"ok"}


async def test_setup_says_what_the_token_may_not_make() -> None:
    account = HubSpotAccount()
    account.app.state.missing_scopes = {"crm.schemas.contacts.write"}
    findings = await account.destination.setup(Calls(account.connection), is_dry_run=False)
    wrong = [each for each in findings if each.state == "wrong"]
    assert "contacts echolead_id" in {each.subject for each in wrong}
    assert all("scope" in each.detail for each in wrong)


async def test_no_secret_is_recorded(hubspot: HubSpotAccount) -> None:
    await hubspot.deliver()
    assert TOKEN not in str([call for asked in hubspot.orders for call in asked.calls.recorded])


@pytest.fixture
def descriptions() -> Descriptions:
    """HubSpot's API as its own clients know it."""
    kinds = ("contacts", "deals", "notes", "properties", "pipelines")
    return Descriptions(*(f"hubspot-{kind}-v3.derived.openapi.json" for kind in kinds), ASSOCIATIONS)


ASSOCIATIONS = "hubspot-associations-v4.derived.openapi.json"


async def test_every_request_and_answer_is_as_hubspots_description_says(descriptions: Descriptions) -> None:
    account = HubSpotAccount()
    transport = DescribedBy(httpx.ASGITransport(account.app), descriptions, undescribed=["/submissions/"])
    account.use(transport, **DEALS, **FORM)
    await account.prepare()
    lead = changed(attributes={"channel": "Email", "conversation_url": CHAT}, cookies={"hubspotutk": "a" * 32})
    account.add(email="taken@lead.test")

    await account.deliver(lead)
    await account.deliver(changed(lead, email="taken@lead.test"))
    await account.deliver_all(lead, changed(lead, lead_id="lead-2", email="no address", tracking_ids=()))

    # A property without a value is null, which the description does not say.
    assert [fault for fault in transport.faults if "/properties/" not in fault or ": None " not in fault] == []
    assert len(transport.seen) >= 11
