"""What HubSpot refuses or leaves out costs neither the lead nor its neighbours."""

import httpx
import pytest

from reverse_etl.errors import (
    Mismatch,
    OutcomeUnknown,
)
from reverse_etl.lead import Delivered
from tests.fixtures.demo_hubspot import LEAD, HubSpotAccount, changed


@pytest.mark.parametrize("has_partial_batches", [True, False], ids=["row by row", "all or none"])
async def test_a_value_that_is_refused_costs_neither_its_lead_nor_its_neighbours(
    hubspot: HubSpotAccount, has_partial_batches: bool
) -> None:
    hubspot.store.has_partial_batches = has_partial_batches
    leads = [changed(lead_id=f"lead-{n}", email=f"{n}@lead.test", tracking_ids=()) for n in range(60)]
    bad = (3, 17, 39, 58)
    for number in bad:
        leads[number] = changed(leads[number], email="no address")

    outcomes = await hubspot.deliver_all(*leads)

    delivered = [outcome for outcome in outcomes if isinstance(outcome, Delivered)]
    assert len(delivered) == len(hubspot.contacts()) == 60
    assert [number for number, outcome in enumerate(delivered) if outcome.conflicts] == list(bad)
    writes = [operation for operation in hubspot.operations() if operation == "create contacts"]
    assert len(writes) < 20  # of the first lead, whose halves were refused


async def test_a_property_that_is_not_writable_is_left_out_and_named(hubspot: HubSpotAccount) -> None:
    hubspot.define("score", "number", "number")
    definition = hubspot.store.definitions.properties["contacts"]["score"]
    definition["modificationMetadata"]["readOnlyValue"] = True
    hubspot.use(mapping="contact: {score: attributes.sessions_count}")
    await hubspot.prepare()

    outcome = await hubspot.deliver()

    assert "score" not in hubspot.contact(outcome.remote_id)
    assert ["score" in conflict for conflict in hubspot.conflicts()] == [True]


async def test_a_property_that_was_taken_away_since_is_left_out(hubspot: HubSpotAccount) -> None:
    del hubspot.store.definitions.properties["contacts"]["echolead_source"]
    outcome = await hubspot.deliver()
    assert hubspot.contact(outcome.remote_id)["echolead_channel"] == "Paid Search"
    assert len(hubspot.conflicts()) == 1


async def test_an_answer_without_the_row_is_no_delivery(hubspot: HubSpotAccount) -> None:
    """HubSpot answered COMPLETE with neither results nor errors, and had written nothing."""

    def nothing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"status": "COMPLETE", "results": [], "startedAt": "", "completedAt": ""})

    hubspot.connection.client = hubspot.destination.client(httpx.MockTransport(nothing))
    (outcome,) = await hubspot.deliver_all(LEAD)
    assert isinstance(outcome, OutcomeUnknown)


async def test_an_update_that_the_answer_does_not_name_is_no_delivery(hubspot: HubSpotAccount) -> None:
    """HubSpot answered 207 to an update with neither results nor errors."""
    await hubspot.deliver()
    inner = httpx.ASGITransport(hubspot.app)

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/batch/update"):
                return httpx.Response(207, json={"status": "COMPLETE", "results": [], "errors": [], "numErrors": 0})
            return await inner.handle_async_request(request)

    hubspot.connection.client = hubspot.destination.client(Silent())
    with pytest.raises(OutcomeUnknown):
        await hubspot.deliver(changed(attributes={"channel": "Email"}))


async def test_what_is_not_there_when_it_is_read_back_is_a_mismatch(hubspot: HubSpotAccount) -> None:
    outcome = await hubspot.deliver()
    hubspot.store.update("contacts", outcome.remote_id, {"echolead_channel": "Direct"})
    with pytest.raises(Mismatch, match="echolead_channel"):
        await hubspot.verify(LEAD, outcome)
    with pytest.raises(Mismatch, match="echolead_channel"):
        await hubspot.verify(LEAD, Delivered(outcome.remote_id))  # as after a restart
    with pytest.raises(Mismatch, match="gone"):
        await hubspot.verify(LEAD, Delivered("1"))
