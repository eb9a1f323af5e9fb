"""How far the delivery engine has planned, and which deliveries go first or are no longer wanted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import keep_updated_at
from echolead.operational.provision import DELIVERIES

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ADDED = ("turn", "is_new", "is_wanted")


def upgrade() -> None:
    """The position is about all tenants, so only the engine's role reaches it. Nothing is planned yet: turn 0."""
    op.create_table(
        "planning_position",
        sa.Column("is_only", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("planned_turn", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unplanned", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.CheckConstraint("is_only", name=op.f("ck_planning_position_one_row")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_planning_position")),
    )
    keep_updated_at("planning_position")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON planning_position TO {DELIVERIES}")
    op.add_column("deliveries", sa.Column("turn", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("is_new", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("deliveries", sa.Column("is_wanted", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    """Take it back."""
    for column in ADDED:
        op.drop_column("deliveries", column)
    op.drop_table("planning_position")
