"""The Salesforce destination against the demo Salesforce in process, each behaviour as a salesperson would see it."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot.faults import Fault
from echolead.demo.salesforce import QUEUE_ID, USER_ID, LeadField, Org, RowFault
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
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import MappingError
from tests.fixtures.demo_salesforce import InProcess, made_org, secrets
from tests.fixtures.orders import Kept

LEAD = Lead(
    lead_id="lead-1",
    name="Ana Souza",
    email="ana@lead.test",
    phone="+5511999990000",
    tracking_ids=("lead-1", "browser-2"),
    labels=("canal-paid-search", "origem-google"),
    attributes={
        "channel": "Paid Search",
        "campaign": "natal",
        "sessions_count": 2,
        "first_seen_at": "2026-03-01T22:30:00-03:00",
    },
)
REP = "005000000000002AAA"


def lead(number: int, **fields: Any) -> Lead:
    return replace(LEAD, lead_id=f"lead-{number}", email=f"l{number}@lead.test", tracking_ids=(), phone="", **fields)


def conflicts(order: Any) -> list[str]:
    return [call.response for call in order.calls.recorded if call.outcome == "conflict"]


def sent(salesforce: InProcess, method: str = "PATCH") -> list[httpx.Request]:
    return [request for request in salesforce.requests if request.method == method]


@pytest.fixture
async def salesforce() -> InProcess:
    """An empty org in which setup has been run."""
    made = InProcess(made_org())
    await made.prepare()
    return made


async def outcome(salesforce: InProcess, *leads: Lead) -> list[Any]:
    return [result for _, result in await salesforce.attempt(*leads)]


# What is written


async def test_an_unknown_lead_is_created_with_its_origin(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)

    held = salesforce.lead("lead-1")
    assert {name: held.get(name) for name in ("FirstName", "LastName", "Email", "Phone", "LeadSource")} == {
        "FirstName": "Ana",
        "LastName": "Souza",
        "Email": "ana@lead.test",
        "Phone": "+5511999990000",
        "LeadSource": "Paid Search",
    }
    assert held["EchoLead_Campaign__c"] == "natal"
    assert held["EchoLead_First_Seen_At__c"] == "2026-03-02T01:30:00.000+0000"
    assert held["EchoLead_Url__c"] == "https://console.test/lead-1"
    assert held["EchoLead_Labels__c"] == "canal-paid-search, origem-google"


async def test_twice_leaves_the_same_as_once_and_writes_nothing(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    await salesforce.deliver(LEAD)

    assert len(salesforce.org.writes) == 1


async def test_two_hundred_leads_take_a_few_calls_and_each_records_its_own_part(salesforce: InProcess) -> None:
    before = salesforce.org.calls

    orders = await salesforce.deliver(*(lead(number) for number in range(200)))

    assert len(salesforce.org.present()) == 200
    assert salesforce.org.calls - before < 10
    told = str([(call.request, call.response) for call in orders[7].calls.recorded])
    assert "l7@lead.test" in told
    assert "l8@lead.test" not in told


async def test_changes_follow_the_lead_and_withdrawn_origins_leave(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    await salesforce.deliver(replace(LEAD, attributes={"campaign": "pascoa"}, labels=()))

    held = salesforce.lead("lead-1")
    assert held["EchoLead_Campaign__c"] == "pascoa"
    assert held["EchoLead_Channel__c"] is None
    assert held["EchoLead_Labels__c"] is None
    assert held["LeadSource"] == "Paid Search"  # not a field of ours alone: an unknown value is no order to blank it
    assert len(salesforce.org.writes) == 2


async def test_what_a_salesperson_wrote_stays_and_is_named(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    held = salesforce.lead("lead-1")
    held.update(FirstName="Ana Paula", EchoLead_Channel__c=None)

    (order,) = await salesforce.deliver(replace(LEAD, name="Aninha Souza", attributes={"sessions_count": 3}))

    assert held["Id"] in str(conflicts(order))
    assert salesforce.lead("lead-1")["FirstName"] == "Ana Paula"
    assert salesforce.lead("lead-1")["EchoLead_Sessions_Count__c"] == 3.0


async def test_the_filler_is_for_new_leads_only_and_a_companys_name_stays(salesforce: InProcess) -> None:
    """The filler for Salesforce's required company overwrote the company that a salesperson had typed."""
    nameless = replace(LEAD, name="")
    await salesforce.deliver(nameless)
    assert (salesforce.lead("lead-1")["LastName"], salesforce.lead("lead-1")["Company"]) == ("[not provided]",) * 2

    salesforce.lead("lead-1").update(LastName="Souza", Company="Padaria Sol")
    await salesforce.deliver(replace(nameless, attributes={"campaign": "pascoa"}))

    assert salesforce.lead("lead-1")["Company"] == "Padaria Sol"
    _, _, update = salesforce.org.writes[-1]
    assert {"LastName", "Company"}.isdisjoint(update)


