"""The lake's manifest: which Parquet files there are, and how far the copying of raw has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, serve
from echolead.operational.provision import LOADER

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
NO_TEXTS = sa.text("'{}'::text[]")


def upgrade() -> None:
    """The live run and the lake's jobs write both; no other role needs them."""
    op.create_table(
        "lake_files",
        sa.Column("file_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="present", nullable=False),
        sa.Column("first_load", sa.Text(), nullable=False),
        sa.Column("last_load", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("schema_version", sa.Text(), server_default="", nullable=False),
        sa.Column("level", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("packages", postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('present', 'owed', 'replaced')", name=op.f("ck_lake_files_state_known")),
        sa.CheckConstraint("(state = 'owed') = (path = '')", name=op.f("ck_lake_files_owed_has_no_path")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_lake_files")),
    )
    op.create_index(
        "ix_lake_files_present",
        "lake_files",
        ["source", "tenant_id", "day"],
        postgresql_where=sa.text("state = 'present'"),
    )
    op.create_index("ix_lake_files_other", "lake_files", ["state"], postgresql_where=sa.text("state <> 'present'"))
    op.create_index("ix_lake_files_path", "lake_files", ["path"], unique=True, postgresql_where=sa.text("path <> ''"))
    isolate("lake_files", app_may=("SELECT",))
    serve("lake_files")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (state, replaced_at), DELETE ON lake_files TO {LOADER}")
    op.create_table(
        "lake_positions",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("recent", postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False),
        sa.Column("copied_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("origin in ('loads', 'packages')", name=op.f("ck_lake_positions_origin_known")),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_lake_positions")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON lake_positions TO {LOADER}")


def downgrade() -> None:
    """Take it back; the files stay where they are."""
    op.drop_table("lake_positions")
    op.drop_table("lake_files")
