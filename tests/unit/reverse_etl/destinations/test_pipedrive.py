"""The Pipedrive destination against the demo Pipedrive in process, each behaviour as a sales team would see it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot import Fault, Faults
from echolead.demo.pipedrive import PipedriveLimits, PipedriveStore, create_app
from reverse_etl.calls import Calls, LaneConnection, Reply
from reverse_etl.destination import Order
from reverse_etl.destinations.pipedrive import Pipedrive
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    Mismatch,
    OutcomeUnknown,
    Rejected,
    Unavailable,
    Withheld,
)
from reverse_etl.lead import Delivered, Lead, twin_kind
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.orders import Kept, order
from tests.fixtures.vendor_descriptions import DescribedBy, Descriptions

TOKEN = "test-pipedrive-token"
CHAT = "https://chat.test/app/conversations/7?a=1&b=2"
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
    """The demo Pipedrive without a socket, a destination that delivers to it, and what the ledger remembers."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, **configuration: Any) -> None:
        self.now = time.time()
        self.store, self.faults, self.limits = PipedriveStore(lambda: self.now), Faults(), PipedriveLimits()
        self.app = create_app(TOKEN, store=self.store, faults=self.faults, limits=self.limits)
        self.kept: dict[str, Kept] = {}
        self.sent: dict[str, list[Lead]] = {}
        self.last: Order | None = None
        self.use(transport, **configuration)

    def use(self, transport: httpx.AsyncBaseTransport | None = None, **configuration: Any) -> None:
        """A destination with this configuration."""
        self.destination = Pipedrive.of(
            {"base_url": "http://localhost", **configuration},
            {"api_token": TOKEN},
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

    async def deliver(self, lead: Lead = LEAD) -> Delivered:
        """Deliver one lead and read it back; raises what it failed with. A minute passes before."""
        self.now += 60
        asked = self.last = self.order(lead)
        self.sent.setdefault(lead.lead_id, []).insert(0, lead)
        outcome = (await self.destination.deliver([asked]))[asked.delivery_id]
        if isinstance(outcome, DeliveryFailed):
            raise outcome
        self.kept[lead.lead_id].records["contact"] = outcome.remote_id
        await self.verify(lead, outcome)
        return outcome

    async def verify(self, lead: Lead, outcome: Delivered) -> None:
        """Read back; raises why it is not verified."""
        asked = self.order(lead)
        failure = (await self.destination.verify([(asked, outcome)]))[asked.delivery_id]
        if failure is not None:
            raise failure

    def add(self, name: str = "Somebody", *emails: str, phone: str = "", **custom: Any) -> int:
        """A person that is there already; the first address is the main one."""
        listed = [{"value": each, "primary": number == 0, "label": "home"} for number, each in enumerate(emails)]
        phones = [{"value": phone, "primary": True, "label": "home"}] if phone else []
        person = self.store.create_person({"name": name, "emails": listed, "phones": phones, "custom_fields": custom})
        self.store.writes.clear()
        return int(person["id"])

    def person(self, person_id: int | str) -> dict[str, Any]:
        """A person as the account holds it."""
        return self.store.persons[int(person_id)]

    def emails(self, person_id: int | str) -> list[str]:
        """A person's addresses in their order."""
        return [each["value"] for each in self.person(person_id)["emails"]]

    def custom(self, person_id: int | str) -> dict[str, Any]:
        """A person's custom values by the names of their fields."""
        names = {field["field_code"]: field["field_name"] for field in self.store.fields["person"]}
        return {names[key]: value for key, value in self.person(person_id)["custom_fields"].items()}

    def operations(self) -> list[str]:
        """The calls of the last delivery."""
        return [] if self.last is None else [call.operation for call in self.last.calls.recorded]

    def conflicts(self) -> list[str]:
        """What the last delivery left to others."""
        calls = [] if self.last is None else self.last.calls.recorded
        return [str(call.response) for call in calls if call.outcome == "conflict"]


@pytest.fixture
async def pipedrive() -> Account:
    """An account that is prepared."""
    account = Account()
    await account.prepare()
    account.store.writes.clear()
    return account


async def test_an_unknown_lead_becomes_a_person_with_its_origin(pipedrive: Account) -> None:
    outcome = await pipedrive.deliver()

    person = pipedrive.person(outcome.remote_id)
    assert person["name"] == "Ana Souza"
    assert person["emails"] == [{"value": "ana@lead.test", "primary": True, "label": "work"}]
    assert person["phones"] == [{"value": "+5511999990000", "primary": True, "label": "work"}]
    assert pipedrive.custom(outcome.remote_id) == {
        "EchoLead: id": "lead-1",
        "EchoLead: página do lead": "https://console.test/lead-1",
        "EchoLead: etiquetas": "canal-paid-search, origem-google",
        "EchoLead: canal": "Paid Search",
        "EchoLead: origem": "google",
        "EchoLead: visitas": 2,
        "EchoLead: primeira visita": "2026-03-01",  # the tenant's day
    }
    assert pipedrive.kept["lead-1"].records["creating"] == ""


async def test_the_same_again_writes_nothing(pipedrive: Account) -> None:
    await pipedrive.deliver()
    pipedrive.store.writes.clear()
    await pipedrive.deliver()
    assert pipedrive.operations() == ["read person"]
    assert pipedrive.store.writes == []


async def test_without_the_ledger_a_person_is_found_by_our_field(pipedrive: Account) -> None:
    first = await pipedrive.deliver()
    pipedrive.kept.clear()
    second = await pipedrive.deliver(changed(email="", phone=""))
    assert second.remote_id == first.remote_id


async def test_a_lead_that_another_became_part_of_keeps_its_person(pipedrive: Account) -> None:
    before = await pipedrive.deliver(changed(lead_id="browser-2", email="", tracking_ids=("browser-2",)))
    pipedrive.kept.clear()
    after = await pipedrive.deliver()
    assert after.remote_id == before.remote_id
    assert pipedrive.emails(after.remote_id) == ["ana@lead.test"]


@pytest.mark.parametrize("fault", ["status_after", "garbled_after"])
async def test_a_creation_without_an_answer_is_found_in_the_store_and_not_in_the_search(
    pipedrive: Account, fault: Any
) -> None:
    """The search is minutes behind: to look there and find nothing made a second person."""
    pipedrive.store.index_seconds = 3600
    pipedrive.faults.replace([Fault(fault, where=r"POST /api/v2/persons$", times=1, status=502)])
    with pytest.raises(OutcomeUnknown):
        await pipedrive.deliver()
    for number in range(3):
        pipedrive.add(f"Somebody {number}")

    await pipedrive.deliver()
    await pipedrive.deliver()

    names = [person["name"] for person in pipedrive.store.persons.values()]
    assert names.count("Ana Souza") == 1
    assert pipedrive.kept["lead-1"].records["creating"] == ""


async def test_persons_of_leads_that_became_one_are_merged_into_the_leads_own(pipedrive: Account) -> None:
    own = await pipedrive.deliver(changed(tracking_ids=()))
    twin = await pipedrive.deliver(changed(lead_id="browser-2", email="ana@work.test", phone="", tracking_ids=()))
    asked = pipedrive.order(LEAD)
    asked = replace(asked, history=replace(asked.history, twins={"contact": (twin.remote_id,)}))

    outcome = (await pipedrive.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert [str(person_id) for person_id in pipedrive.store.persons] == [own.remote_id] == [outcome.remote_id]
    assert pipedrive.emails(own.remote_id) == ["ana@lead.test", "ana@work.test"]
    assert pipedrive.custom(own.remote_id)["EchoLead: id"] == "lead-1"
    assert pipedrive.kept["lead-1"].records[twin_kind("contact", twin.remote_id)] == twin.remote_id


async def test_a_creation_that_never_arrived_is_made_again(pipedrive: Account) -> None:
    pipedrive.faults.replace([Fault("status", where=r"POST /api/v2/persons$", times=1, status=502)])
    with pytest.raises(OutcomeUnknown):
        await pipedrive.deliver()
    await pipedrive.deliver()
    assert len(pipedrive.store.persons) == 1


async def test_a_person_that_somebody_deleted_is_made_again(pipedrive: Account) -> None:
    first = await pipedrive.deliver()
    pipedrive.person(first.remote_id)["is_deleted"] = True
    second = await pipedrive.deliver()
    assert second.remote_id != first.remote_id


async def test_what_we_wrote_follows_the_lead_and_what_people_wrote_stays(pipedrive: Account) -> None:
    outcome = await pipedrive.deliver()
    await pipedrive.deliver(changed(name="Ana Maria", attributes={"channel": "Email"}))
    assert pipedrive.person(outcome.remote_id)["name"] == "Ana Maria"
    assert "EchoLead: origem" not in {k for k, v in pipedrive.custom(outcome.remote_id).items() if v is not None}
    pipedrive.store.update_person(int(outcome.remote_id), {"name": "Dona Ana"})

    await pipedrive.deliver(changed(name="Ana Lima", attributes={"channel": "Direct"}))

    assert pipedrive.person(outcome.remote_id)["name"] == "Dona Ana"
    assert pipedrive.custom(outcome.remote_id)["EchoLead: canal"] == "Direct"


async def test_a_lead_without_anything_to_call_it_by_is_withheld(pipedrive: Account) -> None:
    with pytest.raises(Withheld):
        await pipedrive.deliver(changed(name="", email="", phone=""))
    assert pipedrive.store.persons == {}


# Addresses and numbers


async def test_addresses_of_a_person_are_kept_although_the_list_is_replaced_whole(pipedrive: Account) -> None:
    """The first address was lost to the one of the last form."""
    person_id = pipedrive.add("Ana", "ana.souza@empresa.example", "ANA@example.com", phone="(11) 99999-0000")

    outcome = await pipedrive.deliver(changed(email="ana@example.com"))
    await pipedrive.deliver(changed(email="ana.nova@example.com"))

    assert int(outcome.remote_id) == person_id
    person = pipedrive.person(person_id)
    assert [(each["value"], each["primary"]) for each in person["emails"]] == [
        ("ana.souza@empresa.example", True),
        ("ANA@example.com", False),
        ("ana.nova@example.com", False),
    ]
    assert [each["value"] for each in person["phones"]] == ["(11) 99999-0000"]  # the same number
    assert person["name"] == "Ana"


@pytest.mark.parametrize("fault", [[], [Fault("garbled_after", where=r"POST /api/v2/persons$", times=1)]])
async def test_a_corrected_address_takes_the_place_of_ours(pipedrive: Account, fault: list[Fault]) -> None:
    """Also when the answer to the creation was lost."""
    pipedrive.faults.replace(fault)
    if fault:
        with pytest.raises(OutcomeUnknown):
            await pipedrive.deliver(changed(email="ana@exmaple.com"))
    outcome = await pipedrive.deliver(changed(email="ana@exmaple.com"))
    pipedrive.store.writes.clear()
    again = await pipedrive.deliver(changed(email="ana@example.com"))
    assert again.remote_id == outcome.remote_id
    assert pipedrive.emails(outcome.remote_id) == ["ana@example.com"]
    assert [kind for kind, _ in pipedrive.store.writes] == ["person"]


@pytest.mark.parametrize("is_ours", [False, True], ids=["somebody's", "another lead's"])
async def test_a_corrected_address_of_another_person_does_not_win_over_the_known_one(
    pipedrive: Account, is_ours: bool
) -> None:
    outcome = await pipedrive.deliver(changed(email="ana@exmaple.com"))
    if is_ours:
        other: int | str = (
            await pipedrive.deliver(changed(lead_id="lead-9", email="ana@example.com", phone="", tracking_ids=()))
        ).remote_id
    else:
        other = pipedrive.add("Ana S.", "ana@example.com")
    pipedrive.store.writes.clear()

    again = await pipedrive.deliver(changed(email="ana@example.com", name="Ana Maria"))

    assert again.remote_id == outcome.remote_id
    assert pipedrive.emails(outcome.remote_id) == ["ana@exmaple.com"]
    assert pipedrive.emails(other) == ["ana@example.com"]
    assert pipedrive.person(outcome.remote_id)["name"] == "Ana Maria"
    assert [each for each in pipedrive.conflicts() if str(other) in each and "ana@example.com" in each]
    assert len(pipedrive.store.writes) == 1


async def test_a_number_that_a_person_with_another_address_has_is_somebody_elses(pipedrive: Account) -> None:
    relative = pipedrive.add("Pai", "pai@lead.test", phone="+5511999990000")
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) != relative
    assert pipedrive.emails(relative) == ["pai@lead.test"]


async def test_a_person_known_by_number_alone_is_the_leads(pipedrive: Account) -> None:
    person_id = pipedrive.add("Ana do WhatsApp", phone="+551199990000")  # without the ninth digit
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) == person_id
    assert len(pipedrive.person(person_id)["phones"]) == 1


