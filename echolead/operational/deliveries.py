"""Deliveries as they are looked at; stuck and dead ones with one rule for `echolead doctor` and Dagster's check.

`ops.stuck_deliveries` in the warehouse has the same rule for the mirrored ledger; a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from echolead.operational.errors import NotFound
from echolead.operational.models import Delivery, DeliveryAttempt

STUCK_MINUTES = 15
"""A delivery is stuck if it has not reached its destination this long after it was planned, or cannot."""
UNSENT_STATES = ("pending", "in_flight", "retry")
REFUSED_CONFIGURATION = ("Misconfigured", "Gone", "Undecryptable")
"""Classes of errors after which nothing arrives until an operator changes the destination: stuck at once."""

# Reads the ledger's rows that have not arrived, and those given up.
COUNTS = """
with waiting as (
    select
        erasure_id is not null as is_withdrawal,
        state = any(%(unsent)s)
        and (
            created_at < clock_timestamp() - make_interval(mins => %(minutes)s) or last_error_class = any(%(refused)s)
        ) as is_stuck,
        state = 'dead' as is_dead
    from deliveries
    where state = any(%(unsent)s) or state = 'dead'
)
select
    count(*) filter (where is_stuck and not is_withdrawal), count(*) filter (where is_dead and not is_withdrawal),
    count(*) filter (where is_stuck and is_withdrawal), count(*) filter (where is_dead and is_withdrawal)
from waiting
"""


@dataclass(frozen=True)
class Wanted:
    """Which deliveries: of one destination, lead, state, or class of error; of all where it is None."""

    destination_id: UUID | None = None
    lead_id: str | None = None
    state: str | None = None
    error_class: str | None = None


def page_of_deliveries(
    session: Session, tenant_id: str, wanted: Wanted, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Delivery]:
    """The newest deliveries of a tenant, or the newest before one (time and id)."""
    found = select(Delivery).where(Delivery.tenant_id == tenant_id)
    if before is not None:
        found = found.where(tuple_(Delivery.created_at, Delivery.delivery_id) < before)
    columns = (Delivery.destination_id, Delivery.lead_id, Delivery.state, Delivery.last_error_class)
    for column, value in zip(columns, vars(wanted).values(), strict=True):
        if value is not None:
            found = found.where(column == value)
    return session.scalars(found.order_by(Delivery.created_at.desc(), Delivery.delivery_id.desc()).limit(limit)).all()


def get_delivery(session: Session, tenant_id: str, delivery_id: UUID) -> Delivery:
    """One delivery. Raises `NotFound`."""
    row = session.scalar(select(Delivery).filter_by(tenant_id=tenant_id, delivery_id=delivery_id))
    if row is None:
        raise NotFound(f"Tenant {tenant_id} has no delivery {delivery_id}.")
    return row


def newest_attempts(session: Session, delivery: Delivery, limit: int) -> Sequence[DeliveryAttempt]:
    """The last calls of a delivery, newest first."""
    mine = select(DeliveryAttempt).filter_by(tenant_id=delivery.tenant_id, delivery_id=delivery.delivery_id)
    return session.scalars(mine.order_by(DeliveryAttempt.started_at.desc()).limit(limit)).all()


class DeliveriesInTrouble(NamedTuple):
    """The numbers of stuck and of dead deliveries: those of leads, and withdrawals, which take fields of an erased
    person off a destination.
    """

    stuck: int
    dead: int
    stuck_withdrawals: int
    dead_withdrawals: int


def deliveries_in_trouble(connection: psycopg.Connection) -> DeliveriesInTrouble:
    """Of all tenants that the connection's role sees."""
    asked = {"unsent": list(UNSENT_STATES), "minutes": STUCK_MINUTES, "refused": list(REFUSED_CONFIGURATION)}
    row = connection.execute(COUNTS, asked).fetchone()
    return DeliveriesInTrouble(*(row or (0, 0, 0, 0)))
