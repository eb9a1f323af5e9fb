"""`echolead rebuild`: raw and everything behind it, from the lake."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.lake import OnlyTenant, SinceDay, UntilDay
from echolead.cli.options import AsJson, DataDir
from echolead.cli.processes import followed
from echolead.cli.requests import extent_of_days, summary, tried
from echolead.operational import warehouse_requests
from echolead.operational.tenants import get_tenant, list_tenants
from echolead.operational.warehouse_requests import OF_QUEUE
from echolead.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

COLUMNS = ("table", "rows_before", "rows_in_the_lake", "rows_after", "comparison")


@app.command()
def rebuild(
    from_: Annotated[str, typer.Option("--from", help="Where from: `lake`, or `queue`.")] = "lake",
    tenant: OnlyTenant = "",
    since: SinceDay = None,
    until: UntilDay = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.", show_default=False)] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only compare what the lake has with what raw has.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put raw back as it is in the lake, and compute everything behind it again.

    With --tenant, --since or --until only these rows, which the live run then computes again in pieces. A rebuild that
    was killed goes on when it is repeated. A damaged file is named, and everything else is rebuilt.

    With `--from queue` the live run adds what the queue holds and raw lacks, and nothing is put back or removed: after
    the restore of an older backup, behind `--from lake`.
    """
    if from_ == "queue":
        from_queue(data_dir, tenant, since, until, reason=reason, is_dry_run=dry_run, as_json=as_json)
        return
    if from_ != "lake":
        raise CommandFailed(f"There is no rebuild from {from_!r}: say `--from lake` or `--from queue`.")
    settings = load_settings(data_dir)
    found = rebuilt(settings, tenant, since, until, reason=reason, is_dry_run=dry_run)
    if as_json:
        show_json(found)
    else:
        _show(found, is_dry_run=dry_run)
    if found["raw"]["damaged"]:
        raise typer.Exit(1)


def rebuilt(
    settings: Settings,
    tenant: str,
    since: datetime | None,
    until: datetime | None,
    *,
    reason: str,
    is_dry_run: bool = False,
) -> dict[str, Any]:
    """Rebuild in a process of its own, with its progress on standard error. Raises `CommandFailed`."""
    asked = {
        "tenant_id": tenant,
        "since": since and since.date().isoformat(),
        "until": until and until.date().isoformat(),
        "actor": actor(),
        "reason": reason,
        "is_dry_run": is_dry_run,
    }
    found: dict[str, Any] = followed(
        settings,
        "orchestration.rebuild",
        given=json.dumps(asked),
        first="reading the lake",
        unit="rows",
        failed="The rebuild did not come to its end; it goes on when it is repeated: ",
    )
    return found


def from_queue(  # the options of the command
    data_dir: Path | None,
    tenant: str,
    since: datetime | None,
    until: datetime | None,
    *,
    reason: str,
    is_dry_run: bool,
    as_json: bool,
) -> None:
    """Ask for each tenant, or for one, that the live run adds what the queue holds and raw lacks; or only count it."""
    extent = extent_of_days(since, until)
    why = reason or "what the queue holds and raw lacks"
    with administering(data_dir) as (settings, session):
        every = [get_tenant(session, tenant)] if tenant else [each.tenant for each in list_tenants(session)]
        tenants = [each.tenant_id for each in every]
        found: dict[str, Any] = {}
        if not is_dry_run:
            for each in tenants:
                request = warehouse_requests.ask(session, each, extent, actor=actor(), reason=why, kind=OF_QUEUE)
                found[each] = request.request_id
    if is_dry_run:
        found = {each: tried(settings, each, extent, OF_QUEUE) for each in tenants}
    if as_json:
        show_json(found)
        return
    for each, said in found.items():
        typer.echo(f"{each}: {summary(said, would=True) if is_dry_run else f'`echolead replay show {said}`'}")


def _show(found: Mapping[str, Any], *, is_dry_run: bool) -> None:
    raw = found["raw"]
    rows = [
        {
            "table": table,
            "rows_before": before["rows"],
            "rows_in_the_lake": raw["in_the_lake"].get(table, 0),
            "rows_after": raw["after"].get(table, {}).get("rows", ""),
            "comparison": "" if is_dry_run else _comparison(before, raw["after"][table]),
        }
        for table, before in raw["before"].items()
        if before["rows"] or raw["in_the_lake"].get(table)
    ]
    show_table(rows, COLUMNS, nothing="Neither raw nor the lake has such rows.")
    for path, problem in raw["damaged"].items():
        typer.echo(f"{path} is {problem}: its rows are not restored, except those that raw still had.")
    if found["is_built"]:
        typer.echo("Everything behind raw was built anew.")
    for tenant_id, request_id in found["requests"].items():
        typer.echo(f"What is behind the rows of {tenant_id} is computed again: `echolead replay show {request_id}`")
    for tenant_id in found["unknown_tenants"]:
        typer.echo(f"There is no tenant {tenant_id}: its rows are in raw, and nothing is computed of them.")


def _comparison(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    if before == after:
        return "equal, by rows and checksum"
    return "other rows" if before["rows"] == after["rows"] else "other number of rows"
