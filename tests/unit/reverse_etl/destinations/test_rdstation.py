"""The RD Station destination against the demo RD Station in process, as a marketing team would see it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot.faults import Fault
from echolead.demo.rdstation import MarketingAccount
from reverse_etl.calls import Reply
from reverse_etl.destination import Order
from reverse_etl.destinations.rdstation import RDStationContacts, verdicts
from reverse_etl.destinations.rdstation.limits import LeadLimits
from reverse_etl.errors import Misconfigured, Mismatch, OutcomeUnknown, Postponed, Rejected, Unavailable, Withheld
from reverse_etl.lead import Delivered, Lead, LeadEvent
from reverse_etl.pace import Breaker
from tests.fixtures.demo_rdstation import InProcess, made_base
from tests.fixtures.orders import Kept

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAD = Lead(
    lead_id="lead-1",
    name="Ana Souza",
    email="ana@example.com",
    phone="+5511999990000",
    labels=("echolead", "google"),
    attributes={"channel": "Paid Search", "source": "google", "campaign": "natal", "sessions_count": 2},
)
EVENT = LeadEvent("event-1", "lead", NOW)


def conflicts(order: Order) -> list[str]:
    return [str(call.response) for call in order.calls.recorded if call.outcome == "conflict"]


@pytest.fixture
async def rdstation() -> InProcess:
    """An account in which setup has been run."""
    made = InProcess(made_base())
    await made.prepare()
    return made


# Contacts


async def test_an_unknown_lead_is_a_contact_with_its_origin_and_no_conversion(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)

    contact = rdstation.contact("ana@example.com")
    assert (contact["name"], contact["mobile_phone"]) == ("Ana Souza", "+5511999990000")
    assert contact["tags"] == ["echolead", "google"]
    assert contact["cf_echolead_channel"] == "Paid Search"
    assert contact["cf_echolead_sessions_count"] == 2
    assert contact["cf_echolead_url"] == "https://console.test/lead-1"
    assert rdstation.base.events == []
    assert "legal_bases" not in contact


async def test_twice_leaves_the_same_as_once_and_writes_nothing(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    await rdstation.deliver(LEAD)

    assert len(rdstation.base.writes) == 1


async def test_the_teams_tags_stay_and_ours_come_and_go(rdstation: InProcess) -> None:
    """An update replaced the tags, which start the team's automations, by those of the tool."""
    rdstation.add(email="ana@example.com", tags=["cliente-vip", "newsletter"], mobile_phone="+551133334444")

    (order,) = [await rdstation.deliver(LEAD)]
    contact = rdstation.contact("ana@example.com")
    assert contact["tags"] == ["cliente-vip", "newsletter", "echolead", "google"]
    assert contact["mobile_phone"] == "+551133334444"
    assert "mobile_phone" in str(conflicts(order))
    assert all("email" not in body for body in rdstation.base.writes)

    await rdstation.deliver(replace(LEAD, labels=("echolead",)))
    assert rdstation.contact("ana@example.com")["tags"] == ["cliente-vip", "newsletter", "echolead"]


