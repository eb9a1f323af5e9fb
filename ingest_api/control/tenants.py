"""Tenants: their settings, hosts, origins and API keys; creating them is a platform administrator's."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import tenants
from echolead.operational.api_keys import create_key, list_keys, revoke_key
from echolead.operational.models import TENANT_ID_PATTERN, Tenant
from echolead.operational.tenants import TenantSettings, TenantView
from echolead.operational.versions import version_of
from ingest_api.control.answers import (
    ControlBody,
    Cursor,
    ListPage,
    Moment,
    PageSize,
    View,
    after,
    answer,
    nothing,
    page,
)
from ingest_api.control.call import Calling, CallingInstallation, operation
from ingest_api.control.edits import check_line, content_version
from ingest_api.control.once import once

TENANTS = "/v1/tenants"
PATH = "/v1/tenants/{tenant_id}"
TenantId = Annotated[str, Field(pattern=TENANT_ID_PATTERN, examples=["acme"])]
Host = Annotated[str, Field(min_length=1, max_length=253, examples=["lp.acme.example"])]
Origin = Annotated[str, Field(min_length=1, max_length=300, examples=["https://lp.acme.example"])]
Events = Annotated[int | None, Field(ge=500, description="null: the installation's limit")]

routes = APIRouter(tags=["tenants"])


class TenantLine(View):
    """A tenant and its settings (docs/reference/command-line.md, `tenant set`)."""

    tenant_id: str
    name: str
    timezone: str
    default_region: str
    currency: str
    language: str
    ip_policy: str
    consent_default: str
    collect_path: str | None
    events_per_minute: int | None
    events_per_month: int | None
    is_active: bool
    created_at: Moment
    updated_at: Moment


class WholeTenant(TenantLine):
    """A tenant with the hosts the collector answers on for it, and the origins of its pages."""

    hosts: list[str]
    origins: list[str]


class TenantEdit(ControlBody):
    """The settings to change; the others stay."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = ""
    timezone: Annotated[str, Field(examples=["America/Manaus"])] = ""
    default_region: str = ""
    currency: Annotated[str, Field(examples=["BRL"])] = ""
    language: Literal["pt-BR", "en", ""] = ""
    ip_policy: Literal["truncated", "whole", "hashed", ""] = ""
    consent_default: Literal["granted", "wait", "denied", ""] = ""
    collect_path: str | None = None
    events_per_minute: Events = None
    events_per_month: Events = None


class NewTenant(ControlBody):
    """A tenant to create; its id is permanent."""

    tenant_id: TenantId
    name: Annotated[str, Field(max_length=200, examples=["Acme Imóveis"])] = ""
    timezone: str = "America/Sao_Paulo"
    default_region: str = "BR"
    currency: str = "BRL"
    language: Literal["pt-BR", "en"] = "pt-BR"


class Activation(ControlBody):
    """Whether the collector accepts events of the tenant, and its users see it."""

    is_active: bool


class HostBody(ControlBody):
    """A host of the tenant, without scheme, port and path."""

    host: Host


class OriginBody(ControlBody):
    """An origin whose pages may send events."""

    origin: Origin


class KeyLine(View):
    """An API key for a tenant's server. The key itself is shown once, when it is made."""

    api_key_id: UUID
    name: str
    key_prefix: str
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class ShownKey(KeyLine):
    """A new key; `key` is never shown again."""

    key: str


class NewKey(ControlBody):
    """A key to make, by the name of its holder."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["site-backend"])]


@routes.get(TENANTS, summary="Tenants", response_model=ListPage[TenantLine], **operation("tenants.list"))
def list_(call: CallingInstallation, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """All tenants, by id."""
    with call.session() as session:
        rows = tenants.page_of_tenants(session, limit=limit + 1, after=after(call, cursor, str) or "")
        return answer(page(call, rows, limit, TenantLine.model_validate, lambda row: [row.tenant_id]))


@routes.post(
    TENANTS, summary="Create a tenant", status_code=201, response_model=TenantLine, **operation("tenants.create")
)
def create(call: CallingInstallation, body: NewTenant) -> Response:
    """A new tenant, without hosts and origins."""
    chosen = TenantSettings(**body.model_dump(exclude={"tenant_id"}))
    return once(
        call,
        lambda session: _shown(
            tenants.create_tenant(session, body.tenant_id, actor=call.actor, settings=chosen), status=201
        ),
    )


@routes.put(
    f"{PATH}/activation", summary="Enable or disable", response_model=WholeTenant, **operation("tenants.activate")
)
def activate(call: Calling, body: Activation) -> Response:
    """Enable or disable the tenant; its rows stay. Repeating it is not an error."""
    with call.session() as session:
        tenants.set_active(session, call.tenant_id, body.is_active, actor=call.actor)
        session.flush()
        session.expire_all()
        return _whole(tenants.show_tenant(session, call.tenant_id))


@routes.get(PATH, summary="Settings", response_model=WholeTenant, **operation("settings.read", versioned=True))
def show(call: Calling) -> Response:
    """The tenant with its settings, hosts and origins."""
    with call.session() as session:
        return _whole(tenants.show_tenant(session, call.tenant_id))


@routes.patch(PATH, summary="Change settings", response_model=TenantLine, **operation("settings.change", edits=True))
def change(call: Calling, body: TenantEdit) -> Response:
    """Change some settings."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    with call.session() as session:
        changed = tenants.change_tenant(session, call.tenant_id, actor=call.actor, base_version=call.base, **changes)
        return _shown(changed)


