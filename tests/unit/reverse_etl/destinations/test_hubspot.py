"""The HubSpot destination against the demo HubSpot in process, each behaviour as a sales team would see it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot import Fault, Faults
from echolead.demo.hubspot import HubSpotLimits, HubSpotStore, create_app
from reverse_etl.calls import Allowance, Calls, LaneConnection, Reply
from reverse_etl.destination import Order
from reverse_etl.destinations.hubspot import HubSpot
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    Mismatch,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Unavailable,
    Withheld,
)
from reverse_etl.lead import Delivered, Lead, LeadEvent, twin_kind
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.orders import Kept, order
from tests.fixtures.vendor_descriptions import DescribedBy, Descriptions

TOKEN = "test-hubspot-token"
CHAT = "https://chat.test/app/conversations/7"
FORM = {"portal_id": 123, "form_guid": "form-1", "forms_url": "http://localhost"}
DEALS = {"deal_pipeline": "default", "deal_stage": "appointmentscheduled"}
LEAD = Lead(
    lead_id="lead-1",
    name="Ana Souza",
    email="ana@lead.test",
    phone="+5511999990000",
    tracking_ids=("lead-1", "browser-2"),
    labels=("canal-paid-search", "origem-google"),
    attributes={"channel": "Paid Search", "source": "google", "sessions_count": 2},
    first_touch_at=datetime(2026, 3, 2, 1, 30, tzinfo=UTC),
    time_zone="America/Sao_Paulo",
)


def changed(lead: Lead = LEAD, **fields: Any) -> Lead:
    """The lead with other values."""
    return Lead(**{**vars(lead), **fields})


class Account:
    """The demo HubSpot without a socket, a destination that delivers to it, and what the ledger remembers."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, **configuration: Any) -> None:
        self.store, self.faults, self.limits = HubSpotStore(), Faults(), HubSpotLimits()
        self.app = create_app(TOKEN, store=self.store, faults=self.faults, limits=self.limits)
        self.kept: dict[str, Kept] = {}
        self.sent: dict[str, list[Lead]] = {}
        self.orders: list[Order] = []
        self.use(transport, **configuration)

    def use(self, transport: httpx.AsyncBaseTransport | None = None, **configuration: Any) -> None:
        """A destination with this configuration."""
        self.destination = HubSpot.of(
            {"base_url": "http://localhost", **configuration},
            {"access_token": TOKEN},
            lambda lead_id: f"https://console.test/{lead_id}",
        )
        client = self.destination.client(transport or httpx.ASGITransport(self.app))
        breaker = Breaker(threshold=1000, cooldown_seconds=1, longest_seconds=1)
        self.connection = LaneConnection(
            client, Pace(1e6, 1000), breaker, judge=self.destination.judge, allowance=self.destination.allowance
        )

    async def prepare(self) -> None:
        """As at the start of a lane."""
        await self.destination.prepare(Calls(self.connection))

    def order(self, lead: Lead) -> Order:
        """An order that knows what earlier deliveries of the lead left."""
        kept = self.kept.setdefault(lead.lead_id, Kept())
        return order(self.connection, lead, sent=self.sent.get(lead.lead_id, []), kept=kept)

    async def deliver_all(self, *leads: Lead) -> list[Delivered | DeliveryFailed]:
        """One batch of these leads, and what the ledger keeps of it."""
        self.orders = [self.order(lead) for lead in leads]
        outcomes = await self.destination.deliver(self.orders)
        for asked in self.orders:
            outcome = outcomes.get(asked.delivery_id)
            self.sent.setdefault(asked.lead.lead_id, []).insert(0, asked.lead)
            if isinstance(outcome, Delivered):
                self.kept[asked.lead.lead_id].records["contact"] = outcome.remote_id
        return [outcomes[asked.delivery_id] for asked in self.orders]

    async def deliver(self, lead: Lead = LEAD) -> Delivered:
        """Deliver one lead and read it back; raises what it failed with."""
        (outcome,) = await self.deliver_all(lead)
        if isinstance(outcome, DeliveryFailed):
            raise outcome
        await self.verify(lead, outcome)
        return outcome

    async def verify(self, lead: Lead, outcome: Delivered) -> None:
        """Read back; raises why it is not verified."""
        asked = self.order(lead)
        failure = (await self.destination.verify([(asked, outcome)]))[asked.delivery_id]
        if failure is not None:
            raise failure

    def add(self, **properties: str) -> str:
        """A contact that is there already."""
        row = self.store.create("contacts", properties)
        self.store.writes.clear()
        return str(row["id"])

    def contact(self, contact_id: str) -> dict[str, str]:
        """A contact's properties."""
        found: dict[str, str] = self.store.objects["contacts"][contact_id]["properties"]
        return found

    def contacts(self) -> list[dict[str, str]]:
        """The properties of each contact."""
        return [row["properties"] for row in self.store.objects["contacts"].values()]

    def operations(self) -> list[str]:
        """The calls of the last delivery's first order."""
        return [call.operation for call in self.orders[0].calls.recorded]

    def conflicts(self) -> list[str]:
        """What the last delivery left to others."""
        return [str(call.response) for call in self.orders[0].calls.recorded if call.outcome == "conflict"]

    def define(self, name: str, type_: str, field_type: str, options: Sequence[str] = ()) -> None:
        """A property that somebody made by hand."""
        listed = [{"value": each, "label": each.capitalize(), "hidden": False} for each in options]
        body = {"name": name, "label": name, "type": type_, "fieldType": field_type, "groupName": "information"}
        self.store.definitions.add_property("contacts", {**body, "options": listed})


