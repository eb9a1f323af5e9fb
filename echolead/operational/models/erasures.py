"""Requests of people to be erased, and what is kept of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_LIST, EMPTY_OBJECT, NO_TEXTS, Base, Timed, one_of

ERASURE_STATES = ("waiting", "running", "done")
ERASURE_STEPS = ("find", "withdraw", "warehouse", "ledger", "lake", "end")
"""In this order. `find` looks up who it is, `withdraw` has the models compute all others without the person's rows."""


class Erasure(Timed, Base):
    """A lead that is erased: what was received of it before `received_before`, in every store.

    `lead_id`, `lead_hash` and `person` (`echolead.erasure.ErasedPerson` as JSON) say who it is; the first and the last
    are emptied with the last step. `visitor_hashes` stay: what is received of these visitors again and is older than
    `received_before` is not loaded. `counts` has the rows that were deleted by store, `remote_records` what
    destinations still have: objects with destination, kind, remote_kind and remote_id.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        one_of("state", ERASURE_STATES),
        one_of("step", ERASURE_STEPS),
        Index(None, "tenant_id", "created_at"),
        Index("ix_erasures_open", "tried_at", postgresql_where=text("state <> 'done'")),
        Index("ix_erasures_of_lead", "tenant_id", "lead_id", unique=True, postgresql_where=text("state <> 'done'")),
        Index(None, "received_before"),
    )

    erasure_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    lead_id: Mapped[str]
    lead_hash: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[str]
    with_others: Mapped[bool] = mapped_column(server_default=false())
    received_before: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[str] = mapped_column(server_default="waiting")
    step: Mapped[str] = mapped_column(server_default="find")
    person: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    visitor_hashes: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    remote_records: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    attempts: Mapped[int] = mapped_column(server_default="0")
    message: Mapped[str] = mapped_column(server_default="")
    tried_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
