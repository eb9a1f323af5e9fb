"""Leads as Chatwoot's contacts, each behaviour as an agent would see it."""

from dataclasses import replace

import pytest

from reverse_etl.errors import Mismatch, Rejected
from reverse_etl.lead import UNCONFIRMED, twin_kind
from tests.fixtures.chatwoot_account import LEAD, InProcess
from tests.fixtures.demo_chatwoot import ACCOUNT
from tests.fixtures.orders import Kept, delivered, order


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


async def test_a_twin_counts_as_settled_once_it_is_merged_and_not_before(chatwoot: InProcess) -> None:
    """An engine that dies in between merges it again."""
    own, twin = chatwoot.add(identifier="lead-1", email="ana@lead.test"), chatwoot.add(email="ana@work.test")
    asked = order(chatwoot.connection, LEAD, contact=str(own))
    contacts: list[int] = []

    async def remember(_: str, __: str) -> None:
        contacts.append(chatwoot.count())

    history = replace(asked.history, twins={"contact": (str(twin),)})
    await delivered(chatwoot.destination, replace(asked, history=history, remember_in_ledger=remember))
    assert set(contacts) == {1}


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


async def test_a_remembered_id_that_is_another_persons_by_now_is_left_alone(chatwoot: InProcess) -> None:
    """As in an account that lost everything and counts its ids anew."""
    others = chatwoot.add(identifier="lead-9", email="bia@lead.test", phone_number="+5511999990009")

    delivered = await chatwoot.deliver(remote_id=str(others))

    assert (delivered.remote_id != str(others), chatwoot.count()) == (True, 2)
    assert chatwoot.contact(others)["email"] == "bia@lead.test"
    assert "channel" not in chatwoot.contact(others)["custom_attributes"]
    assert chatwoot.contact(delivered.remote_id)["email"] == "ana@lead.test"


@pytest.mark.parametrize("shared", [{"email": "Ana@lead.test"}, {"phone_number": "+5511999990000"}])
async def test_a_remembered_contact_of_a_lead_that_became_part_of_this_one_stays(
    chatwoot: InProcess, shared: dict[str, str]
) -> None:
    """Its identifier is the other lead's, and is never changed."""
    remembered = chatwoot.add(identifier="lead-0", **shared)

    delivered = await chatwoot.deliver(remote_id=str(remembered))

    assert (delivered.remote_id, chatwoot.count()) == (str(remembered), 1)
    assert "look up contacts" not in chatwoot.operations()


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


async def test_a_label_that_an_agent_took_off_stays_off_until_the_lead_has_been_without_it(
    chatwoot: InProcess,
) -> None:
    contact_id = (await chatwoot.deliver()).remote_id
    chatwoot.store.set_labels("contact", int(contact_id), ["vip"])

    again = replace(LEAD, attributes={"channel": "Email"})
    outcome = await chatwoot.deliver(again, remote_id=contact_id, sent=(LEAD,))
    assert chatwoot.contact(contact_id)["labels"] == ["vip"]
    assert outcome.conflicts == ("Label canal-paid-search was taken off by a person and stays off.",)
    await chatwoot.verify(again, outcome)

    without = replace(LEAD, labels=())
    await chatwoot.deliver(without, remote_id=contact_id, sent=(again, LEAD))
    await chatwoot.deliver(LEAD, remote_id=contact_id, sent=(without, again, LEAD))
    assert chatwoot.contact(contact_id)["labels"] == ["canal-paid-search", "vip"]


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


async def test_a_bad_phone_number_is_rejected_with_its_reason(chatwoot: InProcess) -> None:
    with pytest.raises(Rejected, match="e164") as refused:
        await chatwoot.deliver(replace(LEAD, phone="11 99999"))

    assert refused.value.attributes == ("phone_number",)


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