@pytest.fixture
async def hubspot() -> Account:
    """An empty account that is prepared."""
    account = Account()
    await account.prepare()
    return account


async def test_an_unknown_lead_becomes_a_contact_with_its_origin(hubspot: Account) -> None:
    outcome = await hubspot.deliver()

    assert hubspot.contact(outcome.remote_id) == {
        "echolead_id": "lead-1",
        "email": "ana@lead.test",
        "firstname": "Ana",
        "lastname": "Souza",
        "phone": "+5511999990000",
        "lifecyclestage": "lead",
        "echolead_url": "https://console.test/lead-1",
        "echolead_labels": "canal-paid-search, origem-google",
        "echolead_channel": "Paid Search",
        "echolead_source": "google",
        "echolead_sessions_count": "2",
        "echolead_first_touch_at": "2026-03-02T01:30:00.000Z",
    }
    assert hubspot.operations() == ["look up by echolead_id", "look up by email", "create contacts"]


async def test_the_same_again_writes_nothing(hubspot: Account) -> None:
    await hubspot.deliver()
    hubspot.store.writes.clear()

    await hubspot.deliver()

    assert hubspot.operations() == ["read contacts"]
    assert hubspot.store.writes == []


async def test_a_hundred_leads_take_one_call_of_each_kind(hubspot: Account) -> None:
    outcomes = await hubspot.deliver_all(
        *(changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(100))
    )

    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(hubspot.contacts()) == 100
    assert hubspot.operations() == ["look up by echolead_id", "look up by email", "create contacts"]


async def test_an_update_by_our_id_needs_no_address(hubspot: Account) -> None:
    """The ledger was lost: the contact is found by what we wrote there."""
    first = await hubspot.deliver()
    hubspot.kept.clear()
    hubspot.sent.clear()

    second = await hubspot.deliver(changed(email="", attributes={"channel": "Email"}))

    assert second.remote_id == first.remote_id
    assert hubspot.contact(first.remote_id)["echolead_channel"] == "Email"


async def test_a_lead_that_another_became_part_of_keeps_its_contact(hubspot: Account) -> None:
    before = await hubspot.deliver(changed(lead_id="browser-2", tracking_ids=("browser-2",)))
    after = await hubspot.deliver()
    assert after.remote_id == before.remote_id
    assert len(hubspot.contacts()) == 1


async def test_contacts_of_leads_that_became_one_are_merged_into_the_leads_own(hubspot: Account) -> None:
    own = await hubspot.deliver(changed(tracking_ids=()))
    twin = await hubspot.deliver(changed(lead_id="browser-2", email="ana@work.test", tracking_ids=()))
    asked = hubspot.order(LEAD)
    asked = replace(asked, history=replace(asked.history, twins={"contact": (twin.remote_id,)}))

    outcomes = await hubspot.destination.deliver([asked])

    assert isinstance(outcomes[asked.delivery_id], Delivered)
    (contact,) = hubspot.contacts()
    assert (contact["email"], contact["hs_additional_emails"]) == ("ana@lead.test", "ana@work.test")
    assert contact["echolead_id"] == "lead-1"
    assert hubspot.store.objects["contacts"][own.remote_id]["merged"] == [twin.remote_id]
    assert hubspot.kept["lead-1"].records[twin_kind("contact", twin.remote_id)] == twin.remote_id