async def test_of_two_persons_with_the_address_the_older_one_is_taken_and_the_other_named(pipedrive: Account) -> None:
    older, younger = pipedrive.add("A", "ana@lead.test"), pipedrive.add("B", "ana@lead.test")
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) == older
    assert [each for each in pipedrive.conflicts() if str(younger) in each]


# Typed fields


async def test_options_are_sent_by_number_under_the_fields_own_key(pipedrive: Account) -> None:
    """A label in the body is ignored with a 200, and an admin renames options."""
    field = pipedrive.store.add_field("person", "Canal", "enum", ["Google", "Instagram"])
    key = field["field_code"]
    mapping = f"person: {{'{key}': {{from: attributes.channel, options: {{Instagram: 2}}}}}}"
    pipedrive.use(mapping=mapping)
    await pipedrive.prepare()
    lead = changed(attributes={"channel": "Instagram"})
    outcome = await pipedrive.deliver(lead)
    assert pipedrive.person(outcome.remote_id)["custom_fields"][key] == 2
    field["options"][1]["label"] = "Insta"

    pipedrive.use(mapping=mapping)
    await pipedrive.prepare()
    pipedrive.store.writes.clear()
    await pipedrive.deliver(lead)

    assert pipedrive.store.writes == []
    assert pipedrive.conflicts() == []


