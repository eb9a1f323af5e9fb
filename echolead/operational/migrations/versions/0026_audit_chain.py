"""The audit log is a chain of hashes, users have tokens, and a tenant's session cannot read a stored secret."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.provision import API, APP, SYSTEM

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()

LINE = """
CREATE FUNCTION audit_line(entry audit_log) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT jsonb_build_object(
        'position', entry.chain_position, 'tenant_id', entry.tenant_id, 'actor', entry.actor, 'action', entry.action,
        'subject', entry.subject, 'detail', entry.detail,
        'at', to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::text
$$
"""
# The row of the chain is locked until the transaction ends, so that two entries of a tenant come one after the other.
CHAIN = """
CREATE FUNCTION chain_audit_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE head audit_chains;
BEGIN
    INSERT INTO audit_chains (chain) VALUES (coalesce(NEW.tenant_id, '')) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_chains WHERE chain = coalesce(NEW.tenant_id, '') FOR UPDATE;
    NEW.chain_position := head.position + 1;
    NEW.hash := sha256(head.hash || convert_to(audit_line(NEW), 'UTF8'));
    UPDATE audit_chains SET position = NEW.chain_position, hash = NEW.hash WHERE chain = head.chain;
    RETURN NEW;
END $$
"""
REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'The audit log is append-only.' USING ERRCODE = 'insufficient_privilege'; END $$
"""
# What was written before the chain, in its order.
LINK_EARLIER = """
DO $$
DECLARE entry audit_log; head audit_chains;
BEGIN
    FOR entry IN SELECT * FROM audit_log ORDER BY audit_id LOOP
        INSERT INTO audit_chains (chain) VALUES (coalesce(entry.tenant_id, '')) ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_chains WHERE chain = coalesce(entry.tenant_id, '');
        entry.chain_position := head.position + 1;
        entry.hash := sha256(head.hash || convert_to(audit_line(entry), 'UTF8'));
        UPDATE audit_log SET chain_position = entry.chain_position, hash = entry.hash WHERE audit_id = entry.audit_id;
        UPDATE audit_chains SET position = entry.chain_position, hash = entry.hash WHERE chain = head.chain;
    END LOOP;
END $$
"""
SECRETS = {
    "destinations": "tenant_id, destination_id, kind, name, configuration, secret_facts, is_enabled, disabled_at, "
    "disabled_reason, created_at, updated_at",
    "destination_tokens": "tenant_id, destination_id, held_until, created_at, updated_at",
    "webhook_endpoints": "tenant_id, webhook_endpoint_id, source, name, endpoint, token_header, allow_unsigned, "
    "is_active, rotated_at, created_at, updated_at",
    "spend_sources": "source_id, tenant_id, platform, name, configuration, is_enabled, created_at, updated_at",
    "tenants": "tenant_id, name, timezone, default_region, language, currency, ip_policy, consent_default, "
    "collect_path, events_per_minute, events_per_month, is_active, created_at, updated_at",
}
"""What the app's role may read of tables with secrets: all but the secrets."""
AUDITED = "tenant_id, actor, action, subject, detail"
USERS = "name, is_active"
RELEASED = "released_at, released_by, release_reason"
PAGED = ["tenant_id", "created_at", "delivery_id"]


def upgrade() -> None:
    """Earlier entries are linked as they are."""
    _chain()
    op.create_table(
        "user_tokens",
        sa.Column("token_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_user_tokens_scopes_given")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_user_tokens_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_user_tokens")),
        sa.UniqueConstraint("prefix", name=op.f("uq_user_tokens_prefix")),
    )
    op.create_index(op.f("ix_user_tokens_user_id"), "user_tokens", ["user_id"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON user_tokens TO {API}")
    op.add_column(
        "destinations",
        sa.Column("secret_facts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    for table, columns in SECRETS.items():
        op.execute(f"REVOKE SELECT ON {table} FROM {APP}")  # noqa: S608  # constants
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {APP}")
    op.create_index("ix_deliveries_tenant_id_created_at_delivery_id", "deliveries", PAGED)
    op.execute(f"GRANT UPDATE ({RELEASED}) ON quarantine TO {APP}")
    _grant_users()


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE UPDATE ({RELEASED}) ON quarantine FROM {APP}")
    op.drop_index("ix_deliveries_tenant_id_created_at_delivery_id", "deliveries")
    op.execute(f"REVOKE INSERT ({AUDITED}), SELECT ON audit_log FROM {API}")  # noqa: S608  # constants
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON user_tenants FROM {API}")
    op.execute(f"REVOKE INSERT (email, name, password_hash), UPDATE ({USERS}), DELETE ON users FROM {API}")
    op.execute(f"REVOKE SELECT ({SECRETS['tenants']}), INSERT ON tenants FROM {API}")  # noqa: S608  # constants
    op.execute(f"GRANT SELECT (tenant_id, is_active) ON tenants TO {API}")
    for table, columns in SECRETS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {APP}")  # noqa: S608  # constants
        op.execute(f"GRANT SELECT ON {table} TO {APP}")
    op.drop_column("destinations", "secret_facts")
    op.drop_table("user_tokens")
    op.execute("DROP TRIGGER refuse_audit_change ON audit_log")
    op.execute("DROP TRIGGER chain_audit_entry ON audit_log")
    for function in ("refuse_audit_change()", "chain_audit_entry()", "audit_line(audit_log)"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_audit_log_chain", "audit_log")
    for column in ("hash", "chain_position"):
        op.drop_column("audit_log", column)
    op.drop_table("audit_chains")


def _chain() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_chains")),
    )
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON audit_chains FROM {SYSTEM}")
    op.add_column("audit_log", sa.Column("chain_position", sa.BigInteger(), nullable=True))
    op.add_column("audit_log", sa.Column("hash", sa.LargeBinary(), nullable=True))
    op.execute(LINE)
    op.execute("ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY")
    op.execute(LINK_EARLIER)
    op.execute("ALTER TABLE audit_log FORCE ROW LEVEL SECURITY")
    op.alter_column("audit_log", "chain_position", nullable=False)
    op.alter_column("audit_log", "hash", nullable=False)
    op.create_index(
        "ix_audit_log_chain", "audit_log", [sa.text("coalesce(tenant_id, '')"), "chain_position"], unique=True
    )
    op.execute(CHAIN)
    op.execute(REFUSE)
    op.execute(f"GRANT EXECUTE ON FUNCTION audit_line(audit_log) TO {SYSTEM}, {APP}, {API}")
    for when, function in (("INSERT", "chain_audit_entry"), ("UPDATE OR DELETE", "refuse_audit_change")):
        op.execute(f"CREATE TRIGGER {function} BEFORE {when} ON audit_log FOR EACH ROW EXECUTE FUNCTION {function}()")


def _grant_users() -> None:
    """The API makes, changes and deletes users and their roles. It cannot make one a platform administrator."""
    op.execute(f"GRANT INSERT (email, name, password_hash), UPDATE ({USERS}), DELETE ON users TO {API}")
    op.execute(f"GRANT INSERT, UPDATE, DELETE ON user_tenants TO {API}")
    op.execute(f"GRANT INSERT ({AUDITED}), SELECT ON audit_log TO {API}")
    op.execute(f"GRANT SELECT ({SECRETS['tenants']}), INSERT ON tenants TO {API}")