async def test_a_name_that_comes_later_takes_the_fillers_place(salesforce: InProcess) -> None:
    await salesforce.deliver(replace(LEAD, name=""))
    await salesforce.deliver(replace(LEAD, attributes={"company": "Padaria Sol"}))

    held = salesforce.lead("lead-1")
    assert (held["FirstName"], held["LastName"], held["Company"]) == ("Ana", "Souza", "Padaria Sol")


async def test_a_new_lead_is_assigned_by_the_rule_and_an_update_leaves_it_with_its_owner() -> None:
    """Each update ran the assignment rule, so that leads changed hands in mid-call with every page view."""
    salesforce = InProcess(made_org(has_assignment_rule=True))
    await salesforce.prepare()
    await salesforce.deliver(LEAD, lead(2))
    assert {held["OwnerId"] for held in salesforce.org.present()} == {QUEUE_ID}

    salesforce.lead("lead-1")["OwnerId"] = REP
    changed = {"attributes": {"campaign": "pascoa"}}
    await salesforce.deliver(replace(LEAD, **changed))
    salesforce.lead("lead-2")["OwnerId"] = REP
    await salesforce.deliver(replace(LEAD, attributes={"campaign": "junho"}), lead(2, **changed))

    assert {held["OwnerId"] for held in salesforce.org.present()} == {REP}
    assert salesforce.lead("lead-2")["EchoLead_Campaign__c"] == "pascoa"


@pytest.mark.parametrize(
    "configured",
    [
        pytest.param({"assignment_rule": False}, id="the setting"),
        pytest.param({"mapping": f"lead:\n  OwnerId: {{value: '{USER_ID[:15]}', when: create}}"}, id="a mapped owner"),
    ],
)
async def test_the_rule_may_be_off_for_new_leads_too(configured: dict[str, Any]) -> None:
    salesforce = InProcess(made_org(has_assignment_rule=True), configured)
    await salesforce.prepare()

    await salesforce.deliver(LEAD)

    assert salesforce.lead("lead-1")["OwnerId"][:15] == USER_ID[:15]


# Finding


async def test_a_lead_that_sales_made_is_taken_over_by_its_email(salesforce: InProcess) -> None:
    by_hand = salesforce.org.add(LastName="Souza", Company="Padaria Sol", Email="ANA@lead.test")

    await salesforce.deliver(LEAD)

    assert salesforce.lead("lead-1")["Id"] == by_hand
    assert salesforce.lead("lead-1")["Company"] == "Padaria Sol"
    assert len(salesforce.org.present()) == 1


async def test_two_leads_of_ours_do_not_take_over_one_lead_of_salesforce(salesforce: InProcess) -> None:
    salesforce.org.add(Email="ana@lead.test")

    await salesforce.deliver(LEAD, replace(lead(2), email="ana@lead.test"))

    assert {held["EchoLead_Id__c"] for held in salesforce.org.present()} == {"lead-1", "lead-2"}


async def test_a_lost_ledger_finds_every_lead_by_its_id_or_its_browsers(salesforce: InProcess) -> None:
    await salesforce.deliver(replace(LEAD, lead_id="browser-2"), lead(2))
    salesforce.ids.clear()

    await salesforce.deliver(LEAD, lead(2))

    assert len(salesforce.org.present()) == 2
    assert salesforce.lead("lead-1")["Email"] == "ana@lead.test"


