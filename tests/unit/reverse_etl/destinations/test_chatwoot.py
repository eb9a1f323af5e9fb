"""The Chatwoot destination against the demo Chatwoot in process, each behaviour as an agent would see it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from echolead.demo.chatwoot import Faults, create_app
from echolead.demo.chatwoot.faults import Fault
from echolead.demo.chatwoot.store import Store
from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.errors import Misconfigured, Mismatch, OutcomeUnknown, Rejected
from reverse_etl.lead import UNCONFIRMED, Delivered, Lead, twin_kind
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.chatwoot_description import Described, Description
from tests.fixtures.demo_chatwoot import ACCOUNT, ACCOUNTS
from tests.fixtures.orders import Kept, delivered, order, verify

LEAD = Lead(
    lead_id="lead-1",
    name="Ana Souza",
    email="ana@lead.test",
    phone="+5511999990000",
    tracking_ids=("lead-1", "browser-2"),
    labels=("canal-paid-search",),
    attributes={"channel": "Paid Search", "sessions_count": 2},
)


class InProcess:
    """The demo Chatwoot without a socket, and a destination that delivers to it."""

    def __init__(self, app: Starlette, transport: httpx.AsyncBaseTransport) -> None:
        self.store: Store = app.state.store
        self.destination = ChatwootContacts.of(
            {"base_url": "http://localhost", "account_id": ACCOUNT.account_id, "inbox_id": ACCOUNT.inbox_id},
            {"api_access_token": ACCOUNT.api_access_token},
            lambda lead_id: f"https://console.test/{lead_id}",
        )
        breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)
        self.connection = LaneConnection(self.destination.client(transport), Pace(1e6, 1000), breaker)
        self.calls = Calls(self.connection)

    async def deliver(self, lead: Lead = LEAD, remote_id: str | None = None, sent: Sequence[Lead] = ()) -> Delivered:
        """Deliver, with calls of its own."""
        records = {} if remote_id is None else {"contact": remote_id}
        asked = order(self.connection, lead, sent=sent, **records)
        self.calls = asked.calls
        return await delivered(self.destination, asked)

    async def verify(self, lead: Lead, outcome: Delivered) -> None:
        """Read back."""
        asked = order(self.connection, lead)
        self.calls = asked.calls
        await verify(self.destination, asked, outcome)

    def add(self, **fields: Any) -> int:
        """A contact that is there already."""
        return int(self.store.create_contact(ACCOUNT.account_id, fields, inbox_id=None)["id"])

    def contact(self, contact_id: int | str) -> dict[str, Any]:
        """What the account holds of a contact, its labels included."""
        found = self.store.contact(ACCOUNT.account_id, int(contact_id))
        return {**found, "labels": self.store.labels_of("contact", int(contact_id))}

    def count(self) -> int:
        """How many contacts there are."""
        return self.store.search(ACCOUNT.account_id, "%", 1)[1]

    def operations(self) -> list[str]:
        """The calls of the last delivery, definitions left out."""
        return [x.operation for x in self.calls.recorded if not x.operation.startswith("define")]


@pytest.fixture
async def chatwoot(tmp_path: Path) -> AsyncIterator[InProcess]:
    """An empty account."""
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        yield InProcess(app, httpx.ASGITransport(app))


async def test_an_unknown_lead_is_created(chatwoot: InProcess) -> None:
    delivered = await chatwoot.deliver()

    contact = chatwoot.contact(delivered.remote_id)
    assert {key: contact[key] for key in ("name", "email", "phone_number", "identifier", "labels")} == {
        "name": "Ana Souza",
        "email": "ana@lead.test",
        "phone_number": "+5511999990000",
        "identifier": "lead-1",
        "labels": ["canal-paid-search"],
    }
    assert contact["custom_attributes"]["echolead_url"] == "https://console.test/lead-1"


async def test_a_contact_that_was_made_without_an_answer_is_merged_into_the_leads_own(chatwoot: InProcess) -> None:
    """An engine died in the creation, and then the lead became part of another: nothing in the ledger names it."""
    own = chatwoot.add(identifier="lead-1", email="ana@lead.test")
    chatwoot.add(identifier="browser-2", phone_number="+5511999990001")
    kept = Kept()
    asked = order(chatwoot.connection, LEAD, kept=kept, contact=str(own))
    asked = replace(asked, history=replace(asked.history, unconfirmed=("browser-2",)))

    outcome = await delivered(chatwoot.destination, asked)

    assert (outcome.remote_id, chatwoot.count()) == (str(own), 1)
    assert kept.records[twin_kind(UNCONFIRMED, "browser-2")] == "browser-2"


async def test_twice_leaves_the_same_as_once_and_writes_nothing(chatwoot: InProcess) -> None:
    first = await chatwoot.deliver()
    second = await chatwoot.deliver()

    assert first.remote_id == second.remote_id
    assert chatwoot.operations() == ["look up contacts", "list contact labels"]


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({"identifier": "lead-1"}, id="the identifier"),
        pytest.param({"identifier": "browser-2"}, id="a tracking id of the lead"),
        pytest.param({"email": "ANA@lead.test"}, id="the e-mail in another case"),
        pytest.param({"phone_number": "+5511999990000"}, id="the phone number"),
    ],
)
async def test_a_contact_that_holds_something_of_the_lead_is_updated(chatwoot: InProcess, held: dict[str, str]) -> None:
    present = chatwoot.add(**held)

    delivered = await chatwoot.deliver()

    assert delivered.remote_id == str(present)
    assert chatwoot.count() == 1
    assert chatwoot.contact(present)["custom_attributes"]["channel"] == "Paid Search"


async def test_a_contact_that_only_looks_alike_is_left_alone(chatwoot: InProcess) -> None:
    chatwoot.add(email="joana@lead.test", name="ana@lead.test")
    chatwoot.add(phone_number="+55119999900001")

    await chatwoot.deliver()

    assert chatwoot.count() == 3


async def test_the_remembered_contact_comes_before_any_look_up(chatwoot: InProcess) -> None:
    remembered = chatwoot.add(name="Ana Souza")

    delivered = await chatwoot.deliver(remote_id=str(remembered))

    assert delivered.remote_id == str(remembered)
    assert "look up contacts" not in chatwoot.operations()


async def test_a_remembered_contact_that_is_gone_is_looked_up(chatwoot: InProcess) -> None:
    merged_into = chatwoot.add(identifier="lead-1")

    delivered = await chatwoot.deliver(remote_id="4711")

    assert delivered.remote_id == str(merged_into)


async def test_an_identifier_that_is_there_is_never_changed(chatwoot: InProcess) -> None:
    present = chatwoot.add(identifier="crm-77", email="ana@lead.test")

    await chatwoot.deliver()

    assert chatwoot.contact(present)["identifier"] == "crm-77"


@pytest.mark.parametrize(
    ("present", "kept"),
    [
        pytest.param("Ana S. (cliente antiga)", True, id="an agent's name is kept"),
        pytest.param("restless-field-123", False, id="a name that Chatwoot made up is replaced"),
        pytest.param("ana@lead.test", False, id="an e-mail in place of a name is replaced"),
        pytest.param("", False, id="an empty name is filled"),
    ],
)
async def test_names(chatwoot: InProcess, present: str, kept: bool) -> None:
    contact = chatwoot.add(name=present, email="ana@lead.test")

    await chatwoot.deliver()

    assert chatwoot.contact(contact)["name"] == (present if kept else "Ana Souza")


async def test_nothing_an_agent_filled_is_blanked_or_replaced(chatwoot: InProcess) -> None:
    contact = chatwoot.add(identifier="lead-1", email="certo@lead.test", phone_number="+5511888880000")

    await chatwoot.deliver(replace(LEAD, name="", phone=""))

    assert chatwoot.contact(contact)["email"] == "certo@lead.test"
    assert chatwoot.contact(contact)["phone_number"] == "+5511888880000"


async def test_our_own_values_follow_the_lead(chatwoot: InProcess) -> None:
    delivered = await chatwoot.deliver()

    changed = replace(LEAD, name="Ana Lima", email="nova@lead.test")
    await chatwoot.deliver(changed, remote_id=delivered.remote_id, sent=(LEAD,))

    contact = chatwoot.contact(delivered.remote_id)
    assert (contact["name"], contact["email"]) == ("Ana Lima", "nova@lead.test")


async def test_an_agents_labels_stay_and_ours_follow_the_lead(chatwoot: InProcess) -> None:
    delivered = await chatwoot.deliver()
    chatwoot.store.set_labels("contact", int(delivered.remote_id), ["canal-paid-search", "vip"])

    changed = replace(LEAD, labels=("canal-email",))
    await chatwoot.deliver(changed, remote_id=delivered.remote_id, sent=(LEAD,))

    assert chatwoot.contact(delivered.remote_id)["labels"] == ["canal-email", "vip"]


async def test_a_value_set_by_any_earlier_state_is_removed_when_no_longer_wanted(chatwoot: InProcess) -> None:
    """The contact may still hold the first state: the second may have failed halfway."""
    first = replace(LEAD, labels=("canal-direct",), attributes={"channel": "Direct", "term": "sapatos"})
    second = replace(LEAD, labels=("canal-email",), attributes={"channel": "Email"})
    delivered = await chatwoot.deliver(first)

    await chatwoot.deliver(LEAD, remote_id=delivered.remote_id, sent=(second, first))

    contact = chatwoot.contact(delivered.remote_id)
    assert contact["labels"] == ["canal-paid-search"]
    assert contact["custom_attributes"].keys() == {"channel", "sessions_count", "echolead_url"}


async def test_withdrawn_consent_takes_the_origin_off_the_contact_again(chatwoot: InProcess) -> None:
    delivered = await chatwoot.deliver()

    denied = replace(LEAD, attributes={"marketing_consent": "denied"}, labels=("sem-consentimento-marketing",))
    await chatwoot.deliver(denied, remote_id=delivered.remote_id, sent=(LEAD,))

    contact = chatwoot.contact(delivered.remote_id)
    assert contact["custom_attributes"].keys() == {"marketing_consent", "echolead_url"}
    assert contact["labels"] == ["sem-consentimento-marketing"]


async def test_email_and_phone_of_two_contacts_update_the_one_with_the_email(chatwoot: InProcess) -> None:
    by_phone = chatwoot.add(phone_number="+5511999990000", name="Carlos")
    by_email = chatwoot.add(email="ana@lead.test")

    delivered = await chatwoot.deliver()

    assert delivered.remote_id == str(by_email)
    assert chatwoot.contact(by_phone)["phone_number"] == "+5511999990000"
    assert chatwoot.contact(by_phone)["custom_attributes"] == {}
    assert chatwoot.contact(by_email)["phone_number"] is None
    assert any(f"phone_number belongs to contact {by_phone}" in conflict for conflict in delivered.conflicts)
    assert "conflict" in {exchange.outcome for exchange in chatwoot.calls.recorded}
    await chatwoot.verify(LEAD, delivered)


async def test_a_number_without_its_ninth_digit_is_the_leads_and_stays_as_it_is(chatwoot: InProcess) -> None:
    present = chatwoot.add(name="Ana (WhatsApp)", phone_number="+551187654321")
    lead = replace(LEAD, phone="+5511987654321")

    delivered = await chatwoot.deliver(lead)

    contact = chatwoot.contact(present)
    assert (delivered.remote_id, chatwoot.count()) == (str(present), 1)
    assert (contact["phone_number"], contact["email"]) == ("+551187654321", "ana@lead.test")
    assert (contact["labels"], contact["custom_attributes"]["channel"]) == (["canal-paid-search"], "Paid Search")
    assert delivered.conflicts == ()
    await chatwoot.verify(lead, delivered)
    again = await chatwoot.deliver(lead, remote_id=delivered.remote_id, sent=(lead,))
    assert chatwoot.contact(again.remote_id)["phone_number"] == "+551187654321"


async def test_a_lead_without_the_ninth_digit_is_the_contact_that_has_it(chatwoot: InProcess) -> None:
    present = chatwoot.add(name="Ana (WhatsApp)", phone_number="+5511987654321")
    lead = replace(LEAD, phone="+551187654321")

    delivered = await chatwoot.deliver(lead)

    contact = chatwoot.contact(present)
    assert (delivered.remote_id, chatwoot.count()) == (str(present), 1)
    assert (contact["phone_number"], contact["labels"]) == ("+5511987654321", ["canal-paid-search"])
    assert delivered.conflicts == ()
    await chatwoot.verify(lead, delivered)


async def test_of_both_forms_of_a_number_the_exact_one_is_the_leads(chatwoot: InProcess) -> None:
    without_nine = chatwoot.add(phone_number="+551187654321")
    exact = chatwoot.add(phone_number="+5511987654321")

    delivered = await chatwoot.deliver(replace(LEAD, phone="+5511987654321"))

    assert (delivered.remote_id, chatwoot.count()) == (str(exact), 2)
    assert chatwoot.contact(without_nine)["custom_attributes"] == {}
    assert delivered.conflicts == (
        f"phone_number belongs to contact {without_nine}, left there; delivered to contact {exact}",
    )


async def test_a_fixed_line_of_the_same_digits_is_another_number(chatwoot: InProcess) -> None:
    chatwoot.add(phone_number="+551134567890")

    await chatwoot.deliver(replace(LEAD, phone="+5511934567890"))

    assert chatwoot.count() == 2


async def test_a_number_that_another_contact_has_in_its_other_form_is_left_there(chatwoot: InProcess) -> None:
    """Chatwoot would take it, and two contacts would have one number."""
    holder = chatwoot.add(phone_number="+551187654321")
    first = await chatwoot.deliver(replace(LEAD, phone=""), remote_id=str(chatwoot.add(identifier="lead-1")))

    changed = replace(LEAD, phone="+5511987654321")
    delivered = await chatwoot.deliver(changed, remote_id=first.remote_id, sent=(LEAD,))

    assert chatwoot.contact(first.remote_id)["phone_number"] is None
    assert delivered.conflicts == (f"phone_number belongs to contact {holder}, left there",)


async def test_what_an_agents_contact_has_stays_and_the_attempt_says_what_was_not_written(chatwoot: InProcess) -> None:
    present = chatwoot.add(name="Souza", email="souza@example.com", phone_number="+5511999990000")

    delivered = await chatwoot.deliver(replace(LEAD, name="Bia", email="bia@example.com"))

    contact = chatwoot.contact(present)
    assert (delivered.remote_id, chatwoot.count()) == (str(present), 1)
    assert (contact["name"], contact["email"]) == ("Souza", "souza@example.com")
    (said,) = [call.response for call in chatwoot.calls.recorded if call.outcome == "conflict"]
    assert said == (
        f"email bia@example.com was not written: contact {present} has souza@example.com, which EchoLead did not write"
    )


async def test_a_phone_number_of_an_agent_stays_and_the_attempt_says_so(chatwoot: InProcess) -> None:
    present = chatwoot.add(email="ana@lead.test", phone_number="+5511888880000")

    delivered = await chatwoot.deliver()

    assert chatwoot.contact(present)["phone_number"] == "+5511888880000"
    assert [conflict.partition(":")[0] for conflict in delivered.conflicts] == [
        "phone_number +5511999990000 was not written"
    ]


@pytest.mark.parametrize("is_remembered", [False, True], ids=["found by its identifier", "remembered"])
@pytest.mark.parametrize("write", ["PUT", "POST"], ids=["its fields", "its labels"])
async def test_a_contact_that_is_merged_before_it_is_written_is_found_again(
    tmp_path: Path, is_remembered: bool, write: str
) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    inner = httpx.ASGITransport(app)
    ours: list[int] = []

    async def an_agent_is_quicker(request: httpx.Request) -> httpx.Response:
        if ours and request.method == write and f"/contacts/{ours[0]}" in request.url.path:
            chatwoot.store.merge_contacts(ACCOUNT.account_id, survivor, ours.pop())
        return await inner.handle_async_request(request)

    async with app.router.lifespan_context(app):
        chatwoot = InProcess(app, httpx.MockTransport(an_agent_is_quicker))
        survivor = chatwoot.add(name="Ana, da loja")
        ours.append(chatwoot.add(identifier="lead-1"))
        remembered = str(ours[0]) if is_remembered else None

        with pytest.raises(OutcomeUnknown, match="is gone"):
            await chatwoot.deliver(remote_id=remembered)
        delivered = await chatwoot.deliver(remote_id=remembered)

        assert (delivered.remote_id, chatwoot.count()) == (str(survivor), 1)
        contact = chatwoot.contact(survivor)
        assert (contact["name"], contact["email"]) == ("Ana, da loja", "ana@lead.test")
        assert contact["labels"] == ["canal-paid-search"]


async def test_a_taken_email_that_appears_between_look_up_and_create_is_its_holders(tmp_path: Path) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    inner = httpx.ASGITransport(app)

    async def somebody_is_quicker(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/contacts"):
            chatwoot.add(email="ana@lead.test")
        return await inner.handle_async_request(request)

    async with app.router.lifespan_context(app):
        chatwoot = InProcess(app, httpx.MockTransport(somebody_is_quicker))
        delivered = await chatwoot.deliver()

        assert chatwoot.count() == 1
        assert chatwoot.contact(delivered.remote_id)["identifier"] == "lead-1"


async def test_a_bad_phone_number_is_rejected_with_its_reason(chatwoot: InProcess) -> None:
    with pytest.raises(Rejected, match="e164") as refused:
        await chatwoot.deliver(replace(LEAD, phone="11 99999"))

    assert refused.value.attributes == ("phone_number",)


async def test_a_bad_phone_number_of_a_contact_that_is_there_is_rejected_and_not_left_to_a_holder(
    chatwoot: InProcess,
) -> None:
    """Chatwoot names the field both for an invalid value and for one that another contact has."""
    present = chatwoot.add(identifier="lead-1")

    with pytest.raises(Rejected, match="e164") as refused:
        await chatwoot.deliver(replace(LEAD, phone="11 99999"), remote_id=str(present))

    assert refused.value.attributes == ("phone_number",)
    assert "conflict" not in {call.outcome for call in chatwoot.calls.recorded}


async def test_a_lead_of_many_browsers_is_found_by_any_of_them(chatwoot: InProcess) -> None:
    browsers = tuple(f"browser-{number}" for number in range(40))
    present = chatwoot.add(identifier="browser-39")

    delivered = await chatwoot.deliver(replace(LEAD, tracking_ids=browsers))

    assert delivered.remote_id == str(present)


async def test_reading_back_something_else_is_a_mismatch_that_names_the_fields(chatwoot: InProcess) -> None:
    delivered = await chatwoot.deliver()
    chatwoot.store.update_contact(
        ACCOUNT.account_id, int(delivered.remote_id), {"custom_attributes": {"channel": "Direct"}, "name": "Outra"}
    )
    chatwoot.store.set_labels("contact", int(delivered.remote_id), [])

    with pytest.raises(Mismatch, match="name, custom attribute channel, label canal-paid-search"):
        await chatwoot.verify(LEAD, delivered)


async def test_preparing_twice_defines_nothing_twice(chatwoot: InProcess) -> None:
    await chatwoot.destination.prepare(Calls(chatwoot.connection))
    again = Calls(chatwoot.connection)
    await chatwoot.destination.prepare(again)

    assert [exchange.operation for exchange in again.recorded] == ["list labels", *["list attributes"] * 2]


async def test_setup_says_first_what_it_would_define_and_then_defines_it_once(chatwoot: InProcess) -> None:
    destination, calls = chatwoot.destination, Calls(chatwoot.connection)
    tested = [finding for finding in await destination.test(calls) if finding.state != "ok"]
    would = await destination.setup(calls, is_dry_run=True)
    assert tested == would
    assert {finding.state for finding in would} == {"missing"}
    assert chatwoot.store.attribute_definitions(ACCOUNT.account_id) == []

    made = await destination.setup(calls, is_dry_run=False)
    assert [finding.subject for finding in made] == [finding.subject for finding in would]
    assert {finding.state for finding in made} == {"made"}
    assert await destination.setup(calls, is_dry_run=False) == []
    assert {finding.state for finding in await destination.test(calls)} == {"ok"}
    assert [label["title"] for label in chatwoot.store.labels(ACCOUNT.account_id)] == ["sem-consentimento-marketing"]


async def test_an_inbox_that_is_not_there_and_an_attribute_of_another_type_are_found(chatwoot: InProcess) -> None:
    chatwoot.store.create_attribute_definition(
        ACCOUNT.account_id,
        {"attribute_key": "first_seen_at", "attribute_model": 1, "attribute_display_type": 5,
         "attribute_display_name": "Primeira visita"},
    )  # fmt: skip
    destination = ChatwootContacts.of(
        {"base_url": "http://localhost", "account_id": ACCOUNT.account_id, "inbox_id": 77},
        {"api_access_token": ACCOUNT.api_access_token},
        str,
    )
    found = {finding.subject: finding for finding in await destination.test(Calls(chatwoot.connection))}
    assert found["inbox 77"].state == "wrong"
    assert f"{ACCOUNT.inbox_id} Demo site" in found["inbox 77"].detail
    assert found["attribute first_seen_at"].state == "note"
    assert found["attribute first_seen_at"].detail == "it is date there, and its values are text"


async def test_an_agents_token_may_test_but_not_set_up(tmp_path: Path) -> None:
    """Each missing thing is named with the reason, after a single call that was refused."""
    faults = Faults([Fault("status", where="POST .", status=401)])
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS, faults=faults)
    async with app.router.lifespan_context(app):
        chatwoot = InProcess(app, httpx.ASGITransport(app))
        would = await chatwoot.destination.setup(chatwoot.calls, is_dry_run=True)
        found = await chatwoot.destination.setup(chatwoot.calls, is_dry_run=False)
    assert [finding.subject for finding in found] == [finding.subject for finding in would]
    assert {(finding.state, finding.detail) for finding in found} == {
        ("wrong", "defining it takes an administrator's token")
    }
    assert [call.operation for call in chatwoot.calls.recorded].count("define attribute") == 1


@pytest.mark.parametrize(
    ("configuration", "secrets", "missing"),
    [
        pytest.param({"account_id": 1, "inbox_id": 1}, {"api_access_token": "x"}, "base_url", id="no address"),
        pytest.param(
            {"base_url": "https://x.test", "account_id": 1, "inbox_id": 1}, {}, "api_access_token", id="no token"
        ),
        pytest.param(
            {"base_url": "https://x.test", "account_id": "a", "inbox_id": 1}, {"api_access_token": "x"}, "numbers",
            id="a word for an account",
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_says_what_it_lacks(
    configuration: dict[str, Any], secrets: dict[str, str], missing: str
) -> None:
    with pytest.raises(Misconfigured, match=missing):
        ChatwootContacts.of(configuration, secrets, str)


async def test_every_call_and_answer_is_as_chatwoot_describes_it(tmp_path: Path, description: Description) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        transport = Described(httpx.ASGITransport(app), description)
        chatwoot = InProcess(app, transport)
        await chatwoot.destination.test(chatwoot.calls)
        await chatwoot.destination.prepare(chatwoot.calls)
        delivered = await chatwoot.deliver()
        await chatwoot.verify(LEAD, delivered)
        chatwoot.add(phone_number="+5511777770000")
        changed = replace(LEAD, phone="+5511777770000", attributes={"channel": "Email"})
        await chatwoot.deliver(changed, remote_id=delivered.remote_id, sent=(LEAD,))
        await chatwoot.deliver(changed)

    assert transport.faults == []
    assert transport.seen == {
        ("get", "/inboxes", 200),
        ("get", "/labels", 200),
        ("post", "/labels", 200),
        ("get", "/custom_attribute_definitions", 200),
        ("post", "/custom_attribute_definitions", 200),
        ("post", "/contacts/filter", 200),
        ("post", "/contacts", 200),
        ("get", "/contacts/{id}", 200),
        ("put", "/contacts/{id}", 200),
        ("put", "/contacts/{id}", 422),
        ("get", "/contacts/{id}/labels", 200),
        ("post", "/contacts/{id}/labels", 200),
        ("post", "/contacts/{id}/destroy_custom_attributes", 200),
    }


async def test_a_call_that_the_description_does_not_allow_is_noticed(description: Description) -> None:
    transport = Described(
        httpx.MockTransport(lambda _: httpx.Response(200, json={"payload": [{"id": "x"}]})), description
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://x.test/api/v1/accounts/1/") as client:
        await client.post("contacts", json={"name": 5})
        await client.get("contacts/search")
        await client.get("contact")

    assert transport.faults == [
        "POST /api/v1/accounts/1/contacts request: : 'inbox_id' is a required property",
        "POST /api/v1/accounts/1/contacts request: name: 5 is not of type 'string'",
        "GET /api/v1/accounts/1/contacts/search answer: payload/0/id: 'x' is not of type 'integer'",
        "GET /api/v1/accounts/1/contact is not described",
    ]
