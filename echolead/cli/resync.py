"""`echolead resync`: deliver again what did not arrive, or everything; see before how much it is and what it costs."""

from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.options import AsJson, DataDir
from echolead.operational import resync as resyncing
from echolead.operational import resync_runs
from echolead.operational.models import Destination
from echolead.operational.named_rows import get_named, list_named
from echolead.operational.resync import COMPARED_LEADS, Again, Selection

app = typer.Typer()


@app.command()
def resync(  # noqa: PLR0913, PLR0917  # the options of the command
    tenant: Annotated[str, typer.Option(help="The tenant.", show_default=False)],
    destination: Annotated[str, typer.Option(help="Only this destination, by its name.", show_default=False)] = "",
    lead: Annotated[list[str] | None, typer.Option(help="Only this lead; repeatable.", show_default=False)] = None,
    error: Annotated[
        str, typer.Option(help="Only what failed with this class of error, such as Rejected.", show_default=False)
    ] = "",
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown",
            help="Only leads with an event that may have arrived or not, and send that event again: what was there "
            "counts twice.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what arrived.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show how many there are, what they cost and what they would change.")
    ] = False,
    reason: Annotated[
        str, typer.Option(help="Why; shown with the resync and in the audit log.", show_default=False)
    ] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Deliver again the newest state of each lead that did not arrive: given up, withheld, or waiting for a retry.

    New leads go first, whatever is delivered again: the engine makes 500 at a time due. The API shows how far it is,
    stops and resumes it. The calls are estimated from the last deliveries.
    """
    with administering(data_dir) as (_, session):
        destination_id = get_named(session, Destination, tenant, destination).destination_id if destination else None
        wanted = Selection(tenant, destination_id, lead, error or None, force, unknown)
        costs = {each.destination_id: _cost(session, each) for each in list_named(session, Destination, tenant)}
        changes = resyncing.changes(session, wanted) if dry_run else []
        again = resyncing.count_again(session, wanted)
        quotas = {costs[row.destination_id][0]: row for row in resyncing.present_quotas(session, tenant)}
        if again and not dry_run:
            # The first part becomes due at once, also while no engine runs.
            resync_runs.advance(session, resync_runs.ask(session, wanted, actor=actor(), reason=reason))
    rows = [_row(each, *costs[each.destination_id]) for each in again]
    differences = [{**vars(each), "destination": costs[each.destination_id][0]} for each in changes]
    if as_json:
        show_json({"deliveries": rows, "changes": differences} if dry_run else rows)
        return
    columns = ("destination", "state", "deliveries", "calls")
    show_table(rows, columns, nothing="There is nothing to deliver again.")
    if rows:
        typer.echo(_summary(rows, would=dry_run))
        for name in sorted(quotas.keys() & {row["destination"] for row in rows}):
            typer.echo(f"{name}: {quotas[name].calls_left} calls of {quotas[name].calls_limit} are left today.")
    if rows and dry_run:
        typer.echo(f"\nWhat the first {COMPARED_LEADS} leads have other than what was delivered last:")
        shown = ("destination", "lead_id", "field", "delivered", "wanted")
        show_table(differences, shown, nothing="No difference: the same would be delivered again.")


def _cost(session: Session, destination: Destination) -> tuple[str, float]:
    """The destination's name, and how many calls a delivery takes there."""
    place = (destination.tenant_id, destination.destination_id, destination.kind)
    return destination.name, resyncing.calls_per_delivery(session, *place)


def _row(again: Again, name: str, calls: float) -> dict[str, Any]:
    count = again.deliveries
    return {"destination": name, "state": again.state, "deliveries": count, "calls": round(calls * count)}


def _summary(rows: list[dict[str, Any]], *, would: bool) -> str:
    deliveries, calls = (sum(row[column] for row in rows) for column in ("deliveries", "calls"))
    begin = "Would be delivered again" if would else "Delivered again"
    return f"{begin}: {deliveries} {'delivery' if deliveries == 1 else 'deliveries'}, about {calls} calls."
