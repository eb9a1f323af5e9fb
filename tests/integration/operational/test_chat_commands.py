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
    assert shown == {"tenant_id": slug, "texts": "off", "first_response_minutes": 15, "accounts": []}
    assert run_json("chat", "set", slug, "--texts", "on")["texts"] == "on"
    changed = run_json("chat", "set", slug, "--first-response-minutes", "30")
    assert changed == {"tenant_id": slug, "texts": "on", "first_response_minutes": 30}
    with system_session(system_engine) as session:
        query = text("select detail from audit_log where tenant_id = :t and action = 'chat.set' order by at")
        said: list[dict[str, Any]] = list(session.scalars(query, {"t": slug}).all())
    assert said == [{"keeps_texts": True}, {"first_response_minutes": 30}]


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
