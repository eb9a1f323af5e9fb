"""Deals of HubSpot into raw: what changed, each state once, with history, contacts, archive and merges."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.deals.pull import DealPlace, Pulled, pull
from echolead.demo.hubspot import HubSpotStore, create_app
from echolead.demo.hubspot.store import pipeline_of
from echolead.settings import Settings
from tests.fixtures.deal_pulls import Crm, Refusal

TOKEN = "test-hubspot-token"
PLACE = DealPlace("acme", "3d1b0b9e-0000-4000-8000-000000000001", "hubspot")
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)


class HubSpotCrm:
    """An account with its own clock, and pulls of it."""

    def __init__(self, settings: Settings, warehouse: Client) -> None:
        self.store, self.now = HubSpotStore(), BEGIN
        self.store.clock = lambda: self.now
        self.store.definitions.add_property(
            "deals", {"name": "echolead_id", "label": "id", "type": "string", "fieldType": "text",
                      "groupName": "information", "hasUniqueValue": True},
        )  # fmt: skip
        self.crm = Crm(create_app(TOKEN, store=self.store), {"Authorization": f"Bearer {TOKEN}"})
        self._settings, self._warehouse = settings, warehouse

    def pull(self, most: int = 2000) -> Pulled:
        return asyncio.run(pull(self._settings, PLACE, self.crm.ask, most))

    def deal(self, stage: str = "appointmentscheduled", **properties: str) -> str:
        held = {"dealname": "Ana Souza", "pipeline": "default", "dealstage": stage, **properties}
        return str(self.store.create("deals", held)["id"])

    def move(self, deal_id: str, minutes: float = 60, **properties: str) -> None:
        self.now += timedelta(minutes=minutes)
        self.store.update("deals", deal_id, properties)

    def rows(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """(id, payload) of each state of a kind in raw, oldest first."""
        found = self._warehouse.query(
            "select record_id, payload from raw.deal_records where kind = {kind:String}"
            " order by loaded_at, version, record_id",
            parameters={"kind": kind},
        )
        return [(record_id, json.loads(payload)) for record_id, payload in found.result_rows]


@pytest.fixture
def hubspot(settings: Settings, warehouse: Client) -> HubSpotCrm:
    return HubSpotCrm(settings, warehouse)


def test_a_deal_comes_with_the_history_of_its_stage_and_without_its_name(hubspot: HubSpotCrm) -> None:
    contact = hubspot.store.create("contacts", {"email": "ana@x.test"})["id"]
    deal = hubspot.deal(amount="1500.5", deal_currency_code="USD", echolead_id="lead-1")
    hubspot.store.associate("deals", deal, "contacts", contact)
    hubspot.move(deal, dealstage="contractsent")
    hubspot.move(deal, dealstage="closedwon", closedate="2026-03-05")
    hubspot.pull()

    ((record_id, payload),) = hubspot.rows("deal")
    assert record_id == deal
    assert [(each["pipeline_id"], each["stage_id"], each["entered_at"]) for each in payload.pop("entries")] == [
        ("default", "appointmentscheduled", "2026-03-02T12:00:00.000Z"),
        ("default", "contractsent", "2026-03-02T13:00:00.000Z"),
        ("default", "closedwon", "2026-03-02T14:00:00.000Z"),
    ]
    assert payload == {
        "pipeline_id": "default", "stage_id": "closedwon", "value": "1500.5", "currency": "USD", "status": "",
        "created_at": "2026-03-02T12:00:00.000Z", "closed_at": "2026-03-05T00:00:00.000Z", "lost_reason": "",
        "lead_key": "lead-1", "contact_ids": [contact], "merged_ids": [], "is_deleted": False,
    }  # fmt: skip
    assert [record_id for record_id, _ in hubspot.rows("contact")] == [contact]


def test_a_pull_with_no_news_appends_nothing_and_reads_no_deal(hubspot: HubSpotCrm) -> None:
    hubspot.deal()
    assert hubspot.pull().records > 0
    hubspot.crm.operations.clear()
    assert hubspot.pull() == Pulled(0, is_complete=True)
    assert "read deals" not in hubspot.crm.operations


def test_a_pull_that_ends_early_is_gone_on_with(hubspot: HubSpotCrm) -> None:
    deals = set()
    for _ in range(130):
        hubspot.now += timedelta(seconds=1)
        deals.add(hubspot.deal())
    pulls = 0
    while not hubspot.pull(most=40).is_complete:
        pulls += 1
    found = [record_id for record_id, _ in hubspot.rows("deal")]
    assert pulls > 1
    assert len(found) == 130
    assert set(found) == deals


def test_what_was_read_before_an_error_is_kept_and_the_next_pull_brings_the_rest(hubspot: HubSpotCrm) -> None:
    deal = hubspot.deal()
    hubspot.store.archive_deal(hubspot.deal())
    hubspot.crm.failing = "list archived deals"
    with pytest.raises(Refusal):
        hubspot.pull()
    assert [record_id for record_id, _ in hubspot.rows("deal")] == [deal]
    assert hubspot.rows("archive") == []

    hubspot.crm.failing = ""
    hubspot.pull()
    assert len(hubspot.rows("deal")) == 1
    assert len(hubspot.rows("archive")) == 1


def test_a_deal_in_the_archive_is_deleted_and_one_that_left_it_is_not(hubspot: HubSpotCrm) -> None:
    deal = hubspot.deal()
    hubspot.pull()
    hubspot.store.archive_deal(deal)
    hubspot.pull()
    hubspot.pull()
    assert hubspot.rows("archive") == [(deal, {"is_deleted": True})]
    hubspot.store.restore_deal(deal)
    hubspot.pull()
    hubspot.pull()
    assert hubspot.rows("archive") == [(deal, {"is_deleted": True}), (deal, {"is_deleted": False})]


def test_a_deal_that_is_gone_for_good_stays_deleted(hubspot: HubSpotCrm) -> None:
    deal = hubspot.deal()
    hubspot.store.archive_deal(deal)
    hubspot.pull()
    del hubspot.store.archived[deal]  # after 90 days
    hubspot.pull()
    assert hubspot.rows("archive") == [(deal, {"is_deleted": True})]


def test_the_survivor_of_a_merge_names_the_deals_that_became_part_of_it(hubspot: HubSpotCrm) -> None:
    first, second = hubspot.deal(amount="5000"), hubspot.deal(amount="5000")
    hubspot.pull()
    hubspot.now += timedelta(hours=1)
    merged = hubspot.store.merge_deals(first, second)["id"]
    hubspot.pull()
    assert [(record_id, payload["merged_ids"]) for record_id, payload in hubspot.rows("deal")][-1] == (
        merged, sorted([first, second])
    )  # fmt: skip


@pytest.mark.parametrize("listed", ["hs_merged_object_ids", "hs_calculated_merged_vids"])
def test_a_merged_contact_is_found_whichever_list_has_it(hubspot: HubSpotCrm, listed: str) -> None:
    ana = hubspot.store.create("contacts", {"email": "ana@x.test"})["id"]
    twin = hubspot.store.create("contacts", {"email": "ana@y.test"})["id"]
    deal = hubspot.deal()
    hubspot.store.associate("deals", deal, "contacts", ana)
    hubspot.pull()
    hubspot.now += timedelta(hours=1)
    merged = hubspot.store.merge(ana, twin)
    if listed == "hs_calculated_merged_vids":
        merged["properties"][listed] = f"{ana}:1772456400000;{twin}:1772456400000"
    hubspot.pull()
    assert hubspot.rows("merge")[-1] == (merged["id"], {"lead_key": "", "merged_ids": sorted([ana, twin])})


def test_a_stage_is_a_record_again_when_it_is_renamed_or_deleted(hubspot: HubSpotCrm) -> None:
    hubspot.pull()
    stages = hubspot.store.pipelines[0]["stages"]
    stages[1]["label"] = "Qualificado"
    hubspot.pull()
    del stages[1]
    hubspot.pull()
    hubspot.pull()
    of_stage = [payload for record_id, payload in hubspot.rows("stage") if record_id == "default/qualifiedtobuy"]
    assert [(each["label"], each["is_deleted"]) for each in of_stage] == [
        ("qualifiedtobuy", False), ("Qualificado", False), ("Qualificado", True)
    ]  # fmt: skip
    assert {payload["stage_id"]: payload["outcome"] for _, payload in hubspot.rows("stage") if payload["outcome"]} == {
        "closedwon": "won", "closedlost": "lost"
    }  # fmt: skip


def test_an_entry_has_the_pipeline_the_deal_was_in_then(hubspot: HubSpotCrm) -> None:
    hubspot.store.pipelines.append(pipeline_of("b", "B", [("20", "Novo", "0.1", False)]))
    deal = hubspot.deal("contractsent")
    hubspot.move(deal, pipeline="b", dealstage="20")
    hubspot.pull()
    ((_, payload),) = hubspot.rows("deal")
    assert [(each["pipeline_id"], each["stage_id"]) for each in payload["entries"]] == [
        ("default", "contractsent"), ("b", "20")
    ]  # fmt: skip


def test_a_history_of_more_than_a_search_gives_is_read_whole(
    hubspot: HubSpotCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlt_pipelines.deals.hubspot.SEARCH_LIMIT", 300)
    monkeypatch.setattr("echolead.demo.hubspot.deals.SEARCH_LIMIT", 300)
    for _ in range(450):
        hubspot.now += timedelta(seconds=1)
        hubspot.deal()
    hubspot.pull()
    assert len({record_id for record_id, _ in hubspot.rows("deal")}) == 450
