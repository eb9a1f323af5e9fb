"""E-mail addresses of HubSpot's contacts: changed, in use elsewhere, shared by two leads."""

from typing import Any

import httpx
import pytest

from reverse_etl.errors import Postponed
from reverse_etl.lead import Delivered
from tests.fixtures.demo_hubspot import LEAD, HubSpotAccount, changed


@pytest.mark.parametrize("mode", ["replaces", "conflict"])
async def test_a_lead_who_writes_from_a_second_address_leaves_the_first_one(hubspot: HubSpotAccount, mode: Any) -> None:
    """Sales writes to the first address: replacing it breaks threads, and a second contact splits the history."""
    hubspot.store.second_address_mode = mode
    contact_id = hubspot.add(
        email="ana.souza@empresa.example", hs_additional_emails="ana@example.com", hubspot_owner_id="9"
    )

    outcome = await hubspot.deliver(changed(email="ana@example.com"))

    assert outcome.remote_id == contact_id
    (contact,) = hubspot.contacts()
    assert contact["email"] == "ana.souza@empresa.example"
    assert contact["hs_additional_emails"] == "ana@example.com"
    assert contact["hubspot_owner_id"] == "9"
    assert contact["phone"] == "+5511999990000"
    assert contact["echolead_id"] == "lead-1"
    assert all("email" not in properties for _, _, properties in hubspot.store.writes)
    (conflict,) = hubspot.conflicts()
    assert "ana.souza@empresa.example" in conflict
    hubspot.store.writes.clear()
    await hubspot.deliver(changed(email="ana@example.com"))
    assert hubspot.store.writes == []


async def test_a_number_that_sales_wrote_in_another_way_is_the_same_number(hubspot: HubSpotAccount) -> None:
    """Each delivery noted a conflict with (11) 99999-0000, which nobody could solve."""
    contact_id = hubspot.add(email="ana@lead.test", phone="(11) 99999-0000")

    outcome = await hubspot.deliver()

    assert (outcome.conflicts, hubspot.contact(outcome.remote_id)["phone"]) == ((), "(11) 99999-0000")
    assert outcome.remote_id == contact_id


async def test_a_corrected_address_is_written_to_the_contact_that_is_known(hubspot: HubSpotAccount) -> None:
    """An upsert by e-mail would make a contact for each correction."""
    outcome = await hubspot.deliver(changed(email="ana@exmaple.com"))
    hubspot.store.writes.clear()

    await hubspot.deliver(changed(email="ana@example.com"))

    (contact,) = hubspot.contacts()
    assert contact["email"] == "ana@example.com"
    assert [(kind, written) for kind, written, _ in hubspot.store.writes] == [("contacts", outcome.remote_id)]


@pytest.mark.parametrize("is_ours", [False, True], ids=["somebody's", "another lead's"])
@pytest.mark.parametrize("has_partial_batches", [True, False], ids=["row by row", "all or none"])
async def test_a_corrected_address_of_another_contact_stays_there(
    hubspot: HubSpotAccount, is_ours: bool, has_partial_batches: bool
) -> None:
    hubspot.store.has_partial_batches = has_partial_batches
    outcome = await hubspot.deliver(changed(email="ana@exmaple.com"))
    if is_ours:
        other = (await hubspot.deliver(changed(lead_id="lead-9", email="ana@example.com", tracking_ids=()))).remote_id
    else:
        other = hubspot.add(email="ana@example.com")
    hubspot.store.writes.clear()

    again = await hubspot.deliver(changed(email="ana@example.com", name="Ana Maria Souza"))

    assert again.remote_id == outcome.remote_id
    assert hubspot.contact(outcome.remote_id)["email"] == "ana@exmaple.com"
    assert hubspot.contact(outcome.remote_id)["lastname"] == "Maria Souza"
    assert hubspot.contact(other)["email"] == "ana@example.com"
    assert [each for each in hubspot.conflicts() if other in each and "ana@example.com" in each]
    assert len(hubspot.contacts()) == 2
    assert len(hubspot.store.writes) == 1


async def test_a_contact_made_by_another_a_moment_ago_is_taken_over(hubspot: HubSpotAccount) -> None:
    """It was not there at the look-up, and its id is in the refusal's text alone."""
    asked = hubspot.order(LEAD)
    contact_id = ""

    async def look_up_then_make(request: httpx.Request) -> None:
        nonlocal contact_id
        if request.url.path.endswith("/batch/upsert") and not contact_id:
            contact_id = hubspot.add(email="ana@lead.test", firstname="Ana Clara")

    hubspot.connection.client.event_hooks["request"].append(look_up_then_make)
    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert outcome.remote_id == contact_id
    (contact,) = hubspot.contacts()
    assert (contact["firstname"], contact["echolead_id"]) == ("Ana Clara", "lead-1")


async def test_two_leads_of_one_contact_are_not_written_in_one_batch(hubspot: HubSpotAccount) -> None:
    contact_id = hubspot.add(email="ana@lead.test")
    first, second = await hubspot.deliver_all(LEAD, changed(lead_id="lead-2", tracking_ids=()))
    assert isinstance(first, Delivered)
    assert isinstance(second, Postponed)
    assert hubspot.contact(contact_id)["echolead_id"] == "lead-1"
