"""`echolead chat`: settings with their defaults, refusals that say what to do, and a pull by hand."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import make_destination


def test_settings_have_defaults_and_are_changed_one_by_one(run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    shown = run_json("chat", "show", slug)
    defaults = {"texts": "off", "first_response_minutes": 15, "cover_absence": "off", "cover_after_minutes": None}
    assert shown == {"tenant_id": slug, **defaults, "members": [], "accounts": []}
    assert run_json("chat", "set", slug, "--texts", "on")["texts"] == "on"
    changed = run_json("chat", "set", slug, "--first-response-minutes", "30")
    assert changed == {"tenant_id": slug, **defaults, "texts": "on", "first_response_minutes": 30}
    covered = run_json("chat", "set", slug, "--cover-absence", "on", "--cover-after", "10")
    assert (covered["cover_absence"], covered["cover_after_minutes"]) == ("on", 10)
    assert run_json("chat", "set", slug, "--cover-after", "0")["cover_after_minutes"] is None
    with system_session(system_engine) as session:
        query = text("select detail from audit_log where tenant_id = :t and action = 'chat.set' order by at")
        said: list[dict[str, Any]] = list(session.scalars(query, {"t": slug}).all())
    assert said[:2] == [{"keeps_texts": True}, {"first_response_minutes": 30}]


def test_limits_and_absences_of_agents_and_teams_are_set_and_taken_back(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    away = ("--away-from", "2026-03-09", "--away-until", "2026-03-12")
    run_json("chat", "member", "set", slug, "agent", "Ana", "--most-open", "10", *away)
    run_json("chat", "member", "set", slug, "team", "Vendas", "--most-open", "50")
    limits = {each["name"]: each for each in run_json("chat", "show", slug)["members"]}
    assert (limits["Ana"]["most_open"], limits["Ana"]["away_until"]) == (10, "2026-03-12")
    assert run("chat", "member", "remove", slug, "agent", "Ana").exit_code == 0
    assert [each["name"] for each in run_json("chat", "show", slug)["members"]] == ["Vendas"]
    for refused, sentence in (
        (("agent", "Ana"), "Nothing to set"),
        (("agent", "Ana", "--away-from", "2026-03-09"), "two days"),
        (("agent", "Ana", "--away-from", "2026-03-09", "--away-until", "2026-03-01"), "ends after it begins"),
        (("boss", "Ana", "--most-open", "1"), "an agent or a team"),
    ):
        answer = run("chat", "member", "set", slug, *refused)
        assert answer.exit_code == 2
        assert sentence in answer.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Nothing to change"),
        (("--texts", "maybe"), "on or off"),
        (("--first-response-minutes", "0"), "from 1 to 7200"),
        (("--first-response-minutes", "9999"), "from 1 to 7200"),
    ],
    ids=["nothing", "a third way", "no time at all", "more than five days"],
)
def test_what_is_no_setting_is_refused(
    options: tuple[str, ...], sentence: str, run: Run, run_json: RunJson, slug: str
) -> None:
    run_json("tenant", "create", slug)
    refused = run("chat", "set", slug, *options)
    assert refused.exit_code == 2
    assert sentence in refused.output


def test_an_account_is_behind_until_it_is_pulled(run: Run, run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    assert "echolead destination add" in run("chat", "sync", slug).output
    make_destination(system_engine, slug, name="chat")
    (account,) = run_json("chat", "show", slug)["accounts"]
    assert (account["destination"], account["is_behind"], account["pulled_at"]) == ("chat", True, None)
