"""Ad spend: the accounts that it is pulled from, how the pulls stand, and the names that stand for campaigns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, UniqueConstraint, func, true
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_OBJECT, Base, Timed, one_of

SPEND_PLATFORMS = ("google_ads", "meta_ads")
"""The platforms whose spend is pulled; a file can be of any."""


class SpendSource(Timed, Base):
    """An ad account whose spend is pulled. `secrets` is Fernet over a JSON object (`security.Vault`)."""

    __tablename__ = "spend_sources"
    __table_args__ = (
        one_of("platform", SPEND_PLATFORMS),
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("tenant_id", "source_id"),
    )

    source_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    platform: Mapped[str]
    name: Mapped[str]
    configuration: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    secrets: Mapped[bytes]
    is_enabled: Mapped[bool] = mapped_column(server_default=true())


class SpendPull(Timed, Base):
    """How the pulls of an account's spend stand: the last one, the last that succeeded, since when and why not."""

    __tablename__ = "spend_pulls"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "source_id"], ["spend_sources.tenant_id", "spend_sources.source_id"]),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    tried_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(server_default="")


class CampaignAlias(Timed, Base):
    """A name or id in links that stands for an ad campaign; without an account for one of any account."""

    __tablename__ = "campaign_aliases"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    platform: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(server_default="")
    campaign_id: Mapped[str]
