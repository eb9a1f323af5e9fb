"""What can be done with a lead: merging, splitting and taking back, by those who may."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, texts

DECISIONS = "/v1/tenants/{t}/lead-decisions"


@pytest.fixture(scope="module")
def leads(warehouse_server: EmbeddedWarehouse) -> Iterator[Any]:
    """Adds leads with their visitors."""
    with closing(connect(warehouse_server.url)) as client:
        client.command(
            "create table marts.leads (tenant_id String, lead_id String, tracking_ids Array(String))"
            " engine = MergeTree order by (tenant_id, lead_id)"
        )

        def add(tenant: str, **own: list[str]) -> None:
            client.insert("marts.leads", [[tenant, lead, visitors] for lead, visitors in own.items()])

        yield add
        client.command("drop table marts.leads sync")


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
