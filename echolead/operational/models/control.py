"""What the control API keeps: answers to repeat, and tasks that a worker does."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of

TASK_KINDS = (
    *("rules_trial", "replay_trial", "destination_test", "destination_setup", "lake_verify", "erasure_trial"),
    *("lead_export", "destination_mapping"),
)
TASK_STATES = ("waiting", "running", "done", "failed", "stopped")


class AnsweredRequest(Base):
    """The answer to a POST with an Idempotency-Key, for a day: the same request again gets it again.

    `tenant_id` is '' for an operation on the installation. `answer` is encrypted with a key that only who sent the
    request has, `key_hash` and `fingerprint` are HMACs (`ingest_api.control.once`).
    """

    __tablename__ = "answered_requests"
    __table_args__ = (Index(None, "answered_at"),)

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    key_hash: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    answer: Mapped[bytes | None]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ControlTask(Timed, Base):
    """Something that takes longer than a request: asked through the API, done by the live run, with its result here.

    `asked` is what the worker is given, `result` what it found; both are JSON and hold no secret. A task whose
    `lease_until` has passed lost its worker and is done again.
    """

    __tablename__ = "control_tasks"
    __table_args__ = (
        one_of("kind", TASK_KINDS),
        one_of("state", TASK_STATES),
        Index(None, "tenant_id", "created_at"),
        Index("ix_control_tasks_open", "created_at", postgresql_where=text("state in ('waiting', 'running')")),
    )

    task_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    kind: Mapped[str]
    asked: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="waiting")
    result: Mapped[dict[str, Any] | None]
    message: Mapped[str] = mapped_column(server_default="")
    requested_by: Mapped[str]
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
