"""Fields, setup and test of a Pipedrive account; every request is as Pipedrive's descriptions say."""

from datetime import UTC, datetime

import httpx
import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.calls import Calls
from reverse_etl.errors import Misconfigured
from tests.fixtures.demo_pipedrive import CHAT, TOKEN, PipedriveAccount, changed
from tests.fixtures.vendor_descriptions import DescribedBy, Descriptions


async def test_fields_are_made_once_and_of_namesakes_the_first_counts(pipedrive: PipedriveAccount) -> None:
    made = len(pipedrive.store.fields["person"])
    pipedrive.store.add_field("person", "EchoLead: canal", "varchar")  # by another engine at the same moment
    pipedrive.use()
    await pipedrive.prepare()
    outcome = await pipedrive.deliver()
    first = next(f["field_code"] for f in pipedrive.store.fields["person"] if f["field_name"] == "EchoLead: canal")
    assert pipedrive.person(outcome.remote_id)["custom_fields"][first] == "Paid Search"
    assert len(pipedrive.store.fields["person"]) == made + 1


async def test_a_user_who_may_make_no_fields_writes_those_that_are_there() -> None:
    account = PipedriveAccount()
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
    account = PipedriveAccount(makes="lead")
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


async def test_no_secret_is_recorded(pipedrive: PipedriveAccount) -> None:
    await pipedrive.deliver()
    assert pipedrive.last is not None
    assert TOKEN not in str(pipedrive.last.calls.recorded)


async def test_every_request_is_as_pipedrives_descriptions_say() -> None:
    """Its own clients' knowledge of both versions; the answers are not described there."""
    account = PipedriveAccount()
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
