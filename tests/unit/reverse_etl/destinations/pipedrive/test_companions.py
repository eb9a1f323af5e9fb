"""Leads, deals and notes that go with Pipedrive's persons."""

from collections.abc import Sequence
from typing import Any

import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.errors import (
    Misconfigured,
    OutcomeUnknown,
)
from tests.fixtures.demo_pipedrive import CHAT, PipedriveAccount, changed


@pytest.mark.parametrize("makes", ["lead", "deal"])
async def test_a_lead_or_deal_is_made_once(makes: str) -> None:
    account = PipedriveAccount(makes=makes, **({"stage_id": 2} if makes == "deal" else {}))
    await account.prepare()
    lead = changed(attributes={"channel": "Email", "conversation_url": CHAT})
    outcome = await account.deliver(lead)
    account.kept["lead-1"].records = {"contact": outcome.remote_id}  # the rest is forgotten
    await account.deliver(lead)
    await account.deliver(changed(lead, name="Ana Maria"))

    made: Sequence[dict[str, Any]] = list(account.store.leads.values()) + list(account.store.deals.values())
    assert [(each["title"], each["person_id"]) for each in made] == [("Ana Souza", int(outcome.remote_id))]
    assert len(account.store.leads) == (makes == "lead")
    channel = next(f["field_code"] for f in account.store.fields["deal"] if f["field_name"] == "EchoLead: canal")
    assert made[0].get(channel) or made[0]["custom_fields"][channel] == "Email"
    assert made[0].get("stage_id") == (2 if makes == "deal" else None)
    (note,) = account.store.notes.values()
    assert note["person_id"] == int(outcome.remote_id)
    assert note["content"].count("conversations/7?a=1&amp;b=2") == 2


@pytest.mark.parametrize("what", ["lead", "note"])
async def test_what_was_made_without_an_answer_is_not_made_again(what: str) -> None:
    account = PipedriveAccount(makes="lead")
    await account.prepare()
    account.faults.replace([Fault("garbled_after", where=f"POST /v1/{what}s", times=1)])
    lead = changed(attributes={"conversation_url": CHAT})

    with pytest.raises(OutcomeUnknown):
        await account.deliver(lead)
    await account.deliver(lead)
    assert (len(account.store.persons), len(account.store.leads), len(account.store.notes)) == (1, 1, 1)


@pytest.mark.parametrize("place", ["archived lead", "archived deal", "converted"])
async def test_a_lead_that_sales_put_away_is_not_made_again(place: str) -> None:
    account = PipedriveAccount(makes="lead")
    await account.prepare()
    outcome = await account.deliver()
    ((lead_id, lead),) = account.store.leads.items()
    if place == "archived lead":
        lead["is_archived"] = True
    else:
        del account.store.leads[lead_id]
        custom = {key: value for key, value in lead.items() if len(key) == 40}
        deal = account.store.create_deal({"title": "Ana", "person_id": int(outcome.remote_id), "custom_fields": custom})
        deal["is_archived"] = place == "archived deal"
    account.kept["lead-1"].records = {"contact": outcome.remote_id}

    await account.deliver(changed(name="Ana Maria"))

    assert len(account.store.leads) == (place == "archived lead")


async def test_a_limit_of_the_plan_does_not_cost_the_person() -> None:
    account = PipedriveAccount(makes="deal")
    await account.prepare()
    account.store.deal_cap = 0
    outcome = await account.deliver()
    assert account.person(outcome.remote_id)["name"] == "Ana Souza"
    assert [each for each in outcome.conflicts if "plan" in each]


async def test_a_stage_that_does_not_exist_is_the_configurations_mistake() -> None:
    account = PipedriveAccount(makes="deal", stage_id=77)
    with pytest.raises(Misconfigured, match="77"):
        await account.prepare()
