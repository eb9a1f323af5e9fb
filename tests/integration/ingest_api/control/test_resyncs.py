"""Delivering again through the control API, worked off by the same functions as in the delivery engine."""

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from echolead.operational import resync_runs
from echolead.operational.database import system_session
from tests.fixtures.control_api import ControlApi
from tests.fixtures.operational import make_destination

PATH = "/v1/tenants/{t}/resyncs"
DELIVERIES = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state, last_error_class, tries)
select :t, :d, 'lead-' || number, 'h', '{}', :state, 'Rejected', 3 from generate_series(1, cast(:last as int)) as number
"""
CLAIM = """
update deliveries set state = :state, attempts = attempts + 1 where delivery_id in (
    select delivery_id from deliveries where tenant_id = :t and state = :was order by lead_id limit :count
)
"""


@pytest.fixture(autouse=True)
def ten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts, so that small ledgers have several."""
    monkeypatch.setattr(resync_runs, "AT_ONCE", 10)


def lost(control: ControlApi, count: int, state: str = "dead") -> str:
    """A tenant with so many deliveries in a state."""
    tenant = control.tenant()
    destination = make_destination(control.system, tenant)
    with system_session(control.system) as session:
        values = {"t": tenant, "d": destination.destination_id, "state": state, "last": count}
        session.execute(text(DELIVERIES), values)
    return tenant


def engine(control: ControlApi, tenant: str, *, sends: int = 0, starts: int = 0) -> None:
    """One round of the engine, which then claims `starts` deliveries and brings `sends` to their end."""
    with system_session(control.system) as session:
        resync_runs.advance_all(session)
        for state, was, count in (("in_flight", "pending", starts + sends), ("verified", "in_flight", sends)):
            session.execute(text(CLAIM), {"t": tenant, "state": state, "was": was, "count": count})


def states(control: ControlApi, tenant: str) -> dict[str, int]:
    """The ledger of the tenant."""
    with system_session(control.system) as session:
        counted = "select state, count(*) from deliveries where tenant_id = :t group by 1"
        return {row[0]: row[1] for row in session.execute(text(counted), {"t": tenant})}


def asked(control: ControlApi, tenant: str, **body: Any) -> str:
    """The path of a new resync."""
    answer = control.ask("operator", "POST", PATH, tenant, {"reason": "The account was restored", **body})
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def test_a_resync_is_sent_a_part_at_a_time_and_ends_with_an_audit_row(control: ControlApi) -> None:
    tenant = lost(control, 25)
    path = asked(control, tenant)
    assert control.ask("viewer", "GET", path, tenant).json()["state"] == "waiting"
    assert states(control, tenant) == {"dead": 25}  # the request itself sends nothing
    engine(control, tenant, sends=6)
    half = control.ask("viewer", "GET", path, tenant).json()
    assert (half["state"], half["total"], half["due"]) == ("running", 25, 10)
    assert half["states"] == {"not due": 15, "pending": 4, "verified": 6}
    for _ in range(4):
        engine(control, tenant, sends=10)
    engine(control, tenant)
    done = control.ask("viewer", "GET", path, tenant).json()
    assert (done["state"], done["due"], done["states"]) == ("done", 25, {"verified": 25})
    log = control.ask("admin", "GET", f"/v1/tenants/{tenant}/audit?action=resync.", tenant).json()["items"]
    assert [line["action"] for line in log] == ["resync.finished", "resync.requested"]
    assert log[0]["actor"] == log[1]["actor"]
    assert log[0]["detail"] == {
        "reason": "The account was restored", "deliveries": 25, "outcome": {"verified": 25}
    }  # fmt: skip
    assert control.ask("operator", "POST", f"{path}/stop", tenant).status_code == 422


def test_stopping_sends_nothing_more_and_resuming_exactly_the_rest(control: ControlApi) -> None:
    tenant = lost(control, 25)
    path = asked(control, tenant)
    engine(control, tenant, sends=4, starts=2)
    stopped = control.ask("operator", "POST", f"{path}/stop", tenant).json()
    assert (stopped["state"], stopped["states"]) == ("stopping", {"in_flight": 2, "not due": 19, "verified": 4})
    assert states(control, tenant) == {"dead": 19, "in_flight": 2, "verified": 4}  # as before it was asked for
    engine(control, tenant)  # a restarted engine does not revive it
    assert control.ask("operator", "POST", f"{path}/stop", tenant).json() == stopped
    with system_session(control.system) as session:
        left = "select tries, last_error_class from deliveries where tenant_id = :t and state = 'dead' group by 1, 2"
        assert session.execute(text(left), {"t": tenant}).all() == [(3, "Rejected")]
        values = {"t": tenant, "state": "verified", "was": "in_flight", "count": 2}
        session.execute(text(CLAIM), values)
    assert control.ask("viewer", "GET", path, tenant).json()["state"] == "stopped"
    assert control.ask("operator", "POST", f"{path}/resume", tenant).json()["state"] == "running"
    for _ in range(4):
        engine(control, tenant, sends=10)
    engine(control, tenant)
    assert states(control, tenant) == {"verified": 25}
    with system_session(control.system) as session:  # each was sent once
        sent = "select max(attempts), min(attempts) from deliveries where tenant_id = :t"
        assert session.execute(text(sent), {"t": tenant}).one() == (2, 2)  # in_flight and verified, as `engine` counts
    assert control.ask("operator", "POST", f"{path}/resume", tenant).status_code == 422


