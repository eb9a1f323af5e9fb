"""The delivery engine switches a destination off that wants nothing more, and says when and why."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.provision import DELIVERIES

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SWITCHED = "is_enabled, disabled_at, disabled_reason"
AUDITED = "tenant_id, actor, action, subject, detail"


def upgrade() -> None:
    """Two columns, and the right to fill them and to leave a line in the audit log."""
    op.add_column("destinations", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("destinations", sa.Column("disabled_reason", sa.Text(), nullable=True))
    op.execute(f"GRANT UPDATE ({SWITCHED}) ON destinations TO {DELIVERIES}")
    op.execute(f"GRANT INSERT ({AUDITED}) ON audit_log TO {DELIVERIES}")


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE INSERT ({AUDITED}) ON audit_log FROM {DELIVERIES}")
    op.execute(f"REVOKE UPDATE ({SWITCHED}) ON destinations FROM {DELIVERIES}")
    op.drop_column("destinations", "disabled_reason")
    op.drop_column("destinations", "disabled_at")
