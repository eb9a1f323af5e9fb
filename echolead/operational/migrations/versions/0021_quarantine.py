"""Visitors and tenants that turns of the warehouse leave out, because a model fails on their rows."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import LOADER

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
RELEASED = "released_at, released_by, release_reason"


def upgrade() -> None:
    """The live run sets visitors aside, and releases them when the models have changed."""
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("tracking_id", sa.Text(), server_default="", nullable=False),
        sa.Column("event_id", sa.Text(), server_default="", nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("models_version", sa.Text(), nullable=False),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(), server_default="", nullable=False),
        sa.Column("release_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_quarantine_tenants")),
        sa.PrimaryKeyConstraint("quarantine_id", name=op.f("pk_quarantine")),
    )
    op.create_index(
        "ix_quarantine_unreleased",
        "quarantine",
        ["tenant_id", "tracking_id"],
        unique=True,
        postgresql_where=sa.text("released_at is null"),
    )
    isolate("quarantine", app_may=("SELECT",))
    serve("quarantine")
    keep_updated_at("quarantine")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ({RELEASED}) ON quarantine TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("quarantine")
