"""What is written to Salesforce's leads, as a salesperson sees it."""

from dataclasses import replace
from typing import Any

import pytest

from echolead.demo.salesforce import QUEUE_ID, USER_ID
from tests.fixtures.demo_salesforce import LEAD, InProcess, conflicts, lead, made_org

REP = "005000000000002AAA"


async def test_an_unknown_lead_is_created_with_its_origin(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)

    held = salesforce.lead("lead-1")
    assert {name: held.get(name) for name in ("FirstName", "LastName", "Email", "Phone", "LeadSource")} == {
        "FirstName": "Ana",
        "LastName": "Souza",
        "Email": "ana@lead.test",
        "Phone": "+5511999990000",
        "LeadSource": "Paid Search",
    }
    assert held["EchoLead_Campaign__c"] == "natal"
    assert held["EchoLead_First_Seen_At__c"] == "2026-03-02T01:30:00.000+0000"
    assert held["EchoLead_Url__c"] == "https://console.test/lead-1"
    assert held["EchoLead_Labels__c"] == "canal-paid-search, origem-google"


async def test_twice_leaves_the_same_as_once_and_writes_nothing(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    await salesforce.deliver(LEAD)

    assert len(salesforce.org.writes) == 1


async def test_two_hundred_leads_take_a_few_calls_and_each_records_its_own_part(salesforce: InProcess) -> None:
    before = salesforce.org.calls

    orders = await salesforce.deliver(*(lead(number) for number in range(200)))

    assert len(salesforce.org.present()) == 200
    assert salesforce.org.calls - before < 10
    told = str([(call.request, call.response) for call in orders[7].calls.recorded])
    assert "l7@lead.test" in told
    assert "l8@lead.test" not in told


async def test_changes_follow_the_lead_and_withdrawn_origins_leave(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    await salesforce.deliver(replace(LEAD, attributes={"campaign": "pascoa"}, labels=()))

    held = salesforce.lead("lead-1")
    assert held["EchoLead_Campaign__c"] == "pascoa"
    assert held["EchoLead_Channel__c"] is None
    assert held["EchoLead_Labels__c"] is None
    assert held["LeadSource"] == "Paid Search"  # not a field of ours alone: an unknown value is no order to blank it
    assert len(salesforce.org.writes) == 2


async def test_what_a_salesperson_wrote_stays_and_is_named(salesforce: InProcess) -> None:
    await salesforce.deliver(LEAD)
    held = salesforce.lead("lead-1")
    held.update(FirstName="Ana Paula", EchoLead_Channel__c=None)

    (order,) = await salesforce.deliver(replace(LEAD, name="Aninha Souza", attributes={"sessions_count": 3}))

    assert held["Id"] in str(conflicts(order))
    assert salesforce.lead("lead-1")["FirstName"] == "Ana Paula"
    assert salesforce.lead("lead-1")["EchoLead_Sessions_Count__c"] == 3.0


async def test_what_is_mapped_for_new_leads_is_neither_written_again_nor_taken_off() -> None:
    mapping = "lead: {EchoLead_Channel__c: {from: attributes.channel, when: create}}"
    salesforce = InProcess(made_org(), {"mapping": mapping})
    await salesforce.prepare()
    await salesforce.deliver(LEAD)

    for campaign in ("pascoa", "junho"):
        await salesforce.deliver(replace(LEAD, attributes={"channel": "Email", "campaign": campaign}))

    held = salesforce.lead("lead-1")
    assert (held["EchoLead_Channel__c"], held["EchoLead_Campaign__c"]) == ("Paid Search", "junho")


@pytest.mark.parametrize("is_restricted", [True, False])
async def test_an_option_is_written_as_salesforce_calls_it(is_restricted: bool) -> None:
    """A label in other case became a value of its own beside the option, so that reports split the channel."""
    org = made_org()
    org.fields["LeadSource"] = replace(
        org.fields["LeadSource"], type="picklist", options=["Google Ads", "Indicação"], is_restricted=is_restricted
    )
    salesforce = InProcess(org, {"mapping": "lead: {LeadSource: attributes.source}"})
    await salesforce.prepare()

    await salesforce.deliver(replace(LEAD, attributes={"source": "google ads"}), lead(2, attributes={"source": "bing"}))

    assert salesforce.lead("lead-1")["LeadSource"] == "Google Ads"
    assert salesforce.lead("lead-2").get("LeadSource") == (None if is_restricted else "bing")


async def test_options_of_others_stay_and_one_of_ours_that_a_rep_unticks_stays_off() -> None:
    org = made_org()
    name, options = "EchoLead_Labels__c", ["consorcio", "seguro", "imovel"]
    org.fields[name] = replace(org.fields[name], type="multipicklist", options=options, is_restricted=True)
    salesforce = InProcess(org)
    await salesforce.prepare()
    await salesforce.deliver(replace(LEAD, labels=("imovel", "seguro")))
    salesforce.lead("lead-1")[name] = "seguro;consorcio"
    seen, notes = [], []
    for labels in (("imovel", "seguro"), ("imovel",), (), ("imovel",)):
        (done,) = await salesforce.deliver(replace(LEAD, labels=labels))
        seen.append(set(salesforce.lead("lead-1")[name].split(";")))
        notes.append(f"Option imovel of {name} was taken off by a person and stays off." in conflicts(done))

    assert seen == [{"seguro", "consorcio"}, {"consorcio"}, {"consorcio"}, {"consorcio", "imovel"}]
    assert notes == [True, True, False, False]


async def test_the_filler_is_for_new_leads_only_and_a_companys_name_stays(salesforce: InProcess) -> None:
    """The filler for Salesforce's required company overwrote the company that a salesperson had typed."""
    nameless = replace(LEAD, name="")
    await salesforce.deliver(nameless)
    assert (salesforce.lead("lead-1")["LastName"], salesforce.lead("lead-1")["Company"]) == ("[not provided]",) * 2

    salesforce.lead("lead-1").update(LastName="Souza", Company="Padaria Sol")
    await salesforce.deliver(replace(nameless, attributes={"campaign": "pascoa"}))

    assert salesforce.lead("lead-1")["Company"] == "Padaria Sol"
    _, _, update = salesforce.org.writes[-1]
    assert {"LastName", "Company"}.isdisjoint(update)


async def test_a_name_that_comes_later_takes_the_fillers_place(salesforce: InProcess) -> None:
    await salesforce.deliver(replace(LEAD, name=""))
    await salesforce.deliver(replace(LEAD, attributes={"company": "Padaria Sol"}))

    held = salesforce.lead("lead-1")
    assert (held["FirstName"], held["LastName"], held["Company"]) == ("Ana", "Souza", "Padaria Sol")


async def test_a_new_lead_is_assigned_by_the_rule_and_an_update_leaves_it_with_its_owner() -> None:
    """Each update ran the assignment rule, so that leads changed hands in mid-call with every page view."""
    salesforce = InProcess(made_org(has_assignment_rule=True))
    await salesforce.prepare()
    await salesforce.deliver(LEAD, lead(2))
    assert {held["OwnerId"] for held in salesforce.org.present()} == {QUEUE_ID}

    salesforce.lead("lead-1")["OwnerId"] = REP
    changed = {"attributes": {"campaign": "pascoa"}}
    await salesforce.deliver(replace(LEAD, **changed))
    salesforce.lead("lead-2")["OwnerId"] = REP
    await salesforce.deliver(replace(LEAD, attributes={"campaign": "junho"}), lead(2, **changed))

    assert {held["OwnerId"] for held in salesforce.org.present()} == {REP}
    assert salesforce.lead("lead-2")["EchoLead_Campaign__c"] == "pascoa"


@pytest.mark.parametrize(
    "configured",
    [
        pytest.param({"assignment_rule": False}, id="the setting"),
        pytest.param({"mapping": f"lead:\n  OwnerId: {{value: '{USER_ID[:15]}', when: create}}"}, id="a mapped owner"),
    ],
)
async def test_the_rule_may_be_off_for_new_leads_too(configured: dict[str, Any]) -> None:
    salesforce = InProcess(made_org(has_assignment_rule=True), configured)
    await salesforce.prepare()

    await salesforce.deliver(LEAD)

    assert salesforce.lead("lead-1")["OwnerId"][:15] == USER_ID[:15]
