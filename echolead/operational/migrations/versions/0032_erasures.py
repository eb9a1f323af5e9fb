"""Erasing people: the requests, and the rights of those that work them off."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()
KINDS = "'rules_trial', 'replay_trial', 'destination_test', 'destination_setup', 'lake_verify'"
MORE_KINDS = f"{KINDS}, 'erasure_trial', 'lead_export'"
ASKED = "tenant_id, lead_id, lead_hash, reason, requested_by, with_others"
WORKED = "state, step, lead_id, person, visitor_hashes, counts, remote_records, attempts, message, tried_at, ended_at"
SENT = ("deliveries", "delivery_attempts", "destination_records")
NAMED = ("quarantine", "lead_decisions", "control_tasks")


def upgrade() -> None:
    """An admin asks, the live run works it off: with the role of deliveries in the ledger, else with the loader's."""
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        *(_text(name) for name in ("tenant_id", "lead_id", "lead_hash", "reason", "requested_by")),
        sa.Column("with_others", sa.Boolean(), server_default=sa.false(), nullable=False),
        _time("received_before"),
        _text("state", "waiting"),
        _text("step", "find"),
        sa.Column("person", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "visitor_hashes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column("counts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("remote_records", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _text("message", ""),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.CheckConstraint("state in ('waiting', 'running', 'done')", name=op.f("ck_erasures_state_known")),
        sa.CheckConstraint(
            "step in ('find', 'withdraw', 'warehouse', 'ledger', 'lake', 'end')", name=op.f("ck_erasures_step_known")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_erasures_tenants")),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_tenant_id_created_at"), "erasures", ["tenant_id", "created_at"])
    op.create_index(op.f("ix_erasures_received_before"), "erasures", ["received_before"])
    is_open = sa.text("state <> 'done'")
    op.create_index("ix_erasures_open", "erasures", ["tried_at"], postgresql_where=is_open)
    op.create_index("ix_erasures_of_lead", "erasures", ["tenant_id", "lead_id"], unique=True, postgresql_where=is_open)
    isolate("erasures", app_may=("SELECT", f"INSERT ({ASKED})"))
    serve("erasures")
    keep_updated_at("erasures")
    op.execute(f"GRANT SELECT, UPDATE ({WORKED}) ON erasures TO {LOADER}")
    for table in SENT:
        op.execute(f"GRANT DELETE ON {table} TO {DELIVERIES}")
    for table in NAMED:
        op.execute(f"GRANT DELETE ON {table} TO {LOADER}")
    _let_tasks_be(MORE_KINDS)


def downgrade() -> None:
    """Take it back. What is erased stays so."""
    op.execute("ALTER TABLE control_tasks NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM control_tasks WHERE kind IN ('erasure_trial', 'lead_export')")
    op.execute("ALTER TABLE control_tasks FORCE ROW LEVEL SECURITY")
    _let_tasks_be(KINDS)
    for table in NAMED:
        op.execute(f"REVOKE DELETE ON {table} FROM {LOADER}")
    for table in SENT:
        op.execute(f"REVOKE DELETE ON {table} FROM {DELIVERIES}")
    op.drop_table("erasures")


def _let_tasks_be(kinds: str) -> None:
    op.drop_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks")
    op.create_check_constraint(op.f("ck_control_tasks_kind_known"), "control_tasks", f"kind in ({kinds})")


def _text(name: str, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _time(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW, nullable=False)
