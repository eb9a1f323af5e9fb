"""Leads as Pipedrive's persons, as a sales team sees them: what is written, found again, merged, read back."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.errors import (
    Mismatch,
    OutcomeUnknown,
    Withheld,
)
from reverse_etl.lead import UNCONFIRMED, Delivered, twin_kind
from tests.fixtures.demo_pipedrive import LEAD, PipedriveAccount, changed


async def test_an_unknown_lead_becomes_a_person_with_its_origin(pipedrive: PipedriveAccount) -> None:
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


async def test_the_same_again_writes_nothing(pipedrive: PipedriveAccount) -> None:
    await pipedrive.deliver()
    pipedrive.store.writes.clear()
    await pipedrive.deliver()
    assert pipedrive.operations() == ["read person"]
    assert pipedrive.store.writes == []


async def test_without_the_ledger_a_person_is_found_by_our_field(pipedrive: PipedriveAccount) -> None:
    first = await pipedrive.deliver()
    pipedrive.kept.clear()
    second = await pipedrive.deliver(changed(email="", phone=""))
    assert second.remote_id == first.remote_id


async def test_a_lead_that_another_became_part_of_keeps_its_person(pipedrive: PipedriveAccount) -> None:
    before = await pipedrive.deliver(changed(lead_id="browser-2", email="", tracking_ids=("browser-2",)))
    pipedrive.kept.clear()
    after = await pipedrive.deliver()
    assert after.remote_id == before.remote_id
    assert pipedrive.emails(after.remote_id) == ["ana@lead.test"]


@pytest.mark.parametrize("fault", ["status_after", "garbled_after"])
async def test_a_creation_without_an_answer_is_found_in_the_store_and_not_in_the_search(
    pipedrive: PipedriveAccount, fault: Any
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


@pytest.mark.parametrize("shows_deleted", [True, False])
async def test_persons_of_leads_that_became_one_are_merged_into_the_leads_own(
    pipedrive: PipedriveAccount, shows_deleted: bool
) -> None:
    pipedrive.store.shows_deleted = shows_deleted
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

    again = (await pipedrive.destination.deliver([asked]))[asked.delivery_id]  # its answer was lost with the engine

    assert isinstance(again, Delivered)
    assert (again.remote_id, again.conflicts) == (own.remote_id, ())


async def test_a_person_that_was_made_without_an_answer_is_merged_as_well(pipedrive: PipedriveAccount) -> None:
    """An engine died in the creation, and then the lead became part of another: nothing in the ledger names it."""
    pipedrive.store.index_seconds = 3600
    own = await pipedrive.deliver(changed(tracking_ids=()))
    pipedrive.faults.replace([Fault("status_after", where=r"POST /api/v2/persons$", times=1, status=502)])
    with pytest.raises(OutcomeUnknown):
        await pipedrive.deliver(changed(lead_id="other-1", email="ana@work.test", phone="", tracking_ids=()))
    begun = pipedrive.kept["other-1"].records["creating"]
    asked = pipedrive.order(changed(tracking_ids=("lead-1", "other-1")))
    history = replace(asked.history, unconfirmed=("other-1",), twins={"creating": (begun,)})

    asked = replace(asked, history=history)
    outcome = (await pipedrive.destination.deliver([asked]))[asked.delivery_id]

    assert isinstance(outcome, Delivered)
    assert [str(person_id) for person_id in pipedrive.store.persons] == [own.remote_id]
    assert pipedrive.emails(own.remote_id) == ["ana@lead.test", "ana@work.test"]
    assert pipedrive.kept["lead-1"].records[twin_kind(UNCONFIRMED, "other-1")] == "other-1"


async def test_an_address_that_was_created_without_an_answer_is_replaced_by_the_next_one(
    pipedrive: PipedriveAccount,
) -> None:
    """The ledger did not know that the address of the lost creation is ours, and kept it beside the corrected one."""
    pipedrive.faults.replace([Fault("status_after", where=r"POST /api/v2/persons$", times=1, status=502)])
    with pytest.raises(OutcomeUnknown):
        await pipedrive.deliver(changed(email="ana@laed.test"))

    outcome = await pipedrive.deliver(changed(email="ana@lead.test"))
    assert pipedrive.emails(outcome.remote_id) == ["ana@lead.test"]
    await pipedrive.deliver(changed(email="ana@work.test"))

    assert pipedrive.emails(outcome.remote_id) == ["ana@work.test"]


async def test_a_creation_that_never_arrived_is_made_again(pipedrive: PipedriveAccount) -> None:
    pipedrive.faults.replace([Fault("status", where=r"POST /api/v2/persons$", times=1, status=502)])
    with pytest.raises(OutcomeUnknown):
        await pipedrive.deliver()
    await pipedrive.deliver()
    assert len(pipedrive.store.persons) == 1


async def test_a_person_that_somebody_deleted_is_made_again(pipedrive: PipedriveAccount) -> None:
    first = await pipedrive.deliver()
    pipedrive.person(first.remote_id)["is_deleted"] = True
    second = await pipedrive.deliver()
    assert second.remote_id != first.remote_id


async def test_what_we_wrote_follows_the_lead_and_what_people_wrote_stays(pipedrive: PipedriveAccount) -> None:
    outcome = await pipedrive.deliver()
    await pipedrive.deliver(changed(name="Ana Maria", attributes={"channel": "Email"}))
    assert pipedrive.person(outcome.remote_id)["name"] == "Ana Maria"
    assert "EchoLead: origem" not in {k for k, v in pipedrive.custom(outcome.remote_id).items() if v is not None}
    pipedrive.store.update_person(int(outcome.remote_id), {"name": "Dona Ana"})

    await pipedrive.deliver(changed(name="Ana Lima", attributes={"channel": "Direct"}))

    assert pipedrive.person(outcome.remote_id)["name"] == "Dona Ana"
    assert pipedrive.custom(outcome.remote_id)["EchoLead: canal"] == "Direct"


async def test_a_lead_without_anything_to_call_it_by_is_withheld(pipedrive: PipedriveAccount) -> None:
    with pytest.raises(Withheld):
        await pipedrive.deliver(changed(name="", email="", phone=""))
    assert pipedrive.store.persons == {}


# Addresses and numbers


async def test_addresses_of_a_person_are_kept_although_the_list_is_replaced_whole(pipedrive: PipedriveAccount) -> None:
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
async def test_a_corrected_address_takes_the_place_of_ours(pipedrive: PipedriveAccount, fault: list[Fault]) -> None:
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
    pipedrive: PipedriveAccount, is_ours: bool
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


async def test_a_number_that_a_person_with_another_address_has_is_somebody_elses(pipedrive: PipedriveAccount) -> None:
    relative = pipedrive.add("Pai", "pai@lead.test", phone="+5511999990000")
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) != relative
    assert pipedrive.emails(relative) == ["pai@lead.test"]


async def test_a_person_known_by_number_alone_is_the_leads(pipedrive: PipedriveAccount) -> None:
    person_id = pipedrive.add("Ana do WhatsApp", phone="+551199990000")  # without the ninth digit
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) == person_id
    assert len(pipedrive.person(person_id)["phones"]) == 1


async def test_of_two_persons_with_the_address_the_older_one_is_taken_and_the_other_named(
    pipedrive: PipedriveAccount,
) -> None:
    older, younger = pipedrive.add("A", "ana@lead.test"), pipedrive.add("B", "ana@lead.test")
    outcome = await pipedrive.deliver()
    assert int(outcome.remote_id) == older
    assert [each for each in pipedrive.conflicts() if str(younger) in each]


# Typed fields


async def test_options_are_sent_by_number_under_the_fields_own_key(pipedrive: PipedriveAccount) -> None:
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


async def test_an_option_of_ours_that_a_rep_unticks_stays_off(pipedrive: PipedriveAccount) -> None:
    key = pipedrive.store.add_field("person", "Interesses", "set", ["Consórcio", "Seguro", "Imóvel"])["field_code"]
    pipedrive.use(mapping=f"person: {{'{key}': labels}}")
    await pipedrive.prepare()
    outcome = await pipedrive.deliver(changed(labels=("Consórcio", "Seguro")))
    pipedrive.person(outcome.remote_id)["custom_fields"][key] = [2, 3]
    seen, notes = [], []
    for labels in (("Consórcio", "Seguro"), ("Consórcio",), (), ("Consórcio",)):
        await pipedrive.deliver(changed(labels=labels))
        seen.append(set(pipedrive.person(outcome.remote_id)["custom_fields"][key]))
        notes += pipedrive.conflicts()

    assert seen == [{2, 3}, {3}, {3}, {1, 3}]
    assert f"Option 1 of {key} was taken off by a person and stays off." in notes


async def test_ours_leave_a_set_and_theirs_stay(pipedrive: PipedriveAccount) -> None:
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


async def test_numbers_and_days_are_typed(pipedrive: PipedriveAccount) -> None:
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


async def test_a_field_that_is_refused_is_left_out_and_the_rest_written(pipedrive: PipedriveAccount) -> None:
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


async def test_what_is_not_there_when_it_is_read_back_is_a_mismatch(pipedrive: PipedriveAccount) -> None:
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
