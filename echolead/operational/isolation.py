"""Row-level security for a table, as migrations apply it (docs/decisions/0006-row-level-security.md)."""

from alembic import op

from echolead.operational.provision import APP, SERVICES

TENANT_SETTING = "echolead.tenant_id"
POLICY = "tenant_isolation"
SERVICE_POLICY = "service_rows"


def isolate(table: str, *, app_may: tuple[str, ...]) -> None:
    """Put `table`, which has a `tenant_id`, under row-level security, and grant `app_may` on it to the app's role.

    FORCE binds the owner as well. A session without a tenant compares with NULL or '' and matches no row.
    """
    own_rows = f"tenant_id = current_setting('{TENANT_SETTING}', true)"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {POLICY} ON {table} FOR ALL TO {APP} USING ({own_rows}) WITH CHECK ({own_rows})")
    op.execute(f"GRANT {', '.join(app_may)} ON {table} TO {APP}")


def serve(table: str) -> None:
    """Allow the services' roles, which serve all tenants, to reach the rows of `table`; grants define which and how.

    In a tenant's session they see only its rows, like the app's role.
    """
    rows = f"coalesce(current_setting('{TENANT_SETTING}', true), '') in ('', tenant_id)"
    roles = ", ".join(SERVICES)
    op.execute(f"CREATE POLICY {SERVICE_POLICY} ON {table} FOR ALL TO {roles} USING ({rows}) WITH CHECK ({rows})")


def keep_updated_at(table: str) -> None:
    """Make the database set `updated_at` on every update by any role."""
    op.execute(
        f"CREATE TRIGGER keep_updated_at BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_updated_at()"
    )
