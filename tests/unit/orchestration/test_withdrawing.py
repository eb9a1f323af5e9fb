"""Where an erased person's fields are taken off, and when an erasure waits no longer for a destination."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from echolead.erasure.person import ErasedPerson
from orchestration.erasure.destinations import LONGEST_WAIT, OpenWithdrawal, states_after, waiting_for
from orchestration.erasure.withdrawing import (
    IMPOSSIBLE,
    WithdrawalState,
    first_states,
    withdrawals_of,
)
from reverse_etl.erased import ErasedRecords

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PERSON = ErasedPerson(
    tenant_id="acme", lead_id="lead-1", received_before=NOW, visitors=["browser-1"], leads=["lead-1", "lead-0"],
    emails=["ana@lead.test"], phones=["+5511999990000"],
)  # fmt: skip


def sent(destination: str, kind: str, lead_id: str = "lead-1", *labels: str) -> dict[str, Any]:
    return {"destination_id": destination, "name": destination, "kind": kind, "lead_id": lead_id,
            "attributes": ["channel"], "labels": list(labels)}  # fmt: skip


def known(destination: str, kind: str, remote_kind: str, remote_id: str, lead_id: str = "lead-1") -> dict[str, Any]:
    return {"destination_id": destination, "name": destination, "kind": kind, "lead_id": lead_id,
            "remote_kind": remote_kind, "remote_id": remote_id}  # fmt: skip


def test_a_destination_gets_the_ids_that_its_product_needs_and_no_value_of_the_person() -> None:
    rows = [
        known("crm", "pipedrive", "contact", "7"),
        known("crm", "pipedrive", "contact", "8", "lead-0"),
        known("crm", "pipedrive", "added", "0a1b2c3d"),  # a hash of the e-mail
        known("crm", "pipedrive", "twin:contact:8", "8"),
    ]
    [crm] = withdrawals_of(PERSON, [sent("crm", "pipedrive", "lead-1", "quente")], rows)
    assert crm.erased == ErasedRecords(
        ("lead-1", "browser-1", "lead-0"), {"contact": ("7", "8")}, {}, ("channel",), ("quente",)
    )
    assert "ana" not in json.dumps(crm.erased.as_json())


def test_conversations_are_told_apart_from_contacts_with_the_same_number() -> None:
    rows = [
        known("chat", "chatwoot", "contact", "7"),
        known("chat", "chatwoot", "contact", "7", "conversation:7"),
        known("chat", "chatwoot", "note:journey", "91", "conversation:7"),
    ]
    [chat] = withdrawals_of(PERSON, [sent("chat", "chatwoot", "conversation:9", "quente")], rows)
    assert chat.erased is not None
    assert chat.erased.records == {"contact": ("7",)}
    assert chat.erased.conversations == {"9": {}, "7": {"contact": "7", "note:journey": "91"}}
    assert chat.shown()["records"] == 3


def test_a_product_that_takes_nothing_back_is_named() -> None:
    [ads] = withdrawals_of(PERSON, [], [known("ads", "meta", "event:lead", "sent")])
    assert ads.erased is None
    assert ads.shown() == {"destination": "ads", "kind": "meta", "is_possible": False, "message": IMPOSSIBLE}
    assert first_states([ads], []) == [WithdrawalState("ads", "meta", "impossible", IMPOSSIBLE)]


def test_a_destination_that_was_sent_something_without_an_answer_is_asked_by_our_ids() -> None:
    [crm] = withdrawals_of(PERSON, [sent("crm", "hubspot")], [])
    assert crm.erased is not None
    assert (crm.erased.records, crm.erased.leads[0]) == ({}, "lead-1")


def test_what_was_delivered_once_more_is_waited_for_once_more() -> None:
    before = [WithdrawalState("crm", "hubspot", "withdrawn", at="x"), WithdrawalState("ads", "meta", "impossible", "m")]
    again = withdrawals_of(PERSON, [sent("crm", "hubspot")], [])
    assert [each.state for each in first_states(again, before)] == ["waiting", "impossible"]


def delivery(state: str, **other: Any) -> OpenWithdrawal:
    values = {"kind": "hubspot", "is_enabled": True, "last_error": "", "is_held": False, "planned_at": NOW, **other}
    return OpenWithdrawal(
        delivery_id=uuid4(), erasure_id=UUID(int=1), tenant_id="acme", destination_id=UUID(int=2), destination="crm",
        state=state, contacts=["7"], **values,
    )  # fmt: skip


GIVEN_UP = {"crm": {"by": "cli:ana", "reason": "the account is closed", "at": "x"}}


@pytest.mark.parametrize(
    ("found", "given_up", "days", "state", "message"),
    [
        ([delivery("pending")], {}, 1, "waiting", ""),
        ([delivery("retry", last_error="No connection.")], {}, 1, "waiting", "No connection."),
        ([delivery("retry", last_error="x", is_enabled=False)], {}, 1, "waiting", "It is switched off."),
        ([delivery("dead", last_error="422")], {}, 1, "waiting", "Refused, and not tried again by itself: 422"),
        ([delivery("verified")], {}, 1, "withdrawn", ""),
        ([delivery("verified", kind="webhook")], {}, 1, "told", ""),
        ([delivery("verified")], GIVEN_UP, 99, "withdrawn", ""),
        ([delivery("withheld", last_error="Converted.")], {}, 1, "impossible", "Converted."),
        ([delivery("retry")], GIVEN_UP, 1, "given up", "the account is closed (cli:ana)"),
        ([delivery("in_flight", is_held=True)], GIVEN_UP, 1, "waiting", ""),
        ([delivery("retry", last_error="Away.")], {}, 31, "given up", "Not done within 30 days: Away."),
        ([delivery("in_flight", is_held=True)], {}, 31, "waiting", ""),
        ([], {}, 1, "given up", "Its delivery is gone from the ledger."),
    ],
)
def test_a_destination_is_waited_for_until_it_ends_or_is_given_up(
    found: list[OpenWithdrawal], given_up: dict[str, Any], days: int, state: str, message: str
) -> None:
    waiting = [WithdrawalState("crm", "hubspot", "waiting")]
    now = NOW + timedelta(days=days)
    [after] = states_after(waiting, found, given_up, now)
    assert (after.state, after.message) == (state, message)
    assert (after.at == "") == (state == "waiting")
    assert timedelta(days=30) == LONGEST_WAIT


def test_what_has_ended_stays_as_it_is_and_who_is_waited_for_is_said() -> None:
    before = [WithdrawalState("ads", "meta", "impossible", IMPOSSIBLE), WithdrawalState("crm", "hubspot", "waiting")]
    after = states_after(before, [delivery("retry", last_error="No connection.")], {}, NOW)
    assert after[0] is before[0]
    assert waiting_for(after) == "Waiting for crm (No connection.)"
    assert waiting_for(after[:1]) == ""