async def test_a_contact_that_was_merged_into_another_is_found_there(hubspot: Account) -> None:
    first = await hubspot.deliver()
    other = hubspot.add(email="ana@work.test")
    hubspot.store.merge(other, first.remote_id)

    again = await hubspot.deliver(changed(attributes={"channel": "Email"}))

    assert again.remote_id == other
    assert hubspot.operations()[:2] == ["read contacts", "update contacts"]
    assert hubspot.contact(other)["echolead_channel"] == "Email"
    assert hubspot.contact(other)["email"] == "ana@work.test"


async def test_a_contact_that_somebody_deleted_is_made_again(hubspot: Account) -> None:
    first = await hubspot.deliver()
    del hubspot.store.objects["contacts"][first.remote_id]

    assert (await hubspot.deliver()).remote_id != first.remote_id
    assert len(hubspot.contacts()) == 1


async def test_what_we_wrote_follows_the_lead_and_what_people_wrote_stays(hubspot: Account) -> None:
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"lastname": "Souza Lima", "echolead_campaign": "by hand"})

    await hubspot.deliver(changed(name="Anna Silva", attributes={"channel": "Email"}))

    contact = hubspot.contact(outcome.remote_id)
    assert (contact["firstname"], contact["lastname"]) == ("Anna", "Souza Lima")
    assert contact["echolead_channel"] == "Email"
    assert "echolead_source" not in contact  # no longer wanted
    assert contact["echolead_campaign"] == "by hand"


async def test_a_lead_with_a_phone_number_alone_is_named_by_it_until_it_has_a_name(hubspot: Account) -> None:
    outcome = await hubspot.deliver(changed(name="", email=""))
    assert hubspot.contact(outcome.remote_id)["firstname"] == "+5511999990000"

    await hubspot.deliver(changed(email=""))

    assert hubspot.contact(outcome.remote_id)["firstname"] == "Ana"


async def test_a_lead_without_anything_to_call_it_by_is_withheld(hubspot: Account) -> None:
    with pytest.raises(Withheld):
        await hubspot.deliver(changed(name="", email="", phone=""))
    assert hubspot.contacts() == []


# Typed values


async def test_days_and_numbers_are_written_as_their_properties_want_them(hubspot: Account) -> None:
    """Evening leads came on the wrong day, and one number with an exponent or a comma cost the whole contact."""
    hubspot.define("first_touch_day", "date", "date")
    hubspot.define("first_touch_moment", "datetime", "date")
    hubspot.define("lead_value", "number", "number")
    mapping = """
contact:
  first_touch_day: first_touch_at
  first_touch_moment: first_touch_at
  lead_value: attributes.value
"""
    hubspot.use(mapping=mapping)
    await hubspot.prepare()
    held, sent = [], []
    for value in (1e-14, " 1.234,56 ", 1234.50):
        outcome = await hubspot.deliver(changed(attributes={"value": value}))
        held.append(hubspot.contact(outcome.remote_id).get("lead_value"))
        sent.append(hubspot.store.writes[-1][2].get("lead_value"))

    contact = hubspot.contact(outcome.remote_id)
    assert sent == ["0", "1234.56", "1234.5"]
    assert held == ["0", "1234.56", "1234.5"]
    assert contact["first_touch_day"] == "2026-03-01"  # the tenant's day
    assert contact["first_touch_moment"] == "2026-03-02T01:30:00.000Z"
    first = hubspot.store.writes[0][2]
    assert (first["first_touch_day"], first["first_touch_moment"]) == ("1772323200000", "1772415000000")
    assert len(hubspot.store.writes) == 3
    assert hubspot.conflicts() == []


async def test_an_empty_list_empties_nothing_and_ours_leave_while_theirs_stay(hubspot: Account) -> None:
    """A list without entries had emptied the field, and options that a salesperson ticked were lost."""
    hubspot.define("interests", "enumeration", "checkbox", ["consorcio", "seguro", "imovel"])
    hubspot.use(mapping="contact: {interests: labels}")
    await hubspot.prepare()
    contact_id = hubspot.add(email="ana@lead.test", interests="consorcio;seguro")
    seen, notes = [], []
    for labels in ((), ("imovel",), ("imovel", "barco"), ()):
        await hubspot.deliver(changed(labels=labels))
        seen.append(set(hubspot.contact(contact_id)["interests"].split(";")))
        notes.append([note for note in hubspot.conflicts() if "barco" in note])

    theirs = {"consorcio", "seguro"}
    assert seen == [theirs, theirs | {"imovel"}, theirs | {"imovel"}, theirs]
    assert [bool(note) for note in notes] == [False, False, True, False]
    writes = [properties.get("interests") for _, _, properties in hubspot.store.writes]
    assert [each for each in writes if each is not None] == ["consorcio;seguro;imovel", "consorcio;seguro"]


