"""Deals of RD Station CRM into raw: by their time of change, with the stages of its pipelines."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.deals import rdstation
from dlt_pipelines.deals.pull import DealPlace, Pulled, pull
from echolead.demo.rdstation import crm as crm_api
from echolead.demo.rdstation.app import create_app
from echolead.demo.watching import DemoCredentials
from echolead.settings import Settings
from tests.fixtures.deal_pulls import Crm

PLACE = DealPlace("acme", "3d1b0b9e-0000-4000-8000-000000000004", "rdstation_crm")
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


class RDStation:
    """An account with its own clock, and pulls of it."""

    def __init__(self, settings: Settings, warehouse: Client, credentials: DemoCredentials) -> None:
        self.now = BEGIN
        self.account = crm_api.Crm(clock=lambda: self.now)
        app = create_app(credentials, crm=self.account)
        token = app.state.tokens.renew(credentials.client_id, credentials.client_secret, credentials.refresh_token)
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        self.crm = Crm(app, headers, base="http://crm.test/crm/v2/")
        self._settings, self._warehouse = settings, warehouse

    def pull(self, most: int = 2000) -> Pulled:
        return asyncio.run(pull(self._settings, PLACE, self.crm.ask, most))

    def deal(self, **values: Any) -> str:
        return str(self.account.add(self.account.deals, {"name": "Ana Souza", **values})["id"])

    def later(self, deal_id: str, **values: Any) -> None:
        self.now += 3600
        self.account.change_deal(deal_id, values)

    def rows(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        found = self._warehouse.query(
            "select record_id, payload from raw.deal_records where kind = {kind:String}"
            " order by loaded_at, version, record_id",
            parameters={"kind": kind},
        )
        return [(record_id, json.loads(payload)) for record_id, payload in found.result_rows]


@pytest.fixture
def rd(settings: Settings, warehouse: Client) -> RDStation:
    return RDStation(settings, warehouse, DemoCredentials("client", "test-client-secret", "test-refresh-token"))


def test_a_deal_comes_with_its_stage_value_and_contacts_and_without_its_name(rd: RDStation) -> None:
    contact = rd.account.add(rd.account.contacts, {"name": "Ana"})["id"]
    deal = rd.deal(total_price=1500.5, contact_ids=[contact])
    rd.pull()
    rd.later(deal, stage_id="etapa-3", status="won")
    rd.pull()
    first, last = (payload for _, payload in rd.rows("deal"))
    assert (first["stage_id"], first["status"], first["closed_at"]) == ("etapa-1", "open", "")
    assert last == {
        "pipeline_id": "funil-1", "stage_id": "etapa-3", "value": "1500.5", "currency": "", "status": "won",
        "created_at": "2026-03-02T12:00:00.000Z", "closed_at": "2026-03-02T13:00:00.000Z", "lost_reason": "",
        "lead_key": "", "contact_ids": [contact], "merged_ids": [], "is_deleted": False, "entries": [],
    }  # fmt: skip
    assert [payload["label"] for _, payload in rd.rows("stage")] == ["Sem contato", "Contato feito", "Proposta enviada"]


def test_a_deal_that_is_opened_again_is_open(rd: RDStation) -> None:
    deal = rd.deal()
    rd.later(deal, status="lost", lost_reason_id="caro")
    rd.pull()
    rd.later(deal, status="ongoing")
    rd.pull()
    assert [(payload["status"], payload["closed_at"]) for _, payload in rd.rows("deal")] == [
        ("lost", "2026-03-02T13:00:00.000Z"), ("open", "")
    ]  # fmt: skip


def test_a_pull_that_is_cut_off_is_gone_on_with_and_one_without_news_appends_nothing(rd: RDStation) -> None:
    for _ in range(620):
        rd.now += 60
        rd.deal()
    assert not rd.pull(most=400).is_complete
    assert len(rd.rows("deal")) == 500
    while not rd.pull(most=400).is_complete:
        pass
    assert len(rd.rows("deal")) == 620
    assert rd.pull() == Pulled(0, is_complete=True)


def test_a_list_that_is_cut_off_is_read_in_halves(rd: RDStation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm_api, "LISTED", 100)
    monkeypatch.setattr(rdstation, "MOST", 100)
    for _ in range(250):
        rd.now += 60
        rd.deal()
    assert rd.pull().is_complete
    assert len(rd.rows("deal")) == 250


def test_a_stage_that_is_deleted_keeps_its_label(rd: RDStation) -> None:
    rd.pull()
    del rd.account.stages["etapa-2"]
    rd.pull()
    found = dict(rd.rows("stage"))
    assert found["funil-1/etapa-2"]["is_deleted"]
    assert found["funil-1/etapa-2"]["label"] == "Contato feito"
