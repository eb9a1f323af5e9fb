"""A preview of a mapping says what a delivery then writes, and itself writes nothing."""

from collections.abc import Mapping
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import HasMapping
from tests.fixtures import demo_hubspot, demo_pipedrive, demo_rdstation, demo_salesforce

NEW = DeliveryHistory()
LEAD = demo_hubspot.changed(lead_id="lead-7", tracking_ids=("lead-7",))


async def previewed(account: Any, lead: Lead, history: DeliveryHistory = NEW) -> dict[str, Mapping[str, Any]]:
    """The properties that the mapping makes, by record."""
    assert isinstance(account.destination, HasMapping)
    made = await account.destination.preview(Calls(account.connection), lead, history)
    return {record: written.properties for record, written in made.items()}


async def test_hubspot_gets_the_previewed_contact_and_its_deal_once() -> None:
    account = demo_hubspot.HubSpotAccount(**demo_hubspot.DEALS)
    await account.prepare()
    account.store.writes.clear()
    found = await previewed(account, LEAD)
    assert account.store.writes == []
    assert found.keys() == {"contact", "deal"}
    outcome = await account.deliver(LEAD)
    assert found["contact"].items() <= outcome.fields.items()
    known = DeliveryHistory(dict(account.kept["lead-7"].records))
    assert (await previewed(account, LEAD, known)).keys() == {"contact"}


async def test_pipedrive_gets_the_previewed_person_and_its_deal_once() -> None:
    account = demo_pipedrive.PipedriveAccount(makes="deal")
    await account.prepare()
    account.store.writes.clear()
    found = await previewed(account, LEAD)
    assert account.store.writes == []
    assert found.keys() == {"person", "deal"}
    outcome = await account.deliver(LEAD)
    held = {account.person(outcome.remote_id)["name"], *account.custom(outcome.remote_id).values()}
    assert set(found["person"].values()) <= held
    known = DeliveryHistory(dict(account.kept["lead-7"].records))
    assert (await previewed(account, LEAD, known)).keys() == {"person"}


async def test_rd_station_gets_the_previewed_contact() -> None:
    account = demo_rdstation.InProcess(demo_rdstation.made_base())
    found = await previewed(account, LEAD)
    await account.prepare()
    await account.deliver(LEAD)
    assert found["contact"]["cf_echolead_channel"] == "Paid Search"
    assert found["contact"].items() <= account.contact(LEAD.email).items()


async def test_salesforce_gets_what_is_previewed_for_a_new_lead() -> None:
    account = demo_salesforce.InProcess(demo_salesforce.made_org())
    [found] = (await previewed(account, LEAD)).values()
    await account.prepare()
    [(_, outcome)] = await account.attempt(LEAD)
    assert isinstance(outcome, Delivered)
    assert found["Email"] == LEAD.email
    assert found.items() <= outcome.fields.items()
