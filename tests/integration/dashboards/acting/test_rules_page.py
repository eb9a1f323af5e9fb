"""The page of rules: what each role may do there, mistakes by line, trials, and two people at once."""

from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from echolead.operational.database import system_session
from echolead.operational.models import AuditEntry, ControlTask
from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, said, texts

RULES = "/v1/tenants/{t}/rules"
SOURCE = """rules:
  - id: from-the-city
    name: From the city
    when: {fact: lead.city, eq: Curitiba}
    then: [{points: 10}]
"""
OTHER = SOURCE.replace("points: 10", "points: 20")


def saved(control: ControlApi, tenant: str, source: str, version: str, role: str = "operator") -> None:
    """Put rules in force through the API."""
    body = {"source": source, "reason": "why"}
    assert control.ask(role, "PUT", RULES, tenant, body, if_match=f'"{version}"').status_code == 200


def write(page: AppTest, source: str, reason: str = "") -> AppTest:
    """Type rules, and why."""
    page.text_area[0].set_value(source).run()
    assert not page.exception, page.exception
    if reason:
        page.text_input(key="apply_reason").set_value(reason)
    return page


def test_rules_in_force_are_listed_with_who_made_them_in_the_language_of_the_page(pages: Pages) -> None:
    tenant = pages.control.tenant()
    saved(pages.control, tenant, SOURCE, "0")
    page = pages.open("rules", tenant, "viewer", "pt-BR")
    assert not page.exception
    assert "A versão 1 está em vigor: 1 regras" in texts(page).replace("\\", "")
    assert page.dataframe[0].value["rule_when"].tolist() == ["{fact: lead.city, eq: Curitiba}"]


def test_a_viewer_reads_rules_and_finds_no_action(pages: Pages) -> None:
    page = pages.open("rules", pages.control.tenant(), "viewer", part="edit")
    assert not page.text_area
    assert not {"Try", "Apply"} & set(buttons(page))
    assert "Your role reads rules" in texts(page)


def test_an_analyst_tries_and_does_not_apply(pages: Pages) -> None:
    page = write(pages.open("rules", pages.control.tenant(), "analyst", part="edit"), SOURCE)
    assert "Try" in buttons(page)
    assert "Apply" not in buttons(page)


def test_a_mistake_is_named_with_its_line_and_nothing_can_be_done_with_it(pages: Pages) -> None:
    page = pages.open("rules", pages.control.tenant(), "operator", part="edit")
    write(page, "rules:\n  - id: a\n    whenn: {}\n")
    assert "line 3" in texts(page)
    assert not {"Try", "Apply"} & set(buttons(page))


def test_a_saved_change_is_in_force_and_in_the_audit_log_with_its_author(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = write(pages.open("rules", tenant, "operator", part="edit"), SOURCE, "They buy more")
    press(page, "Apply")
    assert "Version 1 is in force" in texts(page)
    with system_session(pages.control.system) as session:
        asked = select(AuditEntry).where(AuditEntry.tenant_id == tenant, AuditEntry.action == "lead_rules.applied")
        entry = session.scalars(asked).one()
        assert entry.detail["reason"] == "They buy more"
        assert entry.actor.startswith("user:")


def test_a_refusal_of_the_api_is_shown_and_the_text_stays(pages: Pages) -> None:
    """A rule may name a destination that the tenant does not have: the editor cannot know."""
    source = SOURCE.replace("{points: 10}", "{send_to: [crm]}")
    page = write(pages.open("rules", pages.control.tenant(), "operator", part="edit"), source, "why")
    press(page, "Apply")
    assert "does not have" in texts(page)
    assert page.text_area[0].value == source


def test_the_second_of_two_editors_sees_who_was_first_and_keeps_their_text(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = write(pages.open("rules", tenant, "operator", part="edit"), OTHER, "mine")
    saved(pages.control, tenant, SOURCE, "0", "admin")
    press(page, "Apply")
    assert "v1" in texts(page)
    assert "another person saved first" in texts(page)
    assert "from-the-city" in page.dataframe[0].value["field"].tolist()
    assert page.text_area[0].value == OTHER
    press(page, "Edit my text on version 1")
    write(page, OTHER, "mine, on theirs")
    press(page, "Apply")
    assert pages.control.ask("viewer", "GET", RULES, tenant).json()["source"] == OTHER


def test_a_trial_is_followed_by_its_address_and_its_result_is_shown(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = write(pages.open("rules", tenant, "analyst", part="edit"), SOURCE)
    press(page, "Try")
    assert "It goes on when this page is closed" in texts(page)
    task = said(page, "task")
    found = {
        "leads": 40,
        "changed": 12,
        "differences": {"score": 12, "stage": 0},
        "examples": [{"lead_id": "lead-of-ana", "changes": {"score": [0, 10]}}],
    }
    with system_session(pages.control.system) as session:
        row = session.scalars(select(ControlTask).where(ControlTask.tenant_id == tenant)).one()
        assert str(row.task_id) == task
        row.state, row.result = "done", found
    page.run()
    assert "**12** of 40 leads would change." in texts(page)
    shown = page.dataframe[1].value
    assert shown.iloc[0].tolist() == ["lead-of-ana", "score", "0", "10"]
    write(page, OTHER)
    assert "The text was changed after this trial" in texts(page)


def test_an_earlier_version_is_shown_with_its_difference_and_put_in_force_again(pages: Pages) -> None:
    tenant = pages.control.tenant()
    saved(pages.control, tenant, SOURCE, "0")
    saved(pages.control, tenant, OTHER, "1")
    page = pages.open("rules", tenant, "operator", part="history", version="1")
    assert page.dataframe[0].value["version"].tolist() == [2, 1, 0]
    assert "+    then: [{points: 10}]" in texts(page)
    page.text_input(key="revert_reason").set_value("The first was right")
    press(page, "Put version 1 in force again")
    assert pages.control.ask("viewer", "GET", RULES, tenant).json()["version"] == 3
    assert "Put version" not in " ".join(buttons(pages.open("rules", tenant, "viewer", part="history", version="1")))
