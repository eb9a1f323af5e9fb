"""Leads as HubSpot's contacts, as a sales team sees them: what is written, found again, merged, read back."""

from dataclasses import replace
from typing import Any

import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.destination import Order
from reverse_etl.errors import Withheld
from reverse_etl.lead import UNCONFIRMED, Delivered, twin_kind
from tests.fixtures.demo_hubspot import DEALS, LEAD, HubSpotAccount, changed


async def test_an_unknown_lead_becomes_a_contact_with_its_origin(hubspot: HubSpotAccount) -> None:
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


async def test_the_same_again_writes_nothing(hubspot: HubSpotAccount) -> None:
    await hubspot.deliver()
    hubspot.store.writes.clear()

    await hubspot.deliver()

    assert hubspot.operations() == ["read contacts"]
    assert hubspot.store.writes == []


async def test_a_hundred_leads_take_one_call_of_each_kind(hubspot: HubSpotAccount) -> None:
    outcomes = await hubspot.deliver_all(
        *(changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(100))
    )

    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(hubspot.contacts()) == 100
    assert hubspot.operations() == ["look up by echolead_id", "look up by email", "create contacts"]


async def test_an_update_by_our_id_needs_no_address(hubspot: HubSpotAccount) -> None:
    """The ledger was lost: the contact is found by what we wrote there."""
    first = await hubspot.deliver()
    hubspot.kept.clear()
    hubspot.sent.clear()

    second = await hubspot.deliver(changed(email="", attributes={"channel": "Email"}))

    assert second.remote_id == first.remote_id
    assert hubspot.contact(first.remote_id)["echolead_channel"] == "Email"


async def test_a_lead_that_another_became_part_of_keeps_its_contact(hubspot: HubSpotAccount) -> None:
    before = await hubspot.deliver(changed(lead_id="browser-2", tracking_ids=("browser-2",)))
    after = await hubspot.deliver()
    assert after.remote_id == before.remote_id
    assert len(hubspot.contacts()) == 1


async def two_contacts(hubspot: HubSpotAccount, count: int = 1) -> tuple[Order, list[str]]:
    """An order of a lead with a contact that others with contacts became part of, and the ids of those."""
    await hubspot.deliver(changed(tracking_ids=()))
    twins = [
        await hubspot.deliver(changed(lead_id=f"other-{n}", email=f"ana{n}@work.test", tracking_ids=()))
        for n in range(count)
    ]
    asked, ids = hubspot.order(LEAD), [twin.remote_id for twin in twins]
    return replace(asked, history=replace(asked.history, twins={"contact": tuple(ids)})), ids


@pytest.mark.parametrize("mode", ["new", "first"])
async def test_contacts_of_leads_that_became_one_are_merged_into_the_leads_own(
    hubspot: HubSpotAccount, mode: Any
) -> None:
    """Since 2025 HubSpot makes a contact with a new id of two; that one is the lead's from then on."""
    asked, twins = await two_contacts(hubspot, 2)
    hubspot.store.merge_mode = mode

    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert list(hubspot.store.objects["contacts"]) == [outcome.remote_id]
    (contact,) = hubspot.contacts()
    assert contact["email"] == "ana@lead.test"
    assert set(contact["hs_additional_emails"].split(";")) == {"ana0@work.test", "ana1@work.test"}
    assert contact["echolead_id"] == "lead-1"
    assert all(hubspot.kept["lead-1"].records[twin_kind("contact", twin)] == twin for twin in twins)
    assert outcome.conflicts == ()
    await hubspot.verify(LEAD, outcome)


async def test_a_twin_counts_as_settled_once_it_is_merged_and_not_before(hubspot: HubSpotAccount) -> None:
    """An engine that dies in between merges it again."""
    asked, _ = await two_contacts(hubspot)
    contacts: list[int] = []

    async def remember(_: str, __: str) -> None:
        contacts.append(len(hubspot.contacts()))

    await hubspot.destination.deliver([replace(asked, remember_in_ledger=remember)])
    assert set(contacts) == {1}


