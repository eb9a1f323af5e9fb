"""API keys of tenants: create, list, replace, revoke. Only the result of `create_key` contains the key itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import ApiKey, Tenant
from echolead.operational.tenants import get_tenant
from echolead.security import new_api_key


@dataclass(frozen=True)
class CreatedKey:
    """The stored row, and the key to show once."""

    row: ApiKey
    key: str = field(repr=False)


def create_key(session: Session, tenant_id: str, name: str, *, actor: str) -> CreatedKey:
    """A new key for the tenant; `name` describes its holder and is unique among working keys.

    Raises `NotFound`, `AlreadyThere`, `ChangeRefused`.
    """
    get_tenant(session, tenant_id)
    name = name.strip()
    if not name:
        raise ChangeRefused("A key needs a name that says who holds it, as in `echolead key create acme site-backend`.")
    # Concurrent requests for one name are serialised here.
    session.execute(select(Tenant).where(Tenant.tenant_id == tenant_id).with_for_update(key_share=True))
    of_that_name = select(ApiKey.key_prefix).where(
        ApiKey.tenant_id == tenant_id, ApiKey.name == name, ApiKey.revoked_at.is_(None)
    )
    if (prefix := session.scalar(of_that_name.limit(1))) is not None:
        raise AlreadyThere(
            f"Tenant {tenant_id} has a key {name} already ({prefix}): give another name, or replace it with "
            f"`echolead key rotate {tenant_id} {prefix}`."
        )
    return _make_key(session, tenant_id, name, actor)


def _make_key(session: Session, tenant_id: str, name: str, actor: str) -> CreatedKey:
    made = new_api_key()
    row = ApiKey(tenant_id=tenant_id, name=name, key_prefix=made.prefix, key_hash=made.key_hash)
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, actor=actor, action="key.created", subject=made.prefix, tenant_id=tenant_id, name=row.name)
    return CreatedKey(row, made.key)


def rotate_key(session: Session, tenant_id: str, prefix: str, *, actor: str) -> CreatedKey:
    """A new key of the same name, and the old one revoked at once. Raises `NotFound`, `ChangeRefused`.

    For a change without a gap create a second key of another name, deploy it, and then revoke the first.
    """
    old = _active_key(session, tenant_id, prefix)
    created = _make_key(session, tenant_id, old.name, actor)
    revoke_key(session, tenant_id, prefix, actor=actor)
    return created


def revoke_key(session: Session, tenant_id: str, prefix: str, *, actor: str) -> ApiKey:
    """Revoke a key permanently. Raises `NotFound`, `ChangeRefused` if it is revoked already."""
    row = _active_key(session, tenant_id, prefix)
    row.revoked_at = session.scalar(select(func.clock_timestamp()))
    session.flush()
    audit.record(session, actor=actor, action="key.revoked", subject=row.key_prefix, tenant_id=tenant_id, name=row.name)
    return row


def list_keys(session: Session, tenant_id: str) -> Sequence[ApiKey]:
    """The tenant's keys, revoked ones too, oldest first. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    return session.scalars(select(ApiKey).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.created_at)).all()


def _active_key(session: Session, tenant_id: str, prefix: str) -> ApiKey:
    get_tenant(session, tenant_id)
    # A whole key is accepted as well, but not repeated in any message.
    wanted = prefix.removeprefix("elk_").split("_")[0]
    row = session.scalar(
        select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.key_prefix == wanted).with_for_update()
    )
    if row is None:
        raise NotFound(f"Tenant {tenant_id} has no key {wanted}: see `echolead key list {tenant_id}`.")
    if row.revoked_at is not None:
        raise ChangeRefused(f"The key {wanted} was revoked at {row.revoked_at:%Y-%m-%d %H:%M} UTC already.")
    return row
