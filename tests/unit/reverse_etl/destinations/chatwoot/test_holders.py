"""An e-mail address or phone number that a contact of Chatwoot has already: whose it is, and what is left there."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from echolead.demo.chatwoot import create_app
from reverse_etl.errors import OutcomeUnknown, Rejected
from tests.fixtures.chatwoot_account import LEAD, InProcess
from tests.fixtures.demo_chatwoot import ACCOUNT, ACCOUNTS


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


async def test_a_bad_phone_number_of_a_contact_that_is_there_is_rejected_and_not_left_to_a_holder(
    chatwoot: InProcess,
) -> None:
    """Chatwoot names the field both for an invalid value and for one that another contact has."""
    present = chatwoot.add(identifier="lead-1")

    with pytest.raises(Rejected, match="e164") as refused:
        await chatwoot.deliver(replace(LEAD, phone="11 99999"), remote_id=str(present))

    assert refused.value.attributes == ("phone_number",)
    assert "conflict" not in {call.outcome for call in chatwoot.calls.recorded}
