"""A dump of the database says where its sequences are, so the operator's role may read them."""

from alembic import op

from echolead.operational.provision import SYSTEM

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the operator's role read every sequence."""
    op.execute(f"grant select on all sequences in schema public to {SYSTEM}")


def downgrade() -> None:
    """Let it only use them."""
    op.execute(f"revoke select on all sequences in schema public from {SYSTEM}")  # noqa: S608  # a constant
