"""Ad spend: the accounts that it is pulled from, how the pulls stand, names that stand for campaigns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from echolead.operational.isolation import isolate, keep_updated_at, serve
from echolead.operational.provision import DELIVERIES, LOADER

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLES = ("spend_sources", "spend_pulls", "campaign_aliases")


def upgrade() -> None:
    """Policies first, then grants. Pulls run with the rights of deliveries, which may decrypt the tenants' secrets."""
    op.create_table(
        "spend_sources",
        sa.Column("source_id", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        _tenant(),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("configuration", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        *_times(),
        sa.CheckConstraint("platform in ('google_ads', 'meta_ads')", name=op.f("ck_spend_sources_platform_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_spend_sources_tenants")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_spend_sources")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_spend_sources_tenant_id_name")),
        sa.UniqueConstraint("tenant_id", "source_id", name=op.f("uq_spend_sources_tenant_id_source_id")),
    )
    op.create_table(
        "spend_pulls",
        _tenant(),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        *_times(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "source_id"],
            ["spend_sources.tenant_id", "spend_sources.source_id"],
            name=op.f("fk_spend_pulls_spend_sources"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source_id", name=op.f("pk_spend_pulls")),
    )
    op.create_table(
        "campaign_aliases",
        _tenant(),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        *_times(),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_campaign_aliases_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "platform", "alias", name=op.f("pk_campaign_aliases")),
    )
    for table in TABLES:
        keep_updated_at(table)
    isolate("spend_sources", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    isolate("spend_pulls", app_may=("SELECT",))
    isolate("campaign_aliases", app_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    for table in TABLES:
        serve(table)
    op.execute(f"GRANT SELECT ON spend_sources TO {DELIVERIES}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON spend_pulls TO {DELIVERIES}")
    op.execute(f"GRANT SELECT ON campaign_aliases TO {LOADER}")
    # A rate that ends without another one is 0 from then on.
    op.drop_constraint(op.f("ck_tenant_rates_rate_positive"), "tenant_rates")
    op.create_check_constraint(op.f("ck_tenant_rates_rate_not_negative"), "tenant_rates", "rate >= 0")


def downgrade() -> None:
    """Take it back; a rate that has ended holds on."""
    op.drop_constraint(op.f("ck_tenant_rates_rate_not_negative"), "tenant_rates")
    op.execute("DELETE FROM tenant_rates WHERE rate = 0")
    op.create_check_constraint(op.f("ck_tenant_rates_rate_positive"), "tenant_rates", "rate > 0")
    for table in ("spend_pulls", "spend_sources", "campaign_aliases"):
        op.drop_table(table)


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.Text(), nullable=False)


def _times() -> list[sa.Column[object]]:
    now, time = sa.func.clock_timestamp(), sa.DateTime(timezone=True)
    return [sa.Column(name, time, server_default=now, nullable=False) for name in ("created_at", "updated_at")]
