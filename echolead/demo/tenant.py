"""The demo tenant: hosts of this machine, the demo Chatwoot as its destination, one user of the console."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.demo import accounts
from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination, Tenant, TenantHost, User, UserTenant
from echolead.ports import Port
from echolead.security import Vault, check_password, hash_password
from echolead.settings import Settings

TENANT_ID = "demo"
HOSTS = ("localhost", "127.0.0.1", "demo.localhost")
USER_EMAIL = "demo@echolead.test"
DESTINATION = "Chatwoot"
ACCOUNT_ID, INBOX_ID = 1, 1  # of the demo Chatwoot's first account


def ensure(settings: Settings) -> None:
    """Create the missing rows of the demo, and set its user's password to that of the settings.

    Existing rows stay as they are.
    """
    engine = connect(settings.postgres_system_url.get_secret_value(), application_name="echolead demo")
    try:
        with system_session(engine) as session:
            _ensure_tenant(session)
            _ensure_destination(session, settings)
            _ensure_user(session, settings.demo_password.get_secret_value())
    finally:
        engine.dispose()


def demo_chatwoot(port_base: int) -> str:
    """Host and port of the demo Chatwoot for deliveries."""
    return f"127.0.0.1:{Port.DEMO_CHATWOOT.of(port_base)}"


def _ensure_tenant(session: Session) -> None:
    if session.get(Tenant, TENANT_ID) is None:
        session.add(Tenant(tenant_id=TENANT_ID, name="Demo"))
        session.flush()
    for host in HOSTS:
        if session.get(TenantHost, host) is None:
            session.add(TenantHost(host=host, tenant_id=TENANT_ID))


def _ensure_destination(session: Session, settings: Settings) -> None:
    """Update the demo Chatwoot's address, which changes with the stack's ports, and its access token."""
    token = {"api_access_token": accounts.load_or_make_accounts(settings.data_dir / "demo")[0].api_access_token}
    vault = Vault.of_destinations(settings)
    configuration = {
        "base_url": f"http://{demo_chatwoot(settings.port_base)}",
        "account_id": ACCOUNT_ID,
        "inbox_id": INBOX_ID,
    }
    found = session.scalar(
        select(Destination).where(Destination.tenant_id == TENANT_ID, Destination.name == DESTINATION)
    )
    if found is None:
        secrets = vault.encrypt(token)
        found = Destination(
            tenant_id=TENANT_ID, kind="chatwoot", name=DESTINATION, configuration=configuration, secrets=secrets
        )
        session.add(found)
    elif found.configuration.get("base_url") != configuration["base_url"]:
        found.configuration = {**found.configuration, "base_url": configuration["base_url"]}
    if vault.decrypt(found.secrets) != token:
        found.secrets = vault.encrypt(token)


def _ensure_user(session: Session, password: str) -> None:
    user = session.scalar(select(User).where(User.email == USER_EMAIL))
    if user is None:
        user = User(email=USER_EMAIL, name="Demo", password_hash=hash_password(password))
        session.add(user)
        session.flush()
    elif not check_password(password, user.password_hash).is_right:
        user.password_hash = hash_password(password)
    if session.get(UserTenant, (user.user_id, TENANT_ID)) is None:
        session.add(UserTenant(user_id=user.user_id, tenant_id=TENANT_ID, role="admin"))
