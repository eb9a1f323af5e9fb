"""The ledger in PostgreSQL: what is to be delivered, who is at it, and what became of every attempt.

pending → in_flight → delivered → verified, or retry → … → dead; superseded when a newer state of the lead took over.
A lead's current delivery at a destination is its row with the newest `created_at`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from echolead.operational.database import tenant_session
from echolead.operational.models import DeliveryAttempt
from reverse_etl.calls import RecordedCall
from reverse_etl.desired import DesiredKey
from reverse_etl.lead import DeliveryHistory, Lead

# One planner at a time: what it reads from the warehouse must not be older than what another has planned.
PLANNING_LOCK = 0x65636865
SENT_STATES_REMEMBERED = 20
ERROR_KEPT_CHARACTERS = 1000

WANTED = """
    wanted as (
        select * from jsonb_to_recordset(cast(:rows as jsonb))
            as w (tenant_id text, destination_id uuid, lead_id text, payload_hash text, payload jsonb)
    )
"""
# Wanted states that are not the current one, at destinations that exist.
CHANGED = text(f"""
    with {WANTED}
    select wanted.tenant_id, cast(wanted.destination_id as text), wanted.lead_id, wanted.payload_hash
    from wanted
    join destinations using (tenant_id, destination_id)
    left join lateral (
        select payload_hash, state from deliveries
        where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
            and deliveries.lead_id = wanted.lead_id
        order by created_at desc limit 1
    ) as current on true
    where current.payload_hash is distinct from wanted.payload_hash or current.state = 'superseded'
""")  # noqa: S608  # a constant of this module
# A state that was wanted before and is wanted again gets its row back: what was sent in between has to be undone.
PLAN = text(f"""
    with {WANTED}
    insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload)
    select tenant_id, destination_id, lead_id, payload_hash, payload from wanted
    on conflict (tenant_id, destination_id, lead_id, payload_hash) do update set
        state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), created_at = clock_timestamp(),
        lease_until = null, delivered_at = null, verified_at = null, last_error_class = null, last_error = null,
        payload = excluded.payload
        where deliveries.state <> 'in_flight' or deliveries.lease_until < clock_timestamp()
    returning deliveries.delivery_id
""")  # noqa: S608  # as above
SUPERSEDE = text(f"""
    with {WANTED}
    update deliveries set
        state = case when deliveries.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = null
    from wanted
    where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
        and deliveries.lead_id = wanted.lead_id and deliveries.payload_hash <> wanted.payload_hash
        and (
            deliveries.state in ('pending', 'retry')
            or deliveries.state = 'delivered' and deliveries.next_attempt_at is not null
            or deliveries.state = 'in_flight' and deliveries.lease_until < clock_timestamp()
        )
""")  # noqa: S608  # as above
WAITING = text("""
    select tenant_id, cast(destination_id as text), lead_id, payload_hash from deliveries
    where state in ('pending', 'retry')
""")
WITHDRAW = text(f"""
    with {WANTED}
    update deliveries set state = 'superseded', next_attempt_at = null
    from wanted
    where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
        and deliveries.lead_id = wanted.lead_id and deliveries.state in ('pending', 'retry')
""")  # noqa: S608  # as above

# Planning sets aside an older state that waits. One that was under way comes back later: its holder died, or put it off
# in a transaction that did not see the newer state. Sent now, it would undo the newer one.
SET_ASIDE_OVERTAKEN = text("""
    update deliveries as older set
        state = case when older.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = null
    where tenant_id = :tenant_id and destination_id = :destination_id
        and (state in ('pending', 'retry', 'in_flight') or state = 'delivered' and next_attempt_at is not null)
        and (lease_until is null or lease_until < clock_timestamp())
        and exists (
            select from deliveries as newer
            where newer.tenant_id = older.tenant_id and newer.destination_id = older.destination_id
                and newer.lead_id = older.lead_id and newer.created_at > older.created_at
        )
