"""Visitors and tenants whose rows turns leave out: what goes on without them, and what their release brings."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.factories import (
    moment,
    raw_destination,
    raw_event,
    raw_quarantine,
    raw_tenant,
    raw_warehouse_request,
    uid,
)
from tests.integration.dbt.conftest import Project, differing
from tests.integration.dbt.test_turns import DAY, history, loaded

CROWD = 21
"""Visitors who state one value: one more than it may connect."""
LATER, MUCH_LATER = moment(70 * DAY), moment(71 * DAY)
NONE_LEFT = {
    "quarantine_id": "", "tenant_id": "", "tracking_id": "", "event_id": "", "step": "", "message": "",
    "quarantined_at": datetime(1970, 1, 1, tzinfo=UTC), "_dlt_load_id": "1", "_dlt_id": "none",
}  # fmt: skip
Rows = list[dict[str, Any]]


def form(visitor: str, email: str, at: float, event: str = "", **fields: Any) -> dict[str, Any]:
    event = event or f"form {visitor} {at}"
    return raw_event("form_submit", visitor=visitor, event=event, at=moment(at), user={"email": email}, **fields)


def order(visitor: str, at: float) -> dict[str, Any]:
    paid = {"name": "purchase", "value": 90, "order_id": "o-1", "currency": "BRL"}
    return raw_event("conversion", visitor=visitor, event=f"order {visitor}", at=moment(at), properties=paid)


def first_loads() -> Rows:
    """Two tenants' past; one lead of two visitors, an order reported by two leads, a value that a crowd states."""
    crowd = [
        raw_event("form_submit", visitor=f"crowd {number}", event=f"crowd {number}", at=moment(number),
                  user={"external_id": "room-7", "email": f"{number}@crowd.test"})
        for number in range(CROWD)
    ]  # fmt: skip
    return [
        *(row for part in history(41, 80) for row in part),
        form("twice 1", "ana@twice.test", 10),
        form("twice 2", "ana@twice.test", 11),
        order("twice 1", 12),
        form("caio", "caio@x.test", 13),
        order("caio", 14),
        *crowd,
    ]


def seen(project: Project) -> dict[str, Any]:
    """What the tests below look at."""
    visitor = {"v": uid("twice 1")}
    (counts,) = project.query(
        "select (select count() from enriched.events where tracking_id = {v:String}) as events,"
        " (select count() from enriched.lead_events where tracking_id = {v:String}) as lead_events,"
        " (select count() from marts.sessions where tracking_id = {v:String}) as sessions,"
        " (select count() from marts.identities where value = {v:String}) as identities",
        **visitor,
    )
    leads = "select lead_id, tracking_ids, last_event_at from marts.leads where email = {e:String}"
    return {
        "of_twice_1": counts,
        "ana": project.query(leads, e="ana@twice.test"),
        "new": project.query(leads, e="new@acme.test"),
        "orders": [
            row["lead_id"] for row in project.query("select lead_id from marts.conversions where order_id = 'o-1'")
        ],
        "crowd": project.query(
            "select uniqExact(lead_id) as leads, max(is_shared) as is_shared from marts.identities"
            " where value = 'room-7'"
        ),
        "left_out": project.query("select tenant_id, tracking_id, events from ops.quarantine order by tracking_id"),
        "differing": differing(project),
    }


@pytest.fixture(scope="module")
def story(project: Project) -> Iterator[dict[str, dict[str, Any]]]:
    """What is seen before, while visitors are left out, and after their release."""
    project.forget()
    project.write("tenants", [raw_tenant("acme"), raw_tenant("beta", time_zone="America/Manaus")])
    project.write("destinations", [raw_destination("acme"), raw_destination("beta")])
    project.write("events", loaded(first_loads(), moment(60 * DAY)))
    project.turn()
    seen_then = {"before": seen(project)}

    entries = [raw_quarantine(each, mirrored_at=LATER) for each in ("twice 1", "crowd 20")]
    project.write("quarantine", entries)
    project.write("events", [form("twice 1", "ana@twice.test", 20), form("new", "new@acme.test", 20)])
    project.turn()
    seen_then["left out"] = seen(project)

    project.write("events", [form("twice 1", "ana@twice.test", 21), form("twice 2", "ana@twice.test", 22)])
    project.write("quarantine", [{**NONE_LEFT, "mirrored_at": MUCH_LATER}])
    named = (uid("twice 1"), uid("crowd 20"))
    project.write("warehouse_requests", [raw_warehouse_request("release", lead_ids=named, mirrored_at=MUCH_LATER)])
    project.turn()
    seen_then["released"] = seen(project)
    yield seen_then
    project.forget()