async def test_ours_leave_a_set_and_theirs_stay(pipedrive: Account) -> None:
    key = pipedrive.store.add_field("person", "Interesses", "set", ["Consórcio", "Seguro", "Imóvel"])["field_code"]
    pipedrive.use(mapping=f"person: {{'{key}': labels}}")
    await pipedrive.prepare()
    person_id = pipedrive.add("Ana", "ana@lead.test", **{key: [1, 2]})
    seen = []
    for labels in ((), ("Imóvel",), ("Imóvel", "Barco"), ("Barco",)):
        await pipedrive.deliver(changed(labels=labels))
        seen.append(pipedrive.person(person_id)["custom_fields"][key])
    assert seen == [[1, 2], [1, 2, 3], [1, 2, 3], [1, 2]]
    assert any("Barco" in each for each in pipedrive.conflicts())


async def test_numbers_and_days_are_typed(pipedrive: Account) -> None:
    value = pipedrive.store.add_field("person", "Valor", "double")["field_code"]
    day = pipedrive.store.add_field("person", "Dia", "date")["field_code"]
    pipedrive.use(mapping=f"person: {{'{value}': attributes.value, '{day}': first_touch_at}}")
    await pipedrive.prepare()
    held = []
    for given in (1e-14, " 1.234,56 ", 1234.50):
        outcome = await pipedrive.deliver(changed(attributes={"value": given}))
        held.append(pipedrive.person(outcome.remote_id)["custom_fields"][value])
    assert held == [0, 1234.56, 1234.5]
    assert pipedrive.person(outcome.remote_id)["custom_fields"][day] == "2026-03-01"
    assert len(pipedrive.store.writes) == 3


