"""Operational tables, their row-level security, and the notification for the collector."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at
from echolead.operational.provision import SYSTEM

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The rights of the app's role on the rows of its tenant. Keys are revoked, deliveries superseded, and the audit log is
# append-only: a tenant's session cannot delete rows of these.
ISOLATED = {
    "tenants": ("SELECT", "UPDATE"),
    "tenant_hosts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "tenant_origins": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "api_keys": ("SELECT", "INSERT", "UPDATE"),
    "user_tenants": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "destinations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "destination_records": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "deliveries": ("SELECT", "INSERT", "UPDATE"),
    "delivery_attempts": ("SELECT", "INSERT"),
    "rules": ("SELECT", "INSERT", "UPDATE"),
    "audit_log": ("SELECT", "INSERT"),
}
TIMED = [table for table in ISOLATED if table != "audit_log"] + ["users"]
# The tables that the collector caches. Its own record of a key's last use must not make it read everything again.
NOTIFYING = {
    "tenants": "UPDATE",
    "tenant_hosts": "UPDATE",
    "tenant_origins": "UPDATE",
    "api_keys": "UPDATE OF tenant_id, key_prefix, key_hash, revoked_at",
}

KEEP_UPDATED_AT = """
CREATE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
begin
    new.updated_at := clock_timestamp();
    return new;
end $$
"""
# The payload is the tenant; PostgreSQL folds equal notices of one transaction into one.
NOTIFY_TENANTS = """
CREATE FUNCTION notify_echolead_tenants() RETURNS trigger LANGUAGE plpgsql AS $$
begin
    if tg_op <> 'INSERT' then
        perform pg_notify('echolead_tenants', old.tenant_id);
    end if;
    if tg_op <> 'DELETE' then
        perform pg_notify('echolead_tenants', new.tenant_id);
    end if;
    return null;
