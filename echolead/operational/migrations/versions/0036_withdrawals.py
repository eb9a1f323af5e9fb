"""An erasure takes what was sent off the destinations, and an operator may give a destination up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.provision import APP, DELIVERIES, LOADER

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

STEPS = "'find', 'withdraw', 'warehouse', 'ledger', 'lake', 'end'"


def upgrade() -> None:
    """What became of each destination; deliveries that belong to an erasure; one more step."""
    for name, empty in (("withdrawals", "[]"), ("chat_contacts", "[]"), ("given_up", "{}")):
        default = sa.text(f"'{empty}'::jsonb")
        op.add_column("erasures", sa.Column(name, postgresql.JSONB(), server_default=default, nullable=False))
    op.execute(f"GRANT UPDATE (withdrawals, chat_contacts) ON erasures TO {LOADER}")
    op.execute(f"GRANT SELECT (tenant_id, received_before, chat_contacts) ON erasures TO {DELIVERIES}")
    op.execute(f"GRANT UPDATE (given_up) ON erasures TO {APP}")
    _let_steps_be(f"{STEPS}, 'destinations'")
    _name_leads_once("state <> 'done' and lead_id <> ''")
    op.add_column("deliveries", sa.Column("erasure_id", sa.Uuid(), nullable=True))
    op.execute(f"GRANT SELECT (erasure_id) ON deliveries TO {LOADER}")  # the mirror leaves such rows out
    op.create_foreign_key(op.f("fk_deliveries_erasures"), "deliveries", "erasures", ["erasure_id"], ["erasure_id"])
    is_of_erasure = sa.text("erasure_id is not null")
    op.create_index(op.f("ix_deliveries_erasure_id"), "deliveries", ["erasure_id"], postgresql_where=is_of_erasure)


def downgrade() -> None:
    """Take it back. What still waits for a destination is given up, and no lead is known of it any more."""
    for table in ("delivery_attempts", "deliveries", "erasures"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    of_erasures = "SELECT delivery_id FROM deliveries WHERE erasure_id IS NOT NULL"
    op.execute(f"DELETE FROM delivery_attempts WHERE delivery_id IN ({of_erasures})")  # noqa: S608  # a constant
    op.execute("DELETE FROM deliveries WHERE erasure_id IS NOT NULL")
    op.execute("UPDATE erasures SET state = 'done', step = 'end' WHERE step = 'destinations'")
    for table in ("delivery_attempts", "deliveries", "erasures"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.drop_column("deliveries", "erasure_id")
    _name_leads_once("state <> 'done'")
    _let_steps_be(STEPS)
    for name in ("given_up", "chat_contacts", "withdrawals"):
        op.drop_column("erasures", name)


def _let_steps_be(steps: str) -> None:
    op.drop_constraint(op.f("ck_erasures_step_known"), "erasures")
    op.create_check_constraint(op.f("ck_erasures_step_known"), "erasures", f"step in ({steps})")


def _name_leads_once(condition: str) -> None:
    op.drop_index("ix_erasures_of_lead", "erasures")
    where = sa.text(condition)
    op.create_index("ix_erasures_of_lead", "erasures", ["tenant_id", "lead_id"], unique=True, postgresql_where=where)
