"""`echolead dead-letter`: events that could not be accepted or loaded, with the reason and their bytes."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from echolead.cli.addresses import readonly_warehouse_url
from echolead.cli.context import administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.events import REASONS
from echolead.operational.tenants import get_tenant
from echolead.settings import load_settings
from echolead.warehouse import connect

is_group = True
app = typer.Typer(help="List and show refused events.", no_args_is_help=True)

# A redelivered message is loaded twice; its dead letters have the same id.
RECENT = """
select dead_letter_id, any(tenant_id) as tenant, any(received_at) as at, any(stage) as stage, any(reason) as reason,
       any(detail) as detail
from raw.rejected_events
where {tenant_id:String} in ('', tenant_id) and {reason:String} in ('', rejected_events.reason)
group by dead_letter_id order by at desc, dead_letter_id limit {limit:UInt32}
"""
ONE = "select * from raw.rejected_events where dead_letter_id = {dead_letter_id:String} order by loaded_at limit 1"
THERE = "select groupUniqArray(tenant_id), groupUniqArray(reason) from raw.rejected_events"
UNKNOWN_TABLE = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE")


@app.command("list")
def list_(
    tenant_id: Annotated[
        str, typer.Argument(help="Only this tenant's. Default: all tenants.", show_default=False)
    ] = "",
    reason: Annotated[str, typer.Option(help="Only those with this reason.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of dead letters.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    parameters = {"tenant_id": tenant_id, "reason": reason, "limit": limit}
    names = ("dead_letter_id", "tenant_id", "received_at", "stage", "reason", "detail")
    rows = [dict(zip(names, row, strict=True)) for row in _rows(data_dir, RECENT, parameters)[1]]
    if not rows and (tenant_id or reason):
        _check_known(data_dir, tenant_id, reason)
    if as_json:
        show_json(rows)
    else:
        whose = f"Tenant {tenant_id} has" if tenant_id else "There are"
        show_table(rows, names, nothing=f"{whose} no dead letters{f' with the reason {reason}' if reason else ''}.")


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="The id, as in `dead-letter list`.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its bytes."""
    names, rows = _rows(data_dir, ONE, {"dead_letter_id": dead_letter_id})
    if not rows:
        raise CommandFailed(f"There is no dead letter {dead_letter_id}: see `echolead dead-letter list`.")
    record = {name: value for name, value in zip(names, rows[0], strict=True) if not name.startswith("_dlt")}
    if as_json:
        show_json(record)
        return
    if record.pop("is_base64"):
        record["payload"] = repr(base64.b64decode(record["payload"]))
    show_record(record)


def _check_known(data_dir: Path | None, tenant_id: str, reason: str) -> None:
    """Raises `NotFound` for an unknown tenant and `CommandFailed` for an unknown reason.

    Tenants and reasons of existing dead letters are known, even if the operational database or this version no longer
    has them.
    """
    [(tenants, reasons)] = _rows(data_dir, THERE, {})[1]
    if tenant_id and tenant_id not in tenants:
        with administering(data_dir) as (_, session):
            get_tenant(session, tenant_id)
    if reason and reason not in (known := dict.fromkeys([*REASONS, *sorted(reasons)])):
        raise CommandFailed(f"There is no reason {reason}: there are {', '.join(known)}.")


def _rows(data_dir: Path | None, query: str, parameters: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
    with _warehouse(data_dir) as client:
        result = client.query(query, parameters=parameters)
        return list(result.column_names), [tuple(row) for row in result.result_rows]


@contextmanager
def _warehouse(data_dir: Path | None) -> Iterator[Client]:
    """A client of the warehouse. Raises `CommandFailed` when there is none, or nothing was loaded yet."""
    url = readonly_warehouse_url(load_settings(data_dir))
    try:
        client = connect(url)
    except OperationalError as error:
        raise CommandFailed("The warehouse does not answer: `echolead doctor` shows the cause.") from error
    try:
        yield client
    except DatabaseError as error:
        if not any(code in str(error) for code in UNKNOWN_TABLE):
            raise
        raise CommandFailed("Nothing was loaded into the warehouse yet, so there are no dead letters.") from error
    finally:
        client.close()
