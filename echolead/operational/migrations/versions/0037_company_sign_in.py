"""Identities at the company's provider, each user's language, and filters that users keep."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate
from echolead.operational.provision import API

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

NOW = sa.func.clock_timestamp()


def upgrade() -> None:
    """Identities belong to no tenant, as users do; filters belong to a user in a tenant."""
    op.create_table(
        "user_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_user_identities_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_user_identities")),
        sa.UniqueConstraint("user_id", "issuer", name=op.f("uq_user_identities_user_id_issuer")),
    )
    op.execute(f"GRANT SELECT, INSERT, DELETE ON user_identities TO {API}")
    op.add_column("users", sa.Column("language", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(op.f("ck_users_language_known"), "users", "language in ('', 'pt-BR', 'en')")
    op.execute(f"GRANT UPDATE (language) ON users TO {API}")
    _create_filters()


def downgrade() -> None:
    """Take it back: users sign in with their passwords again."""
    op.drop_table("saved_filters")
    op.execute(f"REVOKE UPDATE (language) ON users FROM {API}")
    op.drop_constraint(op.f("ck_users_language_known"), "users")
    op.drop_column("users", "language")
    op.drop_table("user_identities")


def _create_filters() -> None:
    op.create_table(
        "saved_filters",
        sa.Column("filter_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", postgresql.JSONB(), nullable=False),
        sa.Column("opens_page", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("page in ('leads')", name=op.f("ck_saved_filters_page_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_saved_filters_tenants")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_saved_filters_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("filter_id", name=op.f("pk_saved_filters")),
        sa.UniqueConstraint(
            "tenant_id", "user_id", "page", "name", name=op.f("uq_saved_filters_tenant_id_user_id_page_name")
        ),
    )
    op.create_index(op.f("ix_saved_filters_user_id"), "saved_filters", ["user_id"])
    op.create_index(
        "ix_saved_filters_opens_page",
        "saved_filters",
        ["tenant_id", "user_id", "page"],
        unique=True,
        postgresql_where=sa.text("opens_page"),
    )
    isolate("saved_filters", app_may=("SELECT", "INSERT", "UPDATE (name, address, opens_page, saved_at)", "DELETE"))
