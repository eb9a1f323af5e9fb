"""The operational tables: tenants, users, destinations, and the ledger of deliveries.

Every table with a `tenant_id` has row-level security (docs/decisions/0006-row-level-security.md). Foreign keys include
the tenant, because PostgreSQL checks them without row policies.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from echolead.webhooks import ENDPOINT_PATTERN, SOURCES

TENANT_ID_PATTERN = "^[a-z][a-z0-9-]{1,40}$"
COLLECT_PATH_PATTERN = "^/[a-z0-9_-]{1,32}$"
MIN_LIMIT = 500  # events; one request may hold as many
IP_POLICIES = ("truncated", "whole", "hashed")
CONSENT_DEFAULTS = ("granted", "wait", "denied")
ROLES = ("viewer", "operator", "admin")
REQUEST_KINDS = ("replay", "decision", "settings")
REQUEST_STATES = ("waiting", "running", "stopped", "failed", "superseded", "done")
OPEN_STATES = ("waiting", "running")
DECISION_KINDS = ("merge", "split")
DELIVERY_STATES = ("pending", "in_flight", "delivered", "verified", "retry", "dead", "withheld", "superseded")

EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
NO_TEXTS = text("'{}'::text[]")
WAITING = text("state in ('pending', 'in_flight', 'delivered', 'retry')")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


class Base(DeclarativeBase):
    """Naming of constraints, so that migrations can refer to them, and the column types of annotations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it off the class
        str: Text,
        datetime: DateTime(timezone=True),
        UUID: Uuid,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bytes: LargeBinary,
        list[str]: ARRAY(Text),
    }


class Timed:
    """`created_at` and `updated_at`; a trigger sets the second at every update."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Tenant(Timed, Base):
    """One customer. `tenant_id` is a permanent slug: a word of the queue's subjects and the key in the warehouse."""

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint(f"tenant_id ~ '{TENANT_ID_PATTERN}'", name="tenant_id_slug"),
        CheckConstraint("default_region ~ '^[A-Z]{2}$'", name="default_region_iso"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_iso"),
        _one_of("ip_policy", IP_POLICIES),
        _one_of("consent_default", CONSENT_DEFAULTS),
        CheckConstraint(f"collect_path ~ '{COLLECT_PATH_PATTERN}'", name="collect_path_name"),
        CheckConstraint(f"events_per_minute >= {MIN_LIMIT}", name="events_per_minute_fits"),
        CheckConstraint(f"events_per_month >= {MIN_LIMIT}", name="events_per_month_fits"),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="America/Sao_Paulo")  # IANA name
    default_region: Mapped[str] = mapped_column(server_default="BR")  # ISO 3166, for phone numbers without +
    currency: Mapped[str] = mapped_column(server_default="BRL")  # ISO 4217
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
    """What a unit of another currency is worth in the tenant's own, from a day on until that of the next rate."""

    __tablename__ = "tenant_rates"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_iso"),
        CheckConstraint("rate > 0", name="rate_positive"),
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


class User(Timed, Base):
    """A person who signs in to the console. `user_tenants` has the tenants they may see."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str]  # argon2id, PHC string
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())


class UserSession(Base):
    """A session of a user. The row is the session: a token of a deleted row is refused."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "ends_at"))

    session_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ends_at: Mapped[datetime]


class SignInAttempt(Base):
    """A failed sign-in; `subject` is the HMAC of a device, network or account (`operational.sign_in`)."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index(None, "subject", "at"), Index(None, "at"))

    attempt_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CollectorCount(Base):
    """Events of one subject (a tenant, its quota, the HMAC of an address) in the window that ends at `ends_at`."""

    __tablename__ = "collector_counts"
    __table_args__ = (Index(None, "ends_at"),)

    subject: Mapped[str] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)


class UserTenant(Timed, Base):
    """What a user may do in a tenant: viewer, operator or admin; today all of them read."""

    __tablename__ = "user_tenants"
    __table_args__ = (_one_of("role", ROLES), Index(None, "tenant_id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    role: Mapped[str]


class Destination(Timed, Base):
    """A product that receives a tenant's leads. `secrets` is Fernet over a JSON object (`security.Vault`).

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