def test_one_that_is_stopped_before_it_began_sends_nothing_until_it_is_resumed(control: ControlApi) -> None:
    tenant = lost(control, 3)
    path = asked(control, tenant)
    control.ask("operator", "POST", f"{path}/stop", tenant)
    engine(control, tenant)
    assert states(control, tenant) == {"dead": 3}
    assert control.ask("operator", "POST", f"{path}/resume", tenant).json()["state"] == "waiting"
    engine(control, tenant)
    assert states(control, tenant) == {"pending": 3}


def test_a_trial_says_what_has_arrived_and_a_second_resync_sends_nothing_twice(control: ControlApi) -> None:
    tenant = lost(control, 2, "verified")
    trial = control.ask("analyst", "POST", f"{PATH}/trials", tenant, {}).json()
    assert (trial["deliveries"], trial["arrived"]) == ([], 2)
    assert trial["quotas"] == []
    with system_session(control.system) as session:
        said = (
            "insert into destination_quotas (tenant_id, destination_id, calls_left, calls_limit, resets_at) "
            "select tenant_id, destination_id, 40, 9500, now() + make_interval(secs => :seconds) from destinations "
            "where tenant_id = :t on conflict (tenant_id, destination_id) do update set resets_at = excluded.resets_at"
        )
        session.execute(text(said), {"t": tenant, "seconds": -1})
    over = control.ask("analyst", "POST", f"{PATH}/trials", tenant, {}).json()["quotas"]
    assert over == []  # of yesterday
    with system_session(control.system) as session:
        session.execute(text(said), {"t": tenant, "seconds": 3600})
    forced = control.ask("analyst", "POST", f"{PATH}/trials", tenant, {"force": True}).json()
    assert ([line["deliveries"] for line in forced["deliveries"]], forced["arrived"]) == ([2], 0)
    assert [(line["calls_left"], line["calls_limit"]) for line in forced["quotas"]] == [(40, 9500)]
    assert states(control, tenant) == {"verified": 2}
    paths = [asked(control, tenant, force=True) for _ in range(2)]
    engine(control, tenant)
    totals = [control.ask("viewer", "GET", path, tenant).json()["total"] for path in paths]
    assert totals == [2, 0]
    assert states(control, tenant) == {"pending": 2}


def test_what_was_overtaken_since_it_was_listed_is_not_touched(control: ControlApi) -> None:
    tenant = lost(control, 12)
    path = asked(control, tenant)
    engine(control, tenant, sends=10)
    with system_session(control.system) as session:
        later = "update deliveries set state = 'superseded' where tenant_id = :t and state = 'dead'"
        session.execute(text(later), {"t": tenant})
    engine(control, tenant)
    engine(control, tenant)
    assert control.ask("viewer", "GET", path, tenant).json()["states"] == {"superseded": 2, "verified": 10}


def test_one_that_the_database_refuses_is_stopped_with_the_reason_and_holds_up_no_other(
    control: ControlApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = lost(control, 1), lost(control, 1)
    path, _ = asked(control, bad), asked(control, good)
    listed = resync_runs.LIST.text
    monkeypatch.setattr(
        resync_runs,
        "LIST",
        text(f"{listed} where 1 / (case when cast(:tenant_id as text) = '{bad}' then 0 else 1 end) = 1"),
    )
    engine(control, good)
    assert control.ask("viewer", "GET", path, bad).json()["state"] == "stopped"
    assert (states(control, bad), states(control, good)) == ({"dead": 1}, {"pending": 1})
    [newest, _] = control.ask("admin", "GET", f"/v1/tenants/{bad}/audit?action=resync.", bad).json()["items"]
    assert (newest["action"], newest["detail"]) == ("resync.failed", {"message": "division by zero"})


def test_a_resync_of_another_tenant_is_not_there_and_a_repeated_request_asks_once(control: ControlApi) -> None:
    tenant, theirs, key = lost(control, 1), control.tenant(), uuid4().hex
    body = {"reason": "why"}
    answers = [
        control.ask("operator", "POST", PATH, tenant, body, idempotency_key=key) for _ in range(2)
    ]  # fmt: skip
    assert answers[0].json() == answers[1].json()
    listed = control.ask("viewer", "GET", PATH, tenant).json()["items"]
    assert [json.dumps(line) for line in listed] == [json.dumps(answers[0].json())]
    for word in ("", "/stop", "/resume"):
        method = "POST" if word else "GET"
        path = f"{answers[0].headers['location'].replace(tenant, theirs)}{word}"
        assert control.ask("admin", method, path, theirs).status_code == 404
