"""`echolead webhook`: addresses to which products post their webhooks."""

from typing import Annotated, Any

import typer

from echolead.cli.addresses import webhook_url
from echolead.cli.context import (
    actor,
    administering,
    hidden_value,
    show_json,
    show_record,
    show_table,
)
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.models import WebhookEndpoint
from echolead.operational.named_rows import list_named
from echolead.operational.webhooks import (
    IssuedWebhook,
    NewWebhook,
    add_webhook,
    remove_webhook,
    rotate_webhook,
)
from echolead.security import Vault
from echolead.settings import Settings
from echolead.webhooks import ROTATION_OVERLAP, SOURCES

is_group = True
app = typer.Typer(help="Addresses to which products post their webhooks.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The webhook's name, as in `webhook list`.", show_default=False)]
Secret = Annotated[
    str | None,
    typer.Option(
        help="The secret the product shows, or - to read it from standard input. Default: generated, if the "
        "product accepts a secret of ours.",
        show_default=False,
    ),
]
HOURS = int(ROTATION_OVERLAP.total_seconds() // 3600)


@app.command()
def add(
    tenant_id: TenantId,
    source: Annotated[str, typer.Argument(help=f"The product: {', '.join(SOURCES)}.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name of the webhook. Default: the source.", show_default=False)
    ] = None,
    secret: Secret = None,
    token_header: Annotated[
        str,
        typer.Option(help="Header in which RD Station sends its token. Default: Authorization.", show_default=False),
    ] = "",
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Accept webhooks without a signature (chatwoot, rdstation).")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create an address for a product's webhooks. A secret made by EchoLead is shown, only this once."""
    wanted = NewWebhook(source, name, _read(secret), allow_unsigned, token_header)
    with administering(data_dir) as (settings, session):
        known = add_webhook(session, Vault.of_collector(settings), tenant_id, wanted, actor=actor())
    _show_once(known, settings, as_json)


@app.command("list")
def list_(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List a tenant's webhooks and their addresses."""
    with administering(data_dir) as (settings, session):
        rows = [_record(row, settings) for row in list_named(session, WebhookEndpoint, tenant_id)]
    if as_json:
        show_json(rows)
    else:
        columns = ("name", "source", "url", "allow_unsigned", "is_active", "rotated_at")
        show_table(rows, columns, nothing=f"Tenant {tenant_id} has no webhooks.")


@app.command()
def rotate(
    tenant_id: TenantId,
    name: Name,
    secret: Secret = None,
    allow_unsigned: Annotated[
        bool | None,
        typer.Option(
            "--allow-unsigned/--require-signature",
            help="Whether webhooks without a signature are accepted.",
            show_default=False,
        ),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Refuse the previous secret at once, for example after a leak.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a webhook another secret; the previous one is accepted for another 24 hours."""
    given = _read(secret)
    with administering(data_dir) as (settings, session):
        known = rotate_webhook(
            session,
            Vault.of_collector(settings),
            tenant_id,
            name,
            actor=actor(),
            secret=given,
            allow_unsigned=allow_unsigned,
            keep_previous=not now,
        )
    _show_once(known, settings, as_json)
    if not as_json:
        typer.echo(_about_previous_secret(known, now))


@app.command()
def remove(tenant_id: TenantId, name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Remove a webhook's address permanently."""
    with administering(data_dir) as (settings, session):
        record = _record(remove_webhook(session, tenant_id, name, actor=actor()), settings)
    (show_json if as_json else show_record)(record)


def _read(secret: str | None) -> str | None:
    return None if secret is None else hidden_value("secret", secret)


def _about_previous_secret(known: IssuedWebhook, is_refused: bool) -> str:
    if not known.had_secret:
        return "There was no previous secret."
    return "The previous secret is refused now." if is_refused else f"The previous secret works for {HOURS} hours."


def _show_once(known: IssuedWebhook, settings: Settings, as_json: bool) -> None:
    """The stored webhook, with the secret if it was made here. An entered secret is not printed again."""
    record = _record(known.row, settings)
    made = {"secret": known.secret} if known.secret and known.is_made_here else {}
    if as_json:
        show_json({**record, **made})
        return
    show_record({"url": record["url"], **made, "name": known.row.name, "source": known.row.source})
    if known.secret:
        typer.echo(f"The secret is stored encrypted and cannot be shown{' again' if made else ''}.")
    elif not known.row.allow_unsigned:
        typer.echo(
            f"Nothing is taken yet: enter the secret that {known.row.source} shows with "
            f"`echolead webhook rotate {known.row.tenant_id} {known.row.name} --secret -`."
        )


def _record(row: WebhookEndpoint, settings: Settings) -> dict[str, Any]:
    return {
        "endpoint_id": row.webhook_endpoint_id,
        "tenant_id": row.tenant_id,
        "name": row.name,
        "source": row.source,
        "url": webhook_url(settings, row),
        "token_header": row.token_header,
        "allow_unsigned": row.allow_unsigned,
        "is_active": row.is_active,
        "created_at": row.created_at,
        "rotated_at": row.rotated_at,
    }
