"""What became of a dead letter is found by the letter, whatever else a tenant's audit log has."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

INDEX = "ix_audit_log_dead_letter"


def upgrade() -> None:
    """An index over the entries of dead letters alone."""
    op.execute(f"create index {INDEX} on audit_log (tenant_id, subject, at) where action = 'dead_letter.replayed'")


def downgrade() -> None:
    """Without it."""
    op.drop_index(INDEX, "audit_log")
