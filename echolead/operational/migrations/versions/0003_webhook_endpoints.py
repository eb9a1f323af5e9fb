"""Addresses to which external products post a tenant's webhooks, with the secrets for verification."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, its triggers, then its policy and grants. The collector caches it and is notified."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("webhook_endpoint_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("token_header", sa.Text(), server_default="", nullable=False),
        sa.Column("allow_unsigned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("endpoint ~ '^[a-z0-9]{32}$'", name=op.f("ck_webhook_endpoints_endpoint_unguessable")),
        sa.CheckConstraint(
            "source in ('chatwoot', 'hubspot', 'pipedrive', 'rdstation', 'standard')",
            name=op.f("ck_webhook_endpoints_source_known"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_webhook_endpoints_tenants")),
        sa.PrimaryKeyConstraint("webhook_endpoint_id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_webhook_endpoints_endpoint")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_webhook_endpoints_tenant_id_name")),
    )
    keep_updated_at("webhook_endpoints")
    op.execute(
        "CREATE TRIGGER notify_tenants AFTER INSERT OR UPDATE OR DELETE ON webhook_endpoints "
        "FOR EACH ROW EXECUTE FUNCTION notify_echolead_tenants()"
    )
    isolate("webhook_endpoints", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))


def downgrade() -> None:
    """Take it back."""
    op.drop_table("webhook_endpoints")