async def test_a_field_that_is_refused_is_left_out_and_the_rest_written(pipedrive: Account) -> None:
    key = pipedrive.store.add_field("person", "Score", "double")["field_code"]
    pipedrive.use(mapping=f"person: {{'{key}': attributes.sessions_count}}")
    await pipedrive.prepare()
    refusal = {"success": False, "error": f"Validation failed: custom_fields.{key}: not allowed"}
    inner = httpx.ASGITransport(pipedrive.app)

    class Refusing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and key in request.content.decode():
                return httpx.Response(400, json=refusal)
            return await inner.handle_async_request(request)

    pipedrive.connection.client = pipedrive.destination.client(Refusing())
    outcome = await pipedrive.deliver()
    assert pipedrive.custom(outcome.remote_id)["EchoLead: canal"] == "Paid Search"
    assert [each for each in pipedrive.conflicts() if key in each]


async def test_what_is_not_there_when_it_is_read_back_is_a_mismatch(pipedrive: Account) -> None:
    outcome = await pipedrive.deliver()
    key = next(f["field_code"] for f in pipedrive.store.fields["person"] if f["field_name"] == "EchoLead: canal")
    pipedrive.person(outcome.remote_id)["custom_fields"][key] = "Direct"
    for sent in (outcome, Delivered(outcome.remote_id)):  # also after a restart
        with pytest.raises(Mismatch, match=key):
            await pipedrive.verify(LEAD, sent)
    pipedrive.person(outcome.remote_id)["emails"] = []
    with pytest.raises(Mismatch, match="emails"):
        await pipedrive.verify(LEAD, outcome)
    with pytest.raises(Mismatch, match="gone"):
        await pipedrive.verify(LEAD, Delivered("1"))


