"""Deals of CRMs: what a tenant calls the stages of its pipelines, how pulls stand, the mirror of remote ids."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

READ = "SELECT (tenant_id, destination_id, lead_id, remote_kind, remote_id, updated_at)"
CHANGED = "ix_destination_records_updated_at"


def upgrade() -> None:
    """Policies first, then grants. The mirror looks for remote ids that changed, by an index."""
    op.create_table(
        "deal_stages",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        *_times(),
        sa.CheckConstraint(
            "stage in ('new', 'working', 'qualified', 'won', 'lost')", name=op.f("ck_deal_stages_stage_known")
        ),
        _destination("deal_stages"),
        sa.PrimaryKeyConstraint("tenant_id", "destination_id", "pipeline_id", "stage_id", name=op.f("pk_deal_stages")),
    )
    op.create_table(
        "deal_pulls",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        *_times(),
        _destination("deal_pulls"),
        sa.PrimaryKeyConstraint("tenant_id", "destination_id", name=op.f("pk_deal_pulls")),
    )
    for table in ("deal_stages", "deal_pulls"):
        keep_updated_at(table)
    isolate("deal_stages", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    isolate("deal_pulls", app_may=("SELECT",))
    serve("deal_stages")
    serve("deal_pulls")
    op.execute(f"GRANT SELECT ON deal_stages TO {LOADER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON deal_pulls TO {DELIVERIES}")
    op.create_index(CHANGED, "destination_records", ["updated_at"])
    op.execute(f"GRANT {READ} ON destination_records TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE {READ} ON destination_records FROM {LOADER}")
    op.drop_index(CHANGED, "destination_records")
    op.drop_table("deal_pulls")
    op.drop_table("deal_stages")


def _destination(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "destination_id"],
        ["destinations.tenant_id", "destinations.destination_id"],
        name=op.f(f"fk_{table}_destinations"),
    )


def _times() -> list[sa.Column[object]]:
    now, time = sa.func.clock_timestamp(), sa.DateTime(timezone=True)
    return [sa.Column(name, time, server_default=now, nullable=False) for name in ("created_at", "updated_at")]
