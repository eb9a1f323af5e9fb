"""What the warehouse is asked to compute again, and what operators decided about leads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import SERVICE_POLICY, isolate, keep_updated_at, serve
from echolead.operational.provision import LOADER

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
NO_TEXTS = sa.text("'{}'::text[]")
TABLES = ("warehouse_requests", "lead_decisions")
AUDITED = "tenant_id, actor, action, subject, detail"


def upgrade() -> None:
    """The live run reads both, writes how far requests have come, and what they changed into the audit log."""
    op.create_table(
        "warehouse_requests",
        sa.Column("request_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("received_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lead_ids", postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("position", sa.Text(), server_default="", nullable=False),
        sa.Column("pieces", sa.Integer(), server_default="0", nullable=False),
        sa.Column("visitors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("events", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        *_times(),
        sa.CheckConstraint("kind in ('replay', 'decision', 'settings')", name=op.f("ck_warehouse_requests_kind_known")),
        sa.CheckConstraint(
            "state in ('waiting', 'running', 'stopped', 'failed', 'superseded', 'done')",
            name=op.f("ck_warehouse_requests_state_known"),
        ),
        *_keys("warehouse_requests", "request_id"),
    )
    op.create_index(
        op.f("ix_warehouse_requests_tenant_id_created_at"), "warehouse_requests", ["tenant_id", "created_at"]
    )
    op.create_index(
        "ix_warehouse_requests_unfinished",
        "warehouse_requests",
        ["created_at"],
        postgresql_where=sa.text("state not in ('superseded', 'done')"),
    )
    op.create_table(
        "lead_decisions",
        sa.Column("decision_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=False),
        sa.Column("other_lead_id", sa.Text(), server_default="", nullable=False),
        sa.Column("tracking_ids", postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("is_reverted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_times(),
        sa.CheckConstraint("kind in ('merge', 'split')", name=op.f("ck_lead_decisions_kind_known")),
        sa.CheckConstraint(
            "(kind = 'merge') = (other_lead_id <> '')", name=op.f("ck_lead_decisions_other_lead_of_merge")
        ),
        sa.CheckConstraint(
            "(kind = 'split') = (cardinality(tracking_ids) > 0)", name=op.f("ck_lead_decisions_visitors_of_split")
        ),
        *_keys("lead_decisions", "decision_id"),
    )
    op.create_index(op.f("ix_lead_decisions_tenant_id_decided_at"), "lead_decisions", ["tenant_id", "decided_at"])
    for table in TABLES:
        isolate(table, app_may=("SELECT",))
        serve(table)
        keep_updated_at(table)
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON warehouse_requests TO {LOADER}")
    op.execute(f"GRANT SELECT ON lead_decisions TO {LOADER}")
    serve("audit_log")
    op.execute(f"GRANT INSERT ({AUDITED}) ON audit_log TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE ALL ({AUDITED}) ON audit_log FROM {LOADER}")
    op.execute(f"DROP POLICY {SERVICE_POLICY} ON audit_log")
    for table in TABLES:
        op.drop_table(table)


def _times() -> tuple[sa.Column[object], ...]:
    return tuple(
        sa.Column(name, sa.DateTime(timezone=True), server_default=NOW, nullable=False)
        for name in ("created_at", "updated_at")
    )


def _keys(table: str, key: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f(f"fk_{table}_tenants")),
        sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{table}")),
    )