@pytest.mark.parametrize("mode", ["ignores", "moves"])
async def test_a_customer_who_fills_in_another_form_stays_a_customer(hubspot: Account, mode: Any) -> None:
    """HubSpot answers 200 to an earlier stage and ignores it, or takes it: sources differ."""
    hubspot.store.lifecycle_mode = mode
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"lifecyclestage": "customer"})
    hubspot.store.writes.clear()

    await hubspot.deliver(changed(attributes={"channel": "Email"}))

    assert hubspot.contact(outcome.remote_id)["lifecyclestage"] == "customer"
    assert all("lifecyclestage" not in properties for _, _, properties in hubspot.store.writes)


async def test_a_subscriber_becomes_a_lead(hubspot: Account) -> None:
    contact_id = hubspot.add(email="ana@lead.test", lifecyclestage="subscriber")
    await hubspot.deliver()
    assert hubspot.contact(contact_id)["lifecyclestage"] == "lead"


async def test_a_stage_of_the_accounts_own_is_not_replaced(hubspot: Account) -> None:
    outcome = await hubspot.deliver()
    hubspot.contact(outcome.remote_id)["lifecyclestage"] = "a stage that was taken away"
    await hubspot.deliver(changed(attributes={"channel": "Email"}))
    assert hubspot.contact(outcome.remote_id)["lifecyclestage"] == "a stage that was taken away"


# Addresses


@pytest.mark.parametrize("mode", ["replaces", "conflict"])
async def test_a_lead_who_writes_from_a_second_address_leaves_the_first_one(hubspot: Account, mode: Any) -> None:
    """Sales writes to the first address: replacing it breaks threads, and a second contact splits the history."""
    hubspot.store.second_address_mode = mode
    contact_id = hubspot.add(
        email="ana.souza@empresa.example", hs_additional_emails="ana@example.com", hubspot_owner_id="9"
    )

    outcome = await hubspot.deliver(changed(email="ana@example.com"))

    assert outcome.remote_id == contact_id
    (contact,) = hubspot.contacts()
    assert contact["email"] == "ana.souza@empresa.example"
    assert contact["hs_additional_emails"] == "ana@example.com"
    assert contact["hubspot_owner_id"] == "9"
    assert contact["phone"] == "+5511999990000"
    assert contact["echolead_id"] == "lead-1"
    assert all("email" not in properties for _, _, properties in hubspot.store.writes)
    (conflict,) = hubspot.conflicts()
    assert "ana.souza@empresa.example" in conflict
    hubspot.store.writes.clear()
    await hubspot.deliver(changed(email="ana@example.com"))
    assert hubspot.store.writes == []


async def test_a_corrected_address_is_written_to_the_contact_that_is_known(hubspot: Account) -> None:
    """An upsert by e-mail would make a contact for each correction."""
    outcome = await hubspot.deliver(changed(email="ana@exmaple.com"))
    hubspot.store.writes.clear()

    await hubspot.deliver(changed(email="ana@example.com"))

    (contact,) = hubspot.contacts()
    assert contact["email"] == "ana@example.com"
    assert [(kind, written) for kind, written, _ in hubspot.store.writes] == [("contacts", outcome.remote_id)]


@pytest.mark.parametrize("is_ours", [False, True], ids=["somebody's", "another lead's"])
@pytest.mark.parametrize("has_partial_batches", [True, False], ids=["row by row", "all or none"])
async def test_a_corrected_address_of_another_contact_stays_there(
    hubspot: Account, is_ours: bool, has_partial_batches: bool
) -> None:
    hubspot.store.has_partial_batches = has_partial_batches
    outcome = await hubspot.deliver(changed(email="ana@exmaple.com"))
    if is_ours:
        other = (await hubspot.deliver(changed(lead_id="lead-9", email="ana@example.com", tracking_ids=()))).remote_id
    else:
        other = hubspot.add(email="ana@example.com")
    hubspot.store.writes.clear()

    again = await hubspot.deliver(changed(email="ana@example.com", name="Ana Maria Souza"))

    assert again.remote_id == outcome.remote_id
    assert hubspot.contact(outcome.remote_id)["email"] == "ana@exmaple.com"
    assert hubspot.contact(outcome.remote_id)["lastname"] == "Maria Souza"
    assert hubspot.contact(other)["email"] == "ana@example.com"
    assert [each for each in hubspot.conflicts() if other in each and "ana@example.com" in each]
    assert len(hubspot.contacts()) == 2
    assert len(hubspot.store.writes) == 1


