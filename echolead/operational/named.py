"""What a tenant has several of, each under a name of its own, with secrets: destinations and webhook endpoints."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, NotFound
from echolead.operational.models import Destination, WebhookEndpoint
from echolead.operational.tenants import get_tenant
from echolead.security import Vault

Named = TypeVar("Named", Destination, WebhookEndpoint)

WORDS = {Destination: "destination", WebhookEndpoint: "webhook"}
"""What people and the audit log call them; also the command that adds one."""


def check_name_is_free(session: Session, model: type[Named], tenant_id: str, name: str) -> None:
    """Raises `NotFound` without such a tenant, `AlreadyThere` when it has one of this name."""
    get_tenant(session, tenant_id)
    if session.scalar(_named(model, tenant_id, name)) is not None:
        raise AlreadyThere(f"Tenant {tenant_id} has a {WORDS[model]} {name} already: give another --name.")


def get_named(session: Session, model: type[Named], tenant_id: str, name: str) -> Named:
    """The tenant's one of this name, locked. Raises `NotFound` naming those there are."""
    get_tenant(session, tenant_id)
    row = session.scalar(_named(model, tenant_id, name).with_for_update())
    if row is None:
        known = [there.name for there in list_named(session, model, tenant_id)]
        there_are = f"there are {', '.join(known)}" if known else f"add one with `echolead {WORDS[model]} add`"
        raise NotFound(f"Tenant {tenant_id} has no {WORDS[model]} {name}: {there_are}.")
    return row


def list_named(session: Session, model: type[Named], tenant_id: str) -> Sequence[Named]:
    """The tenant's, by name. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    return session.scalars(select(model).where(model.tenant_id == tenant_id).order_by(model.name)).all()


def encrypt_again(session: Session, model: type[Named], vault: Vault, *, actor: str) -> int:
    """Encrypt all secrets with the vault's first key, so that the others can be taken away; says of how many rows.

    Raises `Undecryptable`, and changes nothing, when one of them opens with no key.
    """
    rows = session.scalars(select(model).with_for_update()).all()
    for row in rows:
        row.secrets = vault.rotate(row.secrets)
    session.flush()
    word = WORDS[model]
    audit.record(session, actor=actor, action=f"{word}.secrets_rotated", subject=f"all {word}s", count=len(rows))
    return len(rows)


def _named(model: type[Named], tenant_id: str, name: str) -> Select[Named]:
    return select(model).where(model.tenant_id == tenant_id, model.name == name)
