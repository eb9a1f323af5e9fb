"""Tenants, the hosts the collector answers on for them, and the origins of their pages."""

import re
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

import idna
import phonenumbers
from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import (
    COLLECT_PATH_PATTERN,
    CONSENT_DEFAULTS,
    IP_POLICIES,
    LANGUAGES,
    MIN_LIMIT,
    TENANT_ID_PATTERN,
    Tenant,
    TenantHost,
    TenantOrigin,
)
from echolead.operational.versions import check_version
from echolead.security import Vault
from echolead.webhooks import MIN_SECRET_LENGTH

DEFAULT_PORTS = {"http": 80, "https": 443}
RESERVED_PATHS = ("/docs", "/healthz", "/login", "/metrics", "/openapi", "/problems", "/readyz", "/v1")
HOST_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, kw_only=True)
class TenantSettings:
    """A tenant's settings: IANA time zone, ISO 3166 region of phones, ISO 4217 currency, the language of texts that
    EchoLead writes, two policies, its collect path, and limits in events (None: the installation's).
    """

    name: str = ""  # the id, when empty
    timezone: str = "America/Sao_Paulo"
    default_region: str = "BR"
    currency: str = "BRL"
    language: str = "pt-BR"
    ip_policy: str = "truncated"
    consent_default: str = "granted"
    collect_path: str | None = None
    events_per_minute: int | None = None
    events_per_month: int | None = None


@dataclass(frozen=True)
class TenantView:
    """A tenant with its hosts and origins, sorted."""

    tenant: Tenant
    hosts: list[str]
    origins: list[str]


def create_tenant(
    session: Session,
    tenant_id: str,
    *,
    actor: str,
    settings: TenantSettings | None = None,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
) -> Tenant:
    """A new tenant with its hosts and origins, all or nothing. Raises `ChangeRefused` for an invalid value."""
    chosen = settings or TenantSettings()
    if not re.fullmatch(TENANT_ID_PATTERN.strip("^$"), tenant_id):
        raise ChangeRefused(
            f"{tenant_id!r} cannot be a tenant's id: use 2 to 41 lower-case letters, digits and hyphens, "
            "the first a letter."
        )
    _check(chosen)
    if session.get(Tenant, tenant_id) is not None:
        raise AlreadyThere(
            f"Tenant {tenant_id} is already there: choose another id, or `echolead tenant show {tenant_id}`."
        )
    tenant = Tenant(
        tenant_id=tenant_id,
        name=chosen.name or tenant_id,
        timezone=chosen.timezone,
        default_region=chosen.default_region,
        currency=chosen.currency,
        language=chosen.language,
        ip_policy=chosen.ip_policy,
        consent_default=chosen.consent_default,
        collect_path=chosen.collect_path,
        events_per_minute=chosen.events_per_minute,
        events_per_month=chosen.events_per_month,
    )
    session.add(tenant)
    session.flush()
    audit.record(
        session, actor=actor, action="tenant.created", subject=tenant_id, tenant_id=tenant_id, name=tenant.name
    )
    for host in hosts:
        add_host(session, tenant_id, host, actor=actor)
    for origin in origins:
        add_origin(session, tenant_id, origin, actor=actor)
    session.refresh(tenant)
    return tenant


def change_tenant(
    session: Session, tenant_id: str, *, actor: str, base_version: str | None = None, **changes: Any
) -> Tenant:
    """Change some of a tenant's `TenantSettings`, by name. `base_version` is what was edited, where it matters.

    Raises `NotFound`, `ChangedMeanwhile`, `ChangeRefused` for an invalid value.
    """
    tenant = get_tenant(session, tenant_id, is_changed=True)
    current = {each.name: getattr(tenant, each.name) for each in fields(TenantSettings)}
    _check(TenantSettings(**(current | changes)))
    check_version(
        session, base_version, tenant, what=f"Tenant {tenant_id}", actions="tenant.", subject=tenant_id,
        current=current, edit=changes,
    )  # fmt: skip
    told = audit.differences(current, changes)
    if not told:
        return tenant
    for name, value in changes.items():
        setattr(tenant, name, value)
    session.flush()
    audit.record(session, actor=actor, action="tenant.changed", subject=tenant_id, tenant_id=tenant_id, changes=told)
    session.refresh(tenant)
    return tenant