async def test_a_contact_made_by_another_a_moment_ago_is_taken_over(hubspot: Account) -> None:
    """It was not there at the look-up, and its id is in the refusal's text alone."""
    asked = hubspot.order(LEAD)
    contact_id = ""

    async def look_up_then_make(request: httpx.Request) -> None:
        nonlocal contact_id
        if request.url.path.endswith("/batch/upsert") and not contact_id:
            contact_id = hubspot.add(email="ana@lead.test", firstname="Ana Clara")

    hubspot.connection.client.event_hooks["request"].append(look_up_then_make)
    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert outcome.remote_id == contact_id
    (contact,) = hubspot.contacts()
    assert (contact["firstname"], contact["echolead_id"]) == ("Ana Clara", "lead-1")


async def test_two_leads_of_one_contact_are_not_written_in_one_batch(hubspot: Account) -> None:
    contact_id = hubspot.add(email="ana@lead.test")
    first, second = await hubspot.deliver_all(LEAD, changed(lead_id="lead-2", tracking_ids=()))
    assert isinstance(first, Delivered)
    assert isinstance(second, Postponed)
    assert hubspot.contact(contact_id)["echolead_id"] == "lead-1"


# Refusals


@pytest.mark.parametrize("has_partial_batches", [True, False], ids=["row by row", "all or none"])
async def test_a_value_that_is_refused_costs_neither_its_lead_nor_its_neighbours(
    hubspot: Account, has_partial_batches: bool
) -> None:
    hubspot.store.has_partial_batches = has_partial_batches
    leads = [changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(60)]
    bad = (3, 17, 39, 58)
    for number in bad:
        leads[number] = changed(leads[number], email="no address")

    outcomes = await hubspot.deliver_all(*leads)

    delivered = [outcome for outcome in outcomes if isinstance(outcome, Delivered)]
    assert len(delivered) == len(hubspot.contacts()) == 60
    assert [number for number, outcome in enumerate(delivered) if outcome.conflicts] == list(bad)
    writes = [operation for operation in hubspot.operations() if operation == "create contacts"]
    assert len(writes) < 20  # of the first lead, whose halves were refused


async def test_a_property_that_is_not_writable_is_left_out_and_named(hubspot: Account) -> None:
    hubspot.define("score", "number", "number")
    definition = hubspot.store.definitions.properties["contacts"]["score"]
    definition["modificationMetadata"]["readOnlyValue"] = True
    hubspot.use(mapping="contact: {score: attributes.sessions_count}")
    await hubspot.prepare()

    outcome = await hubspot.deliver()

    assert "score" not in hubspot.contact(outcome.remote_id)
    assert ["score" in conflict for conflict in hubspot.conflicts()] == [True]


async def test_a_property_that_was_taken_away_since_is_left_out(hubspot: Account) -> None:
    del hubspot.store.definitions.properties["contacts"]["echolead_source"]
    outcome = await hubspot.deliver()
    assert hubspot.contact(outcome.remote_id)["echolead_channel"] == "Paid Search"
    assert len(hubspot.conflicts()) == 1


async def test_an_answer_without_the_row_is_no_delivery(hubspot: Account) -> None:
    """HubSpot answered COMPLETE with neither results nor errors, and had written nothing."""

    def nothing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"status": "COMPLETE", "results": [], "startedAt": "", "completedAt": ""})

    hubspot.connection.client = hubspot.destination.client(httpx.MockTransport(nothing))
    (outcome,) = await hubspot.deliver_all(LEAD)
    assert isinstance(outcome, OutcomeUnknown)


async def test_an_update_that_the_answer_does_not_name_is_no_delivery(hubspot: Account) -> None:
    """HubSpot answered 207 to an update with neither results nor errors."""
    await hubspot.deliver()
    inner = httpx.ASGITransport(hubspot.app)

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/batch/update"):
                return httpx.Response(207, json={"status": "COMPLETE", "results": [], "errors": [], "numErrors": 0})
            return await inner.handle_async_request(request)

    hubspot.connection.client = hubspot.destination.client(Silent())
    with pytest.raises(OutcomeUnknown):
        await hubspot.deliver(changed(attributes={"channel": "Email"}))


