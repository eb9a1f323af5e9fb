"""A load that was lost before any turn took it comes back from the queue, and with it the lead."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from dlt_pipelines.collector.loader import EventLoader
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.models import WarehouseRequest
from echolead.operational.warehouse_requests import OF_QUEUE, Extent, ask, get_request
from orchestration.live.queue_dry_run import dry_run
from tests.fixtures.demo_chatwoot import ACCOUNT
from tests.fixtures.live_path import Live, eventually, turning
from tests.fixtures.operational import make_destination, make_tenant

OWN, NEIGHBOUR = "perdida", "vizinha"
LOST, KEPT, OTHER = "lost.rosa@x.test", "kept.rui@x.test", "other.ines@x.test"
CHECKSUM = "select count(), sum(cityHash64(*)) from ({rows})"
OF_RAW = "select * except (load_seq, loaded_at, _dlt_load_id) from raw.events where tenant_id = '{tenant}'"
BEHIND = (
    "select * from marts.leads where tenant_id = '{tenant}'",
    "select * from marts.sessions where tenant_id = '{tenant}'",
    "select * from enriched.events where tenant_id = '{tenant}'",
    "select * from activation.lead_deliveries where tenant_id = '{tenant}'",
)


def checksums(live: Live, tenant: str, queries: Sequence[str]) -> list[Any]:
    """Rows and the sum of their hashes, whatever their order, by query."""
    settings = {"final": 1}
    asked = [CHECKSUM.format(rows=query.format(tenant=tenant)) for query in queries]
    return [live.warehouse.query(query, settings=settings).result_rows for query in asked]


def leads(live: Live) -> set[str]:
    return {row[0] for row in live.warehouse.query("select email from marts.leads final").result_rows}


def lose(live: Live, tenant: str, load: int = 0) -> None:
    condition = f"tenant_id = '{tenant}' and load_seq >= {load}"
    live.warehouse.command(f"alter table raw.events delete where {condition} settings mutations_sync = 2")
    if load:
        live.warehouse.command(f"alter table raw.loads delete where load_seq >= {load} settings mutations_sync = 2")


def replayed(live: Live) -> WarehouseRequest:
    """Ask for what the queue has of the tenant, and wait until the live run has added it."""
    database = connect_database(live.settings.postgres_system_url.get_secret_value())

    def look() -> WarehouseRequest | None:
        with system_session(database) as session:
            found = get_request(session, request_id)
            session.expunge(found)
        return found if found.state not in ("waiting", "running") else None

    with system_session(database) as session:
        request_id = ask(session, OWN, Extent(), actor="ana", reason="lost", kind=OF_QUEUE).request_id
    done: WarehouseRequest = eventually("the request is done", look)
    database.dispose()
    return done


@pytest.fixture
def tenants(live: Live) -> Live:
    """Two tenants that no other test has, of which one has a Chatwoot."""
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    for tenant_id in (OWN, NEIGHBOUR):
        make_tenant(database, tenant_id)
    secrets = {"api_access_token": ACCOUNT.api_access_token}
    make_destination(database, OWN, configuration=live.chatwoot.configuration(), secrets=secrets)
    database.dispose()
    return live


def test_what_raw_lost_comes_back_with_all_that_follows_and_another_tenant_stays_as_it_is(tenants: Live) -> None:
    live = tenants
    with turning(live):
        live.form(OWN, KEPT)
        live.form(NEIGHBOUR, OTHER)
        eventually("both are leads", lambda: {KEPT, OTHER} <= leads(live))
        eventually("one is delivered", lambda: KEPT in {each["email"] for each in live.chatwoot.contacts()})
    behind_before = checksums(live, OWN, BEHIND)
    others_before = checksums(live, NEIGHBOUR, (OF_RAW, *BEHIND))
    live.form(OWN, LOST)
    with EventLoader(live.settings) as loader:
        assert loader.load_once(5).events == 1
    raw_before = checksums(live, OWN, [OF_RAW])
    [(lost_load,)] = live.warehouse.query("select max(load_seq) from raw.loads").result_rows
    lose(live, OWN, lost_load)
    lose(live, OWN)

    asked = {"tenant_id": OWN, "received_from": None, "received_before": None, "lead_ids": []}
    would = dry_run(live.settings, asked)
    assert (would["messages"], would["rows_in_queue"], would["rows_in_raw"], would["added_events"]) == (2, 2, 0, 2)
    assert (would["new_leads"], would["changed_leads"], would["deliveries"]) == (1, 0, 1)
    assert datetime.fromisoformat(would["held_since"]["EVENTS"]) <= datetime.now(UTC)
    assert checksums(live, OWN, BEHIND) == behind_before

    with turning(live):
        done = replayed(live)
        assert (done.state, done.changes["added_events"]) == ("done", 2)
        eventually("the lead is there", lambda: LOST in leads(live))
        eventually("it is delivered", lambda: LOST in {each["email"] for each in live.chatwoot.contacts()})
        again = replayed(live)
        assert (again.changes["rows_in_raw"], again.changes["added_events"]) == (2, 0)
    # Turns take the rows as a load, not as a piece of a request.
    assert live.warehouse.query("select kind from raw.warehouse_requests where kind = 'queue'").result_rows == []
    assert checksums(live, OWN, [OF_RAW]) == raw_before
    assert checksums(live, NEIGHBOUR, (OF_RAW, *BEHIND)) == others_before
    assert checksums(live, OWN, [f"{BEHIND[0]} and email != '{LOST}'"]) == behind_before[:1]
    emails = [each["email"] for each in live.chatwoot.contacts()]
    assert (emails.count(KEPT), emails.count(LOST)) == (1, 1)
