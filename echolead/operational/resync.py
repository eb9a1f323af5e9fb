"""Delivering again: what an operator makes due once more, and what it costs in calls."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.destination_kinds import KINDS

SAMPLE_DELIVERIES = 100
COMPARED_LEADS = 20

# An event that may have arrived, as products mark it that would count it twice (`reverse_etl.lead.EVENT_UNKNOWN`).
UNKNOWN_EVENT = "events.remote_kind like 'event:%' and events.remote_id = 'unknown'"
SEND_EVENTS = text(f"""
    update destination_records as events set remote_id = 'not sent'
    where tenant_id = :tenant_id
        and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
        and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        and {UNKNOWN_EVENT}
""")  # noqa: S608  # a constant of this module
# The newest state of each lead that is wanted, if it did not arrive; `is_forced` takes what arrived as well.
SELECTED = f"""
    newest as (
        select distinct on (tenant_id, destination_id, lead_id)
            tenant_id, destination_id, lead_id, delivery_id, state, last_error_class, payload, is_wanted
        from deliveries
        where tenant_id = :tenant_id
            and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
            and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        order by tenant_id, destination_id, lead_id, created_at desc
    ), selected as (
        select * from newest
        where is_wanted
            and (
                state in ('dead', 'retry', 'withheld')
                or (:is_forced or :is_unknown) and state in ('delivered', 'verified')
            )
            and (cast(:error_class as text) is null or last_error_class = :error_class)
            and (not :is_unknown or exists (
                select from destination_records as events
                where events.tenant_id = newest.tenant_id and events.destination_id = newest.destination_id
                    and events.lead_id = newest.lead_id and {UNKNOWN_EVENT}
            ))
    )
"""  # noqa: S608  # as above
# A lead that has a record is new no more: thousands of them must not stand before one that has just come. What is read
# back at this moment loses its holder; a person that must not be touched yet stays so.
PLAN_AGAIN = text(f"""
    with {SELECTED}, again as (
        update deliveries set
            state = 'pending', attempts = 0, tries = 0, next_attempt_at = clock_timestamp(),
            lease_until = case when selected.state <> 'delivered' then deliveries.lease_until end,
            is_new = deliveries.is_new and not exists (
                select from destination_records as records
                where records.tenant_id = deliveries.tenant_id and records.destination_id = deliveries.destination_id
                    and records.lead_id = deliveries.lead_id and records.remote_kind = 'contact'
            ),
            delivered_at = null, verified_at = null, last_error_class = null, last_error = null
        from selected
        where deliveries.delivery_id = selected.delivery_id
        returning deliveries.destination_id, selected.state
    )
    select destination_id, state, count(*) as deliveries from again group by 1, 2 order by 1, 2
""")  # noqa: S608  # a constant of this module
# What is selected beside what the destination got last; it has nothing of a lead that never arrived.
COMPARED = text(f"""
    with {SELECTED}
    select selected.destination_id, selected.lead_id, selected.payload as wanted, arrived.payload as delivered
    from selected
    left join lateral (
        select payload from deliveries
        where deliveries.tenant_id = selected.tenant_id and deliveries.destination_id = selected.destination_id
            and deliveries.lead_id = selected.lead_id and deliveries.delivered_at is not null
        order by delivered_at desc limit 1
    ) as arrived on true
    order by selected.destination_id, selected.lead_id limit :leads
""")  # noqa: S608  # as above
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
    `is_unknown`: only leads with an event that may have arrived or not, which is then sent again.
    """

    tenant_id: str
    destination_id: UUID | None = None
    lead_ids: Sequence[str] | None = None
    error_class: str | None = None
    is_forced: bool = False
    is_unknown: bool = False


@dataclass(frozen=True)
class Again:
    """Deliveries of one destination that had one state."""

    destination_id: UUID
    state: str
    deliveries: int


@dataclass(frozen=True)
class FieldChange:
    """A field of a lead that the destination has other than it would be delivered, as JSON; '' where it is absent."""

    destination_id: UUID
    lead_id: str
    field: str
    delivered: str
    wanted: str


def plan_again(session: Session, wanted: Selection) -> list[Again]:
    """Make due again what is selected."""
    rows = session.execute(PLAN_AGAIN, _parameters(wanted)).all()
    if wanted.is_unknown:
        session.execute(SEND_EVENTS, _parameters(wanted))
    return [Again(row.destination_id, row.state, row.deliveries) for row in rows]


def changes(session: Session, wanted: Selection) -> list[FieldChange]:
    """What the first `COMPARED_LEADS` selected leads have other than what was delivered last, field by field.

    Reads the ledger only: what was changed in the product itself is not seen.
    """
    found = session.execute(COMPARED, {**_parameters(wanted), "leads": COMPARED_LEADS})
    return [
        FieldChange(row.destination_id, row.lead_id, field, *both)
        for row in found
        for field, both in _differences(_fields(row.delivered or {}), _fields(row.wanted)).items()
    ]


def _parameters(wanted: Selection) -> dict[str, Any]:
    return {**vars(wanted), "lead_ids": None if wanted.lead_ids is None else list(wanted.lead_ids)}


def _fields(payload: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a payload as JSON, its attributes one by one."""
    attributes = payload.get("attributes", {})
    return {
        name: json.dumps(value, ensure_ascii=False, sort_keys=True)
        for name, value in ({**payload, **attributes}).items()
        if name != "attributes"
    }


def _differences(delivered: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = sorted({*delivered, *wanted})
    return {
        name: (delivered.get(name, ""), wanted.get(name, ""))
        for name in names
        if delivered.get(name) != wanted.get(name)
    }


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
        "is_unknown": wanted.is_unknown,
    }
    audit.record(
        session, actor=actor, action="deliveries.resynced", subject=subject, tenant_id=wanted.tenant_id, **detail
    )
