"""`echolead spend`: what ad campaigns cost, from accounts and files, and the names that stand for campaigns."""

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import typer

from echolead.cli.context import actor, administering, assignments, show_json, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, Secret, Set, TenantId
from echolead.cli.processes import answer_of
from echolead.operational.models import CampaignAlias, SpendSource
from echolead.operational.named_rows import list_named
from echolead.operational.spend import (
    add_spend_source,
    check_spend_source,
    list_aliases,
    remove_alias,
    remove_spend_source,
    set_alias,
)
from echolead.operational.spend_kinds import SPEND_KINDS
from echolead.operational.tenants import get_tenant
from echolead.outbound import opened_places
from echolead.security import Vault

is_group = True
app = typer.Typer(help="What ad campaigns cost.", no_args_is_help=True)
aliases = typer.Typer(help="Names in links that stand for a campaign.", no_args_is_help=True)
accounts = typer.Typer(help="Ad accounts whose spend is pulled.", no_args_is_help=True)
app.add_typer(aliases, name="alias")
app.add_typer(accounts, name="account")

OfTenant = Annotated[str, typer.Option("--tenant", help="The tenant's id.", show_default=False)]
Platform = Annotated[
    str, typer.Argument(help="google_ads, meta_ads, or what a file says, such as linkedin_ads.", show_default=False)
]
Alias = Annotated[
    str, typer.Argument(help="Name or id as links say it; case and accents do not count.", show_default=False)
]
LOADED = ("platform", "account", "currency", "campaigns", "first_day", "last_day", "cost")
ALIAS_COLUMNS = ("platform", "alias", "campaign_id", "account_id")


@app.command()
def load(  # noqa: PLR0913, PLR0917  # the options of the command
    file: Annotated[
        Path, typer.Argument(help="CSV file by day and campaign.", exists=True, dir_okay=False, show_default=False)
    ],
    tenant: OfTenant,
    platform: Annotated[str, typer.Option(help="Platform, where the file does not say it.", show_default=False)] = "",
    account: Annotated[str, typer.Option(help="Account, where the file does not say it.")] = "file",
    currency: Annotated[
        str, typer.Option(help="Currency, where the file does not say it. Default: the tenant's.", show_default=False)
    ] = "",
    zone: Annotated[
        str, typer.Option(help="Time zone of the account's days. Default: the tenant's.", show_default=False)
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read the file and load nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Load a file of ad spend, all of it or nothing. What it says of a campaign's day replaces what was there."""
    with administering(data_dir) as (settings, session):
        found = get_tenant(session, tenant)
        own_currency, own_zone = found.currency, found.timezone
    if zone and zone not in available_timezones():
        raise CommandFailed(f"{zone!r} is not a time zone: use a name such as America/Sao_Paulo.")
    options = {
        "platform": platform,
        "account": account,
        "currency": currency.upper() or own_currency,
        "zone": zone or own_zone,
    }
    given = [part for name, value in options.items() for part in (f"--{name}", value) if value or part == f"--{name}"]
    more = ["--dry-run"] if dry_run else []
    done = answer_of(settings, "dlt_pipelines.spend", str(file.resolve()), "--tenant-id", tenant, *given, *more)
    if done["problems"]:
        raise CommandFailed("Nothing was loaded. " + "\n".join(done["problems"]))
    if as_json:
        show_json(done)
        return
    show_table(done["accounts"], LOADED, nothing="The file has no rows.")
    typer.echo(f"{done['lines']} lines {'can be' if dry_run else 'are'} loaded.")


@app.command()
def pull(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Read the spend of the tenant's ad accounts now, as the stack does every six hours."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
    silent = "The pull ended without a word."
    done = answer_of(settings, "orchestration.spend.pulls", "--tenant-id", tenant_id, silent=silent)
    if as_json:
        show_json(done)
        return
    typer.echo(f"{done['accounts']} accounts, {done['rows']} new or changed days.")
    for name, message in done["failed"].items():
        typer.echo(f"{name}: {message}")


@aliases.command("set")
def set_(
    tenant_id: TenantId,
    platform: Platform,
    alias: Alias,
    campaign_id: Annotated[
        str, typer.Argument(help="The campaign's id, as in marts.ad_campaigns.", show_default=False)
    ],
    account: Annotated[
        str, typer.Option(help="Its account, where several have such a campaign.", show_default=False)
    ] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a name stand for a campaign. The tenant's campaigns are computed anew within minutes."""
    with administering(data_dir) as (_, session):
        set_alias(session, tenant_id, platform, alias, campaign_id, account_id=account, actor=actor())
        rows = [_record(each) for each in list_aliases(session, tenant_id)]
    _show(rows, as_json)


@aliases.command("list")
def list_(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the tenant's aliases."""
    with administering(data_dir) as (_, session):
        rows = [_record(each) for each in list_aliases(session, tenant_id)]
    _show(rows, as_json)


@aliases.command("remove")
def remove(
    tenant_id: TenantId, platform: Platform, alias: Alias, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Remove an alias."""
    with administering(data_dir) as (_, session):
        remove_alias(session, tenant_id, platform, alias, actor=actor())
        rows = [_record(each) for each in list_aliases(session, tenant_id)]
    _show(rows, as_json)


@accounts.command("add")
def add_account(
    tenant_id: TenantId,
    platform: Annotated[str, typer.Argument(help=f"The platform: {', '.join(SPEND_KINDS)}.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name of the account. Default: the platform.", show_default=False)
    ] = None,
    settings_given: Set = None,
    secrets_given: Secret = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let the spend of an account be pulled from now on (docs/reference/spend.md has its settings and secrets)."""
    configuration = assignments(settings_given or [], option="--set")
    secrets = assignments(secrets_given or [], option="--secret", hidden=True)
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        checked = check_spend_source(
            platform,
            configuration,
            secrets,
            allow_private=settings.allow_private_destinations,
            private_places=opened_places(settings),
        )
        vault = Vault.of_destinations(settings)
        add_spend_source(session, vault, tenant_id, platform, checked, actor=actor(), name=name)
        rows = _accounts(list_named(session, SpendSource, tenant_id))
    _show_accounts(rows, as_json)


@accounts.command("list")
def list_accounts(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the tenant's ad accounts whose spend is pulled."""
    with administering(data_dir) as (_, session):
        rows = _accounts(list_named(session, SpendSource, tenant_id))
    _show_accounts(rows, as_json)


@accounts.command("remove")
def remove_account(
    tenant_id: TenantId,
    name: Annotated[str, typer.Argument(help="The account's name.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Pull an account no more. What was loaded of it stays."""
    with administering(data_dir) as (_, session):
        remove_spend_source(session, tenant_id, name, actor=actor())
        rows = _accounts(list_named(session, SpendSource, tenant_id))
    _show_accounts(rows, as_json)


def _record(alias: CampaignAlias) -> dict[str, Any]:
    return {name: getattr(alias, name) for name in ALIAS_COLUMNS}


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ALIAS_COLUMNS, nothing="The tenant has no aliases.")


def _accounts(found: Any) -> list[dict[str, Any]]:
    return [{"name": each.name, "platform": each.platform, "configuration": each.configuration} for each in found]


def _show_accounts(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("name", "platform", "configuration"), nothing="The tenant has no ad accounts.")
