"""Which rows an erasure finds."""

import json
import re
from datetime import UTC, datetime

import pytest

from echolead.erasure.conditions import national_digits, of_model, of_raw
from echolead.erasure.person import ErasedPerson
from tests.factories import uid

VISITOR = uid("ana")
PERSON = ErasedPerson(
    tenant_id="acme",
    lead_id=VISITOR,
    received_before=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    visitors=[VISITOR],
    leads=[VISITOR],
    emails=["o'hara@x.test"],
    phones=["+5511987650001"],
    external_ids=["7"],
    conversations=[(1, 5)],
    contacts=[(1, 9)],
    deliveries=[uid("delivery")],
    records=[(uid("destination"), "conversation:5")],
)


def test_a_person_is_the_same_after_it_was_stored() -> None:
    assert ErasedPerson.of_json(json.loads(json.dumps(PERSON.as_json())), PERSON.received_before) == PERSON


def test_every_condition_names_the_tenant_and_quotes_what_was_stated() -> None:
    conditions = of_raw(PERSON)
    assert all("'acme'" in each for each in conditions.values())
    assert "'o\\'hara@x.test'" in conditions["crm_events"]
    assert "2026-03-01 12:00:00.123" in conditions["events"]


def test_the_tenant_binds_every_part_of_a_condition() -> None:
    """`tenant_id = 'acme' and one or other` would erase rows of other tenants."""
    columns = ["tenant_id", "tracking_id", "lead_id", "account_id", "conversation_id", "contact_id", "received_at"]
    conditions = {**of_raw(PERSON), "a model": of_model(PERSON, columns)}
    for table, condition in conditions.items():
        outside, before = condition, ""
        while outside != before:
            outside, before = re.sub(r"\([^()]*\)", "", outside), outside
        assert " or " not in outside, table


def test_a_value_that_is_too_short_to_be_one_person_s_is_not_looked_for_in_texts() -> None:
    assert "'7'" not in of_raw(PERSON)["rejected_events"]


@pytest.mark.parametrize(
    ("phone", "digits"), [("+5511987650001", "11987650001"), ("+3547891234", ""), ("nonsense", "")]
)
def test_phone_numbers_are_looked_for_as_people_write_them(phone: str, digits: str) -> None:
    assert national_digits(phone) == digits


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        (["tenant_id", "lead_id", "score"], f"lead_id in ('{VISITOR}')"),
        (["tenant_id", "person_id"], f"person_id in ('{VISITOR}')"),
        (["tenant_id", "account_id", "contact_id"], "(account_id, contact_id) in ((1, 9))"),
        (["tenant_id", "account_id", "conversation_id"], "(account_id, conversation_id) in ((1, 5))"),
        (["tenant_id", "kind", "subject"], "splitByChar(' ', subject)[1]"),
        (["tenant_id", "kind", "payload"], "multiSearchAnyCaseInsensitive(payload"),
        (["tenant_id", "tracking_id", "received_at"], "and received_at <"),
    ],
)
def test_a_table_behind_raw_is_reached_by_its_columns(columns: list[str], part: str) -> None:
    assert part in of_model(PERSON, columns)


@pytest.mark.parametrize("columns", [["turn", "events"], ["tenant_id", "time_zone"], ["lead_id"]])
def test_a_table_without_anything_of_people_or_tenants_is_left_alone(columns: list[str]) -> None:
    assert of_model(PERSON, columns) == ""
