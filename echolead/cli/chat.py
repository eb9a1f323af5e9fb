"""`echolead chat`: what a tenant wants of its conversations, how far they are pulled, and pulling now."""

import json
import subprocess
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.embedded.part import python
from echolead.operational.chat import chat_settings, set_chat_settings
from echolead.operational.models import ChatPull, ChatSettings, Destination

is_group = True
app = typer.Typer(help="Conversations: texts, targets, and pulls of Chatwoot.", no_args_is_help=True)

NO_ACCOUNT = "The tenant has no Chatwoot destination: add one with `echolead destination add`."
PULLED = ("destination", "records", "is_behind", "error")
ACCOUNTS = ("destination", "is_enabled", "pulled_at", "reached_at", "is_behind", "error")


@app.command()
def show(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the settings, and how far the conversations of each Chatwoot account are pulled."""
    with administering(data_dir) as (_, session):
        settings = _record(chat_settings(session, tenant_id))
        accounts = _accounts(session, tenant_id)
    if as_json:
        show_json({**settings, "accounts": accounts})
    else:
        show_record(settings)
        show_table(accounts, ACCOUNTS, nothing=NO_ACCOUNT)


@app.command("set")
def set_(
    tenant_id: TenantId,
    texts: Annotated[
        str | None,
        typer.Option(metavar="on|off", help="Whether texts of messages are kept, from now on.", show_default=False),
    ] = None,
    first_response_minutes: Annotated[
        int | None,
        typer.Option(help="Minutes of business hours within which a person is to answer.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change the settings."""
    if texts not in (None, "on", "off"):
        raise CommandFailed(f"--texts is on or off, not {texts!r}.")
    with administering(data_dir) as (_, session):
        changed = set_chat_settings(
            session,
            tenant_id,
            keeps_texts=None if texts is None else texts == "on",
            first_response_minutes=first_response_minutes,
            actor=actor(),
        )
        settings = _record(changed)
    (show_json if as_json else show_record)(settings)


@app.command()
def sync(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Pull what is new of the tenant's conversations now; waits while another pull runs."""
    with administering(data_dir) as (settings, session):
        if not _accounts(session, tenant_id):
            raise CommandFailed(NO_ACCOUNT)
    command = python("-m", "dlt_pipelines.chatwoot", "--tenant-id", tenant_id, "--data-dir", str(settings.data_dir))
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if not asked.stdout.strip():
        raise CommandFailed((asked.stderr.strip().splitlines() or ["No reason was given."])[-1])
    done: list[dict[str, Any]] = json.loads(asked.stdout)
    if as_json:
        show_json(done)
    else:
        show_table(done, PULLED, nothing="No Chatwoot destination of the tenant is enabled.")
    if asked.returncode != 0:
        raise typer.Exit(1)


def _record(settings: ChatSettings) -> dict[str, Any]:
    return {
        "tenant_id": settings.tenant_id,
        "texts": "on" if settings.keeps_texts else "off",
        "first_response_minutes": settings.first_response_minutes,
    }


def _accounts(session: Session, tenant_id: str) -> list[dict[str, Any]]:
    query = (
        select(Destination, ChatPull)
        .outerjoin(ChatPull, ChatPull.destination_id == Destination.destination_id)
        .where(Destination.tenant_id == tenant_id, Destination.kind == "chatwoot")
        .order_by(Destination.name)
    )
    return [
        {
            "destination": destination.name,
            "is_enabled": destination.is_enabled,
            "pulled_at": pulled and pulled.pulled_at,
            "reached_at": pulled and pulled.reached_at,
            "is_behind": pulled is None or pulled.gap_page is not None or pulled.error is not None,
            "error": (pulled and pulled.error) or "",
        }
        for destination, pulled in session.execute(query)
    ]