async def test_an_engine_that_died_after_a_merge_left_the_old_id_which_leads_to_the_new_contact(
    hubspot: HubSpotAccount,
) -> None:
    asked, twins = await two_contacts(hubspot)
    merged = hubspot.store.merge(str(asked.history.remote_id), twins[0])
    hubspot.store.writes.clear()

    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert (outcome.remote_id, outcome.conflicts) == (merged["id"], ())
    assert len(hubspot.contacts()) == 1


async def test_a_merge_whose_answer_was_lost_is_no_refused_one(hubspot: HubSpotAccount) -> None:
    """Asked for again, HubSpot refuses to merge a contact with itself."""
    asked, _ = await two_contacts(hubspot)
    hubspot.faults.replace([Fault("status_after", where="/contacts/merge", times=1, status=502)])

    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert outcome.conflicts == ()
    assert len(hubspot.contacts()) == 1


@pytest.mark.parametrize("has_own", [True, False])
async def test_a_contact_that_was_made_without_an_answer_is_merged_as_well(
    hubspot: HubSpotAccount, has_own: bool
) -> None:
    """An engine died in the creation, and then the lead became part of another: nothing in the ledger names it."""
    if has_own:
        await hubspot.deliver(changed(tracking_ids=()))
    else:
        hubspot.add(echolead_id="lead-1", email="ana@lead.test")
    hubspot.add(echolead_id="other-1", email="ana@work.test")
    asked = hubspot.order(changed(tracking_ids=("lead-1", "other-1")))
    asked = replace(asked, history=replace(asked.history, unconfirmed=("other-1",)))

    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    (contact,) = hubspot.contacts()
    assert (contact["echolead_id"], contact["hs_additional_emails"]) == ("lead-1", "ana@work.test")
    assert outcome.conflicts == ()
    assert hubspot.kept["lead-1"].records[twin_kind(UNCONFIRMED, "other-1")] == "other-1"


async def test_a_contact_that_hubspot_does_not_merge_is_named_once(hubspot: HubSpotAccount) -> None:
    asked, (twin,) = await two_contacts(hubspot)
    own = hubspot.store.objects["contacts"][str(asked.history.remote_id)]
    own["merged"] = [f"old-{n}" for n in range(250)]

    outcome = (await hubspot.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    (conflict,) = outcome.conflicts
    assert f"contact {twin} is the same lead's, and was not merged" in conflict
    assert "250" in conflict
    assert hubspot.kept["lead-1"].records[twin_kind("contact", twin)] == twin


async def test_a_contact_that_was_merged_into_another_is_found_there(hubspot: HubSpotAccount) -> None:
    first = await hubspot.deliver()
    other = hubspot.add(email="ana@work.test")
    other = hubspot.store.merge(other, first.remote_id)["id"]

    again = await hubspot.deliver(changed(attributes={"channel": "Email"}))

    assert again.remote_id == other
    assert hubspot.operations()[:2] == ["read contacts", "update contacts"]
    assert hubspot.contact(other)["echolead_channel"] == "Email"
    assert hubspot.contact(other)["email"] == "ana@work.test"


async def test_a_contact_that_somebody_deleted_is_made_again(hubspot: HubSpotAccount) -> None:
    first = await hubspot.deliver()
    del hubspot.store.objects["contacts"][first.remote_id]

    assert (await hubspot.deliver()).remote_id != first.remote_id
    assert len(hubspot.contacts()) == 1


async def test_what_we_wrote_follows_the_lead_and_what_people_wrote_stays(hubspot: HubSpotAccount) -> None:
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"lastname": "Souza Lima", "echolead_campaign": "by hand"})

    await hubspot.deliver(changed(name="Anna Silva", attributes={"channel": "Email"}))

    contact = hubspot.contact(outcome.remote_id)
    assert (contact["firstname"], contact["lastname"]) == ("Anna", "Souza Lima")
    assert contact["echolead_channel"] == "Email"
    assert "echolead_source" not in contact  # no longer wanted
    assert contact["echolead_campaign"] == "by hand"


