"""Webhook endpoints of a tenant: create, list, rotate, remove.

A secret is generated here, or entered if the product generates it (Chatwoot, HubSpot). Only the results of
`add_webhook` and `rotate_webhook` contain it, and an entered secret is never shown.
"""

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import WebhookEndpoint
from echolead.operational.named_rows import check_name_is_free, get_named
from echolead.security import Vault
from echolead.webhooks import (
    HEADER_PATTERN,
    MIN_SECRET_LENGTH,
    SOURCES,
    STANDARD_PREFIX,
    UNSIGNED_SOURCES,
    standard_key,
)

MIN_STANDARD_KEY_BYTES = 16
DEFAULT_TOKEN_HEADER = "authorization"  # noqa: S105  # a header's name

MAKE_SECRET: Mapping[str, Callable[[], str]] = {
    "pipedrive": lambda: f"echolead:{secrets.token_urlsafe(32)}",
    "rdstation": lambda: secrets.token_urlsafe(32),
    "standard": lambda: STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
}
"""How the secret is generated for products that accept one. The others generate their own, which is entered."""


@dataclass(frozen=True)
class NewWebhook:
    """A new endpoint. `name` None: the source's name; `secret` None: generate one, or wait until it is entered."""

    source: str
    name: str | None = None
    secret: str | None = field(default=None, repr=False)
    allow_unsigned: bool = False
    token_header: str = ""


@dataclass(frozen=True)
class IssuedWebhook:
    """The stored row and its secret (empty if there is none yet), which is shown once if it was generated here."""

    row: WebhookEndpoint
    secret: str = field(repr=False)
    is_made_here: bool
    had_secret: bool = False
    """Whether it replaced another one."""


def add_webhook(session: Session, vault: Vault, tenant_id: str, wanted: NewWebhook, *, actor: str) -> IssuedWebhook:
    """A new endpoint of the tenant.

    Chatwoot and HubSpot generate their own secret. Until it is entered with `rotate_webhook`, the endpoint refuses
    every webhook, or accepts unsigned ones if that is allowed. Raises `NotFound`, `AlreadyThere`, `ChangeRefused`.
    """
    chosen = wanted.name or wanted.source
    header = _checked(wanted.source, wanted.allow_unsigned, wanted.token_header)
    check_name_is_free(session, WebhookEndpoint, tenant_id, chosen)
    known = _secret(wanted.source, wanted.secret, needs_one=not wanted.allow_unsigned)
    row = WebhookEndpoint(
        tenant_id=tenant_id,
        source=wanted.source,
        name=chosen,
        endpoint=secrets.token_hex(16),
        secrets=vault.encrypt({"current": known} if known else {}),
        token_header=header,
        allow_unsigned=wanted.allow_unsigned,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    _record(session, row, "webhook.added", actor, allow_unsigned=row.allow_unsigned)
    return IssuedWebhook(row, known, is_made_here=wanted.secret is None)


def rotate_webhook(
    session: Session,
    vault: Vault,
    tenant_id: str,
    name: str,
    *,
    actor: str,
    secret: str | None = None,
    allow_unsigned: bool | None = None,
    keep_previous: bool = True,
) -> IssuedWebhook:
    """Give the endpoint another secret; the previous one is accepted for `ROTATION_OVERLAP`, or not at all.

    Without `secret` one is generated, if the product accepts it. `allow_unsigned` is changed unless None. Raises
    `NotFound`, `ChangeRefused`, `Undecryptable`.
    """
    row = get_named(session, WebhookEndpoint, tenant_id, name)
    if allow_unsigned is not None:
        _checked(row.source, allow_unsigned, row.token_header)
        row.allow_unsigned = allow_unsigned
    known = _secret(row.source, secret, needs_one=True)
    if not known:
        raise ChangeRefused(f"The secret of a {row.source} webhook is made by {row.source}: enter it with --secret -.")
    replaced = vault.decrypt(row.secrets).get("current")
    previous = {"previous": replaced} if replaced and keep_previous else {}
    row.secrets = vault.encrypt({"current": known, **previous})
    row.rotated_at = session.scalar(select(func.clock_timestamp()))
    session.flush()
    _record(session, row, "webhook.rotated", actor, keeps_previous=bool(previous), allow_unsigned=row.allow_unsigned)
    return IssuedWebhook(row, known, is_made_here=secret is None, had_secret=bool(replaced))


def remove_webhook(session: Session, tenant_id: str, name: str, *, actor: str) -> WebhookEndpoint:
    """Remove the endpoint permanently: its address then answers 404. Raises `NotFound`."""
    row = get_named(session, WebhookEndpoint, tenant_id, name)
    session.delete(row)
    session.flush()
    _record(session, row, "webhook.removed", actor)
    return row


def _checked(source: str, allow_unsigned: bool, token_header: str) -> str:
    """The header with the endpoint's token, '' for products that send none. Raises `ChangeRefused`."""
    if source not in SOURCES:
        raise ChangeRefused(f"There are no webhooks of {source!r}: use {', '.join(SOURCES)}.")
    if allow_unsigned and source not in UNSIGNED_SOURCES:
        raise ChangeRefused(f"{source} always sends a credential, so --allow-unsigned is only for {_unsigned()}.")
    if source != "rdstation":
        if token_header:
            raise ChangeRefused("--token-header is for rdstation: the other products have a header of their own.")
        return ""
    header = (token_header or DEFAULT_TOKEN_HEADER).lower()
    if not re.fullmatch(HEADER_PATTERN, header):
        raise ChangeRefused(f"{token_header!r} is not a header's name: use letters, digits and hyphens.")
    return header


def _secret(source: str, given: str | None, *, needs_one: bool) -> str:
    """The given secret, or a generated one, or '' if the product has to generate it. Raises `ChangeRefused`."""
    if given is None:
        make = MAKE_SECRET.get(source)
        return make() if make is not None and needs_one else ""
    secret = given.strip()
    if len(secret) < MIN_SECRET_LENGTH:
        raise ChangeRefused(f"The secret is shorter than {MIN_SECRET_LENGTH} characters.")
    if source == "pipedrive" and not re.fullmatch(r"[^:]+:.+", secret):
        raise ChangeRefused("The secret of a pipedrive webhook is user:password, as entered there.")
    if source == "standard":
        try:
            key = standard_key(secret)
        except ValueError as error:
            raise ChangeRefused(f"This cannot be a secret of Standard Webhooks: {error}.") from None
        if len(key) < MIN_STANDARD_KEY_BYTES:
            raise ChangeRefused(f"A secret of Standard Webhooks holds {MIN_STANDARD_KEY_BYTES} bytes or more.")
    return secret


def _unsigned() -> str:
    return " and ".join(sorted(UNSIGNED_SOURCES))


def _record(session: Session, row: WebhookEndpoint, action: str, actor: str, **detail: Any) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=row.name,
        tenant_id=row.tenant_id,
        source=row.source,
        endpoint_id=str(row.webhook_endpoint_id),
        **detail,
    )
