"""The ledger in PostgreSQL: who delivers what, and what became of every attempt.

pending → in_flight → delivered → verified, or retry → … → dead; withheld when it must not be sent; superseded when a
newer state of the lead took over.
A lead's current delivery at a destination is its row with the newest `created_at`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from echolead.operational.database import tenant_session
from echolead.operational.models import DeliveryAttempt
from reverse_etl.calls import RecordedCall
from reverse_etl.errors import DeliveryFailed
from reverse_etl.lead import TWIN_PREFIX, UNCONFIRMED, DeliveryHistory, Lead, twin_kind

SENT_STATES_REMEMBERED = 20
LEADS_RECORD = "contact"
"""The kind of the record that stands for the lead itself."""
ERROR_KEPT_CHARACTERS = 1000

# Planning sets aside an older state that waits, and one that is no longer wanted. One that was under way comes back
# later: its holder died, or put it off in a transaction that did not see the newer state. Claims pass it over; this
# ends it. Reads all rows of the lane that wait, so a lane does it once in a while.
SET_ASIDE_OVERTAKEN = text("""
    update deliveries as older set
        state = case when older.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null
    where tenant_id = :tenant_id and destination_id = :destination_id
        and state in ('pending', 'in_flight', 'delivered', 'retry') and next_attempt_at is not null
        and (lease_until is null or lease_until < statement_timestamp())
        and (not is_wanted or exists (
            select from deliveries as newer
            where newer.tenant_id = older.tenant_id and newer.destination_id = older.destination_id
                and newer.lead_id = older.lead_id and newer.created_at > older.created_at
        ))
""")
# The lock makes concurrent claims of one lane take turns, so that each sees which people the others hold.
CLAIM_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:lane, 0))")
# New leads first, tried before or not; of these the ones the warehouse wanted last. The index of what waits has this
# order, so a claim reads the rows it takes, whatever waits behind them, and the lane's rows that are held.
# Of people who share an identity one is under way: two leads may turn out to be one record of the destination.
CLAIM = text("""
    with held as materialized (
        select distinct unnest(identities) as identity from deliveries
        where tenant_id = :tenant_id and destination_id = :destination_id and lease_until > statement_timestamp()
    ), due as materialized (
        select delivery_id, state as old_state, identities, is_new, turn, next_attempt_at
        from deliveries as candidate
        where tenant_id = :tenant_id and destination_id = :destination_id
            and state in ('pending', 'in_flight', 'delivered', 'retry') and is_wanted
            and (is_new or not :only_new)
            and next_attempt_at <= statement_timestamp()
            and (lease_until is null or lease_until < statement_timestamp())
            and not exists (
                select from deliveries as other
                where other.tenant_id = candidate.tenant_id and other.destination_id = candidate.destination_id
                    and other.lead_id = candidate.lead_id and other.delivery_id <> candidate.delivery_id
                    and (other.lease_until > statement_timestamp() or other.created_at > candidate.created_at)
            )
            and not exists (
                select from unnest(candidate.identities) as own (identity)
                where own.identity in (select held.identity from held)
            )
        order by is_new desc, turn desc, next_attempt_at
        limit :count
        for update skip locked
    ), placed as (
        select delivery_id, old_state, identities,
            row_number() over (order by is_new desc, turn desc, next_attempt_at, delivery_id) as place
        from due
    ), told as (
        select delivery_id, old_state, place, own.identity, min(place) over (partition by own.identity) as first_place
        from placed left join unnest(identities) as own (identity) on true
    ), chosen as (
        select delivery_id, old_state, place from told
        group by delivery_id, old_state, place
        having bool_and(identity is null or place = first_place)
    ), claimed as (
        update deliveries set
            state = case when chosen.old_state = 'delivered' then 'delivered' else 'in_flight' end,
            attempts = attempts + 1,
            lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
        from chosen where deliveries.delivery_id = chosen.delivery_id
        returning deliveries.delivery_id, deliveries.lead_id, deliveries.payload, deliveries.attempts,
            deliveries.tries, deliveries.last_error_class, deliveries.lease_until, deliveries.created_at,
            chosen.old_state, chosen.place
    )
    select * from claimed order by place