class WebhookEndpoint(Timed, Base):
    """An address at which one outside product posts a tenant's webhooks; `endpoint` is its unguessable word.

    `secrets` is Fernet over a JSON object (`security.Vault`) with `current` and, after a rotation, `previous`, which
    is accepted until `webhooks.ROTATION_OVERLAP` after `rotated_at`. RD Station sends its token in `token_header`.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint(f"endpoint ~ '{ENDPOINT_PATTERN}'", name="endpoint_unguessable"),
        _one_of("source", SOURCES),
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
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[str] = mapped_column(primary_key=True)
    remote_kind: Mapped[str] = mapped_column(primary_key=True)
    remote_id: Mapped[str]


class Delivery(Timed, Base):
    """One state of one lead for one destination: a row of the ledger of deliveries and their results.

    `attempts` counts the tries so far, `tries` those that failed for a reason of this delivery's own. Until
    `lease_until` nobody else works on this person at this destination: it is under way, or a creation whose outcome is
    unknown may not show yet. `identities` are hashes of what tells the person (`reverse_etl.lead.Lead.identities`).
    `turn` is the warehouse's turn that wanted this state, `is_new` says that the destination had no record of the lead
    when it was planned, `is_wanted` that the warehouse still wants the lead there.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "destination_id", "lead_id", "payload_hash"),
        UniqueConstraint("tenant_id", "delivery_id"),
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
        _one_of("state", DELIVERY_STATES),
        Index(
            "ix_deliveries_due",
            "next_attempt_at",
            postgresql_where=WAITING,
        ),
        # Of each lane: what is due next, what goes first, and which people are not to be touched.
        Index("ix_deliveries_waiting", "tenant_id", "destination_id", "next_attempt_at", postgresql_where=WAITING),
        Index(
            "ix_deliveries_first",
            "tenant_id",
            "destination_id",
            text("is_new desc"),
            text("turn desc"),
            "next_attempt_at",
            postgresql_where=WAITING,
        ),
        Index(
            "ix_deliveries_held",
            "tenant_id",
            "destination_id",
            "lease_until",
            postgresql_where=text("lease_until is not null"),
        ),
        Index(None, "updated_at"),
    )

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str]
    destination_id: Mapped[UUID]
    lead_id: Mapped[str]
    payload_hash: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    tries: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    last_error_class: Mapped[str | None]
    last_error: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    is_new: Mapped[bool] = mapped_column(server_default=false())
    is_wanted: Mapped[bool] = mapped_column(server_default=true())
    identities: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)


class PlanningPosition(Timed, Base):
    """How far the delivery engine has planned: its one row.

    Every turn of the warehouse up to `planned_turn` is planned but for the stretches in `unplanned`, oldest first:
    `reverse_etl.desired.Stretch` as JSON.
    """

    __tablename__ = "planning_position"
    __table_args__ = (CheckConstraint("is_only", name="one_row"),)

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    planned_turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unplanned: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)


class DeliveryAttempt(Timed, Base):
    """One call of a delivery: the request (secrets redacted), the answer (cut to 4 KB), the latency."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["deliveries.tenant_id", "deliveries.delivery_id"]),
        Index(None, "tenant_id", "delivery_id"),
        Index(None, "started_at"),
    )

    attempt_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str]
    delivery_id: Mapped[UUID]
    attempt: Mapped[int]
    operation: Mapped[str]
    request: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    response_status: Mapped[int | None]
    response: Mapped[str | None]
    latency_ms: Mapped[int | None]
    outcome: Mapped[str]
    error_class: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


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
    of the rows, from the first piece to the last.
    """

    __tablename__ = "warehouse_requests"
    __table_args__ = (
        _one_of("kind", REQUEST_KINDS),
        _one_of("state", REQUEST_STATES),
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
    """An operator's word on who is whom: two leads are one (`merge`), or visitors of one are somebody else (`split`).

    A decision is taken back, never deleted. It names leads as they were called when it was made.
    """

    __tablename__ = "lead_decisions"
    __table_args__ = (
        _one_of("kind", DECISION_KINDS),
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


class RuleVersion(Timed, Base):
    """One version of a tenant's rule; a change is a new version, so that a result can name its rule."""

    __tablename__ = "rules"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    rule_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    version: Mapped[int] = mapped_column(primary_key=True, server_default="1", autoincrement=False)
    name: Mapped[str]
    definition: Mapped[dict[str, Any]]
    is_enabled: Mapped[bool] = mapped_column(server_default=true())


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
