"""What the control API needs: answers to repeat, tasks, a fourth role, and the rights of its accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import API, APP, LOADER

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
WORKED = "state, result, message, lease_until, started_at, ended_at"
KINDS = "'rules_trial', 'replay_trial', 'destination_test', 'destination_setup'"


def upgrade() -> None:
    """A tenant's operations are done by the app's role, in the tenant's transaction; users by the API's."""
    op.create_table(
        "answered_requests",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        _time("answered_at"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_answered_requests_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "key_hash", name=op.f("pk_answered_requests")),
    )
    op.create_index(op.f("ix_answered_requests_answered_at"), "answered_requests", ["answered_at"])
    isolate("answered_requests", app_may=("SELECT", "INSERT", "UPDATE (answer)", "DELETE"))
    # Answers of the installation's operations are of no tenant: the app's role never sees them.
    op.execute(f"CREATE POLICY of_tenants ON answered_requests AS RESTRICTIVE FOR ALL TO {APP} USING (tenant_id <> '')")
    serve("answered_requests")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (answer), DELETE ON answered_requests TO {API}")
    _create_tasks()
    _change_roles("'viewer', 'analyst', 'operator', 'admin'")
    op.execute(f"GRANT INSERT, UPDATE (is_reverted) ON lead_decisions TO {APP}")
    op.execute(f"GRANT INSERT, UPDATE (state, message) ON warehouse_requests TO {APP}")


def downgrade() -> None:
    """Take it back. Analysts become viewers."""
    op.execute(f"REVOKE INSERT, UPDATE (state, message) ON warehouse_requests FROM {APP}")
    op.execute(f"REVOKE INSERT, UPDATE (is_reverted) ON lead_decisions FROM {APP}")
    op.execute("ALTER TABLE user_tenants NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE user_tenants SET role = 'viewer' WHERE role = 'analyst'")
    op.execute("ALTER TABLE user_tenants FORCE ROW LEVEL SECURITY")
    _change_roles("'viewer', 'operator', 'admin'")
    op.drop_table("control_tasks")
    op.drop_table("answered_requests")


def _create_tasks() -> None:
    op.create_table(
        "control_tasks",
        sa.Column("task_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asked", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.CheckConstraint(f"kind in ({KINDS})", name=op.f("ck_control_tasks_kind_known")),
        sa.CheckConstraint(
            "state in ('waiting', 'running', 'done', 'failed', 'stopped')", name=op.f("ck_control_tasks_state_known")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_control_tasks_tenants")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_control_tasks")),
    )
    op.create_index(op.f("ix_control_tasks_tenant_id_created_at"), "control_tasks", ["tenant_id", "created_at"])
    op.create_index(
        "ix_control_tasks_open",
        "control_tasks",
        ["created_at"],
        postgresql_where=sa.text("state in ('waiting', 'running')"),
    )
    isolate("control_tasks", app_may=("SELECT", "INSERT", "UPDATE (state, ended_at)"))
    serve("control_tasks")
    keep_updated_at("control_tasks")
    op.execute(f"GRANT SELECT, UPDATE ({WORKED}) ON control_tasks TO {LOADER}")


def _change_roles(roles: str) -> None:
    op.drop_constraint(op.f("ck_user_tenants_role_known"), "user_tenants")
    op.create_check_constraint(op.f("ck_user_tenants_role_known"), "user_tenants", f"role in ({roles})")


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW, nullable=False)
