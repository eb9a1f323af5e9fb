"""Which mapped fields deliveries leave out, because the account does not have them or our user may not write them."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0029"
down_revision = "0026"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
READ = "SELECT (tenant_id, destination_id, left_out, updated_at)"


def upgrade() -> None:
    """The engine writes them when it has read an account; the mirror reads them."""
    op.create_table(
        "destination_fields",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("left_out", sa.dialects.postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_destination_fields_destinations"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "destination_id", name=op.f("pk_destination_fields")),
    )
    keep_updated_at("destination_fields")
    isolate("destination_fields", app_may=("SELECT",))
    serve("destination_fields")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON destination_fields TO {DELIVERIES}")
    op.execute(f"GRANT {READ} ON destination_fields TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("destination_fields")
