"""The page of destinations: how they stand, what each role may do, secrets that never come back, sending again."""

from contextlib import closing
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from dashboards import acting
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.models import ControlTask, Delivery, Destination
from echolead.operational.resync_runs import advance_all
from echolead.security import SignedIn
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, said, texts

PATH = "/v1/tenants/{t}/destinations"
SECRET = "whsec_c2VjcmV0LXRoYXQtaXMtbmV2ZXItc2hvd24="
URL = "https://crm.acme.example/leads"


def added(control: ControlApi, name: str = "crm") -> str:
    """A tenant with a webhook destination."""
    tenant = control.tenant()
    body = {"kind": "webhook", "name": name, "configuration": {"url": URL}, "secrets": {"secret": SECRET}}
    made = control.ask("admin", "POST", PATH, tenant, body)
    assert made.status_code == 201, made.text
    return tenant


def destination(control: ControlApi, tenant: str) -> dict[str, Any]:
    """The one destination as the API shows it."""
    [found] = control.ask("viewer", "GET", PATH, tenant).json()["items"]
    return dict(found)


def with_dead_delivery(control: ControlApi, tenant: str) -> None:
    """The ledger has a delivery that was refused and given up."""
    with system_session(control.system) as session:
        row = session.scalars(select(Destination).where(Destination.tenant_id == tenant)).one()
        session.add(
            Delivery(
                tenant_id=tenant,
                destination_id=row.destination_id,
                lead_id="lead-of-ana",
                payload={"name": "Ana"},
                payload_hash="0" * 64,
                state="dead",
                attempts=1,
                last_error_class="Rejected",
                last_error="no e-mail",
            )
        )


def test_destinations_are_listed_with_what_waits_there(pages: Pages, warehouse_server: EmbeddedWarehouse) -> None:
    tenant = added(pages.control)
    with closing(connect(warehouse_server.url)) as client:
        client.command(
            "insert into marts.deliveries (tenant_id, delivery_id, destination_name, state, created_at, updated_at)"
            " values ({t:String}, 'd1', 'crm', 'retry', now64(3) - 90, now64(3)),"
            " ({t:String}, 'd2', 'crm', 'dead', now64(3) - 90, now64(3) - interval 9 day)",
            parameters={"t": tenant},
        )
    page = pages.open("destinations", tenant, "viewer", "pt-BR")
    assert not page.exception, page.exception
    row = page.dataframe[0].value.iloc[0]
    assert (row["destination_name"], row["destination_state"]) == ("crm", "ligado")
    assert (row["destination_waiting"], row["destination_dead"]) == (1, 1)


def with_quota(control: ControlApi, tenant: str, seconds: int) -> None:
    """The destination has said how many calls it has left, for so many seconds from now."""
    said = (
        "insert into destination_quotas (tenant_id, destination_id, calls_left, calls_limit, resets_at) "
        "select tenant_id, destination_id, 9312, 10000, now() + make_interval(secs => :seconds) from destinations "
        "where tenant_id = :t on conflict (tenant_id, destination_id) do update set resets_at = excluded.resets_at"
    )
    with system_session(control.system) as session:
        session.execute(text(said), {"t": tenant, "seconds": seconds})


def test_what_is_left_of_the_days_calls_is_on_the_page_and_in_the_list_until_the_day_ends(pages: Pages) -> None:
    tenant = added(pages.control)
    assert destination(pages.control, tenant)["quota"] is None
    with_quota(pages.control, tenant, 3600)
    assert destination(pages.control, tenant)["quota"]["calls_left"] == 9312
    page = pages.open("destinations", tenant, "viewer", "pt-BR", destination="crm")
    assert "Restam 9.312 de 10.000 chamadas hoje, até " in texts(page)
    page = pages.open("destinations", tenant, "viewer", destination="crm")
    assert "9,312 of 10,000 calls left today, until " in texts(page)
    assert pages.open("destinations", tenant, "viewer").dataframe[0].value.iloc[0]["destination_calls_left"] == 9312
    with_quota(pages.control, tenant, -1)  # of yesterday
    assert destination(pages.control, tenant)["quota"] is None
    assert "calls left" not in texts(pages.open("destinations", tenant, "viewer", destination="crm"))


def test_what_a_role_may_not_do_is_not_on_the_page(pages: Pages) -> None:
    tenant = added(pages.control)
    expected = {
        "viewer": set(),
        "analyst": set(),
        "operator": {"Pause", "Test"},
        "admin": {"Pause", "Test", "See what set-up would change", "Save", "Replace secrets"},
    }
    every = {label for labels in expected.values() for label in labels}
    for role, labels in expected.items():
        page = pages.open("destinations", tenant, role, destination="crm")
        assert not page.exception, page.exception
        assert set(buttons(page)) & every == labels, role


def test_a_secret_is_masked_with_who_set_it_and_no_field_or_text_has_it(pages: Pages) -> None:
    tenant = added(pages.control)
    for role in ("viewer", "admin"):
        page = pages.open("destinations", tenant, role, destination="crm")
        assert "secret: ••••, set" in texts(page)
        assert "@example.test" in texts(page)
        assert SECRET not in texts(page)
        assert all(SECRET not in (field.value or "") for field in page.text_input)


