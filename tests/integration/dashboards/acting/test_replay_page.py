"""The page of replays: a trial first, a run that lives in the server, pausing and resuming it."""

from sqlalchemy import select

from echolead.operational.database import system_session
from echolead.operational.models import AuditEntry, ControlTask, WarehouseRequest
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, said, texts


def test_a_role_sees_what_it_may_do(pages: Pages) -> None:
    tenant = pages.control.tenant()
    asked = {"See what would change", "Run", "See what would be delivered"}
    seen = {
        role: asked & set(buttons(pages.open("replay", tenant, role))) for role in ("viewer", "analyst", "operator")
    }
    assert seen == {"viewer": set(), "analyst": asked - {"Run"}, "operator": asked}


def test_a_trial_shows_what_would_change_and_that_the_choice_is_another(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("replay", tenant, "analyst")
    page.text_area(key="replay_leads").set_value("lead-1\nlead-2").run()
    press(page, "See what would change")
    with system_session(pages.control.system) as session:
        row = session.scalars(select(ControlTask).where(ControlTask.tenant_id == tenant)).one()
        assert row.asked["lead_ids"] == ["lead-1", "lead-2"]
        assert row.asked["received_from"] < row.asked["received_before"]
        row.state, row.result = "done", {"changed_leads": 41, "new_leads": 3}
    page.run()
    assert "**41** leads updated" in texts(page)
    assert "**3** leads created" in texts(page)
    assert "changed after this trial" not in texts(page)
    page.text_area(key="replay_leads").set_value("lead-1").run()
    assert "changed after this trial" in texts(page)


def test_the_queue_is_asked_for_days_without_leads(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("replay", tenant, "operator")
    page.text_area(key="replay_leads").set_value("lead-1").run()
    page.radio(key="replay_origin").set_value("queue").run()
    assert page.text_area(key="replay_leads").disabled
    press(page, "See what would change")
    with system_session(pages.control.system) as session:
        row = session.scalars(select(ControlTask).where(ControlTask.tenant_id == tenant)).one()
        assert (row.asked["origin"], row.asked["lead_ids"]) == ("queue", [])
        row.state, row.result = "done", {"added_events": 7, "held_since": {"EVENTS": "2026-03-02T10:00:00+00:00"}}
    page.run()
    assert "**7** events added" in texts(page)
    assert "First message of the queue" in texts(page)
    page.text_input(key="replay_reason").set_value("Lost")
    press(page, "Run")
    with system_session(pages.control.system) as session:
        asked = select(WarehouseRequest.kind, WarehouseRequest.reason).where(WarehouseRequest.tenant_id == tenant)
        assert session.execute(asked).one() == ("queue", "Lost")


def test_a_run_lives_in_the_server_and_is_paused_and_resumed_from_any_page(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("replay", tenant, "operator")
    page.checkbox(key="replay_whole").check().run()
    page.text_input(key="replay_reason").set_value("New rules")
    press(page, "Run")
    request_id = said(page, "request")
    # The browser is closed; another person opens the address.
    other = pages.open("replay", tenant, "operator", request=request_id)
    assert "waiting: 0 pieces" in texts(other)
    press(other, "Pause")
    assert "Stopping" in texts(other)
    press(pages.open("replay", tenant, "operator", request=request_id), "Resume")
    with system_session(pages.control.system) as session:
        asked = select(WarehouseRequest.state, WarehouseRequest.reason).where(WarehouseRequest.tenant_id == tenant)
        assert session.execute(asked).one() == ("waiting", "New rules")
        actions = select(AuditEntry.action).where(AuditEntry.tenant_id == tenant).order_by(AuditEntry.at)
        assert [each.rpartition(".")[2] for each in session.scalars(actions)][-3:] == [
            "requested",
            "stopped",
            "resumed",
        ]
