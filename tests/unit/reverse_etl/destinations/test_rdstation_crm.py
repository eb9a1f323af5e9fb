"""The RD Station CRM destination against the demo CRM in process: one contact, one deal, whatever gets lost."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from echolead.demo.chatwoot.faults import Fault, Faults
from echolead.demo.rdstation import Crm, Tokens, create_app
from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.destinations.rdstation_crm import RDStationDeals
from reverse_etl.errors import Misconfigured, Mismatch, OutcomeUnknown, Rejected, Unavailable, Withheld
from reverse_etl.lead import Delivered, Lead
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.demo_rdstation import CREDENTIALS, secrets
from tests.fixtures.orders import Kept, delivered, order, verify

LEAD = Lead(lead_id="lead-1", name="Ana Souza", email="Ana@example.com", phone="+5511999990000")


class InProcess:
    """The CRM without a socket, and a destination that delivers to it with a ledger's memory."""

    def __init__(self, crm: Crm) -> None:
        self.crm, self.faults, self.kept = crm, Faults(), Kept()
        app = create_app(CREDENTIALS, crm=crm, faults=self.faults, tokens=Tokens(CREDENTIALS, rotates=False))
        configured = {"base_url": "http://localhost", "crm_url": "http://localhost/crm/v2", "stage_id": "stage-1"}
        self.destination = RDStationDeals.of({"client_id": CREDENTIALS.client_id, **configured}, secrets(), str)
        self.connection = LaneConnection(
            self.destination.client(httpx.ASGITransport(app)),
            Pace(1e6, 1000),
            Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1),
            judge=self.destination.judge,
        )

    async def deliver(self, lead: Lead = LEAD) -> Delivered:
        """Deliver and verify; raises what it failed with."""
        asked = order(self.connection, lead, kept=self.kept)
        done = await delivered(self.destination, asked)
        await verify(self.destination, asked, done)
        return done


@pytest.fixture
async def rdcrm() -> InProcess:
    """An empty account."""
    made = InProcess(Crm())
    await made.destination.prepare(Calls(made.connection))
    return made


async def test_a_lead_is_one_contact_with_one_deal_however_often_it_changes(rdcrm: InProcess) -> None:
    done = await rdcrm.deliver()
    await rdcrm.deliver(replace(LEAD, name="Ana Lima"))

    (contact,) = rdcrm.crm.contacts.values()
    assert contact["emails"] == [{"email": "ana@example.com"}]
    assert contact["phones"] == [{"phone": "+5511999990000", "type": "mobile"}]
    (deal,) = rdcrm.crm.deals.values()
    assert (deal["contact_ids"], deal["stage_id"]) == ([done.remote_id], "stage-1")
    assert "Ana Souza" in deal["name"]


@pytest.mark.parametrize(
    "held",
    [{"emails": [{"email": "ana@example.com"}]}, {"phones": [{"phone": "+5511999990000"}]}],
    ids=["the e-mail", "the phone"],
)
async def test_a_contact_of_the_sales_team_gets_what_it_lacks_and_keeps_its_own(
    rdcrm: InProcess, held: dict[str, Any]
) -> None:
    rdcrm.crm.add(rdcrm.crm.contacts, {"name": "Joana", "emails": [{"email": "joana@example.com"}]})  # looks alike
    theirs = rdcrm.crm.add(rdcrm.crm.contacts, {"name": "Dona Ana", "phones": [{"phone": "+551133334444"}], **held})

    done = await rdcrm.deliver()

    assert done.remote_id == theirs["id"]
    assert theirs["name"] == "Dona Ana"
    assert {"phone": "+551133334444"} in theirs["phones"] or "phones" in held
    assert theirs["emails"][-1] == {"email": "ana@example.com"}
    assert len(rdcrm.crm.contacts) == 2


async def test_one_number_of_a_family_is_no_other_persons_contact(rdcrm: InProcess) -> None:
    joao = {"name": "João", "emails": [{"email": "joao@example.com"}], "phones": [{"phone": "+5511999990000"}]}
    theirs = rdcrm.crm.add(rdcrm.crm.contacts, joao)

    done = await rdcrm.deliver()

    assert done.remote_id != theirs["id"]
    assert theirs["emails"] == [{"email": "joao@example.com"}]


