"""`echolead resync`: what is delivered again, what it costs, and who asked for it."""

import json

from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from tests.fixtures.command_line import CHATWOOT, TOKEN, Run, RunJson

DELIVERY = """
insert into deliveries (
    tenant_id, destination_id, lead_id, payload_hash, payload, state, last_error_class, delivered_at, is_new, tries
)
values (
    :t, :d, :state || :error, 'h', '{}', :state, nullif(:error, ''),
    case when :state in ('verified', 'delivered') then now() end, true, 3
)
"""

STATE = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state, delivered_at, created_at)
values (
    :t, :d, :lead, :hash, :payload, :state,
    case when :state = 'verified' then now() end, now() + make_interval(secs => :second)
)
"""

MARK = """
insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id)
values (:t, :d, :lead, 'event:event-1', :mark)
"""

CALL = """
insert into delivery_attempts (tenant_id, delivery_id, attempt, operation, outcome, latency_ms, started_at)
select tenant_id, delivery_id, 1, :operation, 'ok', 3, :at from deliveries where tenant_id = :t and state = 'verified'
"""


def ledger_of(engine: Engine, tenant_id: str, destination_id: str) -> None:
    """A delivery in each state, two failures of different classes among them."""
    with system_session(engine) as session:
        for state, error in (
            *(("verified", ""), ("delivered", ""), ("pending", ""), ("superseded", "")),
            *(("dead", "Rejected"), ("dead", "Mismatch"), ("retry", "Unavailable"), ("withheld", "Withheld")),
        ):
            session.execute(text(DELIVERY), {"t": tenant_id, "d": destination_id, "state": state, "error": error})


def states_of(engine: Engine, tenant_id: str) -> list[str]:
    with system_session(engine) as session:
        found = session.scalars(text("select state from deliveries where tenant_id = :t"), {"t": tenant_id})
        return sorted(found)


def test_what_did_not_arrive_is_delivered_again_and_the_audit_log_says_by_whom(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    ledger_of(system_engine, slug, added["destination_id"])
    resync = ("resync", "--tenant", slug)

    before = states_of(system_engine, slug)
    shown = run_json(*resync, "--dry-run")
    assert shown["deliveries"] == [
        {"destination": "chatwoot", "state": "dead", "deliveries": 2, "calls": 12},
        {"destination": "chatwoot", "state": "retry", "deliveries": 1, "calls": 6},
        {"destination": "chatwoot", "state": "withheld", "deliveries": 1, "calls": 6},
    ]
    assert states_of(system_engine, slug) == before
    rejected = run_json(*resync, "--error", "Rejected", "--destination", "chatwoot")
    assert [(row["state"], row["deliveries"]) for row in rejected] == [("dead", 1)]
    assert [row["state"] for row in run_json(*resync, "--lead", "retryUnavailable")] == ["retry"]
    assert "2 deliveries, about 12 calls" in run(*resync).output
    assert "There is nothing" in run(*resync).output
    assert states_of(system_engine, slug) == ["delivered", *["pending"] * 5, "superseded", "verified"]

    audited = "select * from audit_log where tenant_id = :t and action = 'resync.requested' order by at"
    left = "select distinct tries from deliveries where tenant_id = :t and state = 'pending' and lead_id <> 'pending'"
    with system_session(system_engine) as session:
        told = session.execute(text(audited), {"t": slug}).all()
        tries = session.scalars(text(left), {"t": slug}).all()
    assert [row.detail["lead_ids"] for row in told] == [None, ["retryUnavailable"], None]
    assert (told[0].detail["destination_id"], told[0].detail["error_class"]) == (added["destination_id"], "Rejected")
    assert tries == [0]


def test_a_forced_resync_takes_what_arrived_and_estimates_its_calls_from_the_ledger(
    run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    ledger_of(system_engine, slug, added["destination_id"])
    record = (
        "insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id) "
        "values (:t, :d, 'verified', 'contact', '7')"
    )
    with system_session(system_engine) as session:
        for number, operation in enumerate(("look up", "create", "read back")):
            at = f"2026-03-01T10:00:0{number}Z"
            session.execute(text(CALL), {"t": slug, "operation": operation, "at": at})
        session.execute(text(record), {"t": slug, "d": added["destination_id"]})

    again = run_json("resync", "--tenant", slug, "--force")

    assert [(row["state"], row["deliveries"], row["calls"]) for row in again] == [
        ("dead", 2, 6),
        ("delivered", 1, 3),
        ("retry", 1, 3),
        ("verified", 1, 3),
        ("withheld", 1, 3),
    ]
    with system_session(system_engine) as session:
        of_known = text("select is_new from deliveries where tenant_id = :t and lead_id = 'verified'")
        assert session.scalar(of_known, {"t": slug}) is False


def test_a_dry_run_shows_field_by_field_what_would_change(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    states = [
        ("ana", "verified", {"name": "Ana", "attributes": {"channel": "Direct", "source": "(direct)"}}),
        ("ana", "dead", {"name": "Ana Souza", "attributes": {"channel": "Direct", "source": "google"}}),
        ("bia", "dead", {"name": "Bia", "attributes": {}}),
    ]
    with system_session(system_engine) as session:
        for number, (lead, state, payload) in enumerate(states):
            values = {
                "t": slug,
                "d": added["destination_id"],
                "lead": lead,
                "hash": str(number),
                "second": number,
                "state": state,
            }
            session.execute(text(STATE), {**values, "payload": json.dumps(payload)})

    shown = run_json("resync", "--tenant", slug, "--dry-run")["changes"]
    printed = run("resync", "--tenant", slug, "--dry-run").output

    assert [tuple(row[name] for name in ("lead_id", "field", "delivered", "wanted")) for row in shown] == [
        ("ana", "name", '"Ana"', '"Ana Souza"'),
        ("ana", "source", '"(direct)"', '"google"'),
        ("bia", "name", "", '"Bia"'),
    ]
    assert "Ana Souza" in printed
    with system_session(system_engine) as session:
        session.execute(text("update deliveries set payload = '{}' where tenant_id = :t"), {"t": slug})
    assert "No difference" in run("resync", "--tenant", slug, "--dry-run", "--lead", "ana").output


def test_a_resync_names_what_is_not_there(run: Run, run_json: RunJson, slug: str) -> None:
    assert "no tenant" in run("resync", "--tenant", "nobody").output
    run_json("tenant", "create", slug)
    assert "has no destination crm" in run("resync", "--tenant", slug, "--destination", "crm").output


def test_an_event_that_may_be_there_is_sent_again_only_when_it_is_asked_for(
    run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    """RD Station counts a conversion twice; whether it has one whose answer was lost is for the operator to see."""
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    place = {"t": slug, "d": added["destination_id"]}
    marks = {"lead-1": "unknown", "lead-2": "8f14e45f", "lead-3": "sending"}
    with system_session(system_engine) as session:
        for lead, mark in marks.items():
            state = {"lead": lead, "hash": "h", "payload": "{}", "state": "verified", "second": 0}
            session.execute(text(STATE), {**place, **state})
            session.execute(text(MARK), {**place, "lead": lead, "mark": mark})

    def marked() -> dict[str, str]:
        with system_session(system_engine) as session:
            rows = session.execute(
                text("select lead_id, remote_id from destination_records where tenant_id = :t"), place
            )
            return {row.lead_id: row.remote_id for row in rows}

    resync = ("resync", "--tenant", slug)
    assert run_json(*resync) == []
    (shown,) = run_json(*resync, "--unknown", "--dry-run")["deliveries"]
    assert shown["deliveries"] == 1
    assert marked() == marks

    (again,) = run_json(*resync, "--unknown")
    assert (again["state"], again["deliveries"]) == ("verified", 1)
    assert marked() == {**marks, "lead-1": "not sent"}
    assert states_of(system_engine, slug) == ["pending", "verified", "verified"]
    assert run_json(*resync, "--unknown") == []