async def test_what_is_not_there_when_it_is_read_back_is_a_mismatch(hubspot: Account) -> None:
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"echolead_channel": "Direct"})
    with pytest.raises(Mismatch, match="echolead_channel"):
        await hubspot.verify(LEAD, outcome)
    with pytest.raises(Mismatch, match="echolead_channel"):
        await hubspot.verify(LEAD, Delivered(outcome.remote_id))  # as after a restart
    with pytest.raises(Mismatch, match="gone"):
        await hubspot.verify(LEAD, Delivered("1"))


# What goes with the contact


async def test_a_lead_gets_its_deal_once_and_sales_may_move_it(hubspot: Account) -> None:
    hubspot.use(**DEALS)
    await hubspot.prepare()
    outcome = await hubspot.deliver()
    ((deal_id, deal),) = hubspot.store.objects["deals"].items()
    assert deal["properties"] | {"echolead_id": "lead-1", "dealname": "Ana Souza"} == deal["properties"]
    assert hubspot.store.associated("deals", deal_id, "contacts") == [outcome.remote_id]
    hubspot.store.update("deals", deal_id, {"dealstage": "closedwon"})

    hubspot.kept["lead-1"].records.pop("deal")  # also when the ledger has forgotten it
    await hubspot.deliver(changed(attributes={"channel": "Email"}))
    hubspot.store.objects["deals"].pop(deal_id)
    await hubspot.deliver(changed(attributes={"channel": "Direct"}))

    assert deal["properties"]["dealstage"] == "closedwon"
    assert hubspot.store.objects["deals"] == {}  # what sales deletes stays deleted


async def test_a_deal_stage_that_does_not_exist_is_the_configurations_mistake(hubspot: Account) -> None:
    hubspot.use(deal_pipeline="default", deal_stage="no-such-stage")
    with pytest.raises(Misconfigured, match="no-such-stage"):
        await hubspot.prepare()


@pytest.mark.parametrize("ignores", [False, True], ids=["joined at once", "association ignored on create"])
async def test_the_link_of_a_conversation_is_noted_once(hubspot: Account, ignores: bool) -> None:
    hubspot.store.ignores_associations_on_create = ignores
    lead = changed(attributes={"conversation_url": CHAT + "?a=1&b=2"})
    outcome = await hubspot.deliver(lead)
    hubspot.kept["lead-1"].records.pop("note")
    await hubspot.deliver(lead)

    ((note_id, note),) = hubspot.store.objects["notes"].items()
    assert hubspot.store.associated("contacts", outcome.remote_id, "notes") == [note_id]
    assert note["properties"]["hs_note_body"].count("conversations/7?a=1&amp;b=2") == 2


async def test_a_note_whose_answer_was_lost_is_found_again(hubspot: Account) -> None:
    hubspot.faults.replace([Fault("garbled_after", where="notes/batch/create", times=1)])
    lead = changed(attributes={"conversation_url": CHAT})
    with pytest.raises(OutcomeUnknown):
        await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.objects["notes"]) == 1


async def test_a_form_names_the_browser_once(hubspot: Account) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    visit = LeadEvent("e1", "lead", datetime(2026, 3, 2, tzinfo=UTC), page_url="https://page.test/offer")
    lead = changed(cookies={"hubspotutk": "a" * 32}, events=(visit,))
    await hubspot.deliver(lead)
    await hubspot.deliver(changed(lead, name="Ana Maria"))

    assert hubspot.store.submissions == [
        {
            "form": "form-1",
            "fields": {"email": "ana@lead.test"},
            "context": {"hutk": "a" * 32, "pageUri": "https://page.test/offer"},
        }
    ]
    assert len(hubspot.contacts()) == 1


async def test_a_form_with_an_unknown_outcome_is_not_sent_again(hubspot: Account) -> None:
    """A second submission would be a second conversion in HubSpot's reports."""
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status_after", where="submit", times=1, status=502)])
    lead = changed(cookies={"hubspotutk": "a" * 32})
    outcome = await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.submissions) == 1
    assert len(outcome.conflicts) == 1


async def test_a_form_that_was_not_taken_is_sent_later(hubspot: Account) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status", where="submit", times=1, status=429)])
    lead = changed(cookies={"hubspotutk": "a" * 32})
    with pytest.raises(Unavailable):
        await hubspot.deliver(lead)
    await hubspot.deliver(lead)
    assert len(hubspot.store.submissions) == 1