def test_a_paused_destination_is_said_to_be_paused_and_resumed(pages: Pages) -> None:
    tenant = added(pages.control)
    page = press(pages.open("destinations", tenant, "operator", destination="crm"), "Pause")
    assert "Paused. Deliveries wait" in texts(page)
    assert destination(pages.control, tenant)["is_enabled"] is False
    press(page, "Resume")
    assert destination(pages.control, tenant)["is_enabled"] is True


def test_only_what_was_changed_is_saved_and_the_secret_stays(pages: Pages) -> None:
    tenant = added(pages.control)
    page = pages.open("destinations", tenant, "admin", destination="crm")
    page.text_input(key=f"settings crm concurrency of {tenant}").set_value("4")
    press(page, "Save")
    assert destination(pages.control, tenant)["configuration"] == {"url": URL, "concurrency": 4}
    assert "is saved" in texts(page)
    assert destination(pages.control, tenant)["secrets"]["secret"]["set_at"]


def test_a_number_in_the_form_of_another_language_is_asked_back(pages: Pages) -> None:
    tenant = added(pages.control)
    page = pages.open("destinations", tenant, "admin", "pt-BR", destination="crm")
    page.text_input(key=f"settings crm requests_per_second of {tenant}").set_value("2.55")
    press(page, "Salvar")
    assert "2\\.55" in texts(page)
    assert destination(pages.control, tenant)["configuration"] == {"url": URL}
    page.text_input(key=f"settings crm requests_per_second of {tenant}").set_value("2,55")
    press(page, "Salvar")
    assert destination(pages.control, tenant)["configuration"]["requests_per_second"] == 2.55


def test_the_second_to_save_sees_who_was_first_and_keeps_their_values(pages: Pages) -> None:
    tenant = added(pages.control)
    page = pages.open("destinations", tenant, "admin", destination="crm")
    there = pages.control.ask("viewer", "GET", f"{PATH}/crm", tenant)
    theirs = {"configuration": {"concurrency": 2}}
    pages.control.ask("admin", "PATCH", f"{PATH}/crm", tenant, theirs, if_match=there.headers["etag"])
    page.text_input(key=f"settings crm concurrency of {tenant}").set_value("7")
    press(page, "Save")
    assert "another person saved first" in texts(page)
    assert destination(pages.control, tenant)["configuration"]["concurrency"] == 2
    assert page.text_input(key=f"settings crm concurrency of {tenant}").value == "7"
    press(page, "Keep my values, to save them again")
    press(page, "Save")
    assert destination(pages.control, tenant)["configuration"]["concurrency"] == 7


def test_set_up_says_first_what_it_would_change(pages: Pages) -> None:
    tenant = added(pages.control)
    page = pages.open("destinations", tenant, "admin", destination="crm")
    assert "Set up" not in buttons(page)
    press(page, "See what set-up would change")
    with system_session(pages.control.system) as session:
        row = session.scalars(select(ControlTask).where(ControlTask.tenant_id == tenant)).one()
        assert (str(row.task_id), row.kind, row.asked["dry_run"]) == (said(page, "task"), "destination_setup", True)
        row.state = "done"
        row.result = {"findings": [{"state": "missing", "subject": "label lead", "detail": "would be made"}]}
    page.run()
    assert page.dataframe[0].value.iloc[0].tolist() == ["missing", "label lead", "would be made"]
    assert "Set up" in buttons(page)


def test_what_failed_is_counted_before_it_is_sent_again_and_a_second_time_nothing_is(pages: Pages) -> None:
    tenant = added(pages.control)
    with_dead_delivery(pages.control, tenant)
    page = pages.open("replay", tenant, "operator")
    page.text_input(key="resync_class").set_value("Rejected").run()
    press(page, "See what would be delivered")
    assert "**1** deliveries" in texts(page)
    page.text_input(key="resync_reason of the page").set_value("The account was restored")
    press(page, "Deliver again now")
    assert "1 deliveries are due again" in texts(page)
    assert "The account was restored" in texts(page)
    press(page, "Pause")
    assert "**stopped**" in texts(page)
    press(page, "Resume")
    with system_session(pages.control.system) as session:
        advance_all(session)
    press(page, "See what would be delivered")
    assert "0 to send" in texts(page)
    assert "Deliver again now" not in buttons(page)


def test_fields_show_what_the_shown_tenant_has_and_an_edit_is_based_on_its_version(pages: Pages) -> None:
    one, other = added(pages.control), added(pages.control)
    there = pages.control.ask("admin", "GET", f"{PATH}/crm", other)
    theirs = {"configuration": {"concurrency": 2}}
    pages.control.ask("admin", "PATCH", f"{PATH}/crm", other, theirs, if_match=there.headers["etag"])
    page = pages.open("destinations", one, "admin", destination="crm")
    page.text_input(key=f"settings crm concurrency of {one}").set_value("7").run()
    pages.patch.setattr(acting, "session_token", lambda: pages.control.token_of("admin", other))
    page.session_state.user = SignedIn(UUID(int=7), "admin@acme.test", tenants={other: "admin"})
    page.query_params["tenant_id"] = other
    page.run()
    assert page.text_input(key=f"settings crm concurrency of {other}").value == "2"
    page.text_input(key=f"settings crm concurrency of {other}").set_value("3")
    press(page, "Save")
    assert destination(pages.control, other)["configuration"] == {"url": URL, "concurrency": 3}
    assert destination(pages.control, one)["configuration"] == {"url": URL}