def set_chatwoot_hmac_token(session: Session, vault: Vault, tenant_id: str, token: str, *, actor: str) -> Tenant:
    """Store the token for identity validation in the tenant's chat widget; an empty one removes it.

    Raises `NotFound`, `ChangeRefused`.

    Chatwoot shows it in the settings of the website inbox, under identity validation.
    """
    tenant = get_tenant(session, tenant_id)
    if token and len(token) < MIN_SECRET_LENGTH:
        raise ChangeRefused(f"The token is shorter than {MIN_SECRET_LENGTH} characters: copy it whole.")
    tenant.secrets = vault.encrypt({"chatwoot_hmac_token": token}) if token else None
    session.flush()
    action = "tenant.chatwoot_hmac_token_set" if token else "tenant.chatwoot_hmac_token_removed"
    audit.record(session, actor=actor, action=action, subject=tenant_id, tenant_id=tenant_id)
    return tenant


def add_host(session: Session, tenant_id: str, host: str, *, actor: str) -> str:
    """Add a host of the tenant; adding it again is not an error. Returns the host as it is stored."""
    get_tenant(session, tenant_id)
    name = normal_host(host)
    present = session.get(TenantHost, name)
    if present is not None and present.tenant_id != tenant_id:
        raise AlreadyThere(f"The host {name} belongs to tenant {present.tenant_id}: a host has one tenant.")
    if present is None:
        session.add(TenantHost(host=name, tenant_id=tenant_id))
        session.flush()
        audit.record(session, actor=actor, action="tenant.host_added", subject=name, tenant_id=tenant_id)
    return name


def add_origin(session: Session, tenant_id: str, origin: str, *, actor: str) -> str:
    """Allow pages of `origin` to read the collector's answers; repeating it is not an error. Returns it as stored."""
    get_tenant(session, tenant_id)
    name = normal_origin(origin)
    if session.get(TenantOrigin, (tenant_id, name)) is None:
        session.add(TenantOrigin(tenant_id=tenant_id, origin=name))
        session.flush()
        audit.record(session, actor=actor, action="tenant.origin_added", subject=name, tenant_id=tenant_id)
    return name


def remove_host(session: Session, tenant_id: str, host: str, *, actor: str) -> str:
    """Remove a host of the tenant, also the last one. Returns it as it was stored.

    Raises `NotFound`, which lists the existing hosts, and `ChangeRefused` for an invalid host name.
    """
    get_tenant(session, tenant_id)
    name = normal_host(host)
    present = session.get(TenantHost, name, with_for_update=True)
    if present is not None and present.tenant_id != tenant_id:
        raise NotFound(f"The host {name} belongs to tenant {present.tenant_id}, not to {tenant_id}.")
    if present is None:
        raise NotFound(f"Tenant {tenant_id} has no host {name}: {_there_are(show_tenant(session, tenant_id).hosts)}.")
    session.delete(present)
    session.flush()
    audit.record(session, actor=actor, action="tenant.host_removed", subject=name, tenant_id=tenant_id)
    return name


def remove_origin(session: Session, tenant_id: str, origin: str, *, actor: str) -> str:
    """Remove `origin` from the tenant's list. Returns it as it was stored. Raises as `remove_host`."""
    get_tenant(session, tenant_id)
    name = normal_origin(origin)
    present = session.get(TenantOrigin, (tenant_id, name), with_for_update=True)
    if present is None:
        there_are = _there_are(show_tenant(session, tenant_id).origins)
        raise NotFound(f"Tenant {tenant_id} has no origin {name} on its list: {there_are}.")
    session.delete(present)
    session.flush()
    audit.record(session, actor=actor, action="tenant.origin_removed", subject=name, tenant_id=tenant_id)
    return name


def set_active(session: Session, tenant_id: str, is_active: bool, *, actor: str) -> Tenant:
    """Enable or disable the tenant; repeating it is not an error. Raises `NotFound`."""
    tenant = get_tenant(session, tenant_id)
    if tenant.is_active != is_active:
        tenant.is_active = is_active
        session.flush()
        action = "tenant.enabled" if is_active else "tenant.disabled"
        audit.record(session, actor=actor, action=action, subject=tenant_id, tenant_id=tenant_id)
    return tenant


def get_tenant(session: Session, tenant_id: str, *, is_changed: bool = False) -> Tenant:
    """The tenant, locked if it is to be changed. Raises `NotFound`, which lists existing tenants."""
    tenant = session.get(Tenant, tenant_id, with_for_update=is_changed or None, populate_existing=is_changed)
    if tenant is None:
        known = session.scalars(select(Tenant.tenant_id).order_by(Tenant.tenant_id).limit(10)).all()
        there_are = f"there are {', '.join(known)}" if known else "create one with `echolead tenant create`"
        raise NotFound(f"There is no tenant {tenant_id}: {there_are}.")
    return tenant


