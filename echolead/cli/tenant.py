"""`echolead tenant`: tenants, their hosts and origins."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from echolead.cli import channel_rules, tenant_rate
from echolead.cli.context import actor, administering, hidden_value, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import SHOWN_NAME, AsJson, DataDir, TenantId
from echolead.operational.models import CONSENT_DEFAULTS, IP_POLICIES, LANGUAGES
from echolead.operational.tenants import (
    TenantSettings,
    TenantView,
    add_host,
    add_origin,
    change_tenant,
    create_tenant,
    list_tenants,
    remove_host,
    remove_origin,
    set_active,
    set_chatwoot_hmac_token,
    show_tenant,
)
from echolead.security import Vault
from echolead.settings import Settings

is_group = True
app = typer.Typer(help="Tenants, their hosts and their pages' origins.", no_args_is_help=True)
app.add_typer(tenant_rate.app, name="rate")
app.add_typer(channel_rules.rules, name="channel-rule")
app.add_typer(channel_rules.referrers, name="excluded-referrer")

DEFAULTS = TenantSettings()
# options of both `create` and `set`
TIME_ZONE = typer.Option(help="IANA time zone.")
REGION = typer.Option(help="Region of phone numbers without +.")
LANGUAGE = typer.Option(help=f"Language of texts in other products: {', '.join(LANGUAGES)}.")
IP_POLICY = typer.Option(help=f"How visitors' IP addresses are stored: {', '.join(IP_POLICIES)}.")
CONSENT_DEFAULT = typer.Option(help=f"Consent until a visitor decides: {', '.join(CONSENT_DEFAULTS)}.")


@app.command()
def create(  # noqa: PLR0913, PLR0917  # the options of the command
    tenant_id: Annotated[str, typer.Argument(help="Slug, chosen once: a-z, 0-9 and -.", show_default=False)],
    name: Annotated[str, typer.Option(help="Display name. Default: the id.", show_default=False)] = "",
    host: Annotated[list[str] | None, typer.Option(help="Host the collector answers on; repeatable.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Origin of the tenant's pages (CORS); repeatable.")] = None,
    timezone: Annotated[str, TIME_ZONE] = DEFAULTS.timezone,
    region: Annotated[str, REGION] = DEFAULTS.default_region,
    currency: Annotated[str, typer.Option(help="ISO 4217 currency.")] = DEFAULTS.currency,
    language: Annotated[str, LANGUAGE] = DEFAULTS.language,
    ip_policy: Annotated[str, IP_POLICY] = DEFAULTS.ip_policy,
    consent_default: Annotated[str, CONSENT_DEFAULT] = DEFAULTS.consent_default,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant, with its hosts and origins."""
    settings = TenantSettings(
        name=name,
        timezone=timezone,
        default_region=region,
        currency=currency,
        language=language,
        ip_policy=ip_policy,
        consent_default=consent_default,
    )
    with administering(data_dir) as (stack, session):
        create_tenant(session, tenant_id, actor=actor(), settings=settings, hosts=host or [], origins=origin or [])
        view = show_tenant(session, tenant_id)
    let_read(stack, [tenant_id])
    _show(view, as_json)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all tenants."""
    with administering(data_dir) as (_, session):
        rows = [_record(view) for view in list_tenants(session)]
    if as_json:
        show_json(rows)
    else:
        columns = ("tenant_id", "name", "hosts", "origins", "timezone", "is_active")
        show_table(rows, columns, nothing="There are no tenants yet: create one with `echolead tenant create`.")


@app.command()
def show(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one tenant."""
    with administering(data_dir) as (_, session):
        view = show_tenant(session, tenant_id)
    _show(view, as_json)


