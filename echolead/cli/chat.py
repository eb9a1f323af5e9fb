"""`echolead chat`: what a tenant wants of its conversations, how far they are pulled, and pulling now."""

import json
import subprocess
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.embedded.part import python
from echolead.operational.chat import (
    MemberLimits,
    chat_members,
    chat_settings,
    remove_chat_member,
    set_chat_member,
    set_chat_settings,
)
from echolead.operational.models import ChatMember, ChatPull, ChatSettings, Destination

is_group = True
app = typer.Typer(help="Conversations: texts, targets, cover, and pulls of Chatwoot.", no_args_is_help=True)
members = typer.Typer(help="What agents and teams are given, and when not.", no_args_is_help=True)
app.add_typer(members, name="member")

NO_ACCOUNT = "The tenant has no Chatwoot destination: add one with `echolead destination add`."
PULLED = ("destination", "records", "is_behind", "error")
MEMBERS = ("kind", "name", "most_open", "away_from", "away_until")
ACCOUNTS = ("destination", "is_enabled", "pulled_at", "reached_at", "is_behind", "error")


@app.command()
def show(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the settings, and how far the conversations of each Chatwoot account are pulled."""
    with administering(data_dir) as (_, session):
        settings = _record(chat_settings(session, tenant_id))
        limits = [_member(each) for each in chat_members(session, tenant_id)]
        accounts = _accounts(session, tenant_id)
    if as_json:
        show_json({**settings, "members": limits, "accounts": accounts})
    else:
        show_record(settings)
        if limits:
            show_table(limits, MEMBERS, nothing="")
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
    cover_absence: Annotated[
        str | None,
        typer.Option(metavar="on|off", help="Whether a colleague answers while the owner is away.", show_default=False),
    ] = None,
    cover_after: Annotated[
        int | None,
        typer.Option(help="Minutes of business hours until a colleague answers; 0 for never.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change the settings."""
    with administering(data_dir) as (_, session):
        changed = set_chat_settings(
            session,
            tenant_id,
            keeps_texts=_switch("--texts", texts),
            first_response_minutes=first_response_minutes,
            covers_absence=_switch("--cover-absence", cover_absence),
            cover_after_minutes=cover_after,
            actor=actor(),
        )
        settings = _record(changed)
    (show_json if as_json else show_record)(settings)


KIND = typer.Argument(metavar="agent|team", help="What is limited.", show_default=False)
NAME = typer.Argument(help="The name or e-mail that rules use.", show_default=False)
FIRST_DAY = typer.Option(help="First day of an absence.", formats=["%Y-%m-%d"], show_default=False)
LAST_DAY = typer.Option(help="Its last day.", formats=["%Y-%m-%d"], show_default=False)


@members.command("set")
def set_member(
    tenant_id: TenantId,
    kind: Annotated[str, KIND],
    name: Annotated[str, NAME],
    most_open: Annotated[
        int | None, typer.Option(help="Open conversations with which nothing new is given.", show_default=False)
    ] = None,
    away_from: Annotated[datetime | None, FIRST_DAY] = None,
    away_until: Annotated[datetime | None, LAST_DAY] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set limit and absence of an agent or team; what is not given is none."""
    limits = MemberLimits(most_open, away_from and away_from.date(), away_until and away_until.date())
    with administering(data_dir) as (_, session):
        shown = _member(set_chat_member(session, tenant_id, kind, name, limits, actor=actor()))
    (show_json if as_json else show_record)(shown)


@members.command("remove")
def remove_member(
    tenant_id: TenantId, kind: Annotated[str, KIND], name: Annotated[str, NAME], data_dir: DataDir = None
) -> None:
    """Take limit and absence back."""
    with administering(data_dir) as (_, session):
        remove_chat_member(session, tenant_id, kind, name, actor=actor())
    typer.echo(f"The {kind} {name} has no limit and no absence.")


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
        "cover_absence": "on" if settings.covers_absence else "off",
        "cover_after_minutes": settings.cover_after_minutes,
    }


def _member(member: ChatMember) -> dict[str, Any]:
    return {name: getattr(member, name) for name in MEMBERS}


def _switch(option: str, said: str | None) -> bool | None:
    if said not in (None, "on", "off"):
        raise CommandFailed(f"{option} is on or off, not {said!r}.")
    return None if said is None else said == "on"


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
