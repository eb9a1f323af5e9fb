"""The page of business hours: the week, holidays and own days, and two people who edit at once."""

from datetime import date
from typing import Any

from tests.fixtures.control_api import ControlApi
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, texts

HOURS = "/v1/tenants/{t}/hours"


def hours(control: ControlApi, tenant: str) -> dict[str, Any]:
    """The hours as the API has them."""
    return dict(control.ask("viewer", "GET", HOURS, tenant).json())


def test_a_viewer_reads_the_week_and_the_holidays_and_changes_nothing(pages: Pages) -> None:
    page = pages.open("hours", pages.control.tenant(default_region="BR"), "viewer", "pt-BR")
    assert not page.exception, page.exception
    week, holidays = page.dataframe[0].value, page.dataframe[1].value
    assert week.iloc[0].tolist() == ["Segunda-feira", "09:00-18:00"]
    assert week.iloc[6].tolist() == ["Domingo", "fechado"]
    assert any("Natal" in each for each in holidays["own_day_name"])
    assert "Salvar" not in buttons(page)
    assert not page.text_input


def test_the_week_is_changed_and_another_day_stays(pages: Pages) -> None:
    tenant = pages.control.tenant(default_region="BR")
    page = pages.open("hours", tenant, "admin")
    page.text_input(key=f"hours mon of {tenant}").set_value("13:00-18:00, 09:00-12:00")
    page.text_input(key=f"hours fri of {tenant}").set_value("")
    press(page, "Save")
    assert "The hours are saved" in texts(page)
    weekly = hours(pages.control, tenant)["weekly"]
    assert weekly["mon"] == ["09:00-12:00", "13:00-18:00"]
    assert page.text_input(key=f"hours mon of {tenant}").value == "09:00-12:00, 13:00-18:00"  # as it is stored
    assert "fri" not in weekly
    assert weekly["tue"] == ["09:00-18:00"]


def test_a_time_that_cannot_be_read_is_asked_back_and_nothing_is_saved(pages: Pages) -> None:
    tenant = pages.control.tenant(default_region="BR")
    before = hours(pages.control, tenant)
    page = pages.open("hours", tenant, "admin", "pt-BR")
    page.text_input(key=f"hours tue of {tenant}").set_value("9h às 18h")
    press(page, "Salvar")
    assert "Terça" in texts(page)
    assert "9h às 18h" in texts(page)
    assert hours(pages.control, tenant) == before


def test_the_second_to_save_sees_who_was_first_and_takes_nothing_back(pages: Pages) -> None:
    tenant = pages.control.tenant(default_region="BR")
    page = pages.open("hours", tenant, "admin")
    there = pages.control.ask("viewer", "GET", HOURS, tenant)
    theirs = {"weekly": {"sat": ["09:00-12:00"]}}
    pages.control.ask("admin", "PATCH", HOURS, tenant, theirs, if_match=there.headers["etag"])
    page.text_input(key=f"hours mon of {tenant}").set_value("10:00-16:00")
    press(page, "Save")
    assert "@example\\.test" in texts(page)
    assert "another person saved first" in texts(page)
    differences = page.dataframe[0].value.set_index("field")
    assert differences.loc["Monday"].tolist() == ["10:00-16:00", ""]
    assert differences.loc["Saturday"].tolist() == ["", "09:00-12:00"]
    assert "Sunday" not in differences.index
    assert list(hours(pages.control, tenant)["weekly"]) == ["sat"]
    press(page, "Keep my values, to save them again")
    press(page, "Save")
    assert hours(pages.control, tenant)["weekly"] == {"mon": ["10:00-16:00"], "sat": ["09:00-12:00"]}


def test_a_day_of_its_own_is_set_and_needs_a_reason(pages: Pages) -> None:
    tenant = pages.control.tenant(default_region="BR")
    page = pages.open("hours", tenant, "admin")
    page.date_input(key="own day").set_value(date(2027, 2, 10))
    press(page, "Set the day")
    assert "What for" in texts(page)
    page.text_input(key="own day name").set_value("Ash Wednesday")
    page.text_input(key="own day times").set_value("13:00-18:00")
    press(page, "Set the day")
    [own] = hours(pages.control, tenant)["own_days"]
    assert own == {"date": "2027-02-10", "name": "Ash Wednesday", "times": ["13:00-18:00"]}
    assert "10/02/2027" in str(page.dataframe[0].value)