@routes.get(
    f"{PATH}/hosts",
    summary="Hosts",
    response_model=ListPage[HostBody],
    **operation("settings.read", versioned=True),
)
def hosts(call: Calling) -> Response:
    """The hosts on which the collector answers for the tenant, in one page. The ETag is for `If-Match` of a removal."""
    with call.session() as session:
        found = _hosts(session, call.tenant_id)
        return answer(ListPage[HostBody](items=[HostBody(host=each) for each in found]), version=content_version(found))


@routes.post(
    f"{PATH}/hosts", summary="Add a host", status_code=201, response_model=HostBody, **operation("addresses.change")
)
def add_host(call: Calling, body: HostBody) -> Response:
    """A host on which the collector answers for the tenant; adding it again is not an error."""
    return once(
        call,
        lambda session: answer(
            HostBody(host=tenants.add_host(session, call.tenant_id, body.host, actor=call.actor)), 201
        ),
    )


@routes.delete(
    f"{PATH}/hosts/{{host}}",
    summary="Remove a host",
    status_code=204,
    **operation("addresses.change", edits=True),
)
def remove_host(call: Calling, host: str) -> Response:
    """Remove a host, also the last one."""
    with call.session() as session:
        check_line(session, call, "The list of hosts", "tenant.host_", _hosts, {host: None})
        tenants.remove_host(session, call.tenant_id, host, actor=call.actor)
        return nothing(version=content_version(_hosts(session, call.tenant_id)))


@routes.get(
    f"{PATH}/origins",
    summary="Origins",
    response_model=ListPage[OriginBody],
    **operation("settings.read", versioned=True),
)
def origins(call: Calling) -> Response:
    """The origins whose pages may send events, in one page. The ETag is for `If-Match` of a removal."""
    with call.session() as session:
        found = _origins(session, call.tenant_id)
        items = [OriginBody(origin=each) for each in found]
        return answer(ListPage[OriginBody](items=items), version=content_version(found))


@routes.post(
    f"{PATH}/origins",
    summary="Add an origin",
    status_code=201,
    response_model=OriginBody,
    **operation("addresses.change"),
)
def add_origin(call: Calling, body: OriginBody) -> Response:
    """An origin whose pages may send events and read the answers; adding it again is not an error."""
    return once(
        call,
        lambda session: answer(
            OriginBody(origin=tenants.add_origin(session, call.tenant_id, body.origin, actor=call.actor)), 201
        ),
    )


@routes.delete(
    f"{PATH}/origins", summary="Remove an origin", status_code=204, **operation("addresses.change", edits=True)
)
def remove_origin(call: Calling, origin: Annotated[str, Query(min_length=1, max_length=300)]) -> Response:
    """Remove an origin."""
    with call.session() as session:
        check_line(session, call, "The list of origins", "tenant.origin_", _origins, {origin: None})
        tenants.remove_origin(session, call.tenant_id, origin, actor=call.actor)
        return nothing(version=content_version(_origins(session, call.tenant_id)))


@routes.get(f"{PATH}/keys", summary="API keys", response_model=ListPage[KeyLine], **operation("keys.read"))
def keys(call: Calling) -> Response:
    """The tenant's keys, revoked ones too, oldest first, in one page."""
    with call.session() as session:
        rows = list_keys(session, call.tenant_id)
        return answer(ListPage[KeyLine](items=[KeyLine.model_validate(row) for row in rows]))


@routes.post(
    f"{PATH}/keys", summary="Make an API key", status_code=201, response_model=ShownKey, **operation("keys.change")
)
def make_key(call: Calling, body: NewKey) -> Response:
    """A new key. It is shown in this answer alone."""

    def work(session: Any) -> Response:
        made = create_key(session, call.tenant_id, body.name, actor=call.actor)
        return answer(ShownKey(key=made.key, **KeyLine.model_validate(made.row).model_dump()), 201)

    return once(call, work)


@routes.delete(
    f"{PATH}/keys/{{key_prefix}}", summary="Revoke an API key", response_model=KeyLine, **operation("keys.change")
)
def revoke(call: Calling, key_prefix: str) -> Response:
    """Revoke a key permanently; servers with it are refused within two seconds."""
    with call.session() as session:
        return answer(KeyLine.model_validate(revoke_key(session, call.tenant_id, key_prefix, actor=call.actor)))


def _hosts(session: Session, tenant_id: str) -> dict[str, str]:
    return {host: host for host in tenants.show_tenant(session, tenant_id).hosts}


def _origins(session: Session, tenant_id: str) -> dict[str, str]:
    return {origin: origin for origin in tenants.show_tenant(session, tenant_id).origins}


def _shown(tenant: Tenant, status: int = 200) -> Response:
    return answer(TenantLine.model_validate(tenant), status, version=version_of(tenant))


def _whole(view: TenantView) -> Response:
    line = TenantLine.model_validate(view.tenant).model_dump()
    return answer(WholeTenant(**line, hosts=view.hosts, origins=view.origins), version=version_of(view.tenant))
