"""`echolead replay`: compute again under present rules, lists and models; see before what would change."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.cli.rebuild import rebuilt
from echolead.cli.requests import extent_of_days, summary, tried
from echolead.cli.warehouse import reading
from echolead.operational import warehouse_requests
from echolead.operational.models import OPEN_STATES, WarehouseRequest
from echolead.operational.tenants import get_tenant
from echolead.settings import Settings, load_settings

is_group = True
app = typer.Typer(invoke_without_command=True, add_completion=False)

LOOK_SECONDS = 0.5
EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2105, 1, 1, tzinfo=UTC))
VISITORS = """
select uniq(tracking_id) from raw.events
where tenant_id = {tenant_id:String}
    and received_at >= {received_from:DateTime64(3, 'UTC')} and received_at < {received_before:DateTime64(3, 'UTC')}
"""
RequestId = Annotated[UUID, typer.Argument(help="The request, as in `replay list`.", show_default=False)]
COLUMNS = ("request_id", "tenant_id", "kind", "state", "visitors", "requested_by", "created_at", "reason")
FIELDS = (
    "request_id", "tenant_id", "kind", "state", "lead_ids", "received_from", "received_before", "requested_by",
    "reason", "created_at", "started_at", "ended_at", "pieces", "visitors", "events", "position", "changes", "message",
)  # fmt: skip


@app.callback()
def replay(  # noqa: PLR0913, PLR0917  # the options of the command
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="The tenant.", show_default=False)] = "",
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day of receipt, in UTC.", show_default=False),
    ] = None,
    to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of receipt, in UTC.", show_default=False)
    ] = None,
    lead: Annotated[list[str] | None, typer.Option(help="Only this lead; repeatable.", show_default=False)] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the request.", show_default=False)] = "",
    from_lake: Annotated[
        bool, typer.Option("--from-lake", help="First put the days back into raw as they are in the lake.")
    ] = False,
    from_queue: Annotated[
        bool,
        typer.Option("--from-queue", help="Add to raw what the queue holds of these days and raw lacks."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until it is done.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compute a tenant's events, sessions, leads and deliveries again under present rules, lists and models.

    Without --from, --to and --lead everything of the tenant. The live run does it in pieces, between its turns. With
    --from-queue nothing is computed again but what the added events change.
    """
    if context.invoked_subcommand is not None:
        return
    if not tenant:
        raise CommandFailed("Name the tenant with --tenant, or see `echolead replay --help`.")
    extent = extent_of_days(from_, to, lead or ())
    if from_lake:
        if from_queue:
            raise CommandFailed("Choose one of --from-lake and --from-queue; begin with the lake.")
        if lead or dry_run:
            raise CommandFailed(
                "--from-lake takes whole days: see `echolead rebuild --dry-run` for what it would bring."
            )
        settings = load_settings(data_dir)
        request_id = _from_lake(settings, tenant, from_, to, reason)
        _follow(data_dir, settings, request_id, detach=detach, as_json=as_json)
        return
    kind = warehouse_requests.OF_QUEUE if from_queue else "replay"
    if dry_run:
        with administering(data_dir) as (settings, session):
            get_tenant(session, tenant)
        warehouse_requests.check_extent(extent, kind)
        changes = tried(settings, tenant, extent, kind)
        show_json(changes) if as_json else typer.echo(summary(changes, would=True))
        return
    with administering(data_dir) as (settings, session):
        request = warehouse_requests.ask(session, tenant, extent, actor=actor(), reason=reason, kind=kind)
        request_id = request.request_id
    _follow(data_dir, settings, request_id, detach=detach, as_json=as_json)


@app.command("list")
def list_(
    tenant_id: Annotated[
        str, typer.Argument(help="Only this tenant's. Default: all tenants.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of requests.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List what was computed again or waits for it, newest first: replays, decisions about leads, other settings."""
    with administering(data_dir) as (_, session):
        rows = [_record(row) for row in warehouse_requests.list_requests(session, tenant_id, limit)]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, COLUMNS, nothing="Nothing was asked to be computed again.")


@app.command()
def show(request_id: RequestId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a request: who asked, how far it has come, and what it changed."""
    _show(data_dir, request_id, as_json)


@app.command()
def stop(request_id: RequestId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let a request wait until `replay resume`. What is done stays done."""
    with administering(data_dir) as (_, session):
        warehouse_requests.stop(session, request_id, actor=actor())
    _show(data_dir, request_id, as_json)


@app.command()
def resume(
    request_id: RequestId,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until it is done.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a stopped or failed request go on where it was."""
    with administering(data_dir) as (settings, session):
        warehouse_requests.resume(session, request_id, actor=actor())
    _follow(data_dir, settings, request_id, detach=detach, as_json=as_json)


def _from_lake(settings: Settings, tenant: str, from_: datetime | None, to: datetime | None, reason: str) -> UUID:
    """Put the days back into raw; the request that computes what is behind them."""
    found = rebuilt(settings, tenant, from_, to, reason=reason)
    for path, problem in found["raw"]["damaged"].items():
        typer.echo(f"{path} is {problem}: its rows are not restored.", err=True)
    if tenant not in found["requests"]:
        raise CommandFailed(f"The lake has no events of {tenant} of these days: see `echolead lake status --tenant`.")
    return UUID(found["requests"][tenant])


def _follow(data_dir: Path | None, settings: Settings, request_id: UUID, *, detach: bool, as_json: bool) -> None:
    """Watch a request until it waits no longer, unless detached, and show it."""
    if not detach:
        with administering(data_dir) as (_, session):
            request = warehouse_requests.get_request(session, request_id)
        _wait(data_dir, settings, request)
    _show(data_dir, request_id, as_json)


def _wait(data_dir: Path | None, settings: Settings, request: WarehouseRequest) -> None:
    """Show how far the request has come, until it waits no longer. Ctrl-C ends the watching only."""
    console = Console(stderr=True)
    is_of_queue = request.kind == warehouse_requests.OF_QUEUE
    unit = "messages" if is_of_queue else "visitors"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("waiting", total=None if is_of_queue else _visitors(settings, request))
        try:
            while request.state in OPEN_STATES:
                time.sleep(LOOK_SECONDS)
                with administering(data_dir) as (_, session):
                    request = warehouse_requests.get_request(session, request.request_id)
                done = request.changes.get("messages", 0) if is_of_queue else request.visitors
                progress.update(task, description=request.state, completed=done)
        except KeyboardInterrupt:
            console.print(f"The request goes on: `echolead replay stop {request.request_id}` stops it.")
            raise typer.Exit(0) from None


def _visitors(settings: Settings, request: WarehouseRequest) -> int | None:
    """About how many visitors it is over; None where it is about leads."""
    if request.lead_ids:
        return None
    parameters = {
        "tenant_id": request.tenant_id,
        "received_from": request.received_from or EVER[0],
        "received_before": request.received_before or EVER[1],
    }
    with reading(settings, so_there="is nothing to compute again") as client:
        return int(client.query(VISITORS, parameters=parameters).result_rows[0][0])


def _show(data_dir: Path | None, request_id: UUID, as_json: bool) -> None:
    with administering(data_dir) as (_, session):
        record = _record(warehouse_requests.get_request(session, request_id))
    if as_json:
        show_json(record)
        return
    show_record({**record, "changes": summary(record["changes"], would=False) if record["changes"] else ""})


def _record(request: WarehouseRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in FIELDS}