async def test_a_deleted_lead_is_made_anew(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    salesforce.org.deleted.add(salesforce.lead("lead-1")["Id"])

    await salesforce.deliver(LEAD)

    assert len(salesforce.org.present()) == 1


@pytest.mark.parametrize("by_id", [True, False], ids=["remembered", "found by its id"])
async def test_a_converted_lead_is_left_alone_and_the_reason_says_so(salesforce: InProcess, by_id: bool) -> None:
    await salesforce.deliver(LEAD)
    salesforce.org.convert(salesforce.lead("lead-1")["Id"])
    if not by_id:
        salesforce.ids.clear()

    (failure,) = await outcome(salesforce, replace(LEAD, name="Other"))

    assert isinstance(failure, Rejected)
    assert failure.code == "CANNOT_UPDATE_CONVERTED_LEAD"
    assert "003000000000001AAA" in str(failure)


async def test_a_lead_that_is_converted_meanwhile_is_final_too(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    salesforce.org.row_faults.append(RowFault("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"))

    (failure,) = await outcome(salesforce, replace(LEAD, attributes={"campaign": "pascoa"}))

    assert isinstance(failure, Rejected)
    assert failure.code == "CANNOT_UPDATE_CONVERTED_LEAD"


async def test_a_customer_who_asks_again_is_a_new_lead(salesforce: InProcess) -> None:
    salesforce.org.convert(salesforce.org.add(Email="ana@lead.test"))

    await salesforce.deliver(LEAD)

    assert len(salesforce.org.present()) == 2


async def test_of_several_leads_with_one_external_id_the_oldest_is_taken_and_the_others_are_named() -> None:
    """The external id of an org is not unique by itself: an upsert is answered 300 and writes nothing."""
    org = made_org()
    org.fields["EchoLead_Id__c"].is_unique = False
    first, second = (org.add(EchoLead_Id__c="lead-1", Email=None) for _ in range(2))
    salesforce = InProcess(org)
    await salesforce.prepare()

    (order,) = await salesforce.deliver(LEAD)

    assert org.lead(first)["Email"] == "ana@lead.test"
    assert org.lead(second)["Email"] is None
    assert second in str(conflicts(order))
    assert salesforce.destination.traits.settle_seconds > 0  # a second creation would not be kept out


# Verdicts


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


# The account


async def test_setup_makes_the_fields_and_shows_them_to_our_user() -> None:
    """A field that is made through an API is hidden from everybody, so that values sent to it got lost."""
    salesforce = InProcess(Org())
    with pytest.raises(Misconfigured, match="destination setup"):
        await salesforce.prepare()
    calls = salesforce.order_of(LEAD).calls

    foreseen = await salesforce.destination.setup(calls, is_dry_run=True)
    assert "EchoLead_Id__c" not in salesforce.org.fields
    made = await salesforce.destination.setup(calls, is_dry_run=False)

    assert {finding.state for finding in foreseen} == {"missing"}
    assert {finding.state for finding in made} == {"made"}
    assert {finding.state for finding in await salesforce.destination.setup(calls, is_dry_run=False)} == {"ok"}
    await salesforce.prepare()
    await salesforce.deliver(LEAD)
    assert salesforce.lead("lead-1")["EchoLead_First_Seen_At__c"] == "2026-03-02T01:30:00.000+0000"
    assert salesforce.org.fields["EchoLead_Id__c"].is_unique


async def test_setup_shows_a_field_that_is_there_and_hidden() -> None:
    salesforce = InProcess(made_org())
    salesforce.org.fields["EchoLead_Campaign__c"].is_hidden = True

    made = await salesforce.destination.setup(salesforce.order_of(LEAD).calls, is_dry_run=False)

    assert [finding.subject for finding in made if finding.state == "made"] == ["EchoLead_Campaign__c"]
    assert "EchoLead_Campaign__c" in salesforce.org.visible_fields()


async def test_the_test_names_what_does_not_arrive(salesforce: InProcess) -> None:
    salesforce.org.fields["EchoLead_Campaign__c"].is_writable = False
    del salesforce.org.fields["EchoLead_Source__c"]
    salesforce.org.daily_calls = salesforce.org.calls + 50

    findings = {
        finding.subject: finding for finding in await salesforce.destination.test(salesforce.order_of(LEAD).calls)
    }

    assert findings["EchoLead_Id__c"].state == "ok"
    assert findings["lead EchoLead_Campaign__c"].state == "note"
    assert "not writable" in findings["lead EchoLead_Campaign__c"].detail
    assert findings["lead EchoLead_Source__c"].state == "missing"
    assert "48 of" in findings["API calls"].detail


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_hidden": True}, "destination setup"),
        ({"is_external_id": False}, "External ID"),
        ({"is_writable": False}, "edit access"),
    ],
)
async def test_an_external_id_that_does_not_work_stops_the_destination(change: dict[str, bool], words: str) -> None:
    org = made_org()
    org.define(LeadField("EchoLead_Id__c", **{"is_external_id": True, "is_unique": True, **change}))

    with pytest.raises(Misconfigured, match=words):
        await InProcess(org).prepare()


async def test_a_failed_update_costs_no_lead_that_was_made_in_the_same_batch(salesforce: InProcess) -> None:
    await salesforce.deliver(lead(1))
    salesforce.org.row_faults.append(RowFault("UNABLE_TO_LOCK_ROW", where="l1@"))

    locked, *made = await outcome(salesforce, lead(1, attributes={"campaign": "pascoa"}), lead(2), lead(3))

    assert isinstance(locked, Postponed)
    assert all(isinstance(each, Delivered) for each in made)


async def test_a_lead_that_another_became_part_of_is_marked_once(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD, lead(2))
    survivor, twin = salesforce.lead("lead-1")["Id"], salesforce.lead("lead-2")["Id"]
    kept = Kept()
    history = DeliveryHistory({"contact": survivor}, (LEAD,), twins={"contact": (twin,)})
    order = replace(salesforce.order_of(LEAD), history=history, remember_in_ledger=kept.remember)

    await salesforce.destination.deliver([order])

    assert salesforce.lead("lead-2")["EchoLead_Same_As__c"] == survivor
    assert twin in str(conflicts(order))
    assert kept.records == {f"twin:contact:{twin}": twin}


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "among others"])
async def test_a_creation_whose_answer_is_lost_is_looked_up_before_anything_is_sent_again(
    salesforce: InProcess, count: int
) -> None:
    wanted = [lead(number) for number in range(count)]
    salesforce.faults.replace([Fault("status_after", where="PATCH .*EchoLead_Id__c", times=1, status=502)])

    for result in await outcome(salesforce, *wanted):
        assert isinstance(result, OutcomeUnknown)
    assert len(sent(salesforce)) == 1
    await salesforce.deliver(*wanted)

    assert len(sent(salesforce)) == 1
    assert len(salesforce.org.writes) == count