async def test_a_form_that_is_refused_costs_nothing_else(hubspot: Account) -> None:
    hubspot.use(**FORM)
    await hubspot.prepare()
    hubspot.faults.replace([Fault("status", where="submit", times=1, status=403)])
    outcome = await hubspot.deliver(changed(cookies={"hubspotutk": "a" * 32}))
    assert hubspot.contact(outcome.remote_id)["email"] == "ana@lead.test"
    assert hubspot.connection.breaker.seconds_left == 0


# The account


async def test_a_token_without_the_scope_to_make_properties_writes_those_that_are_there(hubspot: Account) -> None:
    """Somebody made echolead_id by hand, and nothing else."""
    account = Account()
    account.app.state.missing_scopes = {"crm.schemas.contacts.write"}
    with pytest.raises(Misconfigured, match=r"crm\.schemas\.contacts\.write"):
        await account.prepare()
    body = {"name": "echolead_id", "label": "id", "type": "string", "fieldType": "text", "groupName": "information"}
    account.store.definitions.add_property("contacts", {**body, "hasUniqueValue": True})
    account.connection.breaker.succeeded()  # its pause is over

    await account.prepare()
    outcome = await account.deliver()

    assert account.contact(outcome.remote_id)["email"] == "ana@lead.test"
    assert any("echolead_channel" in each for each in outcome.conflicts)


async def test_a_key_that_is_not_unique_is_refused(hubspot: Account) -> None:
    account = Account()
    account.define("echolead_id", "string", "text")
    with pytest.raises(Misconfigured, match="unique"):
        await account.prepare()


async def test_setup_makes_what_is_missing_and_test_changes_nothing() -> None:
    account = Account(**DEALS)
    calls = Calls(account.connection)
    before = {each.subject: each.state for each in await account.destination.test(calls)}
    planned = await account.destination.setup(calls, is_dry_run=True)
    assert "echolead_id" not in account.store.definitions.properties["contacts"]

    made = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}
    again = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}

    assert {each.subject: each.state for each in planned} == before
    assert before["contacts echolead_id"] == before["contact echolead_channel"] == "missing"
    assert made["deals echolead_id"] == made["contact echolead_channel"] == "made"
    assert set(again.values()) == {"ok"}


async def test_setup_says_what_the_token_may_not_make() -> None:
    account = Account()
    account.app.state.missing_scopes = {"crm.schemas.contacts.write"}
    findings = await account.destination.setup(Calls(account.connection), is_dry_run=False)
    wrong = [each for each in findings if each.state == "wrong"]
    assert "contacts echolead_id" in {each.subject for each in wrong}
    assert all("scope" in each.detail for each in wrong)


# HubSpotLimits


def answer(status: int, headers: dict[str, str] | None = None, **content: Any) -> Reply:
    text = httpx.Response(status, json=content).text
    return Reply(status, httpx.Headers(headers or {}), text, text)


@pytest.mark.parametrize(
    ("status", "headers", "content", "expected", "seconds"),
    [
        pytest.param(429, {}, {"policyName": "DAILY"}, Unavailable, 3600, id="the day is used up"),
        pytest.param(429, {}, {"policyName": "TEN_SECONDLY_ROLLING"}, Unavailable, 10, id="ten seconds are used up"),
        pytest.param(429, {}, {"policyName": "SECONDLY"}, Unavailable, 1, id="a second is used up"),
        pytest.param(429, {"Retry-After": "7"}, {}, Unavailable, 7, id="a delay after all"),
        pytest.param(423, {}, {"message": "locked"}, Postponed, 2, id="locked"),
        pytest.param(477, {"Retry-After": "900"}, {}, Unavailable, 900, id="moving"),
        pytest.param(401, {}, {"category": "EXPIRED_AUTHENTICATION"}, Misconfigured, None, id="token expired"),
        pytest.param(403, {}, {"category": "MISSING_SCOPES"}, Misconfigured, None, id="scope missing"),
        pytest.param(400, {}, {"category": "VALIDATION_ERROR"}, Rejected, None, id="not valid"),
        pytest.param(409, {}, {"category": "CONFLICT"}, Rejected, None, id="conflict"),
        pytest.param(502, {}, {}, OutcomeUnknown, None, id="gateway"),
        pytest.param(503, {}, {}, Unavailable, None, id="not available"),
    ],
)
def test_an_answer_is_judged_by_hubspots_own_words(
    status: int, headers: dict[str, str], content: dict[str, Any], expected: type[DeliveryFailed], seconds: float | None
) -> None:
    error = HubSpot.of({}, {"access_token": TOKEN}, str).judge(answer(status, headers, **content))
    assert type(error) is expected
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, [], id="search"),
        pytest.param(
            {"Remaining": "7", "Interval-Milliseconds": "10000", "Max": "100"},
            [Allowance(7, 10.0, 100)],
            id="ten seconds",
        ),
        pytest.param({"Remaining": "7"}, [Allowance(7, 10.0)], id="no interval named"),
        pytest.param(
            {"Daily": "650000", "Daily-Remaining": "999"},
            [Allowance(999, 3600.0, 650000, is_daily=True)],
            id="the day",
        ),
    ],
)
def test_the_headers_say_what_is_left(headers: dict[str, str], expected: list[Allowance]) -> None:
    told = httpx.Headers({f"X-HubSpot-RateLimit-{name}": value for name, value in headers.items()})
    assert HubSpot.of({}, {"access_token": TOKEN}, str).allowance(told) == expected


