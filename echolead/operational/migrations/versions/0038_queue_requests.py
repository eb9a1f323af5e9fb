"""Requests that put into raw what the queue holds and raw lacks."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

KINDS = "'replay', 'decision', 'settings'"


def upgrade() -> None:
    """One more kind of request; the live run works it off with the rights it has."""
    _let_requests_be(f"{KINDS}, 'queue'")


def downgrade() -> None:
    """Take it back."""
    op.execute("ALTER TABLE warehouse_requests NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM warehouse_requests WHERE kind = 'queue'")
    op.execute("ALTER TABLE warehouse_requests FORCE ROW LEVEL SECURITY")
    _let_requests_be(KINDS)


def _let_requests_be(kinds: str) -> None:
    op.drop_constraint(op.f("ck_warehouse_requests_kind_known"), "warehouse_requests")
    op.create_check_constraint(op.f("ck_warehouse_requests_kind_known"), "warehouse_requests", f"kind in ({kinds})")
