"""Which lead of Salesforce a lead is: found again, taken over, deleted, converted, twice there."""

from dataclasses import replace

import pytest

from echolead.demo.chatwoot.faults import Fault
from echolead.demo.salesforce import RowFault
from reverse_etl.errors import (
    OutcomeUnknown,
    Rejected,
)
from reverse_etl.lead import DeliveryHistory
from tests.fixtures.demo_salesforce import LEAD, InProcess, conflicts, lead, made_org, outcome, sent
from tests.fixtures.orders import Kept


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


async def test_a_lead_that_another_became_part_of_is_marked_once(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD, lead(2))
    survivor, twin = salesforce.lead("lead-1")["Id"], salesforce.lead("lead-2")["Id"]
    kept = Kept()
    history = DeliveryHistory({"contact": survivor}, (LEAD,), twins={"contact": (twin,)})
    order = replace(salesforce.order_of(LEAD), history=history, remember_in_ledger=kept.remember)

    salesforce.faults.replace([Fault("status", where=f"PATCH .*/Lead/{twin}", status=503)])
    await salesforce.destination.deliver([order])
    assert kept.records == {}, "the lead's next delivery marks it"
    salesforce.faults.replace([])
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
