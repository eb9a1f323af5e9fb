"""`echolead tenant channel-rule` and `excluded-referrer`: a tenant's own channels, and hosts that are no source."""

from typing import Annotated

import typer

from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.channel_rules import (
    FIELDS,
    OPERATORS,
    add_channel_rule,
    described,
    exclude_referrer,
    include_referrer,
    list_channel_rules,
    list_excluded_referrers,
    remove_channel_rule,
)
from echolead.operational.models import ChannelRule

rules = typer.Typer(help="The tenant's own channels; they come before the default ones.", no_args_is_help=True)
referrers = typer.Typer(help="Hosts that are no source for the tenant.", no_args_is_help=True)

CONDITION = f"""A condition, as in 'source equals parceiro'; repeatable, all must hold. Fields: {", ".join(FIELDS)}.
Operators: {", ".join(OPERATORS)}. Case is ignored."""
HOST = typer.Argument(help="Host name; hosts below it are meant as well.", show_default=False)


@rules.command("add")
def add_rule(
    tenant_id: TenantId,
    channel: Annotated[str, typer.Argument(help="Name of the channel.", show_default=False)],
    when: Annotated[list[str], typer.Option(help=CONDITION, show_default=False)],
    position: Annotated[
        int | None, typer.Option(help="Place among the rules; 1 is tried first. Default: the last.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Name the channel of some arrivals. All of the tenant's history is named anew within the next turn."""
    with administering(data_dir) as (_, session):
        add_channel_rule(session, tenant_id, channel, when, actor=actor(), position=position)
        _show_rules(list_channel_rules(session, tenant_id), as_json)


@rules.command("list")
def list_rules(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the tenant's rules in the order in which they are tried."""
    with administering(data_dir) as (_, session):
        _show_rules(list_channel_rules(session, tenant_id), as_json)


@rules.command("remove")
def remove_rule(
    tenant_id: TenantId,
    position: Annotated[int, typer.Argument(help="Place of the rule, as in `list`.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove a rule; those behind it move up."""
    with administering(data_dir) as (_, session):
        remove_channel_rule(session, tenant_id, position, actor=actor())
        _show_rules(list_channel_rules(session, tenant_id), as_json)


@referrers.command("add")
def add_referrer(
    tenant_id: TenantId, host: Annotated[str, HOST], data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Let a host be no source for the tenant, such as its payment page."""
    with administering(data_dir) as (_, session):
        exclude_referrer(session, tenant_id, host, actor=actor())
        _show_referrers(list_excluded_referrers(session, tenant_id), as_json)


@referrers.command("list")
def list_referrers(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the hosts that are no source for the tenant, beside those that are none for anybody."""
    with administering(data_dir) as (_, session):
        _show_referrers(list_excluded_referrers(session, tenant_id), as_json)


@referrers.command("remove")
def remove_referrer(
    tenant_id: TenantId, host: Annotated[str, HOST], data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Let the host be a source again."""
    with administering(data_dir) as (_, session):
        include_referrer(session, tenant_id, host, actor=actor())
        _show_referrers(list_excluded_referrers(session, tenant_id), as_json)


def _show_rules(found: list[ChannelRule], as_json: bool) -> None:
    rows = [{"position": rule.position, "channel": rule.channel, "when": described(rule)} for rule in found]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("position", "channel", "when"), nothing="The tenant has no channel of its own.")


def _show_referrers(hosts: list[str], as_json: bool) -> None:
    if as_json:
        show_json(hosts)
    else:
        show_table([{"host": host} for host in hosts], ("host",), nothing="The tenant excludes no host of its own.")
