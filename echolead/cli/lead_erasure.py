"""`echolead lead erase`, `erasures`, `export`: requests of people about what is held of them."""

import json
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.cli.processes import answer_of
from echolead.cli.warehouse import reading
from echolead.erasure.person import check_erasable
from echolead.operational import erasures
from echolead.operational.models import Erasure
from echolead.operational.tenants import get_tenant
from echolead.settings import load_settings

MODULE = "orchestration.erasure"
LOOK_SECONDS = 2.0
DESTINATIONS_SECONDS = 60.0
"""How long the command waits for destinations, which may be away for days."""
OfTenant = Annotated[str, typer.Option("--tenant", help="The tenant's id.", show_default=False)]
OfLead = Annotated[str, typer.Option("--lead", help="The lead's id, as the console shows it.", show_default=False)]
FIELDS = (
    "erasure_id", "state", "step", "lead_id", "lead_hash", "reason", "requested_by", "with_others", "received_before",
    "counts", "remote_records", "withdrawals", "message", "created_at", "ended_at",
)  # fmt: skip
COLUMNS = ("erasure_id", "state", "step", "reason", "requested_by", "created_at", "ended_at", "message")


def erase(
    tenant: OfTenant,
    lead: OfLead,
    reason: Annotated[str, typer.Option(help="Why; kept with the erasure.", show_default=False)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is held, in which store.")] = False,
    with_others: Annotated[
        bool, typer.Option("--with-others", help="Erase also what other leads did at the same devices.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is done.")] = True,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete in every store what was received of a lead until now. It cannot be taken back.

    The live run does it in a minute or so. Destinations take EchoLead's fields off their records, which are named, for
    the tenant to delete; one that is away is waited for, with nothing of the person kept but its ids there.
    """
    if dry_run:
        found = _asked(data_dir, "report", tenant, lead)
        (show_json if as_json else show_record)(found)
        return
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant)
        with reading(settings, so_there="are no leads") as client:
            check_erasable(client, tenant, lead, with_others=with_others)
        asked = erasures.ask(session, tenant, lead, actor=actor(), reason=reason, with_others=with_others)
        erasure_id = asked.erasure_id
    (show_json if as_json else show_record)(_ended(data_dir, erasure_id) if wait else _found(data_dir, erasure_id))


def list_erasures(
    tenant: OfTenant,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the erasures of a tenant, newest first; with --json also what was deleted."""
    with administering(data_dir) as (_, session):
        get_tenant(session, tenant)
        rows = [_record(row) for row in erasures.page_of_erasures(session, tenant, limit=limit)]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, COLUMNS, nothing="Nobody was erased.")


def give_up(
    erasure: Annotated[UUID, typer.Option("--erasure", help="The erasure's id.", show_default=False)],
    destination: Annotated[str, typer.Option("--destination", help="The destination's name.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; kept with the erasure.", show_default=False)] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let an erasure wait no longer for a destination: what that was sent of the person stays there."""
    with administering(data_dir) as (_, session):
        found = _record(erasures.give_up(session, erasure, destination, actor=actor(), reason=reason))
    (show_json if as_json else show_record)(found)


def export(
    tenant: OfTenant,
    lead: OfLead,
    to: Annotated[Path | None, typer.Option(help="The file to write. Default: standard output.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write all that is held of a lead as JSON, by table: for a person who asks what is known of them."""
    with administering(data_dir) as (_, session):
        get_tenant(session, tenant)
        erasures.record_export(session, tenant, lead, actor=actor())
    found = _asked(data_dir, "export", tenant, lead)
    if to is None:
        show_json(found)
        return
    to.touch(mode=0o600)
    to.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    rows = sum(len(each) for each in found["tables"].values())
    typer.echo(f"{to}: {rows} rows of {len(found['tables'])} tables.")


def _asked(data_dir: Path | None, command: str, tenant_id: str, lead_id: str) -> Any:
    given = json.dumps({"tenant_id": tenant_id, "lead_id": lead_id})
    return answer_of(load_settings(data_dir), MODULE, command, given=given)


def _found(data_dir: Path | None, erasure_id: UUID) -> dict[str, Any]:
    with administering(data_dir) as (_, session):
        return _record(erasures.get_erasure(session, erasure_id))


def _ended(data_dir: Path | None, erasure_id: UUID) -> dict[str, Any]:
    """The erasure when it is done, or waits for a destination. Ending the command does not end the erasure."""
    until = float("inf")
    while (found := _found(data_dir, erasure_id))["state"] != "done" and time.monotonic() < until:
        if found["step"] == "destinations":
            until = min(until, time.monotonic() + DESTINATIONS_SECONDS)
        if found["step"] == "find" and found["message"].startswith("There is no lead"):
            raise CommandFailed(found["message"])
        time.sleep(LOOK_SECONDS)
    return found


def _record(erasure: Erasure) -> dict[str, Any]:
    return {name: getattr(erasure, name) for name in FIELDS}
