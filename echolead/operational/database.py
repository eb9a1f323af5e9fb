"""Connections to the operational database, and its two kinds of transaction: for one tenant, or across tenants."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, Select, create_engine, event, make_url, text
from sqlalchemy.orm import ORMExecuteState, Session, defer

from echolead.operational.models import Destination, DestinationTokens, Tenant, WebhookEndpoint

# One statement for both: it sets the tenant for this transaction, and returns whether row policies apply to the role at
# all. A superuser or BYPASSRLS role would silently see every tenant.
ENTER_TENANT = text("select set_config('echolead.tenant_id', :tenant_id, true), row_security_active('public.tenants')")
WITH_SECRETS = (Destination, DestinationTokens, Tenant, WebhookEndpoint)


class NotIsolated(Exception):
    """A tenant's session was requested with a role that bypasses row-level security."""


def connect(url: str, *, pool_size: int = 5, application_name: str = "echolead") -> Engine:
    """An engine on psycopg 3 for `postgresql://user:password@host:port/database`.

    It opens no connection yet. A connection that was lost while it waited in the pool is replaced before use.
    """
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "application_name": application_name},
    )


@contextmanager
def tenant_session(engine: Engine, tenant_id: str) -> Iterator[Session]:
    """One transaction that sees and writes the rows of `tenant_id` and no others; commits on leaving without error.

    `engine` must be connected as `echolead_app` (`settings.postgres_app_url`). Raises `NotIsolated` for a role that
    bypasses row-level security, `ValueError` for an empty tenant.
    """
    if not tenant_id:
        raise ValueError("A tenant's session needs the tenant's id.")
    with Session(engine, expire_on_commit=False) as session, session.begin():
        event.listen(session, "do_orm_execute", _leave_secrets)
        _, is_bound = session.execute(ENTER_TENANT, {"tenant_id": tenant_id}).one()
        if not is_bound:
            raise NotIsolated(
                f"The role {engine.url.username} sees every tenant. Connect with the role echolead_app "
                "(ECHOLEAD_POSTGRES_APP_URL) for a tenant's session."
            )
        yield session


@contextmanager
def system_session(engine: Engine, *, reads_secrets: bool = True) -> Iterator[Session]:
    """One transaction across tenants, for services that serve them all; commits on leaving without error.

    `engine` must be connected as `echolead_system` (`settings.postgres_system_url`), or as a role that may not read
    secrets.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        if not reads_secrets:
            event.listen(session, "do_orm_execute", _leave_secrets)
        yield session


def _leave_secrets(state: ORMExecuteState) -> None:
    """Rows are read without their secrets, which a tenant's session has no right to."""
    if isinstance(state.statement, Select):
        described = state.statement.column_descriptions
        read = {each["entity"] for each in described if each.get("entity") is each["expr"]}
        state.statement = state.statement.options(*(defer(model.secrets) for model in WITH_SECRETS if model in read))
