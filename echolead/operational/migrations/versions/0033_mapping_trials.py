"""Tasks that check a mapping and preview it on a lead."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

KINDS = (
    "'rules_trial', 'replay_trial', 'destination_test', 'destination_setup', 'lake_verify', 'erasure_trial',"
    " 'lead_export'"
)


def upgrade() -> None:
    """One more kind of task; the worker does it with the rights it has."""
    _let_tasks_be(f"{KINDS}, 'destination_mapping'")


def downgrade() -> None:
    """Take it back."""
    op.execute("ALTER TABLE control_tasks NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM control_tasks WHERE kind = 'destination_mapping'")
    op.execute("ALTER TABLE control_tasks FORCE ROW LEVEL SECURITY")
    _let_tasks_be(KINDS)


def _let_tasks_be(kinds: str) -> None:
    op.drop_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks")
    op.create_check_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks", f"kind in ({kinds})")
