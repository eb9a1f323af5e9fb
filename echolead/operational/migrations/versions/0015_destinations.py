"""Deliveries that are withheld, and records of any kind at a destination."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATES = "ck_deliveries_state_known"
KINDS = "ck_destination_records_remote_kind_known"


def upgrade() -> None:
    """Destinations name their own kinds of records."""
    op.drop_constraint(op.f(STATES), "deliveries")
    op.create_check_constraint(
        op.f(STATES),
        "deliveries",
        "state in ('pending', 'in_flight', 'delivered', 'verified', 'retry', 'dead', 'withheld', 'superseded')",
    )
    op.drop_constraint(op.f(KINDS), "destination_records")
    op.create_check_constraint(
        op.f("ck_destination_records_remote_kind_fits"), "destination_records", "length(remote_kind) between 1 and 200"
    )
