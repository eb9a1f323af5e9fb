"""Delivering again: who asked for what, and which deliveries it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of

RESYNC_STATES = ("waiting", "running", "stopped", "done")


class Resync(Timed, Base):
    """A request to deliver again. The delivery engine lists what is selected, and makes it due a part at a time.

    `total` is null until the deliveries are listed, `due` counts those that were made due, `outcome` has at the end how
    many deliveries are in each state.
    """

    __tablename__ = "resyncs"
    __table_args__ = (
        one_of("state", RESYNC_STATES),
        UniqueConstraint("tenant_id", "resync_id"),
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
        Index(None, "tenant_id", "created_at"),
        Index("ix_resyncs_open", "created_at", postgresql_where=text("state in ('waiting', 'running')")),
    )

    resync_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    destination_id: Mapped[UUID | None]
    lead_ids: Mapped[list[str] | None]
    error_class: Mapped[str | None]
    is_forced: Mapped[bool] = mapped_column(server_default=false())
    is_unknown: Mapped[bool] = mapped_column(server_default=false())
    reason: Mapped[str] = mapped_column(server_default="")
    requested_by: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    total: Mapped[int | None]
    due: Mapped[int] = mapped_column(server_default="0")
    outcome: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ResyncDelivery(Base):
    """A delivery that a resync makes due. `before` is what it was: stopping puts it back.

    `due_at` is null until it is made due, `settled_at` until it has reached the destination, or given up.
    """

    __tablename__ = "resync_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "resync_id"], ["resyncs.tenant_id", "resyncs.resync_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "delivery_id"], ["deliveries.tenant_id", "deliveries.delivery_id"], ondelete="CASCADE"
        ),
        Index("ix_resync_deliveries_next", "resync_id", "position", postgresql_where=text("due_at is null")),
        Index(
            "ix_resync_deliveries_open",
            "resync_id",
            postgresql_where=text("due_at is not null and settled_at is null"),
        ),
        Index("ix_resync_deliveries_unsettled", "delivery_id", postgresql_where=text("settled_at is null")),
    )

    resync_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    position: Mapped[int]
    before: Mapped[dict[str, Any]]
    due_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
