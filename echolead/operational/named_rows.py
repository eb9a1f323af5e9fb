"""Rows with secrets that a tenant has several of, each with a name: destinations and webhook endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, NotFound
from echolead.operational.models import Destination, DestinationTokens, SpendSource, Tenant, WebhookEndpoint
from echolead.operational.tenants import get_tenant
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings

Named = TypeVar("Named", Destination, SpendSource, WebhookEndpoint)

WithSecrets = TypeVar("WithSecrets", Destination, DestinationTokens, SpendSource, WebhookEndpoint, Tenant)

WORDS = {
    Destination: "destination",
    DestinationTokens: "token",
    SpendSource: "spend account",
    WebhookEndpoint: "webhook",
    Tenant: "tenant",
}
"""The words for them in messages and in the audit log; of those that have names also their commands."""


def check_name_is_free(session: Session, model: type[Named], tenant_id: str, name: str) -> None:
    """Raises `NotFound` if there is no such tenant, `AlreadyThere` if the name is in use."""
    get_tenant(session, tenant_id)
    if session.scalar(_named(model, tenant_id, name)) is not None:
        raise AlreadyThere(f"Tenant {tenant_id} has a {WORDS[model]} {name} already: give another --name.")


def get_named(session: Session, model: type[Named], tenant_id: str, name: str) -> Named:
    """The tenant's row with this name, locked. Raises `NotFound`, which lists the existing names."""
    get_tenant(session, tenant_id)
    row = session.scalar(_named(model, tenant_id, name).with_for_update())
    if row is None:
        known = [there.name for there in list_named(session, model, tenant_id)]
        there_are = f"there are {', '.join(known)}" if known else f"add one with `echolead {WORDS[model]} add`"
        raise NotFound(f"Tenant {tenant_id} has no {WORDS[model]} {name}: {there_are}.")
    return row


def list_named(session: Session, model: type[Named], tenant_id: str) -> Sequence[Named]:
    """The tenant's rows, ordered by name. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    return session.scalars(select(model).where(model.tenant_id == tenant_id).order_by(model.name)).all()


@dataclass(frozen=True)
class Renewed:
    """How many secrets were encrypted again, and the rows whose secrets no key decrypts."""

    count: int
    unreadable: tuple[str, ...]


def renew_secrets(session: Session, settings: Settings, *, actor: str) -> Renewed:
    """Encrypt all secrets with the newest key of their kind, so that the older keys can be removed.

    A secret that no key decrypts is not changed. Raises `BadKey`.
    """
    of_collector, of_destinations = Vault.of_collector(settings), Vault.of_destinations(settings)
    each = [
        _renew(session, Destination, of_destinations, actor),
        _renew(session, DestinationTokens, of_destinations, actor),
        _renew(session, SpendSource, of_destinations, actor),
        _renew(session, WebhookEndpoint, of_collector, actor),
        _renew(session, Tenant, of_collector, actor),
    ]
    return Renewed(
        sum(renewed.count for renewed in each), tuple(name for renewed in each for name in renewed.unreadable)
    )


def _renew(session: Session, model: type[WithSecrets], vault: Vault, actor: str) -> Renewed:
    count, unreadable, word = 0, [], WORDS[model]
    for row in session.scalars(select(model).where(model.secrets.is_not(None)).with_for_update()).all():
        if row.secrets is None or vault.is_newest(row.secrets):
            continue
        try:
            row.secrets = vault.rotate(row.secrets)
            count += 1
        except Undecryptable:
            unreadable.append(f"{word} {row.name} of {row.tenant_id}")
    session.flush()
    if count:
        audit.record(session, actor=actor, action=f"{word}.secrets_rotated", subject=f"all {word}s", count=count)
    return Renewed(count, tuple(unreadable))


def _named(model: type[Named], tenant_id: str, name: str) -> Select[Named]:
    return select(model).where(model.tenant_id == tenant_id, model.name == name)
