"""A tenant's destinations: their configuration, their OAuth tokens, and the records made in them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_LIST, EMPTY_OBJECT, Base, Timed


class Destination(Timed, Base):
    """A product that receives a tenant's leads. `secrets` is Fernet over a JSON object (`security.Vault`).

    `secret_facts` has, for each secret by its name, `at` and `by`: when it was last set, and by whom.
    `disabled_at` and `disabled_reason` say when and why the engine switched it off, as the product wants nothing more.
    """

    __tablename__ = "destinations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("tenant_id", "destination_id"),
    )

    destination_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    kind: Mapped[str]
    name: Mapped[str]
    configuration: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    secrets: Mapped[bytes]
    secret_facts: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    is_enabled: Mapped[bool] = mapped_column(server_default=true())
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class DestinationTokens(Timed, Base):
    """The OAuth tokens that engines got for a destination: Fernet over a JSON object, NULL before the first.

    They are no part of `destinations`: that row is the operator's, and a change of it starts the lane anew. The engine
    that renews them has the right to until `held_until`.
    """

    __tablename__ = "destination_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    secrets: Mapped[bytes | None]
    held_until: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """Whose they are, for messages."""
        return f"destination {self.destination_id}"


class DestinationFields(Timed, Base):
    """The mapped fields that deliveries to a destination leave out, by its account as an engine read it last.

    `left_out` is a list of objects with `field` and `reason`, empty when everything is written.
    """

    __tablename__ = "destination_fields"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    left_out: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)


class DestinationQuota(Timed, Base):
    """What a destination said last of its day's calls: so many are left of so many until `resets_at`."""

    __tablename__ = "destination_quotas"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    calls_left: Mapped[int] = mapped_column(BigInteger)
    calls_limit: Mapped[int] = mapped_column(BigInteger)
    resets_at: Mapped[datetime]


class DestinationRecord(Timed, Base):
    """The destination's id of a record of a lead, so that the next delivery updates it instead of creating another.

    The lead's own record has the `remote_kind` contact; what else is made of it has the destination's own word.
    """

    __tablename__ = "destination_records"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
        CheckConstraint("length(remote_kind) between 1 and 200", name="remote_kind_fits"),
        Index(None, "updated_at"),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[str] = mapped_column(primary_key=True)
    remote_kind: Mapped[str] = mapped_column(primary_key=True)
    remote_id: Mapped[str]