end $$
"""


def upgrade() -> None:
    """Create tables, then triggers, then policies and grants."""
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_tenant_id_at"), "audit_log", ["tenant_id", "at"], unique=False)
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), server_default="America/Sao_Paulo", nullable=False),
        sa.Column("default_region", sa.Text(), server_default="BR", nullable=False),
        sa.Column("currency", sa.Text(), server_default="BRL", nullable=False),
        sa.Column("ip_policy", sa.Text(), server_default="truncated", nullable=False),
        sa.Column("consent_default", sa.Text(), server_default="granted", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("consent_default in ('granted', 'denied')", name=op.f("ck_tenants_consent_default_known")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_tenants_currency_iso")),
        sa.CheckConstraint("default_region ~ '^[A-Z]{2}$'", name=op.f("ck_tenants_default_region_iso")),
        sa.CheckConstraint("ip_policy in ('truncated', 'whole', 'hashed')", name=op.f("ck_tenants_ip_policy_known")),
        sa.CheckConstraint("tenant_id ~ '^[a-z][a-z0-9-]{1,40}$'", name=op.f("ck_tenants_tenant_id_slug")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "api_keys",
        sa.Column("api_key_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_api_keys_tenants")),
        sa.PrimaryKeyConstraint("api_key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_prefix", name=op.f("uq_api_keys_key_prefix")),
    )
    op.create_index(op.f("ix_api_keys_tenant_id"), "api_keys", ["tenant_id"], unique=False)
    op.create_table(
        "destinations",
        sa.Column("destination_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "configuration",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_destinations_tenants")),
        sa.PrimaryKeyConstraint("destination_id", name=op.f("pk_destinations")),
        sa.UniqueConstraint("tenant_id", "destination_id", name=op.f("uq_destinations_tenant_id_destination_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_destinations_tenant_id_name")),
    )
    op.create_table(
        "rules",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_rules_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "rule_id", "version", name=op.f("pk_rules")),
    )
    op.create_table(
        "tenant_hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "host = lower(host) and host <> '' and host !~ '[:/ ]'", name=op.f("ck_tenant_hosts_host_bare")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_tenant_hosts_tenants")),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_tenant_hosts")),
    )
    op.create_index(op.f("ix_tenant_hosts_tenant_id"), "tenant_hosts", ["tenant_id"], unique=False)
    op.create_table(
        "tenant_origins",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_tenant_origins_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "origin", name=op.f("pk_tenant_origins")),
    )
    op.create_table(
        "user_tenants",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("role in ('viewer', 'operator', 'admin')", name=op.f("ck_user_tenants_role_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_user_tenants_tenants")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_user_tenants_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "tenant_id", name=op.f("pk_user_tenants")),
    )
    op.create_index(op.f("ix_user_tenants_tenant_id"), "user_tenants", ["tenant_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=True
        ),
        sa.Column("last_error_class", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "state in ('pending', 'in_flight', 'delivered', 'verified', 'retry', 'dead', 'superseded')",
            name=op.f("ck_deliveries_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_deliveries_destinations"),
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("tenant_id", "delivery_id", name=op.f("uq_deliveries_tenant_id_delivery_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "destination_id",
            "lead_id",
            "payload_hash",
            name=op.f("uq_deliveries_tenant_id_destination_id_lead_id_payload_hash"),
        ),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state in ('pending', 'in_flight', 'delivered', 'retry')"),
    )
    op.create_index(op.f("ix_deliveries_updated_at"), "deliveries", ["updated_at"], unique=False)
    op.create_table(
        "destination_records",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("remote_kind", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "remote_kind in ('contact', 'conversation')", name=op.f("ck_destination_records_remote_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_destination_records_destinations"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "destination_id", "lead_id", "remote_kind", name=op.f("pk_destination_records")
        ),
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("attempt_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column(
            "request", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["deliveries.tenant_id", "deliveries.delivery_id"],
            name=op.f("fk_delivery_attempts_deliveries"),
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_delivery_attempts")),
    )
    op.create_index(op.f("ix_delivery_attempts_started_at"), "delivery_attempts", ["started_at"], unique=False)
    op.create_index(
        op.f("ix_delivery_attempts_tenant_id_delivery_id"),
        "delivery_attempts",
        ["tenant_id", "delivery_id"],
        unique=False,
    )
    _add_triggers()
    for table, app_may in ISOLATED.items():
        isolate(table, app_may=app_may)
    op.execute(f"REVOKE UPDATE, DELETE ON audit_log FROM {SYSTEM}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {SYSTEM}")


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_delivery_attempts_tenant_id_delivery_id"), table_name="delivery_attempts")
    op.drop_index(op.f("ix_delivery_attempts_started_at"), table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_table("destination_records")
    op.drop_index(op.f("ix_deliveries_updated_at"), table_name="deliveries")
    op.drop_index(
        "ix_deliveries_due",
        table_name="deliveries",
        postgresql_where=sa.text("state in ('pending', 'in_flight', 'delivered', 'retry')"),
    )
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_user_tenants_tenant_id"), table_name="user_tenants")
    op.drop_table("user_tenants")
    op.drop_table("tenant_origins")
    op.drop_index(op.f("ix_tenant_hosts_tenant_id"), table_name="tenant_hosts")
    op.drop_table("tenant_hosts")
    op.drop_table("rules")
    op.drop_table("destinations")
    op.drop_index(op.f("ix_api_keys_tenant_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("tenants")
    op.drop_index(op.f("ix_audit_log_tenant_id_at"), table_name="audit_log")
    op.drop_table("audit_log")
    op.execute("DROP FUNCTION notify_echolead_tenants()")
    op.execute("DROP FUNCTION keep_updated_at()")


def _add_triggers() -> None:
    op.execute(KEEP_UPDATED_AT)
    for table in TIMED:
        keep_updated_at(table)
    op.execute(NOTIFY_TENANTS)
    for table, update in NOTIFYING.items():
        op.execute(
            f"CREATE TRIGGER notify_tenants AFTER INSERT OR {update} OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION notify_echolead_tenants()"
        )
