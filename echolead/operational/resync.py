"""Delivering again: what an operator makes due once more, and what it costs in calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.destination_kinds import KINDS

SAMPLE_DELIVERIES = 100

# The newest state of each lead that is wanted, if it did not arrive; `is_forced` takes what arrived as well. A lead
# that has a record is new no more: thousands of them must not stand before one that has just come. What is read back at
# this moment loses its holder; a person that must not be touched yet stays so.
PLAN_AGAIN = text("""
    with newest as (
        select distinct on (tenant_id, destination_id, lead_id) delivery_id, state, last_error_class
        from deliveries
        where tenant_id = :tenant_id
            and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
            and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        order by tenant_id, destination_id, lead_id, created_at desc
    ), again as (
        update deliveries set
            state = 'pending', attempts = 0, tries = 0, next_attempt_at = clock_timestamp(),
            lease_until = case when newest.state <> 'delivered' then deliveries.lease_until end,
            is_new = deliveries.is_new and not exists (
                select from destination_records as records
                where records.tenant_id = deliveries.tenant_id and records.destination_id = deliveries.destination_id
                    and records.lead_id = deliveries.lead_id and records.remote_kind = 'contact'
            ),
            delivered_at = null, verified_at = null, last_error_class = null, last_error = null
        from newest
        where deliveries.delivery_id = newest.delivery_id and deliveries.is_wanted
            and (
                newest.state in ('dead', 'retry', 'withheld')
                or :is_forced and newest.state in ('delivered', 'verified')
            )
            and (cast(:error_class as text) is null or newest.last_error_class = :error_class)
        returning deliveries.destination_id, newest.state
    )
    select destination_id, state, count(*) as deliveries from again group by 1, 2 order by 1, 2
""")
# Calls that were made for several deliveries at once have the same moment in each: they count once.
CALLS = text("""
    with sample as (
        select delivery_id from deliveries
        where tenant_id = :tenant_id and destination_id = :destination_id and delivered_at is not null
        order by delivered_at desc limit :deliveries
    )
    select count(distinct (attempts.operation, attempts.started_at)) as calls,
        count(distinct attempts.delivery_id) as deliveries
    from delivery_attempts as attempts join sample using (delivery_id)
    where attempts.tenant_id = :tenant_id and attempts.latency_ms is not null
""")


@dataclass(frozen=True)
class Selection:
    """What to deliver again: of one destination, some leads, or one class of error when given, else all of the tenant.

    Without `is_forced` what did not arrive: dead, withheld, or waiting for a retry. With it what arrived as well.
    """

    tenant_id: str
    destination_id: UUID | None = None
    lead_ids: Sequence[str] | None = None
    error_class: str | None = None
    is_forced: bool = False


@dataclass(frozen=True)
class Again:
    """Deliveries of one destination that had one state."""

    destination_id: UUID
    state: str
    deliveries: int


def plan_again(session: Session, wanted: Selection) -> list[Again]:
    """Make due again what is selected; roll back for a dry run."""
    asked = {**vars(wanted), "lead_ids": None if wanted.lead_ids is None else list(wanted.lead_ids)}
    return [Again(row.destination_id, row.state, row.deliveries) for row in session.execute(PLAN_AGAIN, asked)]


def calls_per_delivery(session: Session, tenant_id: str, destination_id: UUID, kind: str) -> float:
    """How many calls the last deliveries to the destination took; before the first, what its product usually takes."""
    asked = {"tenant_id": tenant_id, "destination_id": destination_id, "deliveries": SAMPLE_DELIVERIES}
    row = session.execute(CALLS, asked).one()
    return row.calls / row.deliveries if row.deliveries else KINDS[kind].calls_per_delivery


def record(session: Session, wanted: Selection, states: Mapping[str, int], *, actor: str, subject: str) -> None:
    """Write it into the audit log."""
    detail: dict[str, Any] = {
        "states": dict(states),
        "lead_ids": None if wanted.lead_ids is None else list(wanted.lead_ids),
        "error_class": wanted.error_class,
        "is_forced": wanted.is_forced,
    }
    audit.record(
        session, actor=actor, action="deliveries.resynced", subject=subject, tenant_id=wanted.tenant_id, **detail
    )