def test_nothing_of_the_visitor_is_left_and_everybody_else_goes_on(story: dict[str, dict[str, Any]]) -> None:
    before, left_out = story["before"], story["left out"]
    assert all(before["of_twice_1"].values())
    assert not any(left_out["of_twice_1"].values())
    assert [row["lead_id"] for row in left_out["new"]] == [uid("new")]
    assert before["new"] == []


def test_what_the_visitor_was_part_of_is_computed_without_it(story: dict[str, dict[str, Any]]) -> None:
    before, left_out = story["before"], story["left out"]
    assert [row["tracking_ids"] for row in before["ana"]] == [sorted([uid("twice 1"), uid("twice 2")])]
    assert [row["tracking_ids"] for row in left_out["ana"]] == [[uid("twice 2")]]
    assert (before["orders"], left_out["orders"]) == ([uid("twice 1")], [uid("caio")])
    assert [tuple(row.values()) for row in before["crowd"]] == [(CROWD, True)]
    assert [tuple(row.values()) for row in left_out["crowd"]] == [(1, False)]


def test_who_is_left_out_is_listed_with_the_events_that_wait(story: dict[str, dict[str, Any]]) -> None:
    listed = {row["tracking_id"]: row["events"] for row in story["left out"]["left_out"]}
    assert listed == {uid("twice 1"): 3, uid("crowd 20"): 1}
    assert story["released"]["left_out"] == []


def test_a_release_brings_everything_back_also_what_came_meanwhile(story: dict[str, dict[str, Any]]) -> None:
    before, released = story["before"], story["released"]
    assert released["of_twice_1"]["events"] == before["of_twice_1"]["events"] + 2
    assert [row["lead_id"] for row in released["ana"]] == [uid("twice 1")]
    assert (released["orders"], released["crowd"]) == (before["orders"], before["crowd"])


@pytest.mark.parametrize("when", ["before", "left out", "released"])
def test_a_rebuild_gives_the_same(story: dict[str, dict[str, Any]], when: str) -> None:
    assert story[when]["differing"] == []


def test_a_tenant_that_is_held_keeps_its_rows_and_others_go_on_until_all_of_it_is_computed_again(
    project: Project, story: dict[str, dict[str, Any]]
) -> None:
    assert story
    rows = "select * except (turn, is_deleted) from {} where tenant_id = 'beta' order by all"
    tables = ("enriched.events", "marts.sessions", "marts.leads", "activation.lead_deliveries")
    project.forget()
    project.write("tenants", [raw_tenant("acme"), raw_tenant("beta")])
    project.write("destinations", [raw_destination("acme"), raw_destination("beta")])
    project.write("events", loaded([row for part in history(43, 60) for row in part], moment(60 * DAY)))
    project.turn()
    before = {table: project.query(rows.format(table)) for table in tables}
    project.write("quarantine", [raw_quarantine("", tenant_id="beta", mirrored_at=LATER)])
    replay = raw_warehouse_request("replay", tenant_id="beta", mirrored_at=LATER)
    project.write("warehouse_requests", [replay])
    project.write("events", [form("b", "b@beta.test", 20, tenant_id="beta"), form("a", "a@acme.test", 20)])
    project.turn()
    assert before == {table: project.query(rows.format(table)) for table in tables}
    assert all(before.values())
    assert project.query("select tenant_id from marts.leads where email = 'a@acme.test'") == [{"tenant_id": "acme"}]
    assert project.query("select request_id from ops.turns where request_id != ''") == []

    project.write("quarantine", [{**NONE_LEFT, "mirrored_at": MUCH_LATER}])
    project.turn()
    assert project.query("select tenant_id from marts.leads where email = 'b@beta.test'") == [{"tenant_id": "beta"}]
    assert differing(project) == []