async def test_a_phone_that_we_wrote_follows_the_lead(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    await rdstation.deliver(replace(LEAD, phone="+5511888880000"))

    assert rdstation.contact("ana@example.com")["mobile_phone"] == "+5511888880000"


async def test_a_corrected_address_is_the_same_contact(rdstation: InProcess) -> None:
    await rdstation.deliver(replace(LEAD, email="ana@exmaple.com"))
    await rdstation.deliver(LEAD)

    assert [contact["email"] for contact in rdstation.base.contacts.values()] == ["ana@example.com"]


async def test_an_address_that_changed_after_a_lost_creation_makes_no_second_contact(rdstation: InProcess) -> None:
    """The engine died between making the contact and noting its id, and the lead corrected the address meanwhile."""
    await rdstation.deliver(replace(LEAD, email="ana@exmaple.com"))
    del rdstation.kept["lead-1"].records["contact"]

    await rdstation.deliver(LEAD)

    assert [contact["email"] for contact in rdstation.base.contacts.values()] == ["ana@example.com"]


async def test_an_earlier_address_of_somebody_else_is_left_alone(rdstation: InProcess) -> None:
    rdstation.add(email="ana@exmaple.com", name="Anne")
    rdstation.sent["lead-1"] = [replace(LEAD, email="ana@exmaple.com")]

    await rdstation.deliver(LEAD)

    assert rdstation.contact("ana@exmaple.com")["name"] == "Anne"
    assert len(rdstation.base.contacts) == 2


async def test_a_tag_that_the_team_took_off_stays_off_until_the_lead_has_been_without_it(rdstation: InProcess) -> None:
    """Tags start automations: one that was taken off came back with each page view."""
    await rdstation.deliver(LEAD)
    rdstation.contact("ana@example.com")["tags"].remove("google")

    order = await rdstation.deliver(replace(LEAD, attributes={"campaign": "pascoa"}))
    assert rdstation.contact("ana@example.com")["tags"] == ["echolead"]
    assert "google was taken off" in str(conflicts(order))

    await rdstation.deliver(replace(LEAD, labels=("echolead",)))
    await rdstation.deliver(LEAD)
    assert rdstation.contact("ana@example.com")["tags"] == ["echolead", "google"]


async def test_an_address_that_is_taken_costs_the_address_and_not_the_lead(rdstation: InProcess) -> None:
    await rdstation.deliver(replace(LEAD, email="ana@exmaple.com"))
    rdstation.add(email="ana@example.com", tags=["cliente-vip"])

    order = await rdstation.deliver(replace(LEAD, attributes={"channel": "Email"}))

    contact = rdstation.contact("ana@exmaple.com")
    assert contact["cf_echolead_channel"] == "Email"
    assert "EMAIL_ALREADY_IN_USE" in str(conflicts(order))
    assert rdstation.contact("ana@example.com")["tags"] == ["cliente-vip"]


async def test_an_address_that_the_team_wrote_stays(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    rdstation.contact("ana@example.com")["email"] = "ana@work.example"

    order = await rdstation.deliver(replace(LEAD, attributes={"channel": "Email"}))

    assert rdstation.contact("ana@work.example")["cf_echolead_channel"] == "Email"
    assert "email was not written" in str(conflicts(order))


async def test_a_lead_with_a_phone_alone_is_found_by_it_and_one_with_nothing_is_withheld(rdstation: InProcess) -> None:
    await rdstation.deliver(replace(LEAD, email=""))
    await rdstation.deliver(replace(LEAD, email="", lead_id="lead-2"))
    assert len(rdstation.base.contacts) == 1

    with pytest.raises(Withheld):
        await rdstation.deliver(replace(LEAD, email="", phone=""))


async def test_a_deleted_contact_is_made_anew(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    rdstation.base.contacts.clear()

    await rdstation.deliver(LEAD)

    assert rdstation.contact("ana@example.com")["tags"] == ["echolead", "google"]


async def test_a_contact_that_is_deleted_between_look_up_and_writing_is_looked_for_again(rdstation: InProcess) -> None:
    """A 404 is final for a record that was never there: the lead was dead."""
    await rdstation.deliver(LEAD)
    rdstation.faults.replace([Fault("status", where="PATCH /platform/contacts", times=1, status=404)])

    with pytest.raises(OutcomeUnknown):
        await rdstation.deliver(replace(LEAD, attributes={"campaign": "pascoa"}))


async def test_a_value_that_a_field_refuses_costs_the_value_and_not_the_lead(rdstation: InProcess) -> None:
    rdstation.base.fields["cf_echolead_channel"]["valid_options"] = [{"value": "Direct"}]

    order = await rdstation.deliver(LEAD)

    assert "cf_echolead_channel" not in rdstation.contact("ana@example.com")
    assert rdstation.contact("ana@example.com")["cf_echolead_source"] == "google"
    assert "INVALID_OPTION" in str(conflicts(order))


async def test_what_is_mapped_for_new_contacts_is_neither_written_again_nor_taken_off() -> None:
    once = "when: create"
    mapping = f"contact: {{cf_echolead_channel: {{from: attributes.channel, {once}}}, name: {{from: name, {once}}}}}"
    rdstation = InProcess(made_base(), {"mapping": mapping})
    await rdstation.prepare()
    await rdstation.deliver(LEAD)
    rdstation.contact("ana@example.com")["name"] = None

    for campaign in ("pascoa", "junho"):
        await rdstation.deliver(replace(LEAD, attributes={"channel": "Email", "campaign": campaign}))

    contact = rdstation.contact("ana@example.com")
    assert (contact["cf_echolead_channel"], contact["name"]) == ("Paid Search", None)
    assert contact["cf_echolead_campaign"] == "junho"


async def test_withdrawn_origins_leave_unless_somebody_changed_them(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    rdstation.contact("ana@example.com")["cf_echolead_source"] = "indicação"

    await rdstation.deliver(replace(LEAD, attributes={}, labels=()))

    contact = rdstation.contact("ana@example.com")
    assert (contact["cf_echolead_channel"], contact["cf_echolead_source"]) == (None, "indicação")
    assert contact["tags"] == []


async def test_what_is_read_back_different_is_a_mismatch(rdstation: InProcess) -> None:
    order = await rdstation.deliver(LEAD, is_verified=False)
    contact = rdstation.contact("ana@example.com")
    contact["tags"] = []

    with pytest.raises(Mismatch, match="tag echolead"):
        await rdstation.destination.verify_one(order, Delivered(contact["uuid"]))


async def test_a_phone_in_other_writing_and_a_tag_of_the_team_are_no_difference(rdstation: InProcess) -> None:
    order = await rdstation.deliver(LEAD, is_verified=False)
    contact = rdstation.contact("ana@example.com")
    contact["mobile_phone"] = "+55 (11) 99999-0000"
    contact["tags"].append("newsletter")

    sent = {"mobile_phone": LEAD.phone, "tags": list(LEAD.labels)}
    await rdstation.destination.verify_one(order, Delivered(contact["uuid"], sent))
    await rdstation.deliver(LEAD)

    assert len(rdstation.base.writes) == 1


async def test_contacts_that_turn_out_to_be_one_person_are_named_once(rdstation: InProcess) -> None:
    await rdstation.deliver(LEAD)
    asked = rdstation.order_of(LEAD)
    order = replace(asked, history=replace(asked.history, twins={"contact": ("uuid-of-another",)}))

    await rdstation.destination.deliver_one(order)

    assert "uuid-of-another" in str(conflicts(order))
    assert "twin:contact:uuid-of-another" in rdstation.kept["lead-1"].records


# Consent


async def test_a_legal_basis_comes_from_consent_alone_and_a_withdrawal_is_sent_once(rdstation: InProcess) -> None:
    contact = rdstation.add(
        email="ana@example.com",
        legal_bases=[{"category": "communications", "type": "pre_existent_contract", "status": "granted"}],
    )
    theirs = contact["legal_bases"][0]

    await rdstation.deliver(replace(LEAD, consent={"marketing": "unknown"}))
    assert contact["legal_bases"] == [theirs]
    await rdstation.deliver(replace(LEAD, consent={"marketing": "granted"}))
    assert contact["legal_bases"] == [theirs, {"category": "communications", "type": "consent", "status": "granted"}]
    for name in ("Ana", "Ana Lima"):
        await rdstation.deliver(replace(LEAD, name=name, consent={"marketing": "denied"}))

    assert contact["legal_bases"] == [theirs, {"category": "communications", "type": "consent", "status": "declined"}]
    assert len([body for body in rdstation.base.writes if "legal_bases" in body]) == 2


# Conversions


async def test_a_conversion_is_sent_once_however_often_the_lead_changes(rdstation: InProcess) -> None:
    won = LeadEvent("event-2", "won", NOW + timedelta(days=1))
    await rdstation.deliver(
        replace(LEAD, events=(EVENT,), cookies={"rdtrk": '{"id":"0c0b5a2e-6a5f-4d3c-9b1a-1f2e3d4c5b6a"}'})
    )
    await rdstation.deliver(replace(LEAD, name="Ana Lima", events=(EVENT,)))
    await rdstation.deliver(replace(LEAD, name="Ana Lima", events=(won, EVENT)))

    sent = [event["conversion_identifier"] for event in rdstation.base.events]
    assert sent == ["echolead-lead", "echolead-venda"]
    first = rdstation.base.events[0]
    assert first["client_tracking_id"] == "0c0b5a2e-6a5f-4d3c-9b1a-1f2e3d4c5b6a"
    assert (first["traffic_source"], first["traffic_campaign"]) == ("google", "natal")
    assert rdstation.kept["lead-1"].records[EVENT.kind] == first["event_uuid"]


async def test_a_form_that_is_a_lead_and_a_sale_at_once_is_two_conversions_each_sent_once(rdstation: InProcess) -> None:
    """One of two had no answer, and the other one's mark was its own: a sale was missing, or a lead counted twice."""
    both = replace(LEAD, events=(EVENT, replace(EVENT, name="won")))
    await rdstation.deliver(replace(LEAD, events=(EVENT,)))
    rdstation.faults.replace([Fault("status", where="POST /platform/events", times=1, status=503)])
    with pytest.raises(Unavailable):
        await rdstation.deliver(both)
    rdstation.connection.breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)  # the wait is over
    await rdstation.deliver(both)

    assert [event["conversion_identifier"] for event in rdstation.base.events] == ["echolead-lead", "echolead-venda"]


@pytest.mark.parametrize("kind", ["status_after", "garbled_after"])
async def test_a_conversion_whose_answer_is_lost_is_not_sent_again(rdstation: InProcess, kind: Any) -> None:
    rdstation.faults.replace([Fault(kind, where="POST /platform/events", times=1)])

    order = await rdstation.deliver(replace(LEAD, events=(EVENT,)))
    await rdstation.deliver(replace(LEAD, name="Ana Lima", events=(EVENT,)))

    assert len(rdstation.base.events) == 1
    assert "not sent again" in str(conflicts(order))
    assert rdstation.kept["lead-1"].records[EVENT.kind] == "unknown"


async def test_a_conversion_that_an_engine_left_behind_is_unknown_and_sent_again_by_an_operator_alone(
    rdstation: InProcess,
) -> None:
    """The engine died between mark and call: the sale was missing in RD Station, and nothing said so."""
    await rdstation.deliver(LEAD)
    rdstation.kept["lead-1"].records[EVENT.kind] = "sending"

    order = await rdstation.deliver(replace(LEAD, events=(EVENT,)))
    again = await rdstation.deliver(replace(LEAD, events=(EVENT,)))

    (unknown,) = [call for call in order.calls.recorded if call.outcome == "unknown"]
    assert "echolead resync --unknown" in str(unknown.response)
    assert [call for call in again.calls.recorded if call.outcome == "unknown"] == []
    assert (rdstation.base.events, rdstation.kept["lead-1"].records[EVENT.kind]) == ([], "unknown")
    rdstation.kept["lead-1"].records[EVENT.kind] = "not sent"  # what the command leaves

    await rdstation.deliver(replace(LEAD, events=(EVENT,)))
    assert len(rdstation.base.events) == 1


@pytest.mark.parametrize("fault", [Fault("status", status=503), Fault("status", status=429)], ids=["503", "429"])
async def test_a_conversion_that_was_not_taken_is_sent_later(rdstation: InProcess, fault: Fault) -> None:
    rdstation.faults.replace([replace(fault, where="POST /platform/events", times=1)])

    with pytest.raises(Unavailable):
        await rdstation.deliver(replace(LEAD, events=(EVENT,)))
    rdstation.connection.breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)  # the wait is over
    await rdstation.deliver(replace(LEAD, events=(EVENT,)))

    assert len(rdstation.base.events) == 1


# Limits


async def test_our_own_count_keeps_a_chatty_lead_within_its_limit(rdstation: InProcess) -> None:
    for number in range(24):
        await rdstation.deliver(replace(LEAD, attributes={"campaign": str(number)}))
    calls = len(rdstation.base.writes)

    with pytest.raises(Postponed) as caught:
        await rdstation.deliver(replace(LEAD, attributes={"campaign": "24"}))

    assert not caught.value.uses_up_tries
    assert 80000 < (caught.value.retry_after or 0) <= 86401
    assert len(rdstation.base.writes) == calls == 24
    await rdstation.deliver(replace(LEAD, lead_id="lead-2", email="bia@example.com"))  # the others go on


async def test_a_limit_that_others_used_up_holds_back_this_lead_alone() -> None:
    rdstation = InProcess(made_base(patches=0))
    await rdstation.prepare()

    with pytest.raises(Postponed) as caught:
        await rdstation.deliver(LEAD)
    assert not caught.value.uses_up_tries
    # 86400 might be milliseconds: the first probe comes soon, and no state of the lead asks before it.
    assert 43 <= (caught.value.retry_after or 0) <= 87
    recorded = len(rdstation.order_of(LEAD).calls.recorded)
    with pytest.raises(Postponed):
        await rdstation.deliver(replace(LEAD, name="Ana Lima"))
    assert recorded == 0
    assert rdstation.connection.breaker.seconds_left == 0
    assert rdstation.connection.pace.reserve() == 0


async def test_probes_of_a_limited_lead_are_spaced_and_a_success_forgets_them() -> None:
    now = 1_000_000.0
    kept = Kept()

    def limits() -> LeadLimits:
        rdstation = InProcess(MarketingAccount())
        rdstation.kept["lead-1"] = kept
        return LeadLimits(rdstation.order_of(LEAD), lambda: now)

    waits = []
    for _ in range(5):
        refusal = await limits().refused(Postponed("", retry_after=43, is_limit=True))
        waits.append(refusal.retry_after)
        with pytest.raises(Postponed):
            limits().check()
        now += refusal.retry_after or 0.0
        limits().check()
    assert waits == [43, 3600, 7200, 14400, 21600]

    await limits().passed()
    assert (await limits().refused(Postponed("", retry_after=43, is_limit=True))).retry_after == 43


async def test_the_counted_window_moves_on() -> None:
    clock = [1_000_000.0]
    rdstation = InProcess(MarketingAccount())

    async def count() -> None:
        await LeadLimits(rdstation.order_of(LEAD), lambda: clock[0]).count("patches")

    for _ in range(24):
        await count()
        clock[0] += 60
    with pytest.raises(Postponed) as caught:
        await count()
    clock[0] += (caught.value.retry_after or 0.0) + 1
    await count()


LIST = [{"error_type": "CANNOT_BE_NULL", "error_message": "Cannot be null.", "path": "$.conversion_identifier"}]


NAMED = ("conversion_identifier",)
WRONG = {"error_type": "MUST_BE_STRING", "error_message": "Must be a text."}


@pytest.mark.parametrize(
    ("content", "code", "fields"),
    [
        pytest.param({"errors": WRONG}, "MUST_BE_STRING", (), id="an object"),
        pytest.param(LIST, "CANNOT_BE_NULL", NAMED, id="a bare list"),
        pytest.param({"errors": LIST}, "CANNOT_BE_NULL", NAMED, id="a list"),
        pytest.param({"errors": {"name": [WRONG]}}, "MUST_BE_STRING", ("name",), id="lists by field"),
        pytest.param({"errors": {"label": {"pt-BR": [WRONG]}}}, "MUST_BE_STRING", ("pt-BR",), id="deep"),
        pytest.param({"message": "no"}, "", (), id="none of them"),
    ],
)
def test_refusals_are_read_in_each_of_their_forms(content: Any, code: str, fields: tuple[str, ...]) -> None:
    text = json.dumps(content)

    failure = verdicts.judge(Reply(400, httpx.Headers(), text, text))

    assert isinstance(failure, Rejected)
    assert (failure.code, failure.attributes) == (code, fields)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after-quotas": "17"}, 17), ({"Retry-After": "5"}, 5), ({}, 60)],
    ids=["its own header", "the usual one", "none"],
)
def test_the_accounts_limit_is_waited_for_by_rds_own_header(headers: dict[str, str], seconds: float) -> None:
    text = '{"message": "API rate limit exceeded"}'

    failure = verdicts.judge(Reply(429, httpx.Headers(headers), text, text))

    assert isinstance(failure, Unavailable)
    assert failure.retry_after == seconds


async def test_an_ended_token_is_renewed(rdstation: InProcess) -> None:
    for campaign in ("a", "b"):
        rdstation.tokens.end()
        await rdstation.deliver(replace(LEAD, attributes={"campaign": campaign}))

    assert rdstation.contact("ana@example.com")["cf_echolead_campaign"] == "b"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Misconfigured, match="client_id, client_secret, refresh_token"):
        RDStationContacts.of({}, {}, str)