# Leads, deals, notes


@pytest.mark.parametrize("makes", ["lead", "deal"])
async def test_a_lead_or_deal_is_made_once(makes: str) -> None:
    account = Account(makes=makes, **({"stage_id": 2} if makes == "deal" else {}))
    await account.prepare()
    lead = changed(attributes={"channel": "Email", "conversation_url": CHAT})
    outcome = await account.deliver(lead)
    account.kept["lead-1"].records = {"contact": outcome.remote_id}  # the rest is forgotten
    await account.deliver(lead)
    await account.deliver(changed(lead, name="Ana Maria"))

    made: Sequence[dict[str, Any]] = list(account.store.leads.values()) + list(account.store.deals.values())
    assert [(each["title"], each["person_id"]) for each in made] == [("Ana Souza", int(outcome.remote_id))]
    assert len(account.store.leads) == (makes == "lead")
    channel = next(f["field_code"] for f in account.store.fields["deal"] if f["field_name"] == "EchoLead: canal")
    assert made[0].get(channel) or made[0]["custom_fields"][channel] == "Email"
    assert made[0].get("stage_id") == (2 if makes == "deal" else None)
    (note,) = account.store.notes.values()
    assert note["person_id"] == int(outcome.remote_id)
    assert note["content"].count("conversations/7?a=1&amp;b=2") == 2


@pytest.mark.parametrize("what", ["lead", "note"])
async def test_what_was_made_without_an_answer_is_not_made_again(what: str) -> None:
    account = Account(makes="lead")
    await account.prepare()
    account.faults.replace([Fault("garbled_after", where=f"POST /v1/{what}s", times=1)])
    lead = changed(attributes={"conversation_url": CHAT})

    with pytest.raises(OutcomeUnknown):
        await account.deliver(lead)
    await account.deliver(lead)
    assert (len(account.store.persons), len(account.store.leads), len(account.store.notes)) == (1, 1, 1)


