"""The delivery engine plans conversations beside leads: a position for each table of wanted states."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "planning_position"
TABLES = "'lead_deliveries', 'conversation_deliveries'"


def upgrade() -> None:
    """The row that is there is that of leads."""
    op.drop_constraint(op.f("pk_planning_position"), TABLE, type_="primary")
    op.drop_constraint(op.f("ck_planning_position_one_row"), TABLE, type_="check")
    op.drop_column(TABLE, "is_only")
    op.add_column(TABLE, sa.Column("wanted_table", sa.Text(), server_default="lead_deliveries", nullable=False))
    op.create_primary_key(op.f("pk_planning_position"), TABLE, ["wanted_table"])
    op.create_check_constraint(op.f("ck_planning_position_wanted_table_known"), TABLE, f"wanted_table in ({TABLES})")


def downgrade() -> None:
    """Take it back: conversations are delivered no more."""
    op.execute("DELETE FROM planning_position WHERE wanted_table <> 'lead_deliveries'")
    op.execute(
        "DELETE FROM delivery_attempts USING deliveries WHERE deliveries.delivery_id = "
        "delivery_attempts.delivery_id AND deliveries.lead_id LIKE 'conversation:%'"
    )
    op.execute("DELETE FROM deliveries WHERE lead_id LIKE 'conversation:%'")
    op.execute("DELETE FROM destination_records WHERE lead_id LIKE 'conversation:%'")
    op.drop_constraint(op.f("ck_planning_position_wanted_table_known"), TABLE, type_="check")
    op.drop_constraint(op.f("pk_planning_position"), TABLE, type_="primary")
    op.drop_column(TABLE, "wanted_table")
    op.add_column(TABLE, sa.Column("is_only", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_check_constraint(op.f("ck_planning_position_one_row"), TABLE, "is_only")
    op.create_primary_key(op.f("pk_planning_position"), TABLE, ["is_only"])
