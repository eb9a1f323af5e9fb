"""Delivering again: which deliveries are selected, what they cost in calls, and what they would change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from echolead.operational.destination_kinds import KINDS
from echolead.operational.models import DestinationQuota

SAMPLE_DELIVERIES = 100
COMPARED_LEADS = 20

# An event that may have arrived, as products mark it that would count it twice (`reverse_etl.lead.EVENT_UNKNOWN`).
UNKNOWN_EVENT = "events.remote_kind like 'event:%' and events.remote_id = 'unknown'"
# The newest state of each lead that is wanted, if it did not arrive; `is_forced` takes what arrived as well. What
# another resync has listed and goes to send is its own.
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
            and not exists (
                select from resync_deliveries as others join resyncs using (tenant_id, resync_id)
                where others.tenant_id = newest.tenant_id and others.delivery_id = newest.delivery_id
                    and others.settled_at is null and resyncs.state = 'running'
            )
    )
"""  # noqa: S608  # as above
COUNTED = text(f"""
    with {SELECTED}
    select destination_id, state, count(*) as deliveries from selected group by 1, 2 order by 1, 2
""")  # noqa: S608  # a constant of this module
ARRIVED = text(f"""
    with {SELECTED}
    select count(*) from newest where is_wanted and state in ('delivered', 'verified')
        and (cast(:error_class as text) is null or last_error_class = :error_class)
        and not exists (select from selected where selected.delivery_id = newest.delivery_id)
""")  # noqa: S608  # as above
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


def count_again(session: Session, wanted: Selection) -> list[Again]:
    """How many deliveries are selected. Reads the newest state of each lead that may be."""
    rows = session.execute(COUNTED, parameters_of(wanted)).all()
    return [Again(row.destination_id, row.state, row.deliveries) for row in rows]


def count_arrived(session: Session, wanted: Selection) -> int:
    """How many wanted states have arrived, and are not selected: they are not sent again."""
    return session.execute(ARRIVED, parameters_of(wanted)).scalar_one()


def changes(session: Session, wanted: Selection) -> list[FieldChange]:
    """What the first `COMPARED_LEADS` selected leads have other than what was delivered last, field by field.

    Reads the ledger only: what was changed in the product itself is not seen.
    """
    found = session.execute(COMPARED, {**parameters_of(wanted), "leads": COMPARED_LEADS})
    return [
        FieldChange(row.destination_id, row.lead_id, field, *both)
        for row in found
        for field, both in _differences(_fields(row.delivered or {}), _fields(row.wanted)).items()
    ]


def parameters_of(wanted: Selection) -> dict[str, Any]:
    """The parameters of `SELECTED`."""
    return {**vars(wanted), "lead_ids": None if wanted.lead_ids is None else list(wanted.lead_ids)}


def present_quotas(session: Session, tenant_id: str) -> Sequence[DestinationQuota]:
    """What each destination said last of its day's calls, where that day has not ended."""
    mine = select(DestinationQuota).where(DestinationQuota.tenant_id == tenant_id)
    return session.scalars(mine.where(DestinationQuota.resets_at > func.clock_timestamp())).all()


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
