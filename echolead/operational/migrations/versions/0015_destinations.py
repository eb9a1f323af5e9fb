"""Deliveries that are withheld, people who are under way, records of any kind, and tokens of destinations."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATES = "ck_deliveries_state_known"
KNOWN = "'pending', 'in_flight', 'delivered', 'verified', 'retry', 'dead'"
KINDS = "ck_destination_records_remote_kind_known"
FITS = "ck_destination_records_remote_kind_fits"
WAITING = sa.text("state in ('pending', 'in_flight', 'delivered', 'retry')")
TOUCHED = ("deliveries", "destination_records")
LANE = ("tenant_id", "destination_id")
FIRST = (sa.text("is_new desc"), sa.text("turn desc"), "next_attempt_at")


def upgrade() -> None:
    """Destinations name their own kinds of records; what waits is found by its lane, in the order in which it goes."""
    op.drop_constraint(op.f(STATES), "deliveries")
    op.create_check_constraint(op.f(STATES), "deliveries", f"state in ({KNOWN}, 'withheld', 'superseded')")
    op.drop_constraint(op.f(KINDS), "destination_records")
    op.create_check_constraint(op.f(FITS), "destination_records", "length(remote_kind) between 1 and 200")
    op.add_column("deliveries", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.execute("ALTER TABLE deliveries ADD COLUMN identities text[] DEFAULT '{}'::text[] NOT NULL")
    op.create_index("ix_deliveries_waiting", "deliveries", [*LANE, "next_attempt_at"], postgresql_where=WAITING)
    op.create_index("ix_deliveries_first", "deliveries", [*LANE, *FIRST], postgresql_where=WAITING)
    held = sa.text("lease_until is not null")
    op.create_index("ix_deliveries_held", "deliveries", [*LANE, "lease_until"], postgresql_where=held)
    _create_tokens()


def _create_tokens() -> None:
    """Only the engine gets tokens; an operator's command encrypts them again."""
    op.create_table(
        "destination_tokens",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            [*LANE],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_destination_tokens_destinations"),
        ),
        sa.PrimaryKeyConstraint(*LANE, name=op.f("pk_destination_tokens")),
    )
    keep_updated_at("destination_tokens")
    isolate("destination_tokens", app_may=("SELECT",))
    serve("destination_tokens")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON destination_tokens TO {DELIVERIES}")


def downgrade() -> None:
    """Take it back; what was withheld counts as given up, and other kinds of records are forgotten."""
    op.drop_table("destination_tokens")
    for index in ("held", "first", "waiting"):
        op.drop_index(f"ix_deliveries_{index}", "deliveries")
    for column in ("identities", "tries"):
        op.drop_column("deliveries", column)
    for table in TOUCHED:  # it also applies to the owner, who would see no row
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'withheld'")
    op.execute("DELETE FROM destination_records WHERE remote_kind not in ('contact', 'conversation')")
    for table in TOUCHED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.drop_constraint(op.f(STATES), "deliveries")
    op.create_check_constraint(op.f(STATES), "deliveries", f"state in ({KNOWN}, 'superseded')")
    op.drop_constraint(op.f(FITS), "destination_records")
    op.create_check_constraint(op.f(KINDS), "destination_records", "remote_kind in ('contact', 'conversation')")
