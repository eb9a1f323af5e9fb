"""Deals of CRMs: what a tenant's stages are called in each pipeline, and how the pulls stand."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of

FUNNEL_STAGES = ("new", "working", "qualified", "won", "lost")
"""What a CRM's stage can be mapped to; the first four follow each other."""


class DealStage(Timed, Base):
    """What a stage of a pipeline at a destination counts as: one of `FUNNEL_STAGES`. Ids are the CRM's own."""

    __tablename__ = "deal_stages"
    __table_args__ = (
        one_of("stage", FUNNEL_STAGES),
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    pipeline_id: Mapped[str] = mapped_column(primary_key=True)
    stage_id: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]


class DealPull(Timed, Base):
    """How the pulls of a destination's deals stand: the last one, the last that succeeded, since when and why not."""

    __tablename__ = "deal_pulls"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    tried_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(server_default="")
