"""Rates at which a tenant's amounts in other currencies are converted into its own."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import LOADER

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, which the mirror reads."""
    op.create_table(
        "tenant_rates",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(17, 8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_tenant_rates_currency_iso")),
        sa.CheckConstraint("rate > 0", name=op.f("ck_tenant_rates_rate_positive")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_tenant_rates_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "currency", "from_date", name=op.f("pk_tenant_rates")),
    )
    keep_updated_at("tenant_rates")
    isolate("tenant_rates", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    serve("tenant_rates")
    op.execute(f"GRANT SELECT ON tenant_rates TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tenant_rates")
