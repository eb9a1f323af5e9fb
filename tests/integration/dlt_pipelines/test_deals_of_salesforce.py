"""Opportunities of Salesforce into raw: what changed, with history, converted leads and the recycle bin."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.deals.pull import DealPlace, Pulled, pull
from dlt_pipelines.deals.salesforce import KEY
from echolead.demo.salesforce import create_app
from echolead.settings import Settings
from reverse_etl.destinations.salesforce.verdicts import ID_FIELD
from tests.fixtures.deal_pulls import Crm
from tests.fixtures.demo_salesforce import CREDENTIALS, made_org

PLACE = DealPlace("acme", "3d1b0b9e-0000-4000-8000-000000000003", "salesforce")
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)


class SalesforceCrm:
    """An org with its own clock, and pulls of it."""

    def __init__(self, settings: Settings, warehouse: Client) -> None:
        self.org, self.now = made_org(), BEGIN
        self.deals = self.org.opportunities
        self.deals.clock = lambda: self.now
        app = create_app(CREDENTIALS, org=self.org)
        self.crm = Crm(app, {"Authorization": f"Bearer {app.state.sessions.issue()}"})
        self._settings, self._warehouse = settings, warehouse

    def pull(self, most: int = 2000) -> Pulled:
        return asyncio.run(pull(self._settings, PLACE, self.crm.ask, most))

    def later(self, opportunity: str, **values: Any) -> None:
        self.now += timedelta(hours=1)
        self.deals.update(opportunity, **values)

    def rows(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        found = self._warehouse.query(
            "select record_id, payload from raw.deal_records where kind = {kind:String}"
            " order by loaded_at, version, record_id",
            parameters={"kind": kind},
        )
        return [(record_id, json.loads(payload)) for record_id, payload in found.result_rows]


@pytest.fixture
def salesforce(settings: Settings, warehouse: Client) -> SalesforceCrm:
    return SalesforceCrm(settings, warehouse)


def test_an_opportunity_comes_with_its_history_and_the_lead_it_was_converted_from(salesforce: SalesforceCrm) -> None:
    lead = salesforce.org.add(**{ID_FIELD: "lead-1"})
    deal = salesforce.deals.add(Name="Ana Souza", Amount=1500.5, CloseDate="2026-03-05")
    salesforce.org.convert(lead, deal)
    salesforce.later(deal, Amount=2000.0)
    salesforce.later(deal, StageName="Closed Won")
    salesforce.pull()

    ((record_id, payload),) = salesforce.rows("deal")
    assert record_id == deal
    assert [(each["stage_id"], each["entered_at"]) for each in payload.pop("entries")] == [
        ("Prospecting", "2026-03-02T12:00:00.000Z"),
        ("Prospecting", "2026-03-02T13:00:00.000Z"),
        ("Closed Won", "2026-03-02T14:00:00.000Z"),
    ]
    assert payload == {
        "pipeline_id": "opportunity", "stage_id": "Closed Won", "value": "2000.0", "currency": "", "status": "won",
        "created_at": "2026-03-02T12:00:00.000Z", "closed_at": "2026-03-05T12:00:00.000Z", "lost_reason": "",
        "lead_key": "lead-1", "contact_ids": [lead], "merged_ids": [], "is_deleted": False,
    }  # fmt: skip
    assert salesforce.rows("contact") == [(lead, {"lead_key": "lead-1", "merged_ids": []})]
    outcomes = {payload["stage_id"]: payload["outcome"] for _, payload in salesforce.rows("stage")}
    assert outcomes["Closed Won"] == "won"
    assert outcomes["Prospecting"] == ""


def test_an_org_with_several_currencies_says_which(salesforce: SalesforceCrm) -> None:
    salesforce.deals.has_currencies = True
    salesforce.deals.add(CurrencyIsoCode="USD")
    salesforce.pull()
    assert [payload["currency"] for _, payload in salesforce.rows("deal")] == ["USD"]


def test_deleted_and_restored_opportunities_are_states_and_no_news_is_none(salesforce: SalesforceCrm) -> None:
    deal = salesforce.deals.add()
    salesforce.pull()
    salesforce.later(deal, IsDeleted=True)
    salesforce.pull()
    salesforce.later(deal, IsDeleted=False)
    salesforce.pull()
    assert [payload["is_deleted"] for _, payload in salesforce.rows("deal")] == [False, True, False]
    assert salesforce.pull() == Pulled(0, is_complete=True)


def test_an_answer_in_several_parts_is_read_to_its_end(salesforce: SalesforceCrm) -> None:
    salesforce.org.query_size = 40
    for _ in range(130):
        salesforce.now += timedelta(seconds=1)
        salesforce.deals.add()
    pulls = 0
    while not salesforce.pull(most=50).is_complete:
        pulls += 1
    assert pulls > 1
    assert len({record_id for record_id, _ in salesforce.rows("deal")}) == 130


def test_the_field_with_our_id_is_that_of_the_deliveries() -> None:
    assert KEY == ID_FIELD
