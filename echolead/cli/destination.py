"""`echolead destination`: products that leads are delivered to."""

from pathlib import Path
from typing import Annotated, Any

import typer

from echolead.cli.context import (
    actor,
    administering,
    assignments,
    show_json,
    show_record,
    show_table,
)
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.destinations import (
    KINDS,
    add_destination,
    check_configuration,
    set_enabled,
    update_destination,
)
from echolead.operational.models import Destination
from echolead.operational.named_rows import get_named, list_named, renew_secrets
from echolead.operational.tenants import get_tenant
from echolead.outbound import opened_places
from echolead.security import Undecryptable, Vault

is_group = True
app = typer.Typer(help="Products that leads are delivered to.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The destination's name.", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="name=value; repeatable.", show_default=False)]
Secret = Annotated[
    list[str] | None,
    typer.Option("--secret", help="name=value, or name=- to read it from standard input.", show_default=False),
]


@app.command()
def add(
    tenant_id: TenantId,
    kind: Annotated[str, typer.Argument(help=f"The product: {', '.join(KINDS)}.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name of the destination. Default: the kind.", show_default=False)
    ] = None,
    settings_given: Set = None,
    secrets_given: Secret = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a destination to a tenant; it is enabled from the start."""
    configuration = assignments(settings_given or [], option="--set")
    secrets = assignments(secrets_given or [], option="--secret", hidden=True)
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        checked = check_configuration(
            kind,
            configuration,
            secrets,
            allow_private=settings.allow_private_destinations,
            private_places=opened_places(settings),
        )
        vault = Vault.of_destinations(settings)
        added = add_destination(session, vault, tenant_id, kind, checked, actor=actor(), name=name)
    _show(added, as_json)


@app.command()
def update(
    tenant_id: TenantId,
    name: Name,
    settings_given: Set = None,
    secrets_given: Secret = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace some of a destination's values, and keep the others."""
    configuration = assignments(settings_given or [], option="--set")
    secrets = assignments(secrets_given or [], option="--secret", hidden=True)
    if not configuration and not secrets:
        raise CommandFailed("Nothing to change: give one or more of --set, --secret.")
    with administering(data_dir) as (settings, session):
        destination = update_destination(
            session,
            Vault.of_destinations(settings),
            get_named(session, Destination, tenant_id, name),
            configuration=configuration,
            secrets=secrets,
            allow_private=settings.allow_private_destinations,
            private_places=opened_places(settings),
            actor=actor(),
        )
    _show(destination, as_json)


@app.command("list")
def list_(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List a tenant's destinations."""
    with administering(data_dir) as (_, session):
        rows = [_record(destination) for destination in list_named(session, Destination, tenant_id)]
    if as_json:
        show_json(rows)
    else:
        columns = ("name", "kind", "configuration", "is_enabled", "disabled_reason", "destination_id")
        show_table(rows, columns, nothing=f"Tenant {tenant_id} has no destinations.")


@app.command()
def show(tenant_id: TenantId, name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one destination, without the values of its secrets."""
    with administering(data_dir) as (settings, session):
        destination = get_named(session, Destination, tenant_id, name)
        names = sorted(Vault.of_destinations(settings).decrypt(destination.secrets))
    _show(destination, as_json, secrets=names)


@app.command()
def enable(tenant_id: TenantId, name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Start delivering to a destination."""
    _set_enabled(tenant_id, name, True, data_dir, as_json)


@app.command()
def disable(tenant_id: TenantId, name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stop delivering to a destination; due deliveries wait."""
    _set_enabled(tenant_id, name, False, data_dir, as_json)


@app.command("rotate-secrets")
def rotate_secrets_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Encrypt all secrets, also those of webhooks and tenants, with the first key of their kind. Older keys can then be
    removed.
    """
    with administering(data_dir) as (settings, session):
        renewed = renew_secrets(session, settings, actor=actor())
        if renewed.unreadable:  # nothing is changed: an older key is missing
            raise Undecryptable(
                f"No key decrypts the secrets of {', '.join(renewed.unreadable)}: put the old key back."
            )
    (show_json if as_json else show_record)({"rotated": renewed.count})


def _set_enabled(tenant_id: str, name: str, is_enabled: bool, data_dir: Path | None, as_json: bool) -> None:
    with administering(data_dir) as (_, session):
        destination = get_named(session, Destination, tenant_id, name)
        set_enabled(session, destination, is_enabled, actor=actor())
    _show(destination, as_json)


def _show(destination: Destination, as_json: bool, **more: Any) -> None:
    (show_json if as_json else show_record)({**_record(destination), **more})


def _record(destination: Destination) -> dict[str, Any]:
    return {
        "destination_id": destination.destination_id,
        "tenant_id": destination.tenant_id,
        "name": destination.name,
        "kind": destination.kind,
        "configuration": destination.configuration,
        "is_enabled": destination.is_enabled,
        "disabled_at": destination.disabled_at,
        "disabled_reason": destination.disabled_reason,
        "created_at": destination.created_at,
    }
