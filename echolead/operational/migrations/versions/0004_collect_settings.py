"""A tenant's settings for the collector: its path, and its limits with their counts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table. Counts have no tenant; only the system's role can reach them."""
    op.add_column("tenants", sa.Column("collect_path", sa.Text()))
    op.add_column("tenants", sa.Column("events_per_minute", sa.BigInteger()))
    op.add_column("tenants", sa.Column("events_per_month", sa.BigInteger()))
    op.create_check_constraint(op.f("ck_tenants_collect_path_name"), "tenants", "collect_path ~ '^/[a-z0-9_-]{1,32}$'")
    op.create_check_constraint(op.f("ck_tenants_events_per_minute_fits"), "tenants", "events_per_minute >= 500")
    op.create_check_constraint(op.f("ck_tenants_events_per_month_fits"), "tenants", "events_per_month >= 500")
    op.create_table(
        "collector_counts",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "ends_at", name=op.f("pk_collector_counts")),
    )
    op.create_index(op.f("ix_collector_counts_ends_at"), "collector_counts", ["ends_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("collector_counts")
    for column in ("events_per_month", "events_per_minute", "collect_path"):
        op.drop_column("tenants", column)
