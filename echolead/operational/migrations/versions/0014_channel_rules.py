"""Channels that a tenant names itself, and hosts that are no source for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import LOADER

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

GRANTED = {
    "channel_rules": "tenant_id, position, channel, conditions, updated_at",
    "excluded_referrers": "tenant_id, host, updated_at",
}


def upgrade() -> None:
    """Policies first, then the mirror's grants."""
    op.create_table(
        "channel_rules",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), nullable=False),
        *_times(),
        sa.CheckConstraint("channel <> '' and length(channel) <= 64", name=op.f("ck_channel_rules_channel_fits")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_channel_rules_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "position", name=op.f("pk_channel_rules")),
    )
    op.create_table(
        "excluded_referrers",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        *_times(),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_excluded_referrers_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "host", name=op.f("pk_excluded_referrers")),
    )
    for table, columns in GRANTED.items():
        keep_updated_at(table)
        isolate(table, app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
        serve(table)
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    for table in GRANTED:
        op.drop_table(table)


def _times() -> list[sa.Column[object]]:
    now, time = sa.func.clock_timestamp(), sa.DateTime(timezone=True)
    return [sa.Column(name, time, server_default=now, nullable=False) for name in ("created_at", "updated_at")]
