"""`echolead hours`: the week, public holidays and days of the tenant's own."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from tests.fixtures.command_line import Run, RunJson

NINE_TO_SIX = [["09:00", "18:00"]]


def days_of(shown: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["date"]: (each["name"], each["open"]) for each in shown["days"]}


def test_a_tenant_begins_with_the_usual_hours_of_its_country(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    shown = run_json("hours", "show", slug, "--year", "2026")
    assert shown["weekly"] == dict.fromkeys(["mon", "tue", "wed", "thu", "fri"], NINE_TO_SIX)
    assert (shown["country"], shown["time_zone"]) == ("BR", "America/Sao_Paulo")
    assert days_of(shown)["2026-04-21"] == ("Tiradentes", "closed")
    assert "2026-07-09" not in days_of(shown)


def test_the_week_and_the_part_of_the_country_are_set(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    week = ("--open", "mon-fri=13:30-18:00,09:00-12:00", "--open", "sat=09:00-12:00")
    run_json("hours", "set", slug, *week, "--subdivision", "SP")
    shown = run_json("hours", "show", slug, "--year", "2026")
    assert shown["weekly"]["fri"] == [["09:00", "12:00"], ["13:30", "18:00"]]
    assert (shown["weekly"]["sat"], "sun" in shown["weekly"]) == ([["09:00", "12:00"]], False)
    assert days_of(shown)["2026-07-09"][1] == "closed"
    printed = run("hours", "show", slug, "--year", "2026").stdout
    assert "09:00-12:00, 13:30-18:00" in printed
    assert "America/Sao_Paulo" in printed
    # Another country has other holidays, and no part of it yet; no country has none.
    shown = run_json("hours", "set", slug, "--country", "pt")
    assert (shown["country"], shown["subdivision"], shown["weekly"]["sat"]) == ("PT", "", [["09:00", "12:00"]])
    assert run_json("hours", "set", slug, "--country", "")["days"] == []


def test_a_day_of_its_own_wins_over_a_public_holiday(run_json: RunJson, system_engine: Engine, slug: str) -> None:
    run_json("tenant", "create", slug)
    add = ("hours", "holiday", "add", slug)
    run_json(*add, "2026-02-16", "--name", "Carnaval")
    run_json(*add, "2026-12-24", "--name", "Véspera", "--open", "09:00-12:00")
    shown = run_json(*add, "2026-04-21", "--name", "Plantão", "--open", "10:00-14:00")
    assert days_of(shown)["2026-02-16"] == ("Carnaval", "closed")
    assert days_of(shown)["2026-04-21"] == ("Plantão", "10:00-14:00")
    assert len(shown["holidays"]) == 3
    left = run_json("hours", "holiday", "remove", slug, "2026-04-21")
    assert days_of(left)["2026-04-21"] == ("Tiradentes", "closed")
    with system_session(system_engine) as session:
        asked = text("select action from audit_log where tenant_id = :t and action like 'business%' order by audit_id")
        actions = session.scalars(asked, {"t": slug}).all()
    assert actions == [*["business_hours.holiday_added"] * 3, "business_hours.holiday_removed"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "SLUG", "--open", "mon-fri"), "says no time"),
        (("set", "SLUG", "--open", "fri-mon=09:00-18:00"), "'fri-mon' are no days"),
        (("set", "SLUG", "--open", "seg=09:00-18:00"), "'seg' are no days: use mon, tue,"),
        (("set", "SLUG", "--open", "mon=18:00-09:00"), "goes on after midnight"),
        (("set", "SLUG", "--open", "mon=9h-18h"), "write it as in 09:00-18:00"),
        (("set", "SLUG", "--open", "mon=09:00-12:00,11:00-18:00"), "09:00-12:00 and 11:00-18:00 overlap"),
        (("set", "SLUG", "--country", "XX"), "No calendar of 'XX' is known"),
        (("set", "SLUG", "--subdivision", "ZZ"), "BR has no part 'ZZ': use one of AC, AL,"),
        (("holiday", "add", "SLUG", "24/12/2026", "--name", "x"), "write it as in 2026-12-24"),
        (("holiday", "add", "SLUG", "2026-12-24", "--name", " "), "give --name"),
        (("holiday", "remove", "SLUG", "2026-12-24"), "has no own day 2026-12-24: there are none"),
        (("holiday", "remove", "SLUG", "2026-12-25"), "it is Natal, a public holiday: open it with"),
    ],
)
def test_a_refusal_says_what_to_write(
    run: Run, run_json: RunJson, slug: str, words: tuple[str, ...], said: str
) -> None:
    run_json("tenant", "create", slug)
    refused = run("hours", *(slug if word == "SLUG" else word for word in words))
    assert refused.exit_code == 2
    assert said in refused.output
