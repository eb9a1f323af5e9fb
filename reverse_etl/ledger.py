"""The ledger in PostgreSQL: who delivers what, and what became of every attempt.

pending → in_flight → delivered → verified, or retry → … → dead; withheld when it must not be sent; superseded when a
newer state of the lead took over.
A lead's current delivery at a destination is its row with the newest `created_at`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from echolead.operational.database import tenant_session
from echolead.operational.models import DeliveryAttempt
from reverse_etl.calls import RecordedCall
from reverse_etl.lead import DeliveryHistory, Lead

SENT_STATES_REMEMBERED = 20
LEADS_RECORD = "contact"
"""The kind of the record that stands for the lead itself."""
ERROR_KEPT_CHARACTERS = 1000

# Planning sets aside an older state that waits, and one that is no longer wanted. One that was under way comes back
# later: its holder died, or put it off in a transaction that did not see the newer state. Sent now, it would undo the
# newer one.
SET_ASIDE_OVERTAKEN = text("""
    update deliveries as older set
        state = case when older.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = null
    where tenant_id = :tenant_id and destination_id = :destination_id
        and (state in ('pending', 'retry', 'in_flight') or state = 'delivered' and next_attempt_at is not null)
        and (lease_until is null or lease_until < clock_timestamp())
        and (not is_wanted or exists (
            select from deliveries as newer
            where newer.tenant_id = older.tenant_id and newer.destination_id = older.destination_id
                and newer.lead_id = older.lead_id and newer.created_at > older.created_at
        ))
""")
# The lock makes concurrent claims of one lane take turns, so that each sees which leads the others hold.
CLAIM_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:lane, 0))")
# New leads first, tried before or not, then what was never tried; of these the ones the warehouse wanted last.
CLAIM = text("""
    with due as (
        select delivery_id, state as old_state from deliveries as candidate
        where tenant_id = :tenant_id and destination_id = :destination_id and is_wanted
            and (
                state in ('pending', 'retry', 'delivered') and next_attempt_at <= clock_timestamp()
                    and (lease_until is null or lease_until < clock_timestamp())
                or state = 'in_flight' and lease_until < clock_timestamp()
            )
            and not exists (
                select from deliveries as other
                where other.tenant_id = candidate.tenant_id and other.destination_id = candidate.destination_id
                    and other.lead_id = candidate.lead_id and other.delivery_id <> candidate.delivery_id
                    and (other.lease_until > clock_timestamp() or other.created_at > candidate.created_at)
            )
        order by not is_new, state <> 'pending', turn desc, next_attempt_at
        limit :count
        for update skip locked
    )
    update deliveries set
        state = case when due.old_state = 'delivered' then 'delivered' else 'in_flight' end,
        attempts = attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
    from due where deliveries.delivery_id = due.delivery_id
    returning deliveries.delivery_id, deliveries.lead_id, deliveries.payload, deliveries.attempts,
        deliveries.lease_until, deliveries.created_at, due.old_state
""")
# A lead that another became part of leaves it what is known of its record, by the ids of the people it is made of.
MEMORY = text("""
    select asked.lead_id, known.records, sent.payloads
    from jsonb_to_recordset(cast(:leads as jsonb)) as asked (lead_id text, known_as text[])
    left join lateral (
        select jsonb_object_agg(remote_kind, remote_id) as records from (
            select distinct on (remote_kind) remote_kind, remote_id from destination_records
            where tenant_id = :tenant_id and destination_id = :destination_id and lead_id = any(asked.known_as)
            order by remote_kind, lead_id <> asked.lead_id, lead_id
        ) as own
    ) as known on true
    left join lateral (
        select jsonb_agg(payload) as payloads from (
            select payload from deliveries
            where tenant_id = :tenant_id and destination_id = :destination_id and lead_id = any(asked.known_as)
                and (attempts > 0 or delivered_at is not null)
            order by created_at desc limit :states
        ) as newest
    ) as sent on true
