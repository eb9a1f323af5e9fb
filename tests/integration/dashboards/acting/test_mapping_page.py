"""The mapping on the page of destinations: checked by its product before it is stored, and no typed text is lost."""

from contextlib import closing
from typing import Any

from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.models import ControlTask
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, texts

PATH = "/v1/tenants/{t}/destinations"
TEXT, LEAD = "code mapping crm", "mapping lead crm of {}"
MAPPING = "contact:\n  own_city: attributes.city"
DEFAULT = "contact:\n  email: email"
FIELDS = [
    {"record": "contact", "field": "email", "before": "ana@lead.test", "after": "ana@lead.test"},
    {"record": "contact", "field": "own_city", "before": None, "after": "Curitiba"},
]
WRONG = "The mapping, line 2: 'citty' is no source: use attributes.NAME."
INVALID = {
    "is_valid": False, "default": DEFAULT, "lead_id": None, "fields": [],
    "findings": [{"state": "wrong", "subject": "mapping", "detail": WRONG}],
}  # fmt: skip
VALID = {"is_valid": True, "default": DEFAULT, "lead_id": "lead-of-ana", "fields": FIELDS, "findings": []}


def with_crm(control: ControlApi) -> str:
    """A tenant with a HubSpot."""
    tenant = control.tenant()
    body = {"kind": "hubspot", "name": "crm", "configuration": {}, "secrets": {"access_token": "pat-na1-never-shown"}}
    made = control.ask("admin", "POST", PATH, tenant, body)
    assert made.status_code == 201, made.text
    return tenant


def stored(control: ControlApi, tenant: str) -> str | None:
    """The mapping of the destination."""
    found: str | None = control.ask("viewer", "GET", f"{PATH}/crm", tenant).json()["configuration"].get("mapping")
    return found


def answered(pages: Pages, tenant: str, page: AppTest, result: dict[str, Any]) -> tuple[AppTest, dict[str, Any]]:
    """The page after the worker has done the newest task, and what was asked of it."""
    with system_session(pages.control.system) as session:
        newest = select(ControlTask).where(ControlTask.tenant_id == tenant).order_by(ControlTask.created_at.desc())
        task = session.scalars(newest.limit(1)).one()
        task.state, task.result = "done", result
        asked = task.asked
    page.run()
    assert not page.exception, page.exception
    return page, asked


def test_a_mistake_is_shown_with_its_line_and_what_was_typed_stays_until_it_is_checked_and_saved(pages: Pages) -> None:
    tenant = with_crm(pages.control)
    page = pages.open("destinations", tenant, "admin", destination="crm")
    page.text_area(key=TEXT).set_value("contact:\n  own_city: citty")
    page, asked = answered(pages, tenant, press(page, "Check and preview"), INVALID)
    assert (asked["mapping"], asked["lead_id"]) == ("contact:\n  own_city: citty", None)
    assert WRONG in texts(page)
    assert "Save this mapping" not in buttons(page)
    assert page.text_area(key=TEXT).value == "contact:\n  own_city: citty"
    page.text_area(key=TEXT).set_value(MAPPING).run()
    assert "has changed since this check" in texts(page)
    page, _ = answered(pages, tenant, press(page, "Check and preview"), VALID)
    changes = next(frame.value for frame in page.dataframe if "after" in frame.value.columns)
    assert changes.iloc[0].tolist() == ["yes", "contact own_city", "", "Curitiba"]
    assert DEFAULT in texts(page)
    page.text_area(key=TEXT).set_value(f"{MAPPING}  # other").run()
    assert "Save this mapping" not in buttons(page)  # what is stored is what was checked
    page.text_area(key=TEXT).set_value(MAPPING).run()
    press(page, "Save this mapping")
    assert stored(pages.control, tenant) == MAPPING
    assert "The mapping of crm is stored" in texts(page)
    assert page.text_area(key=TEXT).value == MAPPING


def test_the_second_to_save_a_mapping_sees_who_was_first_and_keeps_the_text(pages: Pages) -> None:
    tenant = with_crm(pages.control)
    page = pages.open("destinations", tenant, "admin", "pt-BR", destination="crm")
    page.text_area(key=TEXT).set_value(MAPPING)
    page, _ = answered(pages, tenant, press(page, "Verificar e ver prévia"), VALID)
    there = pages.control.ask("viewer", "GET", f"{PATH}/crm", tenant)
    theirs = {"configuration": {"concurrency": 2}}
    pages.control.ask("admin", "PATCH", f"{PATH}/crm", tenant, theirs, if_match=there.headers["etag"])
    press(page, "Salvar este mapeamento")
    assert "outra pessoa salvou antes" in texts(page)
    assert stored(pages.control, tenant) is None
    press(page, "Manter meus valores, para salvar de novo")
    assert page.text_area(key=TEXT).value == MAPPING
    press(page, "Salvar este mapeamento")
    assert stored(pages.control, tenant) == MAPPING


def test_a_lead_is_named_by_its_e_mail_and_one_that_is_not_there_is_said(
    pages: Pages, warehouse_server: EmbeddedWarehouse
) -> None:
    tenant = with_crm(pages.control)
    with closing(connect(warehouse_server.url)) as client:
        row = [tenant, "email", "ana@lead.test", "lead-of-ana"]
        client.insert("marts.identities", [row], column_names=["tenant_id", "kind", "value", "lead_id"])
    page = pages.open("destinations", tenant, "admin", destination="crm")
    page.text_input(key=LEAD.format(tenant)).set_value("nao@lead.test")
    press(page, "Check and preview")
    assert "There is no lead with the e" in texts(page)
    page.text_input(key=LEAD.format(tenant)).set_value("Ana@lead.test")
    _, asked = answered(pages, tenant, press(page, "Check and preview"), VALID)
    assert asked["lead_id"] == "lead-of-ana"


def test_who_may_not_change_a_destination_reads_its_mapping(pages: Pages) -> None:
    tenant = with_crm(pages.control)
    for role in ("viewer", "operator"):
        page = pages.open("destinations", tenant, role, destination="crm")
        assert not page.exception, page.exception
        assert "The product's own mapping is used" in texts(page)
        assert not page.text_area
        assert "Check and preview" not in buttons(page)
