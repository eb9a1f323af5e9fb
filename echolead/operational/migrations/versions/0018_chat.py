"""What a tenant wants of its conversations, and how far each Chatwoot account is pulled."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SETTINGS = "tenant_id, keeps_texts, first_response_minutes, updated_at"


def upgrade() -> None:
    """The pull runs as the deliveries' role, which alone may read the secrets of destinations."""
    op.create_table(
        "chat_settings",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("keeps_texts", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("first_response_minutes", sa.Integer(), server_default="15", nullable=False),
        *_times(),
        sa.CheckConstraint(
            "first_response_minutes between 1 and 7200", name=op.f("ck_chat_settings_first_response_fits")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_chat_settings_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_chat_settings")),
    )
    op.create_table(
        "chat_pulls",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gap_page", sa.Integer(), nullable=True),
        sa.Column("gap_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint("gap_page > 0", name=op.f("ck_chat_pulls_gap_page_positive")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destinations.tenant_id", "destinations.destination_id"],
            name=op.f("fk_chat_pulls_destinations"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "destination_id", name=op.f("pk_chat_pulls")),
    )
    for table in ("chat_settings", "chat_pulls"):
        keep_updated_at(table)
        serve(table)
    isolate("chat_settings", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    isolate("chat_pulls", app_may=("SELECT",))
    op.execute(f"GRANT SELECT ({SETTINGS}) ON chat_settings TO {LOADER}")
    op.execute(f"GRANT SELECT ({SETTINGS}) ON chat_settings TO {DELIVERIES}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON chat_pulls TO {DELIVERIES}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("chat_pulls")
    op.drop_table("chat_settings")


def _times() -> list[sa.Column[object]]:
    now, time = sa.func.clock_timestamp(), sa.DateTime(timezone=True)
    return [sa.Column(name, time, server_default=now, nullable=False) for name in ("created_at", "updated_at")]
