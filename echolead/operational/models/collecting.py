"""What the collector needs for a tenant's own systems: API keys, webhook endpoints, counts of events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, false, func, true
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of
from echolead.webhooks import ENDPOINT_PATTERN, SOURCES


class ApiKey(Timed, Base):
    """A server-side key of a tenant; the secret itself is shown once and never stored (`security.new_api_key`)."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "tenant_id"),)

    api_key_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    name: Mapped[str]
    key_prefix: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[str]  # lower hex SHA-256 of the secret
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class WebhookEndpoint(Timed, Base):
    """An address at which one outside product posts a tenant's webhooks; `endpoint` is its unguessable word.

    `secrets` is Fernet over a JSON object (`security.Vault`) with `current` and, after a rotation, `previous`, which
    is accepted until `webhooks.ROTATION_OVERLAP` after `rotated_at`. RD Station sends its token in `token_header`.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint(f"endpoint ~ '{ENDPOINT_PATTERN}'", name="endpoint_unguessable"),
        one_of("source", SOURCES),
    )

    webhook_endpoint_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    source: Mapped[str]
    name: Mapped[str]
    endpoint: Mapped[str] = mapped_column(unique=True)
    secrets: Mapped[bytes]
    token_header: Mapped[str] = mapped_column(server_default="")
    allow_unsigned: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())
    rotated_at: Mapped[datetime | None]


class CollectorCount(Base):
    """Events of one subject (a tenant, its quota, the HMAC of an address) in the window that ends at `ends_at`."""

    __tablename__ = "collector_counts"
    __table_args__ = (Index(None, "ends_at"),)

    subject: Mapped[str] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
