"""From a click to the sale: a deal that is won in a CRM shows in the funnel of its campaign, and is taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dlt_pipelines.deals.pull import DealPlace, pull
from echolead.demo.hubspot import HubSpotStore, create_app
from tests.factories import arrival, moment, raw_destination, raw_event, raw_tenant, uid
from tests.fixtures.deal_pulls import Crm
from tests.fixtures.deal_rows import of_destination, raw_deal_stages, raw_destination_records
from tests.integration.dbt.conftest import Project

TENANT = "vendas"
TOKEN = "test-hubspot-token"
STAGES = {"default_appointmentscheduled": "new", "default_contractsent": "qualified", "default_closedwon": "won",
          "default_closedlost": "lost"}  # fmt: skip
FUNNEL = """
select visits, engaged, started, leads, chats, qualified, won, lost, revenue, lead_to_qualified_p50_seconds as seconds
from marts.lead_funnel where tenant_id = 'vendas' and campaign = 'natal'
"""


class Sales:
    """One lead, its contact in HubSpot, and what is done there."""

    def __init__(self, project: Project) -> None:
        self.project, self.store = project, HubSpotStore()
        self.now = moment(60)
        self.store.clock = lambda: self.now
        self.contact = self.store.create("contacts", {"email": "ana@x.test"})["id"]
        self._crm = Crm(create_app(TOKEN, store=self.store), {"Authorization": f"Bearer {TOKEN}"})
        self._place = DealPlace(TENANT, of_destination(TENANT), "hubspot")

    def deal(self, stage: str, **properties: str) -> str:
        held = {"dealname": "Ana", "pipeline": "default", "dealstage": stage, **properties}
        made = str(self.store.create("deals", held)["id"])
        self.store.associate("deals", made, "contacts", self.contact)
        return made

    def move(self, deal: str, **properties: str) -> None:
        self.now += timedelta(hours=1)
        self.store.update("deals", deal, properties)

    def funnel(self) -> dict[str, Any]:
        """The campaign's row after a pull."""
        asyncio.run(pull(self.project.settings, self._place, self._crm.ask))
        (row,) = self.project.query(FUNNEL)
        return row


@pytest.fixture(scope="module")
def sales(project: Project) -> Sales:
    project.forget()
    found = Sales(project)
    came = arrival(moment(), "https://lp.acme.test/oferta", utm_source="google", utm_medium="cpc", utm_campaign="natal")
    project.write("tenants", [raw_tenant(TENANT)])
    project.write("destinations", [raw_destination(TENANT, "hubspot")])
    project.write("deal_stages", raw_deal_stages(TENANT, **STAGES))
    project.write("destination_records", raw_destination_records(TENANT, [(uid("ana"), "contact", found.contact)]))
    project.write("events", [
        raw_event(tenant_id=TENANT, at=moment(), arrived=came),
        raw_event("form_submit", tenant_id=TENANT, at=moment(5), arrived=came, user={"email": "ana@x.test"}),
        raw_event(tenant_id=TENANT, visitor="bia", at=moment(1), arrived=came),
    ])  # fmt: skip
    project.turn()
    return found


def test_a_deal_shows_in_the_funnel_until_it_is_taken_back(sales: Sales) -> None:
    counted = {"visits": 2, "engaged": 1, "started": 1, "leads": 1, "chats": 0, "qualified": 0, "won": 0, "lost": 0,
               "revenue": None, "seconds": None}  # fmt: skip
    assert sales.funnel() == counted

    # Made an hour after the form, qualified an hour later, won.
    deal = sales.deal("appointmentscheduled", amount="5000")
    assert sales.funnel() == counted
    sales.move(deal, dealstage="contractsent")
    qualified = {**counted, "chats": 1, "qualified": 1, "seconds": 6900}
    assert sales.funnel() == qualified
    sales.move(deal, dealstage="closedwon", closedate=datetime(2025, 3, 11, 12, tzinfo=UTC).isoformat())
    won = {**qualified, "won": 1, "revenue": Decimal(5000)}
    assert sales.funnel() == won

    # Opened again and won again, for less.
    sales.move(deal, dealstage="contractsent")
    assert sales.funnel() == qualified
    sales.move(deal, dealstage="closedwon", amount="4000")
    assert sales.funnel() == {**won, "revenue": Decimal(4000)}

    # A second deal of the same person, lost as a duplicate, and then merged with the first.
    sales.now += timedelta(hours=1)
    twin = sales.deal("closedlost", amount="4000")
    assert sales.funnel() == {**won, "revenue": Decimal(4000)}
    sales.move(twin, dealstage="closedwon")
    assert sales.funnel()["revenue"] == Decimal(8000)
    sales.now += timedelta(hours=1)
    merged = sales.store.merge_deals(deal, twin)["id"]
    assert sales.funnel()["revenue"] == Decimal(4000)

    sales.store.archive_deal(merged)
    assert sales.funnel() == counted
    sales.store.restore_deal(merged)
    assert sales.funnel()["won"] == 1