async def test_calls_pause_before_hubspot_refuses_one(hubspot: Account) -> None:
    account = hubspot
    account.app.state.limits = HubSpotLimits(burst=3)
    await account.deliver_all(LEAD)  # three calls
    assert account.connection.pace.seconds_left > 5
    assert account.app.state.limits.refused == 0


async def test_an_attempt_records_nothing_of_the_other_leads_of_its_batch(hubspot: Account) -> None:
    """Erasing one person leaves no trace of them among the attempts of another."""
    hubspot.use(**DEALS)
    await hubspot.prepare()
    leads = [
        changed(
            lead_id=f"lead-{name}",
            name=name.title(),
            email=f"{name}@lead.test",
            phone="",
            tracking_ids=(),
            attributes={"conversation_url": f"https://chat.test/{name}"},
        )
        for name in ("zuleica", "bartira", "jandira")
    ]
    await hubspot.deliver_all(*leads)
    hubspot.kept.clear()
    await hubspot.deliver_all(
        *(changed(lead, email="no address") if "bartira" in lead.lead_id else lead for lead in leads)
    )

    for asked, name in zip(hubspot.orders, ("zuleica", "bartira", "jandira"), strict=True):
        recorded = str(asked.calls.recorded)
        assert name in recorded
        assert [
            other for other in ("zuleica", "bartira", "jandira") if other != name and other in recorded.lower()
        ] == []


async def test_a_deal_that_is_gone_costs_its_own_lead_alone(hubspot: Account) -> None:
    hubspot.use(**DEALS)
    await hubspot.prepare()

    async def delete_one(request: httpx.Request) -> None:
        if request.url.path.endswith("/associate/default"):
            for deal_id, deal in list(hubspot.store.objects["deals"].items()):
                if deal["properties"]["echolead_id"] == "lead-2":
                    del hubspot.store.objects["deals"][deal_id]

    hubspot.connection.client.event_hooks["request"].append(delete_one)
    leads = [changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(4)]
    outcomes = await hubspot.deliver_all(*leads)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, OutcomeUnknown, Delivered]


async def test_no_secret_is_recorded(hubspot: Account) -> None:
    await hubspot.deliver()
    assert TOKEN not in str([call for asked in hubspot.orders for call in asked.calls.recorded])


@pytest.fixture
def descriptions() -> Descriptions:
    """HubSpot's API as its own clients know it."""
    kinds = ("contacts", "deals", "notes", "properties", "pipelines")
    return Descriptions(*(f"hubspot-{kind}-v3.derived.openapi.json" for kind in kinds), ASSOCIATIONS)


ASSOCIATIONS = "hubspot-associations-v4.derived.openapi.json"


async def test_every_request_and_answer_is_as_hubspots_description_says(descriptions: Descriptions) -> None:
    account = Account()
    transport = DescribedBy(httpx.ASGITransport(account.app), descriptions, undescribed=["/submissions/"])
    account.use(transport, **DEALS, **FORM)
    await account.prepare()
    lead = changed(attributes={"channel": "Email", "conversation_url": CHAT}, cookies={"hubspotutk": "a" * 32})
    account.add(email="taken@lead.test")

    await account.deliver(lead)
    await account.deliver(changed(lead, email="taken@lead.test"))
    await account.deliver_all(lead, changed(lead, lead_id="lead-2", email="no address", tracking_ids=()))

    # A property without a value is null, which the description does not say.
    assert [fault for fault in transport.faults if "/properties/" not in fault or ": None " not in fault] == []
    assert len(transport.seen) >= 11