# The account


async def test_setup_makes_fields_under_names_that_are_free_and_deliveries_use_them() -> None:
    """Reserved names such as channel are refused, and values for fields that are not there got lost."""
    rdstation = InProcess(
        MarketingAccount(), {"mapping": "contact:\n  cf_channel: attributes.channel\n  cf_echolead_channel: null"}
    )
    calls = rdstation.order_of(LEAD).calls

    foreseen = await rdstation.destination.setup(calls, is_dry_run=True)
    assert not [name for name in rdstation.base.fields if name.startswith("cf_")]
    made = await rdstation.destination.setup(calls, is_dry_run=False)

    assert "cf_echolead_channel" in {finding.subject for finding in foreseen if finding.state == "missing"}
    (instead,) = [finding for finding in made if finding.subject == "cf_echolead_channel"]
    assert instead.state == "made"
    assert "in place of cf_channel" in instead.detail
    again = await rdstation.destination.setup(calls, is_dry_run=False)
    assert {finding.state for finding in again} == {"ok"}
    await rdstation.prepare()
    await rdstation.deliver(LEAD)
    assert rdstation.contact("ana@example.com")["cf_echolead_channel"] == "Paid Search"


async def test_a_name_that_rd_refuses_too_is_followed_by_the_next() -> None:
    rdstation = InProcess(MarketingAccount(), {"mapping": "contact:\n  cf_novo: attributes.channel"})
    rdstation.faults.replace([Fault("status", where="POST /platform/contacts/fields", times=1, status=400)])
    rdstation.base.fields["cf_echolead_id"] = {"api_identifier": "cf_echolead_id", "data_type": "STRING"}

    made = await rdstation.destination.setup(rdstation.order_of(LEAD).calls, is_dry_run=False)

    assert "cf_echolead_url_2" in {finding.subject for finding in made if finding.state == "made"}


async def test_fields_that_are_not_there_are_not_sent_and_named_once() -> None:
    rdstation = InProcess(MarketingAccount())
    await rdstation.prepare()

    first = await rdstation.deliver(LEAD)
    second = await rdstation.deliver(replace(LEAD, name="Ana Lima"))

    assert "cf_echolead_channel" in str(conflicts(first))
    assert conflicts(second) == []
    findings = await rdstation.destination.test(first.calls)
    assert {finding.state for finding in findings if finding.subject.startswith("contact cf_")} == {"missing"}