""")
# What is known of a lead's records, also as the leads that became part of it: by the ids of the people it is made of.
# The own record comes first, then the oldest.
MEMORY = text("""
    select asked.lead_id, known.records, sent.payloads
    from jsonb_to_recordset(cast(:leads as jsonb)) as asked (lead_id text, known_as text[])
    left join lateral (
        select jsonb_agg(jsonb_build_array(remote_kind, remote_id, lead_id)
            order by lead_id <> asked.lead_id, created_at, lead_id) as records
        from destination_records
        where tenant_id = :tenant_id and destination_id = :destination_id and lead_id = any(asked.known_as)
    ) as known on true
    left join lateral (
        select jsonb_agg(payload || jsonb_build_object('lead_id', lead_id)) as payloads from (
            select payload, lead_id from deliveries
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
# After a creation with an unknown outcome nobody works on the person before a look-up must find what was created.
HOLD = "case when :hold_seconds > 0 then clock_timestamp() + make_interval(secs => :hold_seconds) end"
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
        tries = tries + :tries, lease_until = {HOLD}, last_error_class = :error_class, last_error = :error
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
    update deliveries set state = :state, next_attempt_at = null, lease_until = {HOLD},
        last_error_class = :error_class, last_error = :error
    {HELD}
""")  # noqa: S608  # as above
NOTE = text("""
    update deliveries set last_error_class = :error_class, last_error = :error
    where tenant_id = :tenant_id and destination_id = :destination_id and state in ('pending', 'retry')
        and last_error is distinct from :error
""")
LEFT_OUT = text("""
    insert into destination_fields (tenant_id, destination_id, left_out)
    values (:tenant_id, :destination_id, cast(:left_out as jsonb))
    on conflict (tenant_id, destination_id) do update set left_out = excluded.left_out
        where destination_fields.left_out <> excluded.left_out
""")
QUOTA = text("""
    insert into destination_quotas (tenant_id, destination_id, calls_left, calls_limit, resets_at)
    values (:tenant_id, :destination_id, :left, :limit, clock_timestamp() + make_interval(secs => :seconds))
    on conflict (tenant_id, destination_id) do update set
        calls_left = excluded.calls_left, calls_limit = excluded.calls_limit, resets_at = excluded.resets_at
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
    """A delivery this process may work on until `lease_until`; `was` is its state before.

    `attempt` numbers the tries, `tries` counts those before that failed for a reason of its own, `failed_with` is the
    class of the last failure.
    """

    delivery_id: UUID
    lead: Lead
    attempt: int
    tries: int
    failed_with: str | None
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

    def set_aside_overtaken(self) -> None:
        """Set aside deliveries that planning could not: the lead has a newer state, or is no longer wanted."""
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(CLAIM_LOCK, {"lane": f"{self._tenant_id}/{self._lane['destination_id']}"})
            session.execute(SET_ASIDE_OVERTAKEN, self._lane)

    def claim(self, count: int, *, lease_seconds: float, only_new: bool = False) -> list[Claim]:
        """Take up to `count` due deliveries, the newest of each lead: new leads first, then what was wanted last.

        Deliveries whose lease has ended are taken over. A delivery waits while another one of a person with the same
        e-mail, phone or id is under way. `only_new` takes only leads that the destination does not have yet.
        """
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(CLAIM_LOCK, {"lane": f"{self._tenant_id}/{self._lane['destination_id']}"})
            asked = {**self._lane, "count": count, "lease_seconds": lease_seconds, "only_new": only_new}
            rows = session.execute(CLAIM, asked).all()
            leads = {row.lead_id: Lead.of({**row.payload, "lead_id": row.lead_id}) for row in rows}
            memory = memory_of(session, self._lane, leads.values())
        return [
            Claim(
                delivery_id=row.delivery_id,
                lead=leads[row.lead_id],
                attempt=row.attempts,
                tries=row.tries,
                failed_with=row.last_error_class,
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
        self,
        claim: Claim,
        error: DeliveryFailed,
        recorded: Iterable[RecordedCall],
        *,
        state: str,
        delay_seconds: float,
        hold_seconds: float = 0.0,
    ) -> None:
        """Try again later: `retry` to send, `delivered` to verify what was sent.

        For `hold_seconds` nothing else is done for the person, whatever else of theirs is due.
        """
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            delay = {"state": state, "delay_seconds": delay_seconds, "hold_seconds": hold_seconds}
            tries = {"tries": 1 if error.uses_up_tries else 0}
            session.execute(PUT_OFF, {**_held(claim), **_error(error), **delay, **tries})

    def give_up(
        self,
        claim: Claim,
        error: DeliveryFailed,
        recorded: Iterable[RecordedCall],
        *,
        state: str,
        hold_seconds: float = 0.0,
    ) -> None:
        """Do not try again: `dead`, `withheld`, or `delivered` when only the reading back failed."""
        with tenant_session(self._engine, self._tenant_id) as session:
            self._record(session, claim, recorded)
            session.execute(GIVE_UP, {**_held(claim), **_error(error), "state": state, "hold_seconds": hold_seconds})

    def note(self, error: Exception) -> None:
        """Write on everything that waits why the whole lane does not deliver."""
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(NOTE, {**self._lane, **_error(error)})

    def note_left_out(self, fields: Sequence[tuple[str, str]]) -> None:
        """Keep which mapped fields deliveries leave out, each with the reason; twice changes nothing."""
        left_out = json.dumps([{"field": field, "reason": reason} for field, reason in fields])
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(LEFT_OUT, {**self._lane, "left_out": left_out})

    def note_quota(self, left: int, limit: int, seconds: float) -> None:
        """Keep what the destination said last of its day's calls, and for how many seconds it holds."""
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(QUOTA, {**self._lane, "left": left, "limit": limit, "seconds": seconds})

    def switch_off(self, error: Exception) -> None:
        """Disable the destination, with the time and the reason; what waits is delivered when it is enabled again."""
        reason = str(error)[:ERROR_KEPT_CHARACTERS]
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(SWITCH_OFF, {**self._lane, "reason": reason})

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


def memory_of(session: Session, lane: Mapping[str, Any], leads: Iterable[Lead]) -> dict[str, DeliveryHistory]:
    """By lead, what is remembered in a lane: its `tenant_id` and `destination_id`."""
    known_as = [{"lead_id": each.lead_id, "known_as": [each.lead_id, *each.tracking_ids]} for each in leads]
    asked = {**lane, "leads": json.dumps(known_as), "states": SENT_STATES_REMEMBERED}
    return {
        row.lead_id: _history(row.lead_id, row.records or (), [Lead.of(payload) for payload in row.payloads or ()])
        for row in session.execute(MEMORY, asked)
    }


def _history(lead_id: str, records: Iterable[tuple[str, str, str]], sent: list[Lead]) -> DeliveryHistory:
    """Of each kind the first record is the lead's; others of the same person are twins, until they are settled."""
    own: dict[str, str] = {}
    twins: dict[str, list[str]] = {}
    settled = {kind for kind, _, _ in records if kind.startswith(TWIN_PREFIX)}
    confirmed = {of_lead for kind, _, of_lead in records if kind == LEADS_RECORD} or {lead_id}
    unconfirmed = dict.fromkeys(each.lead_id for each in sent if each.lead_id not in confirmed)
    for kind, remote_id, _ in records:
        if kind in settled:
            continue
        if own.setdefault(kind, remote_id) != remote_id and twin_kind(kind, remote_id) not in settled:
            twins.setdefault(kind, []).append(remote_id)
    return DeliveryHistory(
        own,
        tuple(sent),
        {kind: tuple(dict.fromkeys(ids)) for kind, ids in twins.items()},
        tuple(each for each in unconfirmed if twin_kind(UNCONFIRMED, each) not in settled),
    )


def _held(claim: Claim) -> dict[str, Any]:
    return {"delivery_id": claim.delivery_id, "lease_until": claim.lease_until}


def _error(error: Exception) -> dict[str, str]:
    return {"error_class": type(error).__name__, "error": str(error)[:ERROR_KEPT_CHARACTERS]}