@pytest.mark.parametrize("place", ["archived lead", "archived deal", "converted"])
async def test_a_lead_that_sales_put_away_is_not_made_again(place: str) -> None:
    account = Account(makes="lead")
    await account.prepare()
    outcome = await account.deliver()
    ((lead_id, lead),) = account.store.leads.items()
    if place == "archived lead":
        lead["is_archived"] = True
    else:
        del account.store.leads[lead_id]
        custom = {key: value for key, value in lead.items() if len(key) == 40}
        deal = account.store.create_deal({"title": "Ana", "person_id": int(outcome.remote_id), "custom_fields": custom})
        deal["is_archived"] = place == "archived deal"
    account.kept["lead-1"].records = {"contact": outcome.remote_id}

    await account.deliver(changed(name="Ana Maria"))

    assert len(account.store.leads) == (place == "archived lead")


async def test_a_limit_of_the_plan_does_not_cost_the_person() -> None:
    account = Account(makes="deal")
    await account.prepare()
    account.store.deal_cap = 0
    outcome = await account.deliver()
    assert account.person(outcome.remote_id)["name"] == "Ana Souza"
    assert [each for each in outcome.conflicts if "plan" in each]


async def test_a_stage_that_does_not_exist_is_the_configurations_mistake() -> None:
    account = Account(makes="deal", stage_id=77)
    with pytest.raises(Misconfigured, match="77"):
        await account.prepare()


# The account


async def test_fields_are_made_once_and_of_namesakes_the_first_counts(pipedrive: Account) -> None:
    made = len(pipedrive.store.fields["person"])
    pipedrive.store.add_field("person", "EchoLead: canal", "varchar")  # by another engine at the same moment
    pipedrive.use()
    await pipedrive.prepare()
    outcome = await pipedrive.deliver()
    first = next(f["field_code"] for f in pipedrive.store.fields["person"] if f["field_name"] == "EchoLead: canal")
    assert pipedrive.person(outcome.remote_id)["custom_fields"][first] == "Paid Search"
    assert len(pipedrive.store.fields["person"]) == made + 1


async def test_a_user_who_may_make_no_fields_writes_those_that_are_there() -> None:
    account = Account()
    account.faults.replace([Fault("status", where="POST /api/v2/personFields", status=403)])
    with pytest.raises(Misconfigured, match="EchoLead: id"):
        await account.prepare()
    account.connection.breaker.succeeded()  # its pause is over
    account.store.add_field("person", "EchoLead: id", "varchar")
    await account.prepare()
    outcome = await account.deliver()
    assert account.custom(outcome.remote_id) == {"EchoLead: id": "lead-1"}
    assert any("echolead_channel" in each for each in outcome.conflicts)


async def test_setup_makes_what_is_missing_and_test_changes_nothing() -> None:
    account = Account(makes="lead")
    calls = Calls(account.connection)
    before = {each.subject: each.state for each in await account.destination.test(calls)}
    planned = await account.destination.setup(calls, is_dry_run=True)
    assert account.store.fields == {"person": [], "deal": []}

    made = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}
    again = {each.subject: each.state for each in await account.destination.setup(calls, is_dry_run=False)}

    assert {each.subject: each.state for each in planned} == before
    assert before["person echolead_id"] == before["deal echolead_channel"] == "missing"
    assert made["person echolead_id"] == made["deal echolead_channel"] == "made"
    assert set(again.values()) == {"ok"}


async def test_no_secret_is_recorded(pipedrive: Account) -> None:
    await pipedrive.deliver()
    assert pipedrive.last is not None
    assert TOKEN not in str(pipedrive.last.calls.recorded)


# Limits


def answer(status: int, headers: dict[str, str] | None = None, text: str = "{}") -> Reply:
    return Reply(status, httpx.Headers(headers or {}), text, text)


