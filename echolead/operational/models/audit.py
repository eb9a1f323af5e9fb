"""The log of administrative actions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_OBJECT, Base


class AuditEntry(Base):
    """One administrative action. Services may add and read rows, never change them. It has no `tenant_id`."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "tenant_id", "at"),)

    audit_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    tenant_id: Mapped[str | None]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
