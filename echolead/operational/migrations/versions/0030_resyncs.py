"""Delivering again a part at a time, so that it can be stopped and resumed, and says how far it is; lake tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
KINDS = "'rules_trial', 'replay_trial', 'destination_test', 'destination_setup'"
WORKED = "state, total, due, outcome, started_at, ended_at"


def upgrade() -> None:
    """The API asks, stops and resumes as the app's role; the delivery engine works it off."""
    op.create_table(
        "resyncs",
        sa.Column("resync_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=True),
        sa.Column("lead_ids", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("is_forced", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_unknown", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("due", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outcome", postgresql.JSONB(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("state in ('waiting', 'running', 'stopped', 'done')", name=op.f("ck_resyncs_state_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_resyncs_tenants")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_resyncs_destinations"),
        ),
        sa.PrimaryKeyConstraint("resync_id", name=op.f("pk_resyncs")),
        sa.UniqueConstraint("tenant_id", "resync_id", name=op.f("uq_resyncs_tenant_id_resync_id")),
    )
    op.create_index(op.f("ix_resyncs_tenant_id_created_at"), "resyncs", ["tenant_id", "created_at"])
    _index("ix_resyncs_open", "resyncs", ["created_at"], "state in ('waiting', 'running')")
    keep_updated_at("resyncs")
    isolate("resyncs", app_may=("SELECT", "INSERT", "UPDATE (state)"))
    serve("resyncs")
    op.execute(f"GRANT SELECT, UPDATE ({WORKED}) ON resyncs TO {DELIVERIES}")
    op.execute(f"GRANT SELECT (state) ON resyncs TO {LOADER}")
    _create_list()
    _create_quotas()
    _change_kinds(f"{KINDS}, 'lake_verify'")


def downgrade() -> None:
    """Take it back."""
    op.execute("ALTER TABLE control_tasks NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM control_tasks WHERE kind = 'lake_verify'")
    op.execute("ALTER TABLE control_tasks FORCE ROW LEVEL SECURITY")
    _change_kinds(KINDS)
    op.drop_table("destination_quotas")
    op.drop_table("resync_deliveries")
    op.drop_table("resyncs")


def _create_list() -> None:
    op.create_table(
        "resync_deliveries",
        sa.Column("resync_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "resync_id"],
            ["resyncs.tenant_id", "resyncs.resync_id"],
            name=op.f("fk_resync_deliveries_resyncs"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["deliveries.tenant_id", "deliveries.delivery_id"],
            name=op.f("fk_resync_deliveries_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("resync_id", "delivery_id", name=op.f("pk_resync_deliveries")),
    )
    _index("ix_resync_deliveries_next", "resync_deliveries", ["resync_id", "position"], "due_at is null")
    _index("ix_resync_deliveries_open", "resync_deliveries", ["resync_id"], "due_at is not null and settled_at is null")
    _index("ix_resync_deliveries_unsettled", "resync_deliveries", ["delivery_id"], "settled_at is null")
    isolate("resync_deliveries", app_may=("SELECT", "UPDATE (due_at)"))
    serve("resync_deliveries")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (due_at, settled_at) ON resync_deliveries TO {DELIVERIES}")


def _create_quotas() -> None:
    op.create_table(
        "destination_quotas",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("calls_left", sa.BigInteger(), nullable=False),
        sa.Column("calls_limit", sa.BigInteger(), nullable=False),
        sa.Column("resets_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_destination_quotas_destinations"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "destination_id", name=op.f("pk_destination_quotas")),
    )
    keep_updated_at("destination_quotas")
    isolate("destination_quotas", app_may=("SELECT",))
    serve("destination_quotas")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON destination_quotas TO {DELIVERIES}")


def _change_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks")
    op.create_check_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks", f"kind in ({kinds})")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where))
