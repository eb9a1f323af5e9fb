"""The page of quarantine: who is left out and why, and the release, once."""

from contextlib import closing

from sqlalchemy import select

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.models import QuarantineEntry, WarehouseRequest
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, texts

VISITOR, EVENT = "visitor-of-ana", "event-of-ana"


def left_out(control: ControlApi, tracking_id: str = VISITOR) -> tuple[str, str]:
    """A tenant with a visitor, or ('') all of them, in quarantine, and the entry's id."""
    tenant = control.tenant()
    with system_session(control.system) as session:
        entry = QuarantineEntry(
            tenant_id=tenant, tracking_id=tracking_id, event_id=EVENT, step="visitor sessions",
            message="Cannot parse *this*", models_version="1",
        )  # fmt: skip
        session.add(entry)
        session.flush()
        return tenant, str(entry.quarantine_id)


def test_visitors_in_quarantine_are_listed_with_what_waits(pages: Pages, warehouse_server: EmbeddedWarehouse) -> None:
    tenant, _ = left_out(pages.control)
    with closing(connect(warehouse_server.url)) as client:
        client.command(
            "insert into ops.quarantine (tenant_id, tracking_id, events) values ({t:String}, {v:String}, 12)",
            parameters={"t": tenant, "v": VISITOR},
        )
    page = pages.open("quarantine", tenant, "viewer", "pt-BR")
    assert not page.exception, page.exception
    row = page.dataframe[0].value.iloc[0]
    assert (row["tracking_id"], row["step"], row["events"]) == (VISITOR, "visitor sessions", 12)
    assert "Nenhum visitante" in texts(pages.open("quarantine", pages.control.tenant(), "viewer", "pt-BR"))


def test_an_operator_releases_a_visitor_with_a_reason_and_a_viewer_reads_why(pages: Pages) -> None:
    tenant, entry = left_out(pages.control)
    for role in ("viewer", "analyst"):
        page = pages.open("quarantine", tenant, role, entry=entry)
        assert "fails on event" in texts(page)
        assert page.code[0].value == "Cannot parse *this*"
        assert "Release" not in buttons(page)
    page = pages.open("quarantine", tenant, "operator", entry=entry)
    press(page, "Release")
    assert "Write why you do this." in texts(page)
    page.text_input(key=f"release_reason {entry}").set_value("The model is corrected")
    press(page, "Release")
    assert f"{VISITOR}" in texts(page).replace("\\", "")
    assert "No visitor is left out" in texts(page)
    with system_session(pages.control.system) as session:
        asked = select(WarehouseRequest.lead_ids, WarehouseRequest.reason).where(WarehouseRequest.tenant_id == tenant)
        assert session.execute(asked).one() == ([VISITOR], "released from quarantine: The model is corrected")


def test_a_whole_tenant_in_quarantine_is_said_in_words(pages: Pages) -> None:
    tenant, _ = left_out(pages.control, "")
    page = pages.open("quarantine", tenant, "viewer")
    assert page.dataframe[0].value["tracking_id"].tolist() == ["all visitors"]
