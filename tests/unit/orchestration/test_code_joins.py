"""Whom a code of a WhatsApp link joins, and the event that says so."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.live.code_joins import CodeJoin, chat_start, rows_of_joins
from tests.factories import uid

PHONE = "+5511987650001"


def join(**more: Any) -> CodeJoin:
    said: dict[str, Any] = {
        "tenant_id": "acme", "code": "1a2b3c4d", "tracking_id": uid("ana"), "session_id": uid("session"),
        "page_url": "https://lp.acme.test/precos", "account_id": 1, "conversation_id": 17,
        "written_at": datetime(2026, 3, 4, 13, tzinfo=UTC), "turn": 5,
        "name": "Aninha", "email": "ana@x.test", "phone": PHONE,
        "visitor_leads": [], "contact_leads": [], "visitor_has_phone": False, "is_done": False,
    }  # fmt: skip
    return CodeJoin(**{**said, **more})


@pytest.mark.parametrize(
    ("visitor", "contact", "has_phone", "joined"),
    [
        pytest.param([], [], False, True, id="nobody and nobody"),
        pytest.param([], ["bia"], False, True, id="a customer in another browser"),
        pytest.param(["ana"], ["ana"], True, True, id="one lead"),
        pytest.param(["ana", "rui"], ["ana"], True, True, id="one of the leads at a shared device"),
        pytest.param(["ana"], [], False, True, id="a lead by e-mail, and a number that nobody has"),
        pytest.param(["ana"], [], True, False, id="a lead with another number"),
        pytest.param(["ana"], ["bia"], False, False, id="two leads"),
        pytest.param(["ana"], ["ana", "bia"], True, False, id="a contact that is two leads"),
    ],
)
def test_two_known_people_are_never_joined(
    visitor: list[str], contact: list[str], has_phone: bool, joined: bool
) -> None:
    found = join(visitor_leads=visitor, contact_leads=contact, visitor_has_phone=has_phone)
    assert found.is_same_person is joined


def test_the_event_is_the_visitors_with_the_number_of_the_contact() -> None:
    [row] = rows_of_joins([join()]).to_pylist()
    event = json.loads(row["payload"])
    assert (row["tenant_id"], row["tracking_id"], row["session_id"]) == ("acme", uid("ana"), uid("session"))
    assert (row["event_name"], row["source"], row["phone"], row["email"]) == ("chat_start", "server", PHONE, "")
    assert json.loads(row["phone_variants"]) == [PHONE, "+551187650001"]
    assert row["occurred_at"] == datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert event["user"] == {"phone": PHONE, "name": "Aninha"}
    assert event["properties"] == {
        "channel": "whatsapp", "whatsapp_code": "1a2b3c4d", "account_id": 1, "conversation_id": 17,
    }  # fmt: skip


def test_a_second_try_is_the_same_event_and_another_code_is_another_one() -> None:
    ids = [
        json.loads(bytes(chat_start(join(code=code)).event))["event_id"]
        for code in ("1a2b3c4d", "1a2b3c4d", "99999999")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_of_a_known_visitor_the_name_is_not_replaced_by_a_nickname() -> None:
    assert "name" not in json.loads(bytes(chat_start(join(visitor_leads=["ana"])).event))["user"]


def test_without_a_number_the_e_mail_connects() -> None:
    assert json.loads(bytes(chat_start(join(phone="")).event))["user"] == {"email": "ana@x.test", "name": "Aninha"}
