"""The page of refused events: why each was refused, and sending it again, corrected or as it was, on a real queue."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from tests.fixtures.control_api import ControlApi
from tests.fixtures.dead_letters import RECEIVED, Letters, dead_letters, queued
from tests.fixtures.queue_messages import make_event
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, said, texts

CORRECTED, SAME = "Send corrected", "Send again as it was"


@pytest.fixture(scope="module")
def letters(control: ControlApi, warehouse_server: EmbeddedWarehouse) -> Iterator[Letters]:
    """Adds dead letters of a tenant."""
    with dead_letters(warehouse_server) as add:
        yield add


def correct(page: AppTest, letter: str, text: str, reason: str = "The name has no spaces") -> AppTest:
    """Type an event and a reason, and send."""
    page.text_area(key=f"code of letter {letter}").set_value(text)
    page.text_input(key=f"letter_reason {letter}").set_value(reason)
    return press(page, CORRECTED)


def test_refused_events_are_listed_newest_first_and_by_the_reason_of_the_address(
    pages: Pages, letters: Letters
) -> None:
    tenant, other = pages.control.tenant(), pages.control.tenant()
    letters(tenant, {}, {})
    letters(tenant, {}, reason="event_too_large")
    letters(other, {})
    page = pages.open("dead_letters", tenant, "viewer", "pt-BR", reason="invalid_event")
    assert not page.exception, page.exception
    rows = page.dataframe[0].value
    assert rows["received_at"].tolist() == ["01/03/2026 09:01", "01/03/2026 09:00"]
    assert (rows["reason"].tolist(), rows["stage"].tolist()) == (["campo inválido"] * 2, ["coletor"] * 2)

    page = pages.open("dead_letters", tenant, "viewer")
    assert len(page.dataframe[0].value) == 3
    page.selectbox(key="reason_choice").select("event_too_large").run()
    assert said(page, "reason") == "event_too_large"
    assert page.dataframe[0].value["reason"].tolist() == ["too large"]
    page.selectbox(key="reason_choice").select("repeated_key").run()
    assert "for this reason" in texts(page)
    page = pages.open("dead_letters", tenant, "viewer", reason="bad_luck")
    assert ("bad\\_luck" in texts(page), len(page.dataframe[0].value)) == (True, 3)
    page = pages.open("dead_letters", tenant, "viewer", page="99")
    assert ("“99” does not exist here" in texts(page), len(page.dataframe[0].value)) == (True, 3)
    assert "All is well" in texts(pages.open("dead_letters", pages.control.tenant(), "viewer"))


def test_a_viewer_reads_why_and_what_was_sent_and_has_no_button_that_sends(pages: Pages, letters: Letters) -> None:
    tenant = pages.control.tenant()
    [broken] = letters(tenant, '{"a": 1, "a": 2.50', reason="malformed_json")
    [twice] = letters(tenant, '{"a":1,"a":2.50}', reason="repeated_key")
    [bytes_] = letters(tenant, "/v8=", reason="invalid_unicode", is_base64=True)
    for role in ("viewer", "analyst"):
        page = pages.open("dead_letters", tenant, role, letter=broken)
        assert [each.value for each in page.code] == ["why", '{"a": 1, "a": 2.50']
        assert "Make it one JSON object" in texts(page)
        assert buttons(page) == ["Reload"]
        assert not page.text_area
    page = pages.open("dead_letters", tenant, "viewer", letter=twice)
    assert page.code[1].value == '{\n  "a": 1,\n  "a": 2.50\n}', "as it was sent"
    page = pages.open("dead_letters", tenant, "operator", letter=bytes_)
    assert (page.code[1].value, page.text_area[0].value) == ("/v8=", "��")
    foreign = pages.open("dead_letters", pages.control.tenant(), "operator", letter=broken)
    assert "no dead letter" in texts(foreign)
    assert CORRECTED not in buttons(foreign)


def test_a_corrected_event_is_queued_and_the_audit_log_says_who_and_why(
    pages: Pages, letters: Letters, nats_server: EmbeddedNats
) -> None:
    tenant, event = pages.control.tenant(), make_event()
    wrong = {**event, "name": "Page View"}
    [letter] = letters(tenant, wrong)
    page = pages.open("dead_letters", tenant, "operator", letter=letter)
    assert json.loads(page.text_area[0].value) == wrong
    press(page, CORRECTED)
    assert "Write why you do this" in texts(page), "a reason is asked for"

    typed = json.dumps({**wrong, "name": "page view"})
    correct(page, letter, typed)
    assert "Rejected again: 1" in texts(page)
    assert "name" in page.code[-1].value
    assert page.text_area[0].value == typed, "the user goes on from what was typed"
    assert asyncio.run(queued(nats_server, tenant)) == []

    correct(page, letter, json.dumps(event))
    assert "Queued: 1" in texts(page)
    assert asyncio.run(queued(nats_server, tenant)) == [(RECEIVED, event)]
    log = pages.control.ask("admin", "GET", "/v1/tenants/{t}/audit?action=dead_letter.", tenant).json()["items"]
    assert [(each["subject"], each["detail"]["is_queued"]) for each in log] == [(letter, True), (letter, False)]
    assert log[0]["detail"]["why"] == "The name has no spaces"
    assert log[0]["detail"]["is_corrected"] is True
    seen = texts(pages.open("dead_letters", tenant, "viewer", letter=letter)).replace("\\", "")
    assert ("and accepted: The name has no spaces" in seen, "and rejected again" in seen) == (True, True)


def test_a_text_that_is_no_json_names_its_line_and_sends_nothing(
    pages: Pages, letters: Letters, nats_server: EmbeddedNats
) -> None:
    tenant = pages.control.tenant()
    [letter] = letters(tenant, make_event())
    page = pages.open("dead_letters", tenant, "operator", letter=letter)
    typed = '{\n  "name": "page_view",\n  "event_id" 1\n}'
    correct(page, letter, typed)
    assert "Line 3, column 14" in texts(page)
    assert page.text_area[0].value == typed
    log = pages.control.ask("admin", "GET", "/v1/tenants/{t}/audit?action=dead_letter.", tenant).json()["items"]
    assert (log, asyncio.run(queued(nats_server, tenant))) == ([], [])


def test_several_are_sent_again_as_they_were_each_with_its_own_verdict(
    pages: Pages, letters: Letters, nats_server: EmbeddedNats
) -> None:
    tenant, good = pages.control.tenant(), make_event()
    made = letters(tenant, good, {"name": "Page View"})
    page = pages.open("dead_letters", tenant, "operator")
    assert "at most 200" in texts(page)
    page.session_state[f"dead letters chosen of {tenant}"] = made
    page.run()
    page.text_input(key="letters_reason").set_value("The limit was raised")
    press(page, "Send 2 again")
    assert ("Queued: 1" in texts(page), "Rejected again: 1" in texts(page)) == (True, True)
    verdicts = page.dataframe[-1].value
    assert verdicts["dead_letter_id"].tolist() == made[::-1], "what is refused comes first"
    assert verdicts["verdict"].tolist() == ["rejected again", "queued"]
    assert verdicts["reason"].tolist() == ["invalid_event", ""]
    assert asyncio.run(queued(nats_server, tenant)) == [(RECEIVED, good)]

    page = pages.open("dead_letters", tenant, "operator", letter=made[0])
    page.text_input(key=f"letter_reason {made[0]}").set_value("Once more")
    press(page, SAME)
    assert "Queued: 1" in texts(page)


def test_a_letter_without_an_event_cannot_be_sent_again(pages: Pages, letters: Letters) -> None:
    tenant = pages.control.tenant()
    [webhook] = letters(tenant, "{}", reason="unreadable_webhook")
    page = pages.open("dead_letters", tenant, "operator", letter=webhook)
    assert "The product that sent the webhook" in texts(page)
    assert SAME not in buttons(page)
