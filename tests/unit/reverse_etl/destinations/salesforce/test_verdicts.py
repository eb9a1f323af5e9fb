"""What Salesforce's answers stand for: done, wait, never; for one lead and for every lead."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from echolead.demo.salesforce import RowFault
from reverse_etl.calls import Reply
from reverse_etl.destinations.salesforce import SalesforceLeads, verdicts
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    Mismatch,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Unavailable,
)
from reverse_etl.lead import Delivered
from reverse_etl.mapping import MappingError
from tests.fixtures.demo_salesforce import LEAD, InProcess, conflicts, lead, made_org, outcome, secrets, sent


async def test_one_answer_of_200_says_done_wait_and_never(salesforce: InProcess) -> None:
    """A locked row and a refused row lie in one answer of 200; each has its own verdict and its own words."""
    salesforce.org.row_faults += [
        RowFault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", where="l2@", times=1),
        RowFault("FIELD_CUSTOM_VALIDATION_EXCEPTION", "CPF obrigatório", ("CPF__c",), where="l3@"),
        RowFault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "pkg.Trigger: execution of BeforeInsert", where="l4@"),
    ]

    done, locked, refused, trigger = await outcome(salesforce, *(lead(number) for number in (1, 2, 3, 4)))

    assert isinstance(done, Delivered)
    assert isinstance(locked, Postponed)
    assert locked.uses_up_tries
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.attributes) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", ("CPF__c",))
    assert "CPF obrigatório" in str(refused)
    assert isinstance(trigger, Postponed)
    assert "CPF" not in str(trigger)

    assert isinstance((await outcome(salesforce, lead(2)))[0], Delivered)
    assert [kind for kind, *_ in salesforce.org.writes] == ["create", "create"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", Postponed),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Postponed),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", Postponed),
        ("UNKNOWN_EXCEPTION", Postponed),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Rejected),
        ("INSUFFICIENT_ACCESS_OR_READONLY", Rejected),
        ("STORAGE_LIMIT_EXCEEDED", Postponed),
        ("A_CODE_OF_NEXT_YEAR", Rejected),
    ],
)
async def test_a_code_means_the_same_for_one_lead_as_for_many(
    salesforce: InProcess, code: str, kind: type[DeliveryFailed]
) -> None:
    salesforce.org.row_faults.append(RowFault(code, "words", where="l[12]@"))

    (alone,) = await outcome(salesforce, lead(1))
    among, _ = await outcome(salesforce, lead(2), lead(3))

    assert type(alone) is type(among) is kind
    assert str(alone) == str(among) == f"{code}: words"


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "among others"])
async def test_a_value_that_a_field_refuses_costs_the_value_and_not_the_lead(salesforce: InProcess, count: int) -> None:
    """One option that is not allowed for the record type, and one field without rights, stopped all leads."""
    salesforce.org.fields["LeadSource"].not_of_our_type.add("Instagram")
    salesforce.org.fields["EchoLead_Campaign__c"].is_locked = True
    wanted = [
        lead(number, attributes={"channel": "Instagram", "campaign": "natal", "source": "ig"})
        for number in range(count)
    ]

    first, *_ = await salesforce.deliver(*wanted)

    held = salesforce.lead("lead-0")
    assert held.get("LeadSource") is None
    assert held.get("EchoLead_Campaign__c") is None
    assert (held["EchoLead_Channel__c"], held["EchoLead_Source__c"]) == ("Instagram", "ig")
    assert "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" in str(conflicts(first))
    assert "not writable for this user: EchoLead_Campaign__c" in str(conflicts(first))
    writes = len(salesforce.org.writes)
    await salesforce.deliver(lead(9, attributes={"campaign": "natal"}))  # the field is known by now
    assert len(salesforce.org.writes) == writes + 1


async def test_a_field_without_rights_is_named_once(salesforce: InProcess) -> None:
    salesforce.org.fields["EchoLead_Campaign__c"].is_writable = False
    await salesforce.prepare()

    first, second = await salesforce.deliver(LEAD, lead(2))
    (third,) = await salesforce.deliver(lead(3))

    named = [order for order in (first, second, third) if "EchoLead_Campaign__c" in str(conflicts(order))]
    assert named == [first]
    assert "not writable for this user" in str(conflicts(first))


async def test_a_text_is_cut_to_the_fields_length_between_characters(salesforce: InProcess) -> None:
    salesforce.org.fields["EchoLead_Campaign__c"].length = 32
    await salesforce.prepare()
    long = "Promoção de inverno para toda a 👩🏽‍💻ção"

    (order,) = await salesforce.deliver(replace(LEAD, attributes={"campaign": long}))

    assert salesforce.lead("lead-1")["EchoLead_Campaign__c"] == "Promoção de inverno para toda a"
    assert "cut" in str(conflicts(order))


async def test_an_option_that_the_org_does_not_have_is_left_out_before_sending(salesforce: InProcess) -> None:
    salesforce.org.fields["LeadSource"].is_restricted = True
    await salesforce.prepare()

    (order,) = await salesforce.deliver(replace(LEAD, attributes={"channel": "TikTok"}))

    assert salesforce.lead("lead-1").get("LeadSource") is None
    assert "TikTok" in str(conflicts(order))
    assert len(sent(salesforce)) == 1


async def test_a_duplicate_rule_that_warns_is_passed_unless_the_setting_says_no() -> None:
    alike = {"FirstName": "Ana", "LastName": "Souza", "Phone": "+5511999990000", "Email": "other@lead.test"}
    for allows, kind in ((True, Delivered), (False, Rejected)):
        salesforce = InProcess(made_org(), {"allow_duplicates": allows})
        twin = salesforce.org.add(**alike)
        await salesforce.prepare()

        (result,) = await outcome(salesforce, LEAD)

        assert isinstance(result, kind)
        assert allows or twin in str(result) or "DUPLICATES_DETECTED" in str(result)


async def test_a_duplicate_rule_that_blocks_is_final_and_names_the_other_lead() -> None:
    salesforce = InProcess(made_org(duplicate_rule="block"))
    twin = salesforce.org.add(FirstName="Ana", LastName="Souza", Phone="+5511999990000")
    await salesforce.prepare()

    blocked, other = await outcome(salesforce, LEAD, lead(2))

    assert isinstance(blocked, Rejected)
    assert twin in str(blocked)
    assert isinstance(other, Delivered)


async def test_a_body_that_cannot_be_read_costs_only_its_own_lead(salesforce: InProcess) -> None:
    """A value of the wrong type refuses the call for all 200 leads; the bad one is found by halves."""
    described = salesforce.org.fields["EchoLead_Sessions_Count__c"]
    described.type = "string"
    await salesforce.prepare()
    described.type = "double"
    wanted = [lead(number, attributes={"sessions_count": "many"} if number == 5 else {}) for number in range(9)]

    results = await outcome(salesforce, *wanted)

    assert [number for number, result in enumerate(results) if isinstance(result, Rejected)] == [5]
    assert len(salesforce.org.present()) == 8


async def test_a_field_that_disappears_is_waited_for_and_then_left_out(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    del salesforce.org.fields["EchoLead_Campaign__c"]

    (waits,) = await outcome(salesforce, replace(LEAD, name="Ana Lima"))
    assert isinstance(waits, Unavailable)
    await salesforce.deliver(replace(LEAD, name="Ana Lima"))

    assert salesforce.lead("lead-1")["LastName"] == "Lima"


@pytest.mark.parametrize("is_silent", [True, False], ids=["204", "200"])
async def test_an_update_is_done_with_either_answer(is_silent: bool) -> None:
    salesforce = InProcess(made_org(), is_silent=is_silent)
    await salesforce.prepare()
    await salesforce.deliver(LEAD)

    await salesforce.deliver(replace(LEAD, attributes={"campaign": "pascoa"}))

    assert salesforce.lead("lead-1")["EchoLead_Campaign__c"] == "pascoa"


async def test_a_lead_that_the_answer_does_not_name_has_an_unknown_outcome(salesforce: InProcess) -> None:
    salesforce.org.results_kept = 1

    named, unnamed = await outcome(salesforce, lead(1), lead(2))

    assert isinstance(named, Delivered)
    assert isinstance(unnamed, OutcomeUnknown)
    salesforce.org.results_kept = None
    await salesforce.deliver(lead(1), lead(2))
    assert [kind for kind, *_ in salesforce.org.writes] == ["create", "create"]


async def test_a_changed_record_does_not_pass_as_what_was_sent(salesforce: InProcess) -> None:
    ((order, done),) = await salesforce.attempt(LEAD)
    salesforce.lead("lead-1")["EchoLead_Campaign__c"] = "other"
    assert isinstance(done, Delivered)

    (failure,) = (await salesforce.destination.verify([(order, done)])).values()
    assert isinstance(failure, Mismatch)
    assert "EchoLead_Campaign__c" in str(failure)
    assert isinstance(
        next(iter((await salesforce.destination.verify([(order, Delivered(done.remote_id))])).values())), Mismatch
    )
    salesforce.org.deleted.add(done.remote_id)
    assert "gone" in str(next(iter((await salesforce.destination.verify([(order, done)])).values())))


# Answers that concern every lead


def answered(status: int, content: Any = None, **headers: str) -> DeliveryFailed | None:
    import json  # noqa: PLC0415

    text = "" if content is None else json.dumps(content)
    return verdicts.judge(Reply(status, httpx.Headers(headers), text, text))


def error(code: str, message: str = "words") -> list[dict[str, Any]]:
    return [{"errorCode": code, "message": message, "fields": []}]


@pytest.mark.parametrize(
    ("status", "content", "kind", "retry_after"),
    [
        pytest.param(
            403, error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Unavailable, 3600, id="day"
        ),
        pytest.param(403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit"), Unavailable, 20, id="at once"),
        pytest.param(403, error("API_DISABLED_FOR_ORG"), Misconfigured, None, id="no API"),
        pytest.param(403, error("INSUFFICIENT_ACCESS_OR_READONLY"), Rejected, None, id="a record of others"),
        pytest.param(401, error("INVALID_SESSION_ID"), Misconfigured, None, id="session"),
        pytest.param(400, error("UNABLE_TO_LOCK_ROW"), Postponed, None, id="a lock that is a 400"),
        pytest.param(500, error("UNABLE_TO_LOCK_ROW"), Postponed, None, id="a lock that is a 500"),
        pytest.param(500, error("UNKNOWN_EXCEPTION"), OutcomeUnknown, None, id="an error inside"),
        pytest.param(503, error("SERVER_UNAVAILABLE"), Unavailable, None, id="not available"),
        pytest.param(503, None, Unavailable, None, id="not available, without words"),
        pytest.param(404, error("NOT_FOUND"), Postponed, None, id="a record that is gone"),
        pytest.param(300, ["/services/data/v60.0/sobjects/Lead/00Q000000000001AAA"], Postponed, None, id="several"),
        pytest.param(302, None, Misconfigured, None, id="redirect"),
    ],
)
def test_an_answer_stands_for_what_its_code_says(
    status: int, content: Any, kind: type[DeliveryFailed], retry_after: float | None
) -> None:
    failure = answered(status, content)

    assert type(failure) is kind
    assert failure.retry_after == retry_after


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("api-usage=18/5000", (4982, 5000)),
        ("api-usage=5000/5000", (0, 5000)),
        ("api-usage=25/15000; per-app-api-usage=1/2(app-name=x)", (14975, 15000)),
        ("per-app-api-usage=1/2(app-name=x)", None),
        ("", None),
    ],
)
def test_the_limit_header_says_what_is_left_of_the_day(header: str, left: tuple[int, float] | None) -> None:
    allowance = verdicts.allowance(httpx.Headers({"Sforce-Limit-Info": header} if header else {}))

    assert (None if allowance is None else (allowance.calls, allowance.limit)) == left
    assert allowance is None or (allowance.is_daily and allowance.seconds == 86400)


async def test_an_ended_session_costs_one_token_and_no_delivery(salesforce: InProcess) -> None:
    """The token answer names no end, so that the first refused call is what tells."""
    assert salesforce.sessions.issued_count == 1
    salesforce.sessions.end()

    await salesforce.deliver(LEAD)

    assert salesforce.sessions.issued_count == 2
    assert len(salesforce.org.writes) == 1


async def test_a_refused_secret_stops_the_destination_and_is_not_told() -> None:
    salesforce = InProcess(made_org(), secrets=secrets(client_secret="wrong-client-secret"))

    with pytest.raises(Misconfigured) as caught:
        await salesforce.prepare()

    assert "wrong-client-secret" not in str(caught.value)


async def test_a_refresh_token_works_as_well() -> None:
    salesforce = InProcess(made_org(), secrets=secrets(refresh_token="demo-refresh-token"))
    await salesforce.prepare()

    await salesforce.deliver(LEAD)

    assert len(salesforce.org.writes) == 1


def test_what_is_missing_or_wrong_is_named() -> None:
    with pytest.raises(Misconfigured, match="instance_url, client_id, client_secret"):
        SalesforceLeads.of({}, {}, str)
    with pytest.raises(MappingError, match="line 1"):
        SalesforceLeads.of({"instance_url": "https://x.test", "client_id": "x", "mapping": "deal: {}"}, secrets(), str)


async def test_a_failed_update_costs_no_lead_that_was_made_in_the_same_batch(salesforce: InProcess) -> None:
    await salesforce.deliver(lead(1))
    salesforce.org.row_faults.append(RowFault("UNABLE_TO_LOCK_ROW", where="l1@"))

    locked, *made = await outcome(salesforce, lead(1, attributes={"campaign": "pascoa"}), lead(2), lead(3))

    assert isinstance(locked, Postponed)
    assert all(isinstance(each, Delivered) for each in made)
