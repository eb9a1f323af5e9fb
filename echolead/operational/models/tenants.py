"""Tenants, where they are served, and their own settings for channels and rates."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, true
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of

TENANT_ID_PATTERN = "^[a-z][a-z0-9-]{1,40}$"
COLLECT_PATH_PATTERN = "^/[a-z0-9_-]{1,32}$"
MIN_LIMIT = 500  # events; one request may hold as many
IP_POLICIES = ("truncated", "whole", "hashed")
CONSENT_DEFAULTS = ("granted", "wait", "denied")
LANGUAGES = ("pt-BR", "en")


class Tenant(Timed, Base):
    """One customer. `tenant_id` is a permanent slug: a word of the queue's subjects and the key in the warehouse."""

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint(f"tenant_id ~ '{TENANT_ID_PATTERN}'", name="tenant_id_slug"),
        CheckConstraint("default_region ~ '^[A-Z]{2}$'", name="default_region_iso"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_iso"),
        one_of("ip_policy", IP_POLICIES),
        one_of("consent_default", CONSENT_DEFAULTS),
        one_of("language", LANGUAGES),
        CheckConstraint(f"collect_path ~ '{COLLECT_PATH_PATTERN}'", name="collect_path_name"),
        CheckConstraint(f"events_per_minute >= {MIN_LIMIT}", name="events_per_minute_fits"),
        CheckConstraint(f"events_per_month >= {MIN_LIMIT}", name="events_per_month_fits"),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="America/Sao_Paulo")  # IANA name
    default_region: Mapped[str] = mapped_column(server_default="BR")  # ISO 3166, for phone numbers without +
    currency: Mapped[str] = mapped_column(server_default="BRL")  # ISO 4217
    language: Mapped[str] = mapped_column(server_default="pt-BR")  # of texts that EchoLead writes into other products
    ip_policy: Mapped[str] = mapped_column(server_default="truncated")  # how visitors' IP addresses are stored
    consent_default: Mapped[str] = mapped_column(server_default="granted")  # consent until a visitor decides
    collect_path: Mapped[str | None]  # path of script and events in addition to ECHOLEAD_COLLECT_PATH
    events_per_minute: Mapped[int | None] = mapped_column(BigInteger)  # NULL: ECHOLEAD_EVENTS_PER_MINUTE
    events_per_month: Mapped[int | None] = mapped_column(BigInteger)  # its quota; NULL: none
    secrets: Mapped[bytes | None]  # encrypted (`security.Vault`): chatwoot_hmac_token
    is_active: Mapped[bool] = mapped_column(server_default=true())


class TenantHost(Timed, Base):
    """A host the collector answers on for a tenant, lower-case, without port."""

    __tablename__ = "tenant_hosts"
    __table_args__ = (
        CheckConstraint("host = lower(host) and host <> '' and host !~ '[:/ ]'", name="host_bare"),
        Index(None, "tenant_id"),
    )

    host: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))


class TenantOrigin(Timed, Base):
    """An origin whose pages may read the collector's answers (CORS), as browsers write it."""

    __tablename__ = "tenant_origins"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True)


class TenantRate(Timed, Base):
    """What a unit of another currency is worth in the tenant's own from a day on, until that of the next; 0: none."""

    __tablename__ = "tenant_rates"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_iso"),
        CheckConstraint("rate >= 0", name="rate_not_negative"),
    )

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)  # ISO 4217
    from_date: Mapped[date] = mapped_column(primary_key=True)  # in the tenant's time zone
    rate: Mapped[Decimal] = mapped_column(Numeric(17, 8))


class ChannelRule(Timed, Base):
    """A tenant's own name for a channel: the first rule, by `position`, whose conditions all hold names it.

    `conditions` is a list of {field, operator, value} (echolead/operational/channel_rules.py).
    """

    __tablename__ = "channel_rules"
    __table_args__ = (CheckConstraint("channel <> '' and length(channel) <= 64", name="channel_fits"),)

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel: Mapped[str]
    conditions: Mapped[list[Any]]


class ExcludedReferrer(Timed, Base):
    """A host that is no source for a tenant: who comes back from it, or from below it, has not come from there."""

    __tablename__ = "excluded_referrers"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