async def test_a_lead_with_a_phone_number_alone_is_named_by_it_until_it_has_a_name(hubspot: HubSpotAccount) -> None:
    outcome = await hubspot.deliver(changed(name="", email=""))
    assert hubspot.contact(outcome.remote_id)["firstname"] == "+5511999990000"

    await hubspot.deliver(changed(email=""))

    assert hubspot.contact(outcome.remote_id)["firstname"] == "Ana"


async def test_a_lead_without_anything_to_call_it_by_is_withheld(hubspot: HubSpotAccount) -> None:
    with pytest.raises(Withheld):
        await hubspot.deliver(changed(name="", email="", phone=""))
    assert hubspot.contacts() == []


# Typed values


async def test_days_and_numbers_are_written_as_their_properties_want_them(hubspot: HubSpotAccount) -> None:
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


async def test_an_empty_list_empties_nothing_and_ours_leave_while_theirs_stay(hubspot: HubSpotAccount) -> None:
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


async def test_an_option_of_ours_that_a_rep_unticks_stays_off_until_the_lead_has_been_without_it(
    hubspot: HubSpotAccount,
) -> None:
    hubspot.define("interests", "enumeration", "checkbox", ["consorcio", "seguro", "imovel"])
    hubspot.use(mapping="contact: {interests: labels}")
    await hubspot.prepare()
    outcome = await hubspot.deliver(changed(labels=("imovel", "seguro")))
    hubspot.store.update("contacts", outcome.remote_id, {"interests": "seguro;consorcio"})
    seen, notes = [], []
    for labels in (("imovel", "seguro"), ("imovel",), (), ("imovel",)):
        outcome = await hubspot.deliver(changed(labels=labels))
        notes += hubspot.conflicts()
        seen.append(set(hubspot.contact(outcome.remote_id)["interests"].split(";")))

    assert seen == [{"seguro", "consorcio"}, {"consorcio"}, {"consorcio"}, {"consorcio", "imovel"}]
    assert "Option imovel of interests was taken off by a person and stays off." in notes


@pytest.mark.parametrize("mode", ["ignores", "moves"])
async def test_a_customer_who_fills_in_another_form_stays_a_customer(hubspot: HubSpotAccount, mode: Any) -> None:
    """HubSpot answers 200 to an earlier stage and ignores it, or takes it: sources differ."""
    hubspot.store.lifecycle_mode = mode
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"lifecyclestage": "customer"})
    hubspot.store.writes.clear()

    await hubspot.deliver(changed(attributes={"channel": "Email"}))

    assert hubspot.contact(outcome.remote_id)["lifecyclestage"] == "customer"
    assert all("lifecyclestage" not in properties for _, _, properties in hubspot.store.writes)


async def test_a_subscriber_becomes_a_lead(hubspot: HubSpotAccount) -> None:
    contact_id = hubspot.add(email="ana@lead.test", lifecyclestage="subscriber")
    await hubspot.deliver()
    assert hubspot.contact(contact_id)["lifecyclestage"] == "lead"


async def test_a_stage_of_the_accounts_own_is_not_replaced(hubspot: HubSpotAccount) -> None:
    outcome = await hubspot.deliver()
    hubspot.contact(outcome.remote_id)["lifecyclestage"] = "a stage that was taken away"
    await hubspot.deliver(changed(attributes={"channel": "Email"}))
    assert hubspot.contact(outcome.remote_id)["lifecyclestage"] == "a stage that was taken away"


async def test_an_attempt_records_nothing_of_the_other_leads_of_its_batch(hubspot: HubSpotAccount) -> None:
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


async def test_a_leads_calls_are_recorded_without_the_others_of_its_batch(hubspot: HubSpotAccount) -> None:
    """An error of a batch names all rows that are missing: an erased person's address stayed with other leads."""
    await hubspot.deliver_all(LEAD, changed(lead_id="lead-2", email="bia@lead.test", tracking_ids=("lead-2",)))
    first, second = ([(each.request, each.response) for each in order.calls.recorded] for order in hubspot.orders)
    assert "ana@lead.test" in str(first)
    assert not [word for word in ("bia@lead.test", "lead-2") if word in str(first)]
    assert not [word for word in ("ana@lead.test", "lead-1") if word in str(second)]
