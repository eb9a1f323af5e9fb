"""What can be done with a lead: merging, splitting and taking back, by those who may."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from starlette.requests import Request

from dashboards import files
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.security import SignedIn
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, said, texts

DECISIONS = "/v1/tenants/{t}/lead-decisions"
ERASURES = "/v1/tenants/{t}/erasures"
DONE_EXPORT = """
insert into control_tasks (tenant_id, kind, asked, result, state, requested_by)
values (:tenant, 'lead_export', '{}', cast(:held as jsonb), 'done', 'x') returning task_id
"""
WAITING_ERASURE = """
insert into erasures (tenant_id, lead_id, lead_hash, reason, requested_by, state, step, message, withdrawals)
values (:tenant, '', 'abc', 'LGPD', 'x', 'running', 'destinations', 'Waiting for crm (No connection)',
    '[{"destination": "crm", "kind": "hubspot", "state": "waiting", "message": "No connection", "at": ""},
      {"destination": "shop", "kind": "chatwoot", "state": "withdrawn", "message": "", "at": "2026-03-02"}]')
"""
TABLES = {
    "marts.leads": "tracking_ids Array(String), people Array(String), name String, email String, phone String,"
    " external_id String",
    "marts.conversation_leads": "account_id Int64, conversation_id Int64",
}


@pytest.fixture(scope="module")
def leads(warehouse_server: EmbeddedWarehouse) -> Iterator[Any]:
    """Adds leads with their visitors."""
    with closing(connect(warehouse_server.url)) as client:
        for table, columns in TABLES.items():
            client.command(
                f"create or replace table {table} (tenant_id String, lead_id String, {columns})"
                " engine = MergeTree order by lead_id"
            )

        def add(tenant: str, **own: list[str]) -> None:
            rows = [[tenant, lead, visitors] for lead, visitors in own.items()]
            client.insert("marts.leads", rows, column_names=["tenant_id", "lead_id", "tracking_ids"])

        yield add
        for table in TABLES:
            client.command(f"drop table if exists {table} sync")


def test_a_lead_is_merged_with_a_reason_and_the_decision_is_taken_back(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"], bia=["v2"])
    page = pages.open("actions", tenant, "operator", lead_id="ana")
    page.text_input(key="merge_other").set_value("bia")
    page.text_input(key="merge_reason").set_value("Same person")
    press(page, "Merge")
    assert "The leads are being computed again" in texts(page)
    [decision] = pages.control.ask("viewer", "GET", DECISIONS, tenant).json()["items"]
    assert (decision["kind"], decision["other_lead_id"], decision["reason"]) == ("merge", "bia", "Same person")
    seen = pages.open("actions", tenant, "viewer", lead_id="ana")
    assert "merged with bia" in texts(seen)
    assert not {"Merge", "Split", "Take back"} & set(buttons(seen))
    page = pages.open("actions", tenant, "operator", lead_id="ana")
    page.text_input(key=f"reason {decision['decision_id']}").set_value("They are sisters")
    press(page, "Take back")
    assert pages.control.ask("viewer", "GET", DECISIONS, tenant).json()["items"][0]["is_reverted"] is True


def test_devices_of_another_person_are_split_off_and_one_device_cannot_be(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1", "v2"], bia=["v3"])
    page = pages.open("actions", tenant, "operator", lead_id="ana")
    page.multiselect(key="split_visitors").select("v2")
    page.text_input(key="split_reason").set_value("The phone is her brother's")
    press(page, "Split")
    [decision] = pages.control.ask("viewer", "GET", DECISIONS, tenant).json()["items"]
    assert (decision["kind"], decision["tracking_ids"]) == ("split", ["v2"])
    alone = pages.open("actions", tenant, "operator", lead_id="bia")
    assert "nothing to split" in texts(alone)
    assert "Split" not in buttons(alone)


def test_a_lead_that_is_not_there_is_not_merged(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"])
    page = pages.open("actions", tenant, "operator", lead_id="ana")
    page.text_input(key="merge_other").set_value("nobody")
    page.text_input(key="merge_reason").set_value("x")
    press(page, "Merge")
    assert "has no lead nobody" in texts(page)


def test_an_admin_asks_for_all_that_is_held_of_a_person(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"])
    page = press(pages.open("actions", tenant, "admin", lead_id="ana"), "Put the file together")
    [task] = pages.control.ask("admin", "GET", "/v1/tenants/{t}/tasks", tenant).json()["items"]
    assert (task["kind"], task["task_id"]) == ("lead_export", said(page, "export"))
    assert not {"Export", "Erase", "Put the file together"} & set(
        buttons(pages.open("actions", tenant, "operator", lead_id="ana"))
    )


def test_an_admin_erases_a_person_who_is_sure_and_says_why(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"])
    page = pages.open("actions", tenant, "admin", lead_id="ana")
    page.text_input(key="erase_reason ana").set_value("Ticket 4711")
    press(page, "Erase")
    assert "confirm first" in texts(page)
    assert pages.control.ask("admin", "GET", ERASURES, tenant).json()["items"] == []
    page.checkbox(key="erase_sure ana").check()
    press(page, "Erase")
    assert "The erasure has begun" in texts(page)
    [erasure] = pages.control.ask("admin", "GET", ERASURES, tenant).json()["items"]
    assert (erasure["lead_id"], erasure["reason"], erasure["state"]) == ("ana", "Ticket 4711", "waiting")
    assert "waits" in texts(pages.open("actions", tenant, "admin", lead_id="ana"))


def test_who_was_sure_about_one_lead_is_asked_again_about_the_next(pages: Pages, leads: Any) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"], bia=["v2"])
    page = pages.open("actions", tenant, "admin", lead_id="ana")
    page.checkbox(key="erase_sure ana").check()
    press(page, "Erase")  # refused, as it lacks a reason
    assert any(box.value for box in page.checkbox)
    page.query_params["lead_id"] = "bia"
    page.run()
    assert page.checkbox
    assert not any(box.value for box in page.checkbox)


def test_an_admin_gives_up_a_destination_that_an_erasure_waits_for(
    pages: Pages, leads: Any, system_engine: Engine
) -> None:
    tenant = pages.control.tenant()
    leads(tenant, ana=["v1"])
    with system_session(system_engine) as session:
        session.execute(text(WAITING_ERASURE), {"tenant": tenant})
    page = pages.open("actions", tenant, "admin", lead_id="ana")
    assert "crm: waiting. No connection" in texts(page)
    assert "shop: what EchoLead wrote was taken off." in texts(page)
    [reason] = [each for each in page.text_input if str(each.key).startswith("give up reason")]
    reason.set_value("The account is closed")
    press(page, "Give up")
    assert "waited for no longer" in texts(page)
    with system_session(system_engine) as session:
        asked = "select given_up from erasures where tenant_id = :tenant"
        given_up = session.scalar(text(asked), {"tenant": tenant})
    assert given_up["crm"]["reason"] == "The account is closed"
    assert given_up["crm"]["by"]


def test_the_export_is_a_file_that_only_admins_get(
    pages: Pages, system_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = pages.control.tenant()
    with system_session(system_engine) as session:
        task = session.scalar(text(DONE_EXPORT), {"tenant": tenant, "held": '{"marts.leads": [{"name": "João"}]}'})
    found = {}
    for role in ("admin", "operator"):
        monkeypatch.setattr(files, "who_is", lambda role=role: Session(pages.control, role, tenant))
        query = f"tenant_id={tenant}&task={task}".encode()
        answer = files.export_lead(Request({"type": "http", "query_string": query, "headers": []}))
        found[role] = (answer.status_code, "João" in bytes(answer.body).decode())
    assert found["admin"] == (200, True)
    assert not found["operator"][1]


@dataclass(frozen=True)
class Session:
    """Whoever opens an address, without a cookie."""

    control: ControlApi
    role: str
    tenant: str

    def signed_in(self, _: list[str]) -> SignedIn:
        return SignedIn(UUID(int=7), "a@b.test", is_superuser=False, tenants={self.tenant: self.role})

    def token(self, _: list[str]) -> str:
        return self.control.token_of(self.role, self.tenant)
