"""Rules over leads, and the hours in which a tenant is open."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed


class LeadRuleSet(Base):
    """One version of a tenant's rules; the highest is in force. Rows are added, never changed.

    `source` is the YAML as it was given, `document` what it says, `rules` and `digest` what it was compiled to
    (echolead/rules/rule_set.py).
    """

    __tablename__ = "lead_rule_sets"
    __table_args__ = (
        CheckConstraint("version >= 1", name="version_counts"),
        CheckConstraint("reason <> ''", name="reason_given"),
    )

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]]
    source: Mapped[str]
    rules: Mapped[list[Any]]
    digest: Mapped[str]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class BusinessHours(Timed, Base):
    """When a tenant is open, in its time zone; a tenant without a row has the usual hours.

    `document` has `weekly`, `holidays` of its own, `country` and `subdivision` (echolead/business_hours.py).
    """

    __tablename__ = "business_hours"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    document: Mapped[dict[str, Any]]
