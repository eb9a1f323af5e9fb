"""A tenant's pages may wait for the visitor's decision on consent."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NAME = "ck_tenants_consent_default_known"


def upgrade() -> None:
    """Allow `wait`."""
    op.drop_constraint(op.f(NAME), "tenants")
    op.create_check_constraint(op.f(NAME), "tenants", "consent_default in ('granted', 'wait', 'denied')")


def downgrade() -> None:
    """Take it back: `wait` becomes `denied`, as the warehouse reads it."""
    op.execute("alter table tenants no force row level security")  # it also applies to the owner, who would see no row
    op.execute("update tenants set consent_default = 'denied' where consent_default = 'wait'")
    op.execute("alter table tenants force row level security")
    op.drop_constraint(op.f(NAME), "tenants")
    op.create_check_constraint(op.f(NAME), "tenants", "consent_default in ('granted', 'denied')")
