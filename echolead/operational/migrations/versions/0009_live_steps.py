"""The steps of the live path and their failures, for `doctor`, `status`, Dagster and the console."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, serve
from echolead.operational.provision import LOADER

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. `tenant_id` is the tenant of the row that makes the step fail, if known."""
    op.create_table(
        "live_steps",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_live_steps")),
    )
    isolate("live_steps", app_may=("SELECT",))
    serve("live_steps")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON live_steps TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("live_steps")