def show_tenant(session: Session, tenant_id: str) -> TenantView:
    """One tenant with its hosts and origins. Raises `NotFound`."""
    tenant = get_tenant(session, tenant_id)
    return TenantView(
        tenant=tenant,
        hosts=list(
            session.scalars(select(TenantHost.host).where(TenantHost.tenant_id == tenant_id).order_by(TenantHost.host))
        ),
        origins=list(
            session.scalars(
                select(TenantOrigin.origin).where(TenantOrigin.tenant_id == tenant_id).order_by(TenantOrigin.origin)
            )
        ),
    )


def page_of_tenants(session: Session, *, limit: int, after: str = "") -> Sequence[Tenant]:
    """Tenants by id, behind one of them, without hosts and origins."""
    return session.scalars(select(Tenant).where(Tenant.tenant_id > after).order_by(Tenant.tenant_id).limit(limit)).all()


def list_tenants(session: Session) -> list[TenantView]:
    """All tenants visible to the session, ordered by id."""
    ids = session.scalars(select(Tenant.tenant_id).order_by(Tenant.tenant_id)).all()
    return [show_tenant(session, tenant_id) for tenant_id in ids]


def normal_host(host: str) -> str:
    """A host in the collector's form: lower-case, punycode, without port. Raises `ChangeRefused`."""
    bare = host.strip().rstrip(".").lower()
    if "/" in bare or ":" in bare or "@" in bare:
        raise ChangeRefused(
            f"{host!r} is not a host: give the name alone, as in lp.example.com, without scheme, port or path."
        )
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True).decode()
    except idna.IDNAError as error:
        raise ChangeRefused(f"{host!r} is not a host name: {error}.") from error
    if len(name) > 253 or not all(HOST_LABEL.fullmatch(label) for label in name.split(".")):
        raise ChangeRefused(
            f"{host!r} is not a host name: use letters, digits, hyphens and dots, as in lp.example.com."
        )
    return name


def normal_origin(origin: str) -> str:
    """An origin as browsers write it: `scheme://host`, and a port other than the scheme's. Raises `ChangeRefused`."""
    parts = urlsplit(origin.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (
        parts.scheme not in DEFAULT_PORTS
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or port == -1
    ):
        raise ChangeRefused(f"{origin!r} is not an origin: give scheme and host alone, as in https://lp.example.com.")
    name = f"{parts.scheme}://{normal_host(parts.hostname)}"
    return name if port is None or port == DEFAULT_PORTS[parts.scheme] else f"{name}:{port}"


def _there_are(names: list[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there is none"


def _check(settings: TenantSettings) -> None:
    if settings.timezone not in zoneinfo.available_timezones():
        raise ChangeRefused(f"{settings.timezone!r} is not a time zone: use an IANA name, as in America/Sao_Paulo.")
    if settings.default_region not in phonenumbers.SUPPORTED_REGIONS:
        raise ChangeRefused(f"{settings.default_region!r} is not a region: use two capital letters, as in BR.")
    if not re.fullmatch("[A-Z]{3}", settings.currency):
        raise ChangeRefused(f"{settings.currency!r} is not a currency: use three capital letters, as in BRL.")
    if settings.language not in LANGUAGES:
        raise ChangeRefused(f"{settings.language!r} is not a language of EchoLead: use {', '.join(LANGUAGES)}.")
    if settings.ip_policy not in IP_POLICIES:
        raise ChangeRefused(f"{settings.ip_policy!r} is not a policy for addresses: use {', '.join(IP_POLICIES)}.")
    if settings.consent_default not in CONSENT_DEFAULTS:
        raise ChangeRefused(
            f"{settings.consent_default!r} is not a default for consent: use {', '.join(CONSENT_DEFAULTS)}."
        )
    path = settings.collect_path
    if path is not None and (not re.fullmatch(COLLECT_PATH_PATTERN.strip("^$"), path) or path in RESERVED_PATHS):
        raise ChangeRefused(
            f"{path!r} cannot be a tenant's path: use / and up to 32 lower-case letters, digits, hyphens and "
            f"underscores, as in /k7, and none of {', '.join(RESERVED_PATHS)}."
        )
    for limit in (settings.events_per_minute, settings.events_per_month):
        if limit is not None and limit < MIN_LIMIT:
            raise ChangeRefused(
                f"A limit of {limit} events would refuse a single full request: use {MIN_LIMIT} or more."
            )
