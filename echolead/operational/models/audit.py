"""The log of administrative actions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, FetchedValue, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_OBJECT, Base


class AuditEntry(Base):
    """One administrative action. Rows are added, never changed: rights and a trigger refuse it.

    The entries of a tenant, and those of the installation (`tenant_id` NULL), are a chain each: the database gives a
    new entry its position and the hash of the one before and of its own line (`echolead.operational.audit_chain`).
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "tenant_id", "at"),
        Index(
            "ix_audit_log_dead_letter",
            "tenant_id",
            "subject",
            "at",
            postgresql_where=text("action = 'dead_letter.replayed'"),
        ),
        Index("ix_audit_log_chain", text("coalesce(tenant_id, '')"), "chain_position", unique=True),
    )

    audit_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    tenant_id: Mapped[str | None]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    chain_position: Mapped[int] = mapped_column(BigInteger, FetchedValue())
    hash: Mapped[bytes] = mapped_column(FetchedValue())


class AuditChain(Base):
    """The end of a chain of the audit log; `chain` is the tenant, '' for the installation. Only a trigger writes it."""

    __tablename__ = "audit_chains"

    chain: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    hash: Mapped[bytes] = mapped_column(server_default=text("'\\x'::bytea"))
