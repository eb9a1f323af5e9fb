"""What the live path and the warehouse are asked for: steps, requests, decisions about leads, quarantine."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_OBJECT, NO_TEXTS, Base, Timed, one_of

REQUEST_KINDS = ("replay", "decision", "settings", "queue")
REQUEST_STATES = ("waiting", "running", "stopped", "failed", "superseded", "done")
OPEN_STATES = ("waiting", "running")
DECISION_KINDS = ("merge", "split")


class LiveStep(Base):
    """A step of the live path's turns: when it last succeeded, and since when and why it fails.

    `tenant_id` and `event_id` identify the row that makes it fail, once it is found.
    """

    __tablename__ = "live_steps"

    step: Mapped[str] = mapped_column(primary_key=True)
    succeeded_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    message: Mapped[str] = mapped_column(server_default="")
    tenant_id: Mapped[str | None]
    event_id: Mapped[str | None]


class WarehouseRequest(Timed, Base):
    """What the warehouse is asked to compute again, in pieces: all of a tenant, what was received in a time, or leads.

    `kind` says why: an operator's replay, a decision about leads, other settings of the tenant. The warehouse keeps how
    far a request has come (`ops.turns`); the counts here are what the live run saw of its pieces, `changes` what became
    of the rows, from the first piece to the last. The warehouse does not know a request of kind `queue`: the live run
    puts what the queue holds and raw lacks into raw, and `position` is the last message that is done.
    """

    __tablename__ = "warehouse_requests"
    __table_args__ = (
        one_of("kind", REQUEST_KINDS),
        one_of("state", REQUEST_STATES),
        Index(None, "tenant_id", "created_at"),
        Index(
            "ix_warehouse_requests_unfinished",
            "created_at",
            postgresql_where=text("state not in ('superseded', 'done')"),
        ),
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    kind: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    received_from: Mapped[datetime | None]
    received_before: Mapped[datetime | None]
    lead_ids: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)  # none: all of the tenant
    requested_by: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    position: Mapped[str] = mapped_column(server_default="")  # the last visitor that is done
    pieces: Mapped[int] = mapped_column(server_default="0")
    visitors: Mapped[int] = mapped_column(BigInteger, server_default="0")
    events: Mapped[int] = mapped_column(BigInteger, server_default="0")
    changes: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    message: Mapped[str] = mapped_column(server_default="")  # why it failed
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class LeadDecision(Timed, Base):
    """An operator's word on who is whom: two leads are one (`merge`), or visitors of one are another person (`split`).

    A decision is taken back, never deleted. It names leads as they were called when it was made.
    """

    __tablename__ = "lead_decisions"
    __table_args__ = (
        one_of("kind", DECISION_KINDS),
        CheckConstraint("(kind = 'merge') = (other_lead_id <> '')", name="other_lead_of_merge"),
        CheckConstraint("(kind = 'split') = (cardinality(tracking_ids) > 0)", name="visitors_of_split"),
        Index(None, "tenant_id", "decided_at"),
    )

    decision_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    kind: Mapped[str]
    lead_id: Mapped[str]
    other_lead_id: Mapped[str] = mapped_column(server_default="")
    tracking_ids: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)
    decided_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    is_reverted: Mapped[bool] = mapped_column(server_default=false())
    decided_by: Mapped[str]
    reason: Mapped[str]


class QuarantineEntry(Timed, Base):
    """A visitor, or with `tracking_id` '' a whole tenant, that turns leave out because a model fails on its rows.

    `event_id` is the event that was found, `step` the model's step, `models_version` the models that failed: others try
    the rows again. An entry is released, never deleted.
    """

    __tablename__ = "quarantine"
    __table_args__ = (
        Index(
            "ix_quarantine_unreleased",
            "tenant_id",
            "tracking_id",
            unique=True,
            postgresql_where=text("released_at is null"),
        ),
    )

    quarantine_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    tracking_id: Mapped[str] = mapped_column(server_default="")
    event_id: Mapped[str] = mapped_column(server_default="")
    step: Mapped[str]
    message: Mapped[str]
    models_version: Mapped[str]
    quarantined_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    released_at: Mapped[datetime | None]
    released_by: Mapped[str] = mapped_column(server_default="")
    release_reason: Mapped[str] = mapped_column(server_default="")