""")
REMEMBER = text("""
    insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id)
    values (:tenant_id, :destination_id, :lead_id, :remote_kind, :remote_id)
    on conflict (tenant_id, destination_id, lead_id, remote_kind) do update set remote_id = excluded.remote_id
        where destination_records.remote_id <> excluded.remote_id
""")
# Only who still holds the lease may say what became of the delivery.
HELD = "where delivery_id = :delivery_id and lease_until = :lease_until"
MARK_DELIVERED = text(f"""
    update deliveries set state = 'delivered', delivered_at = clock_timestamp(), last_error_class = null,
        last_error = null,
        next_attempt_at = case when :is_over then null else next_attempt_at end,
        lease_until = case when :is_over then null else lease_until end
    {HELD}
""")  # noqa: S608  # a constant of this module
MARK_VERIFIED = text(f"""
    update deliveries set state = 'verified', verified_at = clock_timestamp(), lease_until = null,
        next_attempt_at = null, last_error_class = null, last_error = null
    {HELD}
""")  # noqa: S608  # as above
# Of a lead with a newer state, the older one is not tried again; nor is any of a lead that is no longer wanted.
PUT_OFF = text(f"""
    update deliveries set
        state = case when overtaken.is_so and :state <> 'delivered' then 'superseded' else :state end,
        next_attempt_at = case when overtaken.is_so then null
            else clock_timestamp() + make_interval(secs => :delay_seconds) end,
        delivered_at = case when :state = 'delivered' then delivered_at end,
        lease_until = null, last_error_class = :error_class, last_error = :error
    from (
        select exists (
            select from deliveries as own left join deliveries as newer
                on newer.tenant_id = own.tenant_id and newer.destination_id = own.destination_id
                and newer.lead_id = own.lead_id and newer.created_at > own.created_at
            where own.delivery_id = :delivery_id and (newer.delivery_id is not null or not own.is_wanted)
        ) as is_so
    ) as overtaken
    {HELD}
""")  # noqa: S608  # as above
GIVE_UP = text(f"""
    update deliveries set state = :state, next_attempt_at = null, lease_until = null, last_error_class = :error_class,
        last_error = :error
    {HELD}
""")  # noqa: S608  # as above
NOTE = text("""
    update deliveries set last_error_class = :error_class, last_error = :error
    where tenant_id = :tenant_id and destination_id = :destination_id and state in ('pending', 'retry')
        and last_error is distinct from :error
""")

SWITCH_OFF = text("""
    with destination as (
        update destinations
        set is_enabled = false, disabled_at = clock_timestamp(), disabled_reason = :reason
        where tenant_id = :tenant_id and destination_id = :destination_id and is_enabled
        returning tenant_id, name, kind
    )
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select tenant_id, 'engine', 'destination.disabled', name, jsonb_build_object('kind', kind, 'reason', :reason)
    from destination