@pytest.mark.parametrize(
    ("status", "headers", "text", "expected", "seconds"),
    [
        pytest.param(429, {"x-ratelimit-reset": "2"}, "{}", Unavailable, 2, id="two seconds are used up"),
        pytest.param(429, {"x-ratelimit-reset": "36000"}, "{}", Unavailable, 3600, id="the day is used up"),
        pytest.param(429, {"Retry-After": "10"}, "{}", Unavailable, 10, id="after many refusals"),
        pytest.param(429, {}, "{}", Unavailable, 2, id="no delay named"),
        pytest.param(402, {}, '{"error": "no"}', Misconfigured, None, id="not paid for"),
        pytest.param(403, {}, '{"error": "no", "code": "feature_capping_deals_limit"}', Rejected, None, id="plan"),
        pytest.param(403, {}, '{"error": "scope"}', Misconfigured, None, id="forbidden"),
        pytest.param(403, {}, "<html>1015</html>", Unavailable, 60, id="blocked"),
        pytest.param(401, {}, '{"error": "unauthorized access"}', Misconfigured, None, id="token"),
        pytest.param(400, {}, '{"error": "Name must be given."}', Rejected, None, id="not valid"),
        pytest.param(500, {}, "{}", OutcomeUnknown, None, id="server error"),
    ],
)
def test_an_answer_is_judged(
    status: int, headers: dict[str, str], text: str, expected: type[DeliveryFailed], seconds: float | None
) -> None:
    """A client has to tell the limit of two seconds from that of the day, or it hammers until midnight."""
    error = Pipedrive.of({}, {"api_token": TOKEN}, str).judge(answer(status, headers, text))
    assert type(error) is expected
    assert error.retry_after == seconds


async def test_a_spent_day_is_asked_again_once_an_hour_and_costs_no_try(pipedrive: Account) -> None:
    pipedrive.limits.daily = 0
    with pytest.raises(Unavailable) as caught:
        await pipedrive.deliver()
    assert caught.value.retry_after == 3600
    assert not caught.value.uses_up_tries
    assert pipedrive.connection.pace.reserve() > 3500
    assert pipedrive.limits.refused == 1


async def test_the_headers_slow_down_before_the_first_refusal(pipedrive: Account) -> None:
    pipedrive.app.state.limits = PipedriveLimits(burst=3)
    left = []
    allowance = pipedrive.destination.allowance

    def note(headers: httpx.Headers) -> None:
        found = allowance(headers)
        left.append(found and (found.calls, found.seconds))

    pipedrive.connection.allowance = note  # type: ignore[assignment]  # it only looks
    with pytest.raises(Unavailable):
        await pipedrive.deliver()
    assert left[:3] == [(2, 2.0), (1, 2.0), (0, 2.0)]


async def test_every_request_is_as_pipedrives_descriptions_say() -> None:
    """Its own clients' knowledge of both versions; the answers are not described there."""
    account = Account()
    calls: list[DescribedBy] = []
    for version, folder in (("v1", "/v1"), ("v2", "/api/v2")):
        descriptions = Descriptions(f"pipedrive-{version}.derived.openapi.json", below=folder)
        inner = calls[-1] if calls else httpx.ASGITransport(account.app)
        calls.append(DescribedBy(inner, descriptions, undescribed=["/v1" if version == "v2" else "/api/v2"]))
    account.use(calls[-1], makes="lead")
    await account.prepare()
    lead = changed(attributes={"channel": "Email", "conversation_url": CHAT})
    await account.deliver(lead)
    account.kept["lead-1"].records.clear()
    await account.deliver(changed(lead, email="other@lead.test"))
    account.kept["lead-1"].records["creating"] = datetime.now(UTC).isoformat()
    account.kept["lead-1"].records.pop("contact")
    await account.deliver(lead)
    account.use(calls[-1], makes="deal", stage_id=1)
    await account.prepare()
    await account.deliver(changed(lead, lead_id="lead-2", email="2@lead.test", phone="", tracking_ids=()))

    assert [fault for each in calls for fault in each.faults] == []
    assert len({operation for each in calls for operation in each.seen}) >= 13