""")
# The lock makes concurrent claims of one lane take turns, so that each sees which leads the others hold.
CLAIM_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:lane, 0))")
CLAIM = text("""
    with due as (
        select delivery_id, state as old_state from deliveries as candidate
        where tenant_id = :tenant_id and destination_id = :destination_id
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
        order by state <> 'pending', next_attempt_at
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
MEMORY = text("""
    select asked.lead_id, records.remote_id, sent.payloads
    from unnest(cast(:lead_ids as text[])) as asked (lead_id)
    left join destination_records as records
        on records.tenant_id = :tenant_id and records.destination_id = :destination_id
        and records.lead_id = asked.lead_id and records.remote_kind = :remote_kind
    left join lateral (
        select jsonb_agg(payload) as payloads from (
            select payload from deliveries
            where tenant_id = :tenant_id and destination_id = :destination_id and lead_id = asked.lead_id
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
        last_error = null
    {HELD}
""")  # noqa: S608  # as above
MARK_VERIFIED = text(f"""
    update deliveries set state = 'verified', verified_at = clock_timestamp(), lease_until = null,
        next_attempt_at = null, last_error_class = null, last_error = null
    {HELD}
""")  # noqa: S608  # as above
# Of a lead with a newer state, the older one is not tried again.
PUT_OFF = text(f"""
    update deliveries set
        state = case when newer.is_there and :state <> 'delivered' then 'superseded' else :state end,
        next_attempt_at = case when newer.is_there then null
            else clock_timestamp() + make_interval(secs => :delay_seconds) end,
        delivered_at = case when :state = 'delivered' then delivered_at end,
        lease_until = null, last_error_class = :error_class, last_error = :error
    from (
        select exists (
            select from deliveries as other join deliveries as own using (tenant_id, destination_id, lead_id)
            where own.delivery_id = :delivery_id and other.created_at > own.created_at
        ) as is_there
    ) as newer
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
# The newest state of each lead, whatever became of it; `is_forced` takes what arrived as well.
RESYNC = text("""
    with newest as (
        select distinct on (tenant_id, destination_id, lead_id) delivery_id, state
        from deliveries
        where tenant_id = :tenant_id
            and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
            and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        order by tenant_id, destination_id, lead_id, created_at desc
    )
    update deliveries set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), lease_until = null,
        delivered_at = null, verified_at = null, last_error_class = null, last_error = null
    from newest
    where deliveries.delivery_id = newest.delivery_id
        and (newest.state in ('dead', 'retry') or :is_forced and newest.state in ('delivered', 'verified'))
    returning newest.state
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


class Plan:
    """Planning, across tenants: takes over what the warehouse wants. Its transaction is open while it is used."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": PLANNING_LOCK})

    def changed(self, wanted: Sequence[DesiredKey]) -> list[DesiredKey]:
        """Those that are not the current state of their lead."""
        return [DesiredKey(*map(str, row)) for row in self._session.execute(CHANGED, {"rows": _rows(wanted)})]

    def take_over(self, wanted: Sequence[tuple[DesiredKey, str]]) -> int:
        """Make these states current, and set aside what is older and not under way; returns how many."""
        if not wanted:
            return 0
        rows = _rows([key for key, _ in wanted], [payload for _, payload in wanted])
        planned = len(self._session.execute(PLAN, {"rows": rows}).all())
        self._session.execute(SUPERSEDE, {"rows": rows})
        return planned

    def waiting(self) -> list[DesiredKey]:
        """What waits to be sent, of all tenants."""
        return [DesiredKey(*map(str, row)) for row in self._session.execute(WAITING)]

    def withdraw(self, unwanted: Sequence[DesiredKey]) -> None:
        """Set aside what waits for leads that the warehouse no longer wants delivered."""
        if unwanted:
            self._session.execute(WITHDRAW, {"rows": _rows(unwanted)})


class LaneLedger:
    """One tenant's deliveries to one destination. Every method is one transaction as that tenant."""

    def __init__(self, engine: Engine, tenant_id: str, destination_id: UUID, remote_kind: str = "contact") -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._lane: dict[str, Any] = {"tenant_id": tenant_id, "destination_id": destination_id}
        self._remote_kind = remote_kind

    def claim(self, count: int, *, lease_seconds: float) -> list[Claim]:
        """Take up to `count` due deliveries, the newest of each lead, new ones first.

        Those whose holder let the lease pass are among them; older states of a lead are set aside.
        """
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(CLAIM_LOCK, {"lane": f"{self._tenant_id}/{self._lane['destination_id']}"})
            session.execute(SET_ASIDE_OVERTAKEN, self._lane)
            asked = {**self._lane, "count": count, "lease_seconds": lease_seconds}
            rows = session.execute(CLAIM, asked).all()
            memory = self._memory(session, [row.lead_id for row in rows])
        return [
            Claim(
                delivery_id=row.delivery_id,
                lead=Lead.of({**row.payload, "lead_id": row.lead_id}),
                attempt=row.attempts,
                lease_until=row.lease_until,
                created_at=row.created_at,
                was=row.old_state,
                history=memory[row.lead_id],
            )
            for row in rows
        ]

    def delivered(self, claim: Claim, remote_id: str, recorded: Iterable[RecordedCall]) -> None:
        """The destination took it; it stays under lease to be verified."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            self._remember(session, claim, remote_id)
            session.execute(MARK_DELIVERED, _held(claim))

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
        """Do not try again: `dead`, or `delivered` when only the reading back failed."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            session.execute(GIVE_UP, {**_held(claim), **_error(error), "state": state})

    def note(self, error: Exception) -> None:
        """Write on everything that waits why the whole lane does not deliver."""
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(NOTE, {**self._lane, **_error(error)})

    def _memory(self, session: Session, lead_ids: list[str]) -> dict[str, DeliveryHistory]:
        asked = {
            **self._lane,
            "lead_ids": lead_ids,
            "remote_kind": self._remote_kind,
            "states": SENT_STATES_REMEMBERED,
        }
        return {
            row.lead_id: DeliveryHistory(row.remote_id, tuple(Lead.of(payload) for payload in row.payloads or ()))
            for row in session.execute(MEMORY, asked)
        }

    def _remember(self, session: Session, claim: Claim, remote_id: str) -> None:
        record = {"lead_id": claim.lead.lead_id, "remote_kind": self._remote_kind, "remote_id": remote_id}
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


def plan_again(
    engine: Engine,
    tenant_id: str,
    *,
    destination_id: UUID | None = None,
    lead_ids: Sequence[str] | None = None,
    is_forced: bool = False,
    is_dry_run: bool = False,
) -> dict[str, int]:
    """Make due again what is dead or waits for a retry, and with `is_forced` what arrived already.

    Of one destination and some leads when given, else all of the tenant's. Returns how many, by the state they had; a
    dry run counts and changes nothing. `engine` is connected as `echolead_app`.
    """
    with tenant_session(engine, tenant_id) as session:
        asked = {
            "tenant_id": tenant_id,
            "destination_id": destination_id,
            "lead_ids": None if lead_ids is None else list(lead_ids),
            "is_forced": is_forced,
        }
        states = list(session.scalars(RESYNC, asked))
        if is_dry_run:
            session.rollback()
    return {state: states.count(state) for state in sorted(set(states))}


def _rows(keys: Sequence[DesiredKey], payloads: Sequence[str] | None = None) -> str:
    rows: list[dict[str, Any]] = [vars(key) for key in keys]
    if payloads is not None:
        rows = [{**row, "payload": _storable(json.loads(payload))} for row, payload in zip(rows, payloads, strict=True)]
    return json.dumps(rows)


def _storable(value: Any) -> Any:
    """The same JSON without what PostgreSQL cannot keep: NUL and lone surrogates become a replacement character."""
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode(errors="replace").decode()
    return value


def _held(claim: Claim) -> dict[str, Any]:
    return {"delivery_id": claim.delivery_id, "lease_until": claim.lease_until}


def _error(error: Exception) -> dict[str, str]:
    return {"error_class": type(error).__name__, "error": str(error)[:ERROR_KEPT_CHARACTERS]}
