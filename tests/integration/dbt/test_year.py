"""A generated year: whatever order its loads come in, and however often, the marts are the same."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dlt_pipelines.collector.rows import EventRows
from dlt_pipelines.collector.straight import NO_MESSAGE
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from tests.factories import (
    raw_destination,
    raw_lead_decision,
    raw_tenant,
    raw_tenant_host,
    raw_warehouse_request,
)
from tests.integration.dbt.conftest import MARTS, Project, Rows, differing

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, EVENTS = 365, 2_500
PART = timedelta(days=92)
"""An insert into raw takes less than 100 days."""
CLIENTS = sites(2)
OWN = (("Own", (("source", "equals", "google"),)),)


def parts() -> list[Rows]:
    """The rows of the year by when they were received."""
    rows = EventRows([])
    for request in generate(12, CLIENTS, DAYS, EVENTS, UNTIL):
        rows.add_request(NO_MESSAGE, request)
    every = rows.table().to_pylist()
    begin = UNTIL - timedelta(days=DAYS)
    found: dict[int, Rows] = {}
    for row in every:
        found.setdefault((row["received_at"] - begin) // PART, []).append(row)
    return [found[number] for number in sorted(found)]


def some_leads(year: Sequence[Rows]) -> list[str]:
    """Visitors of the first client who give an e-mail address, in order of receipt."""
    forms = [row for part in year for row in part if row["email"] and row["tenant_id"] == CLIENTS[0].tenant_id]
    return list(dict.fromkeys(row["tracking_id"] for row in forms))


def settle(project: Project, leads: Sequence[str]) -> None:
    """An operator joins two leads and takes a third apart, and a tenant names a channel of its own."""
    tenant_id, later = CLIENTS[0].tenant_id, UNTIL + timedelta(days=1)
    decisions = [
        {**raw_lead_decision("merge", "a", "b", tenant_id=tenant_id), "lead_id": leads[0], "other_lead_id": leads[1]},
        {**raw_lead_decision("split", "c", tenant_id=tenant_id), "lead_id": leads[2], "tracking_ids": [leads[2]]},
    ]
    project.decide(decisions)
    asked = raw_warehouse_request("decisions", tenant_id=tenant_id, kind="decision", mirrored_at=later)
    project.write("warehouse_requests", [{**asked, "lead_ids": list(leads[:3])}])
    own = [raw_tenant(each.tenant_id, channel_rules=OWN, mirrored_at=later) for each in CLIENTS]
    project.write("tenants", own)


def lived(project: Project, loads: Sequence[Rows], leads: Sequence[str], settled_after: int) -> dict[str, Any]:
    """The marts after these loads, a turn after each."""
    project.forget()
    project.write("tenants", [raw_tenant(each.tenant_id) for each in CLIENTS])
    project.write("tenant_hosts", [raw_tenant_host(each.tenant_id, each.host) for each in CLIENTS])
    project.write("destinations", [raw_destination(each.tenant_id) for each in CLIENTS])
    for number, rows in enumerate(loads):
        if number == settled_after:
            settle(project, leads)
        project.write("events", rows)
        project.turn()
    # When the loader took an event is no part of what it says.
    clock = dict.fromkeys(MARTS[:2], ("loaded_at",))
    return {table: project.table(table, without=clock.get(table, ())) for table in MARTS}


def test_a_year_in_two_orders_and_twice_over_gives_the_same_marts_and_so_does_a_rebuild(project: Project) -> None:
    year = parts()
    leads = some_leads(year)
    in_order = lived(project, year, leads, settled_after=2)
    copies = {(row["tenant_id"], row["tracking_id"], row["event_id"]) for part in year for row in part}
    assert EVENTS * 0.9 < len(in_order["enriched.events"]) == len(copies) < EVENTS
    assert len(in_order["marts.leads"]) > 10
    assert project.query("select count() as n from enriched.events where channel = 'Own'")[0]["n"] > 100

    chance = random.Random(12)
    shuffled = chance.sample(year, len(year))
    twice = [chance.sample([*part, *part], 2 * len(part)) for part in shuffled]
    assert lived(project, [*twice, shuffled[0]], leads, settled_after=3) == in_order
    assert differing(project) == []
    project.forget()
