"""`echolead key`: API keys for sending events from a server."""

from typing import Annotated, Any

import typer

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.api_keys import CreatedKey, create_key, list_keys, revoke_key, rotate_key
from echolead.operational.models import ApiKey

is_group = True
app = typer.Typer(help="API keys for sending events from a server.", no_args_is_help=True)

Prefix = Annotated[str, typer.Argument(help="The part after elk_, as in `key list`.", show_default=False)]


@app.command()
def create(
    tenant_id: TenantId,
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the key's holder, for example site-backend; unique among working keys.", show_default=False
        ),
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, only this once."""
    with administering(data_dir) as (_, session):
        created = create_key(session, tenant_id, name, actor=actor())
    _show_created(created, as_json)


@app.command()
def rotate(tenant_id: TenantId, prefix: Prefix, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Create a key with the same name, and revoke the old one at once."""
    with administering(data_dir) as (_, session):
        created = rotate_key(session, tenant_id, prefix, actor=actor())
    _show_created(created, as_json)


@app.command("list")
def list_(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List a tenant's keys, by their prefix."""
    with administering(data_dir) as (_, session):
        rows = [_record(row) for row in list_keys(session, tenant_id)]
    if as_json:
        show_json(rows)
    else:
        columns = ("prefix", "name", "created_at", "last_used_at", "revoked_at")
        show_table(rows, columns, nothing=f"Tenant {tenant_id} has no keys.")


@app.command()
def revoke(tenant_id: TenantId, prefix: Prefix, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Revoke a key permanently."""
    with administering(data_dir) as (_, session):
        record = _record(revoke_key(session, tenant_id, prefix, actor=actor()))
    (show_json if as_json else show_record)(record)


def _show_created(created: CreatedKey, as_json: bool) -> None:
    record = {**_record(created.row), "key": created.key}
    if as_json:
        show_json(record)
        return
    show_record({"key": created.key, "name": created.row.name, "prefix": created.row.key_prefix})
    typer.echo("The key is not stored and cannot be shown again.")


def _record(row: ApiKey) -> dict[str, Any]:
    return {
        "api_key_id": row.api_key_id,
        "tenant_id": row.tenant_id,
        "prefix": row.key_prefix,
        "name": row.name,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }
