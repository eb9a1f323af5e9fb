"""Leads through the control API: found by what identifies them, and shown as the console shows them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi

PATH = "/v1/tenants/{t}/leads"
AT = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)
Insert = Callable[..., None]


@pytest.fixture(scope="module")
def insert(control_with_data: ControlApi, warehouse_server: EmbeddedWarehouse) -> Iterator[Insert]:
    """Adds a row to a table of the warehouse."""
    with closing(connect(warehouse_server.url)) as client:

        def add(table: str, **values: Any) -> None:
            client.insert(table, [list(values.values())], column_names=list(values))

        yield add


def found(control: ControlApi, tenant: str, query: str) -> list[str]:
    """The ids of the leads that a search answers."""
    answer = control.ask("viewer", "GET", f"{PATH}?{query}", tenant)
    assert answer.status_code == 200, answer.text
    return [line["lead_id"] for line in answer.json()["items"]]


def test_a_lead_is_found_by_e_mail_phone_id_and_a_part_of_its_name(
    control_with_data: ControlApi, insert: Insert
) -> None:
    tenant, other = control_with_data.tenant(), control_with_data.tenant()
    for each, name in ((tenant, "João Conceição"), (other, "João Outro")):
        insert("marts.leads", tenant_id=each, lead_id=f"joao-{each}", name=name, created_at=AT, last_event_at=AT)
        for kind, value in (("email", "joao@a.test"), ("phone", "+5511900000000")):
            insert("marts.identities", tenant_id=each, lead_id=f"joao-{each}", kind=kind, value=value)
    insert("marts.leads", tenant_id=tenant, lead_id="bia", name="Bia", created_at=AT, last_event_at=AT)
    for query in ("q=Joao@a.test", "q=(11) 90000-0000", "q=conceição"):
        assert found(control_with_data, tenant, query) == [f"joao-{tenant}"], query
    assert found(control_with_data, tenant, "q=nobody@a.test") == []


def test_the_list_is_newest_first_and_its_pages_neither_repeat_nor_hide(
    control_with_data: ControlApi, insert: Insert
) -> None:
    tenant = control_with_data.tenant()
    for number in range(5):  # two at the same moment
        at = AT + timedelta(hours=number // 2)
        insert("marts.leads", tenant_id=tenant, lead_id=f"lead-{number}", created_at=at, last_event_at=at)
    seen, cursor = [], ""
    for _ in range(3):
        answered = control_with_data.ask("viewer", "GET", f"{PATH}?limit=2{cursor}", tenant).json()
        seen += [line["lead_id"] for line in answered["items"]]
        cursor = f"&cursor={answered['next_cursor']}"
    assert (seen, answered["next_cursor"]) == (["lead-4", "lead-2", "lead-3", "lead-0", "lead-1"], None)


def test_a_record_has_the_score_with_reasons_the_journey_and_the_deliveries_with_their_calls(
    control_with_data: ControlApi, insert: Insert
) -> None:
    tenant = control_with_data.tenant()
    mine = {"tenant_id": tenant, "lead_id": "ana"}
    insert(
        "marts.leads", **mine, name="Ana", email="ana@a.test", source="google", source_reason="The click id",
        created_at=AT, last_event_at=AT, tracking_ids=["v1"],
        last_non_direct_source="google", last_non_direct_click_ids={"gclid": "1"},
    )  # fmt: skip
    insert("marts.lead_aliases", tenant_id=tenant, alias="anna", lead_id="ana")
    reasons = [("city", "From the city", 10, "lead.city = Curitiba")]
    insert("marts.lead_results", **mine, version=3, score=10, reasons=reasons, segments=["hot"])
    insert("marts.lead_touches", **mine, touch_at=AT, tracking_id="v1", source="google", channel="Paid Search")
    insert("marts.sessions", tenant_id=tenant, tracking_id="v1", device_type="mobile", browser="Chrome", started_at=AT)
    insert(
        "enriched.lead_events", tenant_id=tenant, tracking_id="v1", event_name="form_submit", email="ana@a.test",
        name="Ana", occurred_at=AT, sent_by="browser",
    )  # fmt: skip
    insert("enriched.events", tenant_id=tenant, tracking_id="v1", event_name="page_view", occurred_at=AT)
    delivery = {**mine, "delivery_id": "d", "destination_name": "hubspot"}
    insert("marts.deliveries", **delivery, state="verified", created_at=AT, updated_at=AT, verified_at=AT)
    insert("marts.delivery_attempts", **mine, delivery_id="d", attempt=1, operation="create", started_at=AT)
    shown = control_with_data.ask("viewer", "GET", f"{PATH}/anna", tenant)  # her name before a merge
    assert shown.status_code == 200, shown.text
    lead = shown.json()
    assert (lead["lead_id"], lead["created_at"], lead["visitors"]) == ("ana", "2026-03-11T02:30:00Z", ["v1"])
    assert (lead["source"], lead["source_reason"]) == ("google", "The click id")
    assert lead["last_non_direct_touch"]["click_ids"] == {"gclid": "1"}
    assert lead["result"]["reasons"] == [dict(zip(("rule_id", "name", "points", "facts"), reasons[0], strict=True))]
    assert {(each["field"], each["value"]) for each in lead["fields_said"]} == {
        ("name", "Ana"), ("email", "ana@a.test")
    }  # fmt: skip
    assert {each["kind"] for each in lead["journey"]} == {"arrival", "event_page_view", "delivery_verified"}
    [arrival] = [each for each in lead["journey"] if each["kind"] == "arrival"]
    assert (arrival["device"], arrival["joined_by"]) == ("mobile · Chrome", "ana@a.test")
    assert [(each["state"], [call["operation"] for call in each["calls"]]) for each in lead["deliveries"]] == [
        ("verified", ["create"])
    ]
    theirs = control_with_data.tenant()
    assert control_with_data.ask("admin", "GET", f"{PATH}/ana", theirs).status_code == 404