@app.command("set")
def set_(  # noqa: PLR0913, PLR0917  # the options of the command
    context: typer.Context,
    tenant_id: TenantId,
    name: Annotated[str | None, SHOWN_NAME] = None,
    timezone: Annotated[str | None, TIME_ZONE] = None,
    region: Annotated[str | None, REGION] = None,
    language: Annotated[str | None, LANGUAGE] = None,
    ip_policy: Annotated[str | None, IP_POLICY] = None,
    consent_default: Annotated[str | None, CONSENT_DEFAULT] = None,
    collect_path: Annotated[
        str | None, typer.Option(help="Path of the tenant's script and events, for example /k7; / removes it.")
    ] = None,
    events_per_minute: Annotated[
        int | None, typer.Option(help="Limit of the tenant; 0 for the installation's.")
    ] = None,
    events_per_month: Annotated[int | None, typer.Option(help="Quota of the tenant; 0 for none.")] = None,
    chatwoot_hmac_token: Annotated[
        str | None,
        typer.Option(
            help="Token for identity validation in the chat widget; - reads it from standard input, '' removes it."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's settings; settings without an option stay as they are. Works within two seconds."""
    given = {
        "name": name,
        "timezone": timezone,
        "default_region": region,
        "language": language,
        "ip_policy": ip_policy,
        "consent_default": consent_default,
        "collect_path": collect_path,
        "events_per_minute": events_per_minute,
        "events_per_month": events_per_month,
    }
    changes = {key: None if value in (0, "/") else value for key, value in given.items() if value is not None}
    if not changes and chatwoot_hmac_token is None:
        options = [each for each in context.command.params if each.param_type_name == "option"]
        choices = [each.opts[0] for each in options if each.name not in {"data_dir", "as_json"}]
        raise CommandFailed(f"Nothing to change: give one or more of {', '.join(choices)}.")
    token = None if chatwoot_hmac_token is None else hidden_value("token", chatwoot_hmac_token)
    with administering(data_dir) as (settings, session):
        if changes:
            change_tenant(session, tenant_id, actor=actor(), **changes)
        if token is not None:
            set_chatwoot_hmac_token(session, Vault.of_collector(settings), tenant_id, token, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)


@app.command("add-host")
def add_host_(
    tenant_id: TenantId,
    host: Annotated[str, typer.Argument(help="Host name, without scheme and port.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a host on which the collector answers for the tenant."""
    with administering(data_dir) as (_, session):
        add_host(session, tenant_id, host, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)


@app.command("add-origin")
def add_origin_(
    tenant_id: TenantId,
    origin: Annotated[
        str, typer.Argument(help="Scheme and host, for example https://lp.example.com.", show_default=False)
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Allow pages of another origin to send events."""
    with administering(data_dir) as (_, session):
        add_origin(session, tenant_id, origin, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)


@app.command("remove-host")
def remove_host_(
    tenant_id: TenantId,
    host: Annotated[str, typer.Argument(help="Host name, as in `tenant show`.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove a host: the collector no longer answers on it. Works within two seconds."""
    with administering(data_dir) as (_, session):
        remove_host(session, tenant_id, host, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)
    if not view.hosts and not as_json:
        typer.echo(f"That was the last host: no page can send events until `echolead tenant add-host {tenant_id}`.")


@app.command("remove-origin")
def remove_origin_(
    tenant_id: TenantId,
    origin: Annotated[str, typer.Argument(help="Scheme and host, as in `tenant show`.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove an origin: events from its pages are refused. Works within two seconds."""
    with administering(data_dir) as (_, session):
        name = remove_origin(session, tenant_id, origin, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)
    if (host := urlsplit(name).hostname) in view.hosts and not as_json:
        typer.echo(f"Its pages may still send events: {host} is a host of the tenant (`echolead tenant remove-host`).")


@app.command()
def disable(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Disable a tenant. Requests of its pages, servers and products are refused within two seconds, its deliveries
    stop, and the console does not show it. All of its data is kept.
    """
    _set_active(tenant_id, False, data_dir, as_json)


@app.command()
def enable(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Enable a disabled tenant again, with all of its data."""
    _set_active(tenant_id, True, data_dir, as_json)


def _set_active(tenant_id: str, is_active: bool, data_dir: Path | None, as_json: bool) -> None:
    with administering(data_dir) as (_, session):
        set_active(session, tenant_id, is_active, actor=actor())
        view = show_tenant(session, tenant_id)
    _show(view, as_json)


def let_read(settings: Settings, tenant_ids: Sequence[str]) -> None:
    """Create the tenants' accounts in the warehouse, which the console uses.

    Raises `CommandFailed` when the warehouse does not create them.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415  # the other commands need no client

    from echolead import warehouse  # noqa: PLC0415

    url = settings.clickhouse_url.get_secret_value()
    if not url:
        if settings.clickhouse("readonly"):
            typer.echo("The warehouse has no account for it yet: `echolead setup` makes it as the owner.", err=True)
        return
    try:
        with closing(warehouse.connect(url)) as client:
            warehouse.ensure_tenant_accounts(client, settings.clickhouse_tenant_key.get_secret_value(), tenant_ids)
    except ClickHouseError as error:
        raise CommandFailed(
            f"Tenant {', '.join(tenant_ids)} was created, but the warehouse has no account for it ({error}). "
            "`echolead setup` makes what is missing."
        ) from error


def _show(view: TenantView, as_json: bool) -> None:
    (show_json if as_json else show_record)(_record(view))


def _record(view: TenantView) -> dict[str, Any]:
    tenant = view.tenant
    return {
        "tenant_id": tenant.tenant_id,
        "name": tenant.name,
        "hosts": view.hosts,
        "origins": view.origins,
        "timezone": tenant.timezone,
        "default_region": tenant.default_region,
        "currency": tenant.currency,
        "language": tenant.language,
        "ip_policy": tenant.ip_policy,
        "consent_default": tenant.consent_default,
        "collect_path": tenant.collect_path,
        "events_per_minute": tenant.events_per_minute,
        "events_per_month": tenant.events_per_month,
        "proves_visitors": tenant.secrets is not None,
        "is_active": tenant.is_active,
        "created_at": tenant.created_at,
    }
