"""The collector may read the kinds of a tenant's destinations, to serve the build of the script that they need."""

from alembic import op

from echolead.operational.provision import COLLECTOR

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only the kind: no address, no name, no secret."""
    op.execute(f"GRANT SELECT (tenant_id, kind, is_enabled) ON destinations TO {COLLECTOR}")


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE ALL ON destinations FROM {COLLECTOR}")