async def test_a_number_that_is_there_in_other_writing_is_not_added_again(rdcrm: InProcess) -> None:
    done = await rdcrm.deliver()
    contact = rdcrm.crm.contacts[done.remote_id]
    contact["phones"] = [{"phone": "(11) 99999-0000"}]

    await rdcrm.deliver(replace(LEAD, name="Ana Lima"))

    assert contact["phones"] == [{"phone": "(11) 99999-0000"}]


@pytest.mark.parametrize("where", ["POST /crm/v2/contacts", "POST /crm/v2/deals"])
async def test_a_lost_answer_makes_no_second_contact_and_no_second_deal(rdcrm: InProcess, where: str) -> None:
    rdcrm.faults.replace([Fault("status_after", where=where, times=1, status=502)])

    with pytest.raises(OutcomeUnknown):
        await rdcrm.deliver()
    await rdcrm.deliver(replace(LEAD, name="Ana Lima"))

    assert (len(rdcrm.crm.contacts), len(rdcrm.crm.deals)) == (1, 1)


@pytest.mark.parametrize("where", ["PUT /crm/v2/contacts", "POST /crm/v2/deals"])
async def test_a_contact_that_is_deleted_between_look_up_and_writing_is_looked_for_again(
    rdcrm: InProcess, where: str
) -> None:
    rdcrm.crm.add(rdcrm.crm.contacts, {"name": "Ana", "emails": [{"email": "ana@example.com"}]})
    rdcrm.faults.replace([Fault("status", where=where, times=1, status=404)])

    with pytest.raises(OutcomeUnknown):
        await rdcrm.deliver()
    await rdcrm.deliver()

    assert len(rdcrm.crm.deals) == 1


async def test_an_address_that_changed_after_a_lost_creation_makes_no_second_contact(rdcrm: InProcess) -> None:
    first = replace(LEAD, email="ana@exmaple.com", phone="")
    await rdcrm.deliver(first)
    rdcrm.kept.records.clear()

    await delivered(rdcrm.destination, order(rdcrm.connection, replace(LEAD, phone=""), sent=[first], kept=rdcrm.kept))

    (contact,) = rdcrm.crm.contacts.values()
    assert contact["emails"] == [{"email": "ana@exmaple.com"}, {"email": "ana@example.com"}]


async def test_a_deal_that_was_refused_is_made_later(rdcrm: InProcess) -> None:
    rdcrm.faults.replace([Fault("status", where="POST /crm/v2/deals", times=1, status=422)])

    with pytest.raises(Rejected):
        await rdcrm.deliver()
    await rdcrm.deliver()

    assert len(rdcrm.crm.deals) == 1


async def test_the_accounts_limit_is_waited_for_by_retry_after() -> None:
    rdcrm = InProcess(Crm(calls_a_minute=0, _calls=[1.0], clock=lambda: 12.0))

    with pytest.raises(Unavailable) as caught:
        await rdcrm.destination.prepare(Calls(rdcrm.connection))

    assert caught.value.retry_after == 49


async def test_a_deleted_contact_is_made_anew_and_keeps_its_one_deal(rdcrm: InProcess) -> None:
    await rdcrm.deliver()
    rdcrm.crm.contacts.clear()

    await rdcrm.deliver()

    assert (len(rdcrm.crm.contacts), len(rdcrm.crm.deals)) == (1, 1)


async def test_a_contact_that_lost_its_address_is_a_mismatch(rdcrm: InProcess) -> None:
    done = await rdcrm.deliver()
    rdcrm.crm.contacts[done.remote_id]["emails"] = []

    with pytest.raises(Mismatch, match="emails"):
        await verify(rdcrm.destination, order(rdcrm.connection, LEAD), done)


async def test_without_any_address_it_is_withheld_and_missing_settings_are_named(rdcrm: InProcess) -> None:
    with pytest.raises(Withheld):
        await rdcrm.deliver(replace(LEAD, email="", phone=""))
    with pytest.raises(Misconfigured, match="client_id, client_secret, refresh_token"):
        RDStationDeals.of({}, {}, str)
