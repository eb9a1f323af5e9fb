"""The ledger of deliveries, and how far the delivery engine has planned."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_LIST, EMPTY_OBJECT, NO_TEXTS, Base, Timed, one_of

DELIVERY_STATES = ("pending", "in_flight", "delivered", "verified", "retry", "dead", "withheld", "superseded")
WAITING = text("state in ('pending', 'in_flight', 'delivered', 'retry')")


class Delivery(Timed, Base):
    """One state of one lead for one destination: a row of the ledger of deliveries and their results.

    A conversation of the destination is delivered in the same way; its `lead_id` is `conversation:` and its id.

    `attempts` counts the tries so far, `tries` those that failed for a reason of this delivery's own. Until
    `lease_until` nobody else works on this person at this destination: it is under way, or a creation whose outcome is
    unknown may not show yet. `identities` are hashes of what tells the person (`reverse_etl.lead.Lead.identities`).
    `turn` is the warehouse's turn that wanted this state, `is_new` says that the destination had no record of the lead
    when it was planned, `is_wanted` that the warehouse still wants the lead there.

    With `erasure_id` it takes what was sent of an erased person off the destination: `lead_id` is `erasure:` and that
    id, and the payload has `erased` alone (`reverse_etl.erased.ErasedRecords`). It is deleted when that is done.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "destination_id", "lead_id", "payload_hash"),
        UniqueConstraint("tenant_id", "delivery_id"),
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
        one_of("state", DELIVERY_STATES),
        Index(
            "ix_deliveries_due",
            "next_attempt_at",
            postgresql_where=WAITING,
        ),
        # Of each lane: what is due next, what goes first, and which people are not to be touched.
        Index("ix_deliveries_waiting", "tenant_id", "destination_id", "next_attempt_at", postgresql_where=WAITING),
        Index(
            "ix_deliveries_first",
            "tenant_id",
            "destination_id",
            text("is_new desc"),
            text("turn desc"),
            "next_attempt_at",
            postgresql_where=WAITING,
        ),
        Index(
            "ix_deliveries_held",
            "tenant_id",
            "destination_id",
            "lease_until",
            postgresql_where=text("lease_until is not null"),
        ),
        Index(None, "updated_at"),
        Index(None, "tenant_id", "created_at", "delivery_id"),
        Index(None, "erasure_id", postgresql_where=text("erasure_id is not null")),
    )

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str]
    destination_id: Mapped[UUID]
    lead_id: Mapped[str]
    payload_hash: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    tries: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    last_error_class: Mapped[str | None]
    last_error: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    is_new: Mapped[bool] = mapped_column(server_default=false())
    is_wanted: Mapped[bool] = mapped_column(server_default=true())
    erasure_id: Mapped[UUID | None] = mapped_column(ForeignKey("erasures.erasure_id"))
    identities: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)


class DeliveryAttempt(Timed, Base):
    """One call of a delivery: the request (secrets redacted), the answer (cut to 4 KB), the latency."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["deliveries.tenant_id", "deliveries.delivery_id"]),
        Index(None, "tenant_id", "delivery_id"),
        Index(None, "started_at"),
    )

    attempt_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str]
    delivery_id: Mapped[UUID]
    attempt: Mapped[int]
    operation: Mapped[str]
    request: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    response_status: Mapped[int | None]
    response: Mapped[str | None]
    latency_ms: Mapped[int | None]
    outcome: Mapped[str]
    error_class: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class PlanningPosition(Timed, Base):
    """How far the delivery engine has planned, one row for each table of wanted states.

    Every turn of the warehouse up to `planned_turn` is planned but for the stretches in `unplanned`, oldest first:
    `reverse_etl.desired.Stretch` as JSON.
    """

    __tablename__ = "planning_position"
    __table_args__ = (one_of("wanted_table", ("lead_deliveries", "conversation_deliveries")),)

    wanted_table: Mapped[str] = mapped_column(primary_key=True, server_default="lead_deliveries")
    planned_turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unplanned: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
