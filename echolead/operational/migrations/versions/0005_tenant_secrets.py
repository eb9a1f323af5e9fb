"""Encrypted secrets of a tenant: the token for identity validation in the chat widget."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("tenants", sa.Column("secrets", sa.LargeBinary()))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("tenants", "secrets")