""")


@dataclass(frozen=True)
class Claim:
    """A delivery this process may work on until `lease_until`; `was` is its state before."""

    delivery_id: UUID
    lead: Lead
    attempt: int
    lease_until: datetime
    created_at: datetime
    was: str
    history: DeliveryHistory


class LaneLedger:
    """One tenant's deliveries to one destination. Every method is one transaction as that tenant."""

    def __init__(self, engine: Engine, tenant_id: str, destination_id: UUID) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._lane: dict[str, Any] = {"tenant_id": tenant_id, "destination_id": destination_id}

    def claim(self, count: int, *, lease_seconds: float) -> list[Claim]:
        """Take up to `count` due deliveries, the newest of each lead: new leads first, then what was wanted last.

        Those whose holder let the lease pass are among them; older states of a lead are set aside.
        """
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(CLAIM_LOCK, {"lane": f"{self._tenant_id}/{self._lane['destination_id']}"})
            session.execute(SET_ASIDE_OVERTAKEN, self._lane)
            asked = {**self._lane, "count": count, "lease_seconds": lease_seconds}
            rows = session.execute(CLAIM, asked).all()
            leads = {row.lead_id: Lead.of({**row.payload, "lead_id": row.lead_id}) for row in rows}
            memory = self._memory(session, leads.values())
        return [
            Claim(
                delivery_id=row.delivery_id,
                lead=leads[row.lead_id],
                attempt=row.attempts,
                lease_until=row.lease_until,
                created_at=row.created_at,
                was=row.old_state,
                history=memory[row.lead_id],
            )
            for row in rows
        ]

    def delivered(
        self, claim: Claim, remote_id: str, recorded: Iterable[RecordedCall], *, is_over: bool = False
    ) -> None:
        """The destination took it; it stays under lease to be verified, unless that is impossible (`is_over`)."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            self._remember(session, claim, LEADS_RECORD, remote_id)
            session.execute(MARK_DELIVERED, {**_held(claim), "is_over": is_over})

    def remember(self, claim: Claim, kind: str, remote_id: str) -> None:
        """Keep the id of one more record of the lead, in a transaction of its own."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._remember(session, claim, kind, remote_id)

    def verified(self, claim: Claim, recorded: Iterable[RecordedCall]) -> None:
        """Read back and found to be what was sent."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            session.execute(MARK_VERIFIED, _held(claim))

    def put_off(
        self, claim: Claim, error: Exception, recorded: Iterable[RecordedCall], *, state: str, delay_seconds: float
    ) -> None:
        """Try again later: `retry` to send, `delivered` to verify what was sent."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            delay = {"state": state, "delay_seconds": delay_seconds}
            session.execute(PUT_OFF, {**_held(claim), **_error(error), **delay})

    def give_up(self, claim: Claim, error: Exception, recorded: Iterable[RecordedCall], *, state: str) -> None:
        """Do not try again: `dead`, `withheld`, or `delivered` when only the reading back failed."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            session.execute(GIVE_UP, {**_held(claim), **_error(error), "state": state})

    def note(self, error: Exception) -> None:
        """Write on everything that waits why the whole lane does not deliver."""
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(NOTE, {**self._lane, **_error(error)})

    def switch_off(self, error: Exception) -> None:
        """Disable the destination, with the time and the reason; what waits is delivered when it is enabled again."""
        reason = str(error)[:ERROR_KEPT_CHARACTERS]
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(SWITCH_OFF, {**self._lane, "reason": reason})

    def _memory(self, session: Session, leads: Iterable[Lead]) -> dict[str, DeliveryHistory]:
        known_as = [{"lead_id": each.lead_id, "known_as": [each.lead_id, *each.tracking_ids]} for each in leads]
        asked = {**self._lane, "leads": json.dumps(known_as), "states": SENT_STATES_REMEMBERED}
        return {
            row.lead_id: DeliveryHistory(row.records or {}, tuple(Lead.of(payload) for payload in row.payloads or ()))
            for row in session.execute(MEMORY, asked)
        }

    def _remember(self, session: Session, claim: Claim, kind: str, remote_id: str) -> None:
        record = {"lead_id": claim.lead.lead_id, "remote_kind": kind, "remote_id": remote_id}
        session.execute(REMEMBER, {**self._lane, **record})

    def _record(self, session: Session, claim: Claim, recorded: Iterable[RecordedCall]) -> None:
        rows = [
            {
                "tenant_id": self._tenant_id,
                "delivery_id": claim.delivery_id,
                "attempt": claim.attempt,
                "operation": call.operation,
                "request": call.request,
                "response_status": call.response_status,
                "response": call.response,
                "latency_ms": call.latency_ms,
                "outcome": call.outcome,
                "error_class": call.error_class,
                "started_at": call.started_at,
            }
            for call in recorded
        ]
        if rows:
            session.execute(insert(DeliveryAttempt), rows)


def _held(claim: Claim) -> dict[str, Any]:
    return {"delivery_id": claim.delivery_id, "lease_until": claim.lease_until}


def _error(error: Exception) -> dict[str, str]:
    return {"error_class": type(error).__name__, "error": str(error)[:ERROR_KEPT_CHARACTERS]}
