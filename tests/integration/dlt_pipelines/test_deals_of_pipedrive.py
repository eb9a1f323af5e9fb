"""Deals of Pipedrive into raw: by their time of change, with changelog and persons, deleted and archived ones too."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.deals.pipedrive import KEY_NAME
from dlt_pipelines.deals.pull import DealPlace, Pulled, pull
from echolead.demo.pipedrive import PipedriveStore, create_app
from echolead.settings import Settings
from reverse_etl.destinations.pipedrive.fields import KEY, OWN
from tests.fixtures.deal_pulls import Crm

TOKEN = "test-pipedrive-token"
PLACE = DealPlace("acme", "3d1b0b9e-0000-4000-8000-000000000002", "pipedrive")
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


class PipedriveCrm:
    """An account with its own clock, and pulls of it."""

    def __init__(self, settings: Settings, warehouse: Client) -> None:
        self.now = BEGIN
        self.store = PipedriveStore(lambda: self.now)
        self.key = {kind: self.store.add_field(kind, KEY_NAME, "varchar")["field_code"] for kind in ("deal", "person")}
        self.crm = Crm(create_app(TOKEN, store=self.store), {"x-api-token": TOKEN})
        self._settings, self._warehouse = settings, warehouse

    def pull(self, most: int = 2000) -> Pulled:
        return asyncio.run(pull(self._settings, PLACE, self.crm.ask, most))

    def deal(self, **body: Any) -> int:
        return int(self.store.create_deal({"title": "Ana Souza", **body})["id"])

    def later(self, deal_id: int, **body: Any) -> None:
        self.now += 3600
        self.store.update_deal(deal_id, body)

    def rows(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        found = self._warehouse.query(
            "select record_id, payload from raw.deal_records where kind = {kind:String}"
            " order by loaded_at, version, record_id",
            parameters={"kind": kind},
        )
        return [(record_id, json.loads(payload)) for record_id, payload in found.result_rows]


@pytest.fixture
def pipedrive(settings: Settings, warehouse: Client) -> PipedriveCrm:
    return PipedriveCrm(settings, warehouse)


def test_a_deal_comes_with_its_changelog_its_person_and_without_its_title(pipedrive: PipedriveCrm) -> None:
    person = pipedrive.store.create_person({"name": "Ana", "custom_fields": {pipedrive.key["person"]: "lead-1"}})["id"]
    deal = pipedrive.deal(person_id=person, value=1500.5, currency="USD", custom_fields={pipedrive.key["deal"]: "l-2"})
    pipedrive.later(deal, stage_id=3)
    pipedrive.later(deal, status="won")
    pipedrive.pull()

    ((record_id, payload),) = pipedrive.rows("deal")
    assert record_id == str(deal)
    assert [(each["pipeline_id"], each["stage_id"], each["entered_at"]) for each in payload.pop("entries")] == [
        ("1", "1", "2026-03-02T12:00:00.000Z"), ("1", "3", "2026-03-02T13:00:00.000Z")
    ]  # fmt: skip
    assert payload == {
        "pipeline_id": "1", "stage_id": "3", "value": "1500.5", "currency": "USD", "status": "won",
        "created_at": "2026-03-02T12:00:00.000Z", "closed_at": "2026-03-02T14:00:00.000Z", "lost_reason": "",
        "lead_key": "l-2", "contact_ids": [str(person)], "merged_ids": [], "is_deleted": False,
    }  # fmt: skip
    assert pipedrive.rows("contact") == [(str(person), {"lead_key": "lead-1", "merged_ids": []})]


def test_a_pull_with_no_news_appends_nothing_and_reads_no_changelog(pipedrive: PipedriveCrm) -> None:
    pipedrive.deal()
    assert pipedrive.pull().records > 0
    pipedrive.crm.operations.clear()
    assert pipedrive.pull() == Pulled(0, is_complete=True)
    assert "read changelog" not in pipedrive.crm.operations


def test_a_deleted_deal_is_a_state_and_so_is_one_that_is_opened_again(pipedrive: PipedriveCrm) -> None:
    deal = pipedrive.deal()
    pipedrive.pull()
    pipedrive.now += 3600
    pipedrive.store.delete_deal(deal)
    pipedrive.pull()
    pipedrive.now += 3600
    pipedrive.store.deals[deal].update(status="open", is_deleted=False, update_time=pipedrive.store._now())
    pipedrive.pull()
    assert [payload["is_deleted"] for _, payload in pipedrive.rows("deal")] == [False, True, False]


def test_archived_deals_are_read_from_their_own_list_whatever_the_other_one_has(pipedrive: PipedriveCrm) -> None:
    archived = pipedrive.deal()
    pipedrive.store.deals[archived]["is_archived"] = True
    for _ in range(150):
        pipedrive.now += 60
        pipedrive.deal()
    assert not pipedrive.pull(most=20).is_complete
    assert pipedrive.rows("archived") == []
    while not pipedrive.pull(most=20).is_complete:
        pass
    assert [record_id for record_id, _ in pipedrive.rows("archived")] == [str(archived)]
    assert len(pipedrive.rows("deal")) == 150


def test_an_entry_into_a_stage_that_is_deleted_keeps_its_pipeline(pipedrive: PipedriveCrm) -> None:
    pipedrive.pull()
    deal = pipedrive.deal(stage_id=2)
    pipedrive.later(deal, stage_id=10)
    del pipedrive.store.stages[2]
    pipedrive.pull()
    ((_, payload),) = pipedrive.rows("deal")
    assert [(each["pipeline_id"], each["stage_id"]) for each in payload["entries"]] == [("1", "2"), ("2", "10")]
    assert [payload["is_deleted"] for record_id, payload in pipedrive.rows("stage") if record_id == "1/2"] == [
        False, True
    ]  # fmt: skip


def test_the_field_with_our_id_has_the_name_that_deliveries_give_it() -> None:
    assert {OWN[kind][KEY][0] for kind in ("person", "deal")} == {KEY_NAME}
