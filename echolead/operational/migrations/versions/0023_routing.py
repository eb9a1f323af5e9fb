"""Who answers a tenant's conversations when: cover, limits and absences of agents and teams; the tenant's language."""

import sqlalchemy as sa
from alembic import op

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NOW, TIME = sa.func.clock_timestamp(), sa.DateTime(timezone=True)
COVER = "covers_absence, cover_after_minutes"


def upgrade() -> None:
    """A tenant that is there keeps the language that its region had meant so far."""
    op.add_column("tenants", sa.Column("language", sa.Text(), server_default="pt-BR", nullable=False))
    op.execute("UPDATE tenants SET language = 'en' WHERE default_region NOT IN ('BR', 'PT', 'AO', 'MZ', 'CV')")
    op.create_check_constraint(op.f("ck_tenants_language_known"), "tenants", "language in ('pt-BR', 'en')")
    op.add_column("chat_settings", sa.Column("covers_absence", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("chat_settings", sa.Column("cover_after_minutes", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_chat_settings_cover_after_fits"), "chat_settings", "cover_after_minutes between 1 and 7200"
    )
    op.execute(f"GRANT SELECT (language) ON tenants TO {LOADER}")
    for role in (LOADER, DELIVERIES):
        op.execute(f"GRANT SELECT ({COVER}) ON chat_settings TO {role}")
    op.create_table(
        "chat_members",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("most_open", sa.Integer(), nullable=True),
        sa.Column("away_from", sa.Date(), nullable=True),
        sa.Column("away_until", sa.Date(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind in ('agent', 'team')", name=op.f("ck_chat_members_kind_known")),
        sa.CheckConstraint("most_open >= 0", name=op.f("ck_chat_members_most_open_fits")),
        sa.CheckConstraint("away_from <= away_until", name=op.f("ck_chat_members_absence_ordered")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_chat_members_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "name", name=op.f("pk_chat_members")),
    )
    keep_updated_at("chat_members")
    isolate("chat_members", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    serve("chat_members")
    op.execute(f"GRANT SELECT ON chat_members TO {LOADER}")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("chat_members")
    op.drop_constraint(op.f("ck_chat_settings_cover_after_fits"), "chat_settings", type_="check")
    op.drop_column("chat_settings", "cover_after_minutes")
    op.drop_column("chat_settings", "covers_absence")
    op.drop_constraint(op.f("ck_tenants_language_known"), "tenants", type_="check")
    op.drop_column("tenants", "language")
