"""Deals, notes and forms that go with HubSpot's contacts."""

from datetime import UTC, datetime

import httpx
import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.errors import (
    Misconfigured,
    OutcomeUnknown,
    Unavailable,
)
from reverse_etl.lead import Delivered, LeadEvent
from tests.fixtures.demo_hubspot import CHAT, DEALS, FORM, HubSpotAccount, changed


async def test_a_lead_gets_its_deal_once_and_sales_may_move_it(hubspot: HubSpotAccount) -> None:
    hubspot.use(**DEALS)
    await hubspot.prepare()
    outcome = await hubspot.deliver()
    ((deal_id, deal),) = hubspot.store.objects["deals"].items()
    assert deal["properties"] | {"echolead_id": "lead-1", "dealname": "Ana Souza"} == deal["properties"]
    assert hubspot.store.associated("deals", deal_id, "contacts") == [outcome.remote_id]
    hubspot.store.update("deals", deal_id, {"dealstage": "closedwon"})

    hubspot.kept["lead-1"].records.pop("deal")  # also when the ledger has forgotten it
    await hubspot.deliver(changed(attributes={"channel": "Email"}))
    hubspot.store.objects["deals"].pop(deal_id)
    await hubspot.deliver(changed(attributes={"channel": "Direct"}))

    assert deal["properties"]["dealstage"] == "closedwon"
    assert hubspot.store.objects["deals"] == {}  # what sales deletes stays deleted


async def test_a_deal_stage_that_does_not_exist_is_the_configurations_mistake(hubspot: HubSpotAccount) -> None:
    hubspot.use(deal_pipeline="default", deal_stage="no-such-stage")
    with pytest.raises(Misconfigured, match="no-such-stage"):
        await hubspot.prepare()


@pytest.mark.parametrize("ignores", [False, True], ids=["joined at once", "association ignored on create"])
async def test_the_link_of_a_conversation_is_noted_once(hubspot: HubSpotAccount, ignores: bool) -> None:
    hubspot.store.ignores_associations_on_create = ignores
    lead = changed(attributes={"conversation_url": CHAT + "?a=1&b=2"})
    outcome = await hubspot.deliver(lead)
    hubspot.kept["lead-1"].records.pop("note")
    await hubspot.deliver(lead)

    ((note_id, note),) = hubspot.store.objects["notes"].items()
    assert hubspot.store.associated("contacts", outcome.remote_id, "notes") == [note_id]
    assert note["properties"]["hs_note_body"].count("conversations/7?a=1&amp;b=2") == 2


async def test_a_note_whose_answer_was_lost_is_found_again(hubspot: HubSpotAccount) -> None:
    hubspot.faults.replace([Fault("garbled_after", where="notes/batch/create", times=1)])
    lead = changed(attributes={"conversation_url": CHAT})
    with pytest.raises(OutcomeUnknown):
        await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.objects["notes"]) == 1


async def test_a_form_names_the_browser_once(hubspot: HubSpotAccount) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    visit = LeadEvent("e1", "lead", datetime(2026, 3, 2, tzinfo=UTC), page_url="https://page.test/offer")
    lead = changed(cookies={"hubspotutk": "a" * 32}, events=(visit,))
    await hubspot.deliver(lead)
    await hubspot.deliver(changed(lead, name="Ana Maria"))

    assert hubspot.store.submissions == [
        {
            "form": "form-1",
            "fields": {"email": "ana@lead.test"},
            "context": {"hutk": "a" * 32, "pageUri": "https://page.test/offer"},
        }
    ]
    assert len(hubspot.contacts()) == 1


async def test_a_form_with_an_unknown_outcome_is_not_sent_again(hubspot: HubSpotAccount) -> None:
    """A second submission would be a second conversion in HubSpot's reports."""
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status_after", where="submit", times=1, status=502)])
    lead = changed(cookies={"hubspotutk": "a" * 32})
    outcome = await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.submissions) == 1
    assert len(outcome.conflicts) == 1


async def test_a_form_that_was_not_taken_is_sent_later(hubspot: HubSpotAccount) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status", where="submit", times=1, status=429)])
    lead = changed(cookies={"hubspotutk": "a" * 32})
    with pytest.raises(Unavailable):
        await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.submissions) == 1


async def test_a_form_that_is_refused_costs_nothing_else(hubspot: HubSpotAccount) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status", where="submit", times=1, status=403)])
    outcome = await hubspot.deliver(changed(cookies={"hubspotutk": "a" * 32}))
    assert hubspot.contact(outcome.remote_id)["email"] == "ana@lead.test"
    assert hubspot.connection.breaker.seconds_left == 0


async def test_a_deal_that_is_gone_costs_its_own_lead_alone(hubspot: HubSpotAccount) -> None:
    hubspot.use(**DEALS)
    await hubspot.prepare()

    async def delete_one(request: httpx.Request) -> None:
        if request.url.path.endswith("/associate/default"):
            for deal_id, deal in list(hubspot.store.objects["deals"].items()):
                if deal["properties"]["echolead_id"] == "lead-2":
                    del hubspot.store.objects["deals"][deal_id]

    hubspot.connection.client.event_hooks["request"].append(delete_one)
    leads = [changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(4)]
    outcomes = await hubspot.deliver_all(*leads)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, OutcomeUnknown, Delivered]
