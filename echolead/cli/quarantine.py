"""`echolead quarantine`: whose rows are left out because a model fails on them, and their release."""

from typing import Annotated, Any
from uuid import UUID

import typer

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.options import AsJson, DataDir
from echolead.operational import quarantine
from echolead.operational.models import QuarantineEntry

is_group = True
app = typer.Typer(help="Visitors whose rows are left out because a model fails on them.", no_args_is_help=True)

FIELDS = (
    "quarantine_id", "tenant_id", "tracking_id", "event_id", "step", "message", "quarantined_at", "released_at",
    "released_by", "release_reason",
)  # fmt: skip
COLUMNS = ("quarantine_id", "tenant_id", "tracking_id", "event_id", "step", "quarantined_at", "message")


@app.command("list")
def list_(
    tenant_id: Annotated[
        str, typer.Argument(help="Only this tenant's. Default: all tenants.", show_default=False)
    ] = "",
    with_released: Annotated[bool, typer.Option("--released", help="Those that are released too.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List whose rows are left out, newest first. Without a tracking_id it is the whole tenant."""
    with administering(data_dir) as (_, session):
        rows = [_record(row) for row in quarantine.list_entries(session, tenant_id, with_released=with_released)]
    if as_json:
        show_json(rows)
    else:
        columns = (*COLUMNS, "released_at", "released_by") if with_released else COLUMNS
        show_table(rows, columns, nothing="No rows are left out.")


@app.command()
def release(
    quarantine_id: Annotated[UUID, typer.Argument(help="The id, as in `quarantine list`.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; kept with the release.", show_default=False)] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take the rows again. If a model still fails on them, they are left out again."""
    with administering(data_dir) as (_, session):
        record = _record(quarantine.release(session, quarantine_id, actor=actor(), reason=reason))
    (show_json if as_json else show_record)(record)


def _record(entry: QuarantineEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in FIELDS}
