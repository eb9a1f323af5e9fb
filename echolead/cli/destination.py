"""`echolead destination`: products that leads are delivered to."""

import sys
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
from echolead.cli.destination_webhook import SUBJECT, AccountWebhook
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, Secret, Set, TenantId
from echolead.cli.processes import answer_of
from echolead.operational.destination_kinds import KINDS
from echolead.operational.destinations import (
    MAPPING,
    add_destination,
    check_configuration,
    set_enabled,
    set_up,
    update_destination,
)
from echolead.operational.lead_rules import get_rules
from echolead.operational.models import Destination
from echolead.operational.named_rows import get_named, list_named, renew_secrets
from echolead.operational.tenants import get_tenant
from echolead.outbound import opened_places
from echolead.security import Undecryptable, Vault

is_group = True
NOTHING_TO_MAKE = "The account has all that the destination needs."
app = typer.Typer(help="Products that leads are delivered to.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The destination's name.", show_default=False)]
OfTenant = Annotated[str, typer.Option("--tenant", help="The tenant's id.", show_default=False)]
OfDestination = Annotated[str, typer.Option("--destination", help="The destination's name.", show_default=False)]


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
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="YAML file: which property of the product gets what of a lead (docs/reference/mapping.md). An empty "
            "file goes back to the product's own mapping. `-` is standard input.",
            allow_dash=True,
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace some of a destination's values, and keep the others."""
    configuration = assignments(settings_given or [], option="--set")
    secrets = assignments(secrets_given or [], option="--secret", hidden=True)
    if MAPPING in configuration:
        raise CommandFailed("A mapping is a file: give --mapping FILE.")
    if not configuration and not secrets and mapping is None:
        raise CommandFailed("Nothing to change: give one or more of --set, --secret, --mapping.")
    if mapping is not None:
        text = _read(mapping)
        _asked("mapping", tenant_id, name, data_dir, standard_input=text)
        configuration[MAPPING] = text.strip()
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


@app.command("test")
def compare(tenant_id: OfTenant, name: OfDestination, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Compare a destination with its account: credentials, rights, properties, mapping. Exit code 1 when something is
    missing or wrong.
    """
    findings = _asked("test", tenant_id, name, data_dir)
    _show_findings(findings, as_json, nothing="Nothing was found.")
    if any(finding["state"] in ("missing", "wrong") for finding in findings):
        raise typer.Exit(1)


@app.command()
def setup(
    tenant_id: OfTenant,
    name: OfDestination,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make what a destination needs in its account, after showing it. With --json and without --yes only show it. Exit
    code 1 when something could not be made.
    """
    webhook = AccountWebhook(tenant_id, _kind(tenant_id, name, data_dir), data_dir)
    labels = _labels_of_rules(tenant_id, data_dir)
    findings = _asked("setup", tenant_id, name, data_dir, "--dry-run", "--webhook-url", webhook.url, *labels)
    if not yes:
        _show_findings(findings, as_json, nothing=NOTHING_TO_MAKE)
        if as_json or not findings:
            return
        typer.confirm("Make this in the account?", abort=True)
    made: list[dict[str, str]] = []
    if findings:
        if any(finding["subject"] == SUBJECT and finding["state"] == "missing" for finding in findings):
            webhook.make()
        made = _asked("setup", tenant_id, name, data_dir, "--webhook-url", webhook.url, *labels)
        webhook.settle(made)
    _show_findings(made, as_json, nothing=NOTHING_TO_MAKE)
    if made:
        with administering(data_dir) as (_, session):
            subjects = [finding["subject"] for finding in made if finding["state"] == "made"]
            set_up(session, get_named(session, Destination, tenant_id, name), subjects, actor=actor())
    if any(finding["state"] == "wrong" for finding in made):
        raise typer.Exit(1)


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


def _labels_of_rules(tenant_id: str, data_dir: Path | None) -> list[str]:
    """As options: the labels that rules in force give, which agents should find before the first lead has one."""
    with administering(data_dir) as (_, session):
        rules = get_rules(session, tenant_id).rules
    actions = [action for rule in rules for action in rule["rule"]["actions"]]
    given = sorted({action["name"] for action in actions if action["kind"] == "label"})
    return [part for label in given for part in ("--label", label)]


def _kind(tenant_id: str, name: str, data_dir: Path | None) -> str:
    with administering(data_dir) as (_, session):
        return get_named(session, Destination, tenant_id, name).kind


def _asked(
    task: str, tenant_id: str, name: str, data_dir: Path | None, *options: str, standard_input: str = ""
) -> list[dict[str, str]]:
    """What a destination's product says.

    Raises `CommandFailed`, `NotFound`.
    """
    with administering(data_dir) as (settings, session):
        get_named(session, Destination, tenant_id, name)
    place = ("--tenant-id", tenant_id, "--name", name)
    findings: list[dict[str, str]] = answer_of(
        settings, "reverse_etl.account", task, *place, *options, given=standard_input
    )
    return findings


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}.") from None


def _show_findings(findings: list[dict[str, str]], as_json: bool, *, nothing: str) -> None:
    columns = ("state", "subject", "detail")
    if as_json:
        show_json([{column: finding[column] for column in columns} for finding in findings])
    else:
        show_table(findings, columns, nothing=nothing)


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
