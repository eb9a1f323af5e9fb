"""Rules over leads as whole sets in versions, and business hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import LOADER, SYSTEM

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MIRRORED = {
    "lead_rule_sets": "tenant_id, version, rules, digest, created_at",
    "business_hours": "tenant_id, document, updated_at",
}


def upgrade() -> None:
    """A version is added and stays. The table of single rules, which nothing has ever filled, goes."""
    op.create_table(
        "lead_rule_sets",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("created_at"),
        sa.CheckConstraint("version >= 1", name=op.f("ck_lead_rule_sets_version_counts")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_lead_rule_sets_reason_given")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_lead_rule_sets_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("pk_lead_rule_sets")),
    )
    isolate("lead_rule_sets", app_may=("SELECT", "INSERT"))
    op.execute(f"REVOKE UPDATE, DELETE ON lead_rule_sets FROM {SYSTEM}")
    op.create_table(
        "business_hours",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_business_hours_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_business_hours")),
    )
    keep_updated_at("business_hours")
    isolate("business_hours", app_may=("SELECT", "INSERT", "UPDATE"))
    for table, columns in MIRRORED.items():
        serve(table)
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOADER}")
    op.drop_table("rules")


def downgrade() -> None:
    """Take it back."""
    for table in MIRRORED:
        op.drop_table(table)
    op.create_table(
        "rules",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_rules_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "rule_id", "version", name=op.f("pk_rules")),
    )
    keep_updated_at("rules")
    isolate("rules", app_may=("SELECT", "INSERT", "UPDATE"))


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False)
