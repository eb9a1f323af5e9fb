"""Setup and test of a Salesforce org."""

import pytest

from echolead.demo.salesforce import LeadField, Org
from reverse_etl.errors import Misconfigured
from tests.fixtures.demo_salesforce import LEAD, InProcess, made_org


async def test_setup_makes_the_fields_and_shows_them_to_our_user() -> None:
    """A field that is made through an API is hidden from everybody, so that values sent to it got lost."""
    salesforce = InProcess(Org())
    with pytest.raises(Misconfigured, match="destination setup"):
        await salesforce.prepare()
    calls = salesforce.order_of(LEAD).calls

    foreseen = await salesforce.destination.setup(calls, is_dry_run=True)
    assert "EchoLead_Id__c" not in salesforce.org.fields
    made = await salesforce.destination.setup(calls, is_dry_run=False)

    assert {finding.state for finding in foreseen} == {"missing"}
    assert {finding.state for finding in made} == {"made"}
    assert {finding.state for finding in await salesforce.destination.setup(calls, is_dry_run=False)} == {"ok"}
    await salesforce.prepare()
    await salesforce.deliver(LEAD)
    assert salesforce.lead("lead-1")["EchoLead_First_Seen_At__c"] == "2026-03-02T01:30:00.000+0000"
    assert salesforce.org.fields["EchoLead_Id__c"].is_unique


async def test_setup_shows_a_field_that_is_there_and_hidden() -> None:
    salesforce = InProcess(made_org())
    salesforce.org.fields["EchoLead_Campaign__c"].is_hidden = True

    made = await salesforce.destination.setup(salesforce.order_of(LEAD).calls, is_dry_run=False)

    assert [finding.subject for finding in made if finding.state == "made"] == ["EchoLead_Campaign__c"]
    assert "EchoLead_Campaign__c" in salesforce.org.visible_fields()


async def test_the_test_names_what_does_not_arrive(salesforce: InProcess) -> None:
    salesforce.org.fields["EchoLead_Campaign__c"].is_writable = False
    del salesforce.org.fields["EchoLead_Source__c"]
    salesforce.org.daily_calls = salesforce.org.calls + 50

    findings = {
        finding.subject: finding for finding in await salesforce.destination.test(salesforce.order_of(LEAD).calls)
    }

    assert findings["EchoLead_Id__c"].state == "ok"
    assert findings["lead EchoLead_Campaign__c"].state == "note"
    assert "not writable" in findings["lead EchoLead_Campaign__c"].detail
    assert findings["lead EchoLead_Source__c"].state == "missing"
    assert "48 of" in findings["API calls"].detail


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_hidden": True}, "destination setup"),
        ({"is_external_id": False}, "External ID"),
        ({"is_writable": False}, "edit access"),
    ],
)
async def test_an_external_id_that_does_not_work_stops_the_destination(change: dict[str, bool], words: str) -> None:
    org = made_org()
    org.define(LeadField("EchoLead_Id__c", **{"is_external_id": True, "is_unique": True, **change}))

    with pytest.raises(Misconfigured, match=words):
        await InProcess(org).prepare()
