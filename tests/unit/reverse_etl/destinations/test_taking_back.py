"""What EchoLead wrote of an erased person is taken off each product, and what is the tenant's own stays."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from echolead.demo.chatwoot import Fault, create_app
from echolead.demo.receiver import Inbox
from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.destination import TakesBack
from reverse_etl.destinations import KINDS, kept_kinds
from reverse_etl.destinations.webhook import SignedWebhooks
from reverse_etl.erased import ErasedRecords, without_values, without_words
from reverse_etl.errors import Mismatch, OutcomeUnknown, Rejected, Unavailable, Withheld
from reverse_etl.lead import Lead
from reverse_etl.pace import Breaker, Pace
from tests.fixtures import chatwoot_account, demo_rdstation, demo_salesforce
from tests.fixtures.demo_chatwoot import ACCOUNT, ACCOUNTS
from tests.fixtures.demo_hubspot import CHAT, DEALS, HubSpotAccount
from tests.fixtures.demo_hubspot import LEAD as HUBSPOT_LEAD
from tests.fixtures.demo_pipedrive import LEAD as PIPEDRIVE_LEAD
from tests.fixtures.demo_pipedrive import PipedriveAccount
from tests.fixtures.orders import delivered, order

LEADS = ("lead-1", "browser-2")


async def take_back(product: TakesBack, connection: LaneConnection, **kept: object) -> Calls:
    erased = ErasedRecords(leads=LEADS, **kept)  # type: ignore[arg-type]  # by name
    asked = order(connection, Lead("erasure:1", erased=erased))
    await product.take_back(asked, erased)
    return asked.calls


def test_what_is_kept_of_a_person_survives_its_way_through_the_ledger() -> None:
    erased = ErasedRecords(LEADS, {"contact": ("7",)}, {"12": {"note:journey": "9"}}, ("channel",), ("quente",))
    assert ErasedRecords.of(json.loads(json.dumps(erased.as_json()))) == erased
    later = ErasedRecords(("lead-1",), {"contact": ("8", "7")}, {"12": {"written": "{}"}}, ("source",))
    assert erased.joined(later) == ErasedRecords(
        LEADS, {"contact": ("7", "8")}, {"12": {"note:journey": "9", "written": "{}"}}, ("channel", "source"),
        ("quente",),
    )  # fmt: skip


def test_products_that_take_nothing_back_are_known_without_an_account() -> None:
    assert {kind for kind in KINDS if kept_kinds(kind) is None} == {
        "ga4", "google_ads", "meta", "openai_ads", "rdstation_crm"
    }  # fmt: skip


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Starlette]:
    made = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def chatwoot(app: Starlette) -> chatwoot_account.InProcess:
    return chatwoot_account.InProcess(app, httpx.ASGITransport(app))


class Answering(httpx.AsyncBaseTransport):
    """The demo Chatwoot, which answers one kind of call otherwise."""

    def __init__(self, app: Starlette, method: str, ends: str, answer: httpx.Response) -> None:
        self._inner = httpx.ASGITransport(app)
        self._asked = method, ends
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, ends = self._asked
        if request.method == method and request.url.path.endswith(ends):
            return self._answer
        return await self._inner.handle_async_request(request)


async def test_a_contact_of_chatwoot_keeps_its_person_and_the_agents_work(chatwoot: chatwoot_account.InProcess) -> None:
    lead = replace(chatwoot_account.LEAD, attributes={"channel": "Paid Search", "segments": "vip"})
    outcome = await chatwoot.deliver(lead)
    contact_id = int(outcome.remote_id)
    store = chatwoot.store
    store.update_contact(ACCOUNT.account_id, contact_id, {"custom_attributes": {"tier": "gold"}})
    store.set_labels("contact", contact_id, ["canal-paid-search", "vip"])
    kept = {"records": {"contact": ("99", outcome.remote_id)}, "attributes": ("segments",),
            "labels": ("canal-paid-search",)}  # fmt: skip
    for _ in range(2):
        await take_back(chatwoot.destination, chatwoot.connection, **kept)
        contact = chatwoot.contact(contact_id)
        assert contact["custom_attributes"] == {"tier": "gold"}
        assert contact["labels"] == ["vip"]
        assert (contact["name"], contact["email"], contact["identifier"]) == ("Ana Souza", "ana@lead.test", None)
    store.update_contact(ACCOUNT.account_id, contact_id, {"identifier": "of-their-shop"})
    await take_back(chatwoot.destination, chatwoot.connection, **kept)
    assert chatwoot.contact(contact_id)["identifier"] == "of-their-shop"


async def test_a_contact_whose_creation_had_no_answer_is_found_by_our_identifier(
    chatwoot: chatwoot_account.InProcess,
) -> None:
    made = chatwoot.add(identifier="browser-2", custom_attributes={"channel": "Email"})
    other = chatwoot.add(identifier="lead-2", custom_attributes={"channel": "Email"})
    await take_back(chatwoot.destination, chatwoot.connection)
    assert chatwoot.contact(made)["custom_attributes"] == {}
    assert chatwoot.contact(other)["custom_attributes"] == {"channel": "Email"}


async def test_a_conversation_keeps_its_messages_and_who_works_on_it_and_loses_our_note(
    chatwoot: chatwoot_account.InProcess,
) -> None:
    store, account = chatwoot.store, ACCOUNT.account_id
    contact = store.create_contact(account, {"name": "Ana"}, inbox_id=ACCOUNT.inbox_id)
    row = store.create_conversation(account, ACCOUNT.inbox_id, contact["id"], "b-1", {})
    store.set_conversation_attributes(account, row["id"], {"gclid": "x", "segments": "vip", "order": "7"})
    store.label_conversation(account, row["id"], ["quente", "agente"])
    store.set_priority(account, row["id"], "high")
    store.add_message(row, "Oi", is_incoming=True)
    mark = {"echolead_note": "journey"}
    note = store.add_message(row, "Jornada", is_incoming=False, private=True, content_attributes=mark)["id"]
    hand = json.dumps({"labels": ["quente"], "values": {}})

    # The ledger may not know the note: its creation had no answer.
    chats = {str(row["id"]): {"contact": str(row["id"]), "written": hand}, "999": {}}
    for _ in range(2):
        await take_back(chatwoot.destination, chatwoot.connection, conversations=chats, attributes=("segments",))
    held = store.conversation(account, row["id"])
    assert (held["custom_attributes"], held["priority"]) == ({"order": "7"}, "high")
    assert store.labels_of("conversation", row["id"]) == ["agente"]
    texts = {each["id"]: each["content"] for each in store.messages(row["id"])}
    assert "Oi" in texts.values()
    assert texts[note] == "This message was deleted"


async def test_what_chatwoot_says_it_did_and_did_not_is_a_mismatch(app: Starlette) -> None:
    """An answer of 200 alone proves nothing: what is still there is read."""
    ignored = httpx.Response(200, json={"payload": {}})
    account = chatwoot_account.InProcess(app, Answering(app, "POST", "destroy_custom_attributes", ignored))
    outcome = await account.deliver()
    with pytest.raises(Mismatch, match=f"attribute channel of contact {outcome.remote_id}"):
        await take_back(account.destination, account.connection, records={"contact": (outcome.remote_id,)})


async def test_hubspot_keeps_contact_and_deal_and_loses_our_properties_and_notes() -> None:
    account = HubSpotAccount(**DEALS)
    await account.prepare()
    lead = replace(HUBSPOT_LEAD, attributes={**HUBSPOT_LEAD.attributes, "conversation_url": CHAT})
    outcome = await account.deliver(lead)
    records = account.kept["lead-1"].records
    kept = {kind: (records[kind],) for kind in ("contact", "deal", "note")}
    account.contact(outcome.remote_id)["echolead_source"] = "somebody's own word"
    for _ in range(2):
        await take_back(account.destination, account.connection, records=kept)
        contact = account.contact(outcome.remote_id)
        assert not [name for name, value in contact.items() if name.startswith("echolead_") and value]
        assert (contact["email"], contact["firstname"]) == ("ana@lead.test", "Ana")
        deal = account.store.objects["deals"][records["deal"]]["properties"]
        assert (deal.get("echolead_id"), deal["dealname"]) == (None, "Ana Souza")
        assert account.store.objects["notes"] == {}


async def test_hubspots_contact_is_found_by_our_key_where_its_creation_had_no_answer() -> None:
    account = HubSpotAccount()
    await account.prepare()
    contact_id = account.add(email="ana@lead.test", echolead_id="browser-2", echolead_channel="Email")
    await take_back(account.destination, account.connection)
    assert account.contact(contact_id).keys() & {"echolead_channel", "echolead_id"} == set()
    assert account.contact(contact_id)["email"] == "ana@lead.test"


@pytest.mark.parametrize("makes", ["lead", "deal"])
async def test_pipedrive_keeps_person_and_opportunity_and_loses_our_fields_and_notes(makes: str) -> None:
    account = PipedriveAccount(makes=makes)
    await account.prepare()
    lead = replace(PIPEDRIVE_LEAD, attributes={**PIPEDRIVE_LEAD.attributes, "conversation_url": CHAT})
    outcome = await account.deliver(lead)
    records = account.kept["lead-1"].records
    assert account.store.notes
    kept = {kind: (value,) for kind, value in records.items() if value and kind in kept_kinds("pipedrive")}  # type: ignore[operator]  # it has some
    for _ in range(2):
        await take_back(account.destination, account.connection, records=kept)
        assert set(account.custom(outcome.remote_id).values()) == {None}
        assert account.emails(outcome.remote_id) == ["ana@lead.test"]
        assert account.store.notes == {}
        (item,) = (account.store.leads if makes == "lead" else account.store.deals).values()
        held = item if makes == "lead" else item["custom_fields"]
        ours = {field["field_code"] for field in account.store.fields["deal"] if "EchoLead" in field["field_name"]}
        assert {held[key] for key in ours if key in held} == {None}
        assert item["title"] == "Ana Souza"


async def test_pipedrives_person_whose_creation_had_no_answer_is_looked_for_in_the_store() -> None:
    account = PipedriveAccount()
    await account.prepare()
    account.faults.replace([Fault("status_after", where=r"POST /api/v2/persons$", times=1, status=500)])
    with pytest.raises(OutcomeUnknown):
        await account.deliver()
    account.store.index_seconds = 1e9
    creating = account.kept["lead-1"].records["creating"]
    await take_back(account.destination, account.connection, records={"creating": (creating,)})
    (person_id,) = account.store.persons
    assert set(account.custom(person_id).values()) == {None}


async def test_salesforce_keeps_its_lead_and_loses_our_fields() -> None:
    account = demo_salesforce.InProcess(demo_salesforce.made_org())
    await account.prepare()
    await account.deliver(demo_salesforce.LEAD)
    held = account.lead("lead-1")
    for _ in range(2):
        await take_back(account.destination, account.connection, records={"contact": (held["Id"],)})
        held = account.org.leads[held["Id"]]
        assert not [name for name, value in held.items() if name.startswith("EchoLead_") and value is not None]
        assert (held["Email"], held["LeadSource"]) == ("ana@lead.test", "Paid Search")


async def test_a_lead_of_salesforce_whose_creation_had_no_answer_loses_our_fields_beside_a_known_one() -> None:
    account = demo_salesforce.InProcess(demo_salesforce.made_org())
    await account.prepare()
    other = replace(demo_salesforce.lead(2), lead_id=LEADS[1])
    await account.deliver(demo_salesforce.LEAD, other)
    known, unknown = account.lead("lead-1")["Id"], account.lead(other.lead_id)["Id"]
    await take_back(account.destination, account.connection, records={"contact": (known,)})
    for each in (known, unknown):
        held = account.org.leads[each]
        assert not [name for name, value in held.items() if name.startswith("EchoLead_") and value is not None]


async def test_a_lead_that_salesforce_has_converted_is_named_and_not_tried_again() -> None:
    account = demo_salesforce.InProcess(demo_salesforce.made_org())
    await account.prepare()
    await account.deliver(demo_salesforce.LEAD)
    held = account.lead("lead-1")
    held["IsConverted"] = True
    with pytest.raises(Withheld, match=held["Id"]):
        await take_back(account.destination, account.connection)


async def test_rd_station_keeps_its_contact_and_conversions_and_loses_our_fields_and_tags() -> None:
    account = demo_rdstation.InProcess(demo_rdstation.made_base())
    await account.prepare()
    lead = Lead("lead-1", name="Ana", email="ana@example.com", labels=("google",), attributes={"channel": "Email"})
    await account.deliver(lead)
    contact = account.contact("ana@example.com")
    contact["tags"].append("newsletter")
    for _ in range(2):
        known = {"contact": (contact["uuid"], "gone")}
        await take_back(account.destination, account.connection, records=known, labels=("google",))
        contact = account.contact("ana@example.com")
        assert not [name for name, value in contact.items() if name.startswith("cf_echolead_") and value]
        assert (contact["tags"], contact["name"]) == (["newsletter"], "Ana")


async def test_the_receiver_of_a_webhook_is_told_the_ids_and_nothing_else() -> None:
    posts: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        posts.append(request)
        return httpx.Response(200 if len(posts) == 1 else 410)

    url = {"url": "https://hooks.test/in"}
    product = SignedWebhooks.of(url, {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, lambda lead: lead)
    connection = LaneConnection(
        product.client(httpx.MockTransport(handle)), Pace(1e6, 1000),
        Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1), judge=product.judge,
    )  # fmt: skip
    await take_back(product, connection, records={"announced": ("msg_1",)}, labels=("quente",))
    body = json.loads(posts[0].content)
    assert (body["type"], body["data"]) == ("lead.erased", {"lead_id": "lead-1", "tracking_ids": ["browser-2"]})
    assert posts[0].headers["webhook-signature"]
    with pytest.raises(Withheld, match="410"):
        await take_back(product, connection)


async def test_a_careful_receiver_forgets_the_lead_and_still_knows_which_messages_it_had() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    inbox = Inbox([secret])

    def handle(request: httpx.Request) -> httpx.Response:
        inbox.take(request.headers, request.content)
        return httpx.Response(200)

    product = SignedWebhooks.of({"url": "https://hooks.test/in"}, {"secret": secret}, lambda lead: lead)
    connection = LaneConnection(
        product.client(httpx.MockTransport(handle)), Pace(1e6, 1000),
        Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1), judge=product.judge,
    )  # fmt: skip
    for lead_id in ("browser-2", "lead-9"):
        await delivered(product, order(connection, Lead(lead_id, email=f"{lead_id}@lead.test")))
    await take_back(product, connection)
    assert inbox.leads.keys() == {"lead-9"}
    assert len(inbox.messages) == 3
    assert "browser-2@lead.test" not in str(inbox.messages)
    assert inbox.refusals == []


async def test_what_is_kept_of_a_refusal_does_not_repeat_what_the_product_holds(app: Starlette) -> None:
    refusal = httpx.Response(422, json={"message": "ana@lead.test is taken"})
    account = chatwoot_account.InProcess(app, Answering(app, "PUT", "", refusal))
    outcome = await account.deliver()
    erased = ErasedRecords(leads=LEADS, records={"contact": (outcome.remote_id,)})
    asked = order(account.connection, Lead("erasure:1", erased=erased))
    with pytest.raises(Rejected) as refused:
        await account.destination.take_back(asked, erased)
    recorded = asked.calls.recorded
    plain = without_words(refused.value, recorded)
    assert isinstance(plain, Rejected)
    assert str(plain) == "The call to remove identifier was answered 422 (Rejected)."
    kept = [without_values(call) for call in recorded]
    assert "ana@lead.test" in str(recorded)
    assert "ana@lead.test" not in str(kept)
    assert [call.operation for call in kept] == [call.operation for call in recorded]
    away = Unavailable("No connection: refused")
    assert without_words(away, recorded) is away
