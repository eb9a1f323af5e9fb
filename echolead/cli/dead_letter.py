"""`echolead dead-letter`: events that could not be accepted or loaded, with the reason and their bytes."""

import base64
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.cli.warehouse import reading
from echolead.corrections import CollectorAnswer, Correction, NotSent, not_sent, of_event, of_letter, record
from echolead.embedded.part import python
from echolead.events import REASONS, encode
from echolead.operational.tenants import get_tenant
from echolead.settings import Settings, load_settings

is_group = True
app = typer.Typer(help="List, show and replay refused events.", no_args_is_help=True)

# A redelivered message is loaded twice; its dead letters have the same id.
RECENT = """
select dead_letter_id, any(tenant_id) as tenant, any(received_at) as at, any(stage) as stage, any(reason) as reason,
       any(detail) as detail
from raw.rejected_events
where {tenant_id:String} in ('', tenant_id) and {reason:String} in ('', rejected_events.reason)
group by dead_letter_id order by at desc, dead_letter_id limit {limit:UInt32}
"""
ONE = "select * from raw.rejected_events where dead_letter_id = {dead_letter_id:String} order by loaded_at limit 1"
LETTERS = """
select * from raw.rejected_events
where (empty({ids:Array(String)}) or dead_letter_id in {ids:Array(String)})
    and {tenant_id:String} in ('', tenant_id) and {reason:String} in ('', rejected_events.reason)
order by received_at, dead_letter_id, loaded_at limit 1 by dead_letter_id limit {limit:UInt32}
"""
EVENT = """
select * from raw.events where tenant_id = {tenant_id:String} and event_id = {event_id:String}
order by received_at, loaded_at limit 1
"""
THERE = "select groupUniqArray(tenant_id), groupUniqArray(reason) from raw.rejected_events"


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


@app.command()
def replay(  # the options of the command
    dead_letter_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids, as in `dead-letter list`.", show_default=False)
    ] = None,
    tenant: Annotated[str, typer.Option(help="Every dead letter of this tenant.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="Of these only those with this reason.", show_default=False)] = "",
    event: Annotated[
        str, typer.Option(help="An event of the tenant, to be corrected with --payload.", show_default=False)
    ] = "",
    payload: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="File with the corrected event, JSON; - reads standard input.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of dead letters.")] = 1000,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send refused events to the collector again, as they are or corrected, with the time at which they were received.

    Ids stay, so that nothing counts twice. With --event a value of an event that was set aside is corrected.
    """
    corrected = payload.read() if payload else None
    found: list[Correction | NotSent]
    if event:
        found = [of_event(_event(data_dir, tenant, event), _needed(corrected))]
    else:
        letters = _letters(data_dir, dead_letter_ids or [], tenant, reason, limit)
        if corrected is not None and len(letters) != 1:
            raise CommandFailed(f"--payload corrects one dead letter, and these are {len(letters)}.")
        found = [each for letter in letters for each in of_letter(letter, corrected)]
    corrections = [each for each in found if isinstance(each, Correction)]
    with administering(data_dir) as (settings, session):
        named = {each.request.tenant_id for each in corrections}
        regions = {tenant_id: get_tenant(session, tenant_id).default_region for tenant_id in named}
        answers = _send(settings, corrections, regions)
        for correction, said in zip(corrections, answers, strict=True):
            record(session, correction, said, actor=actor(), is_corrected=corrected is not None)
    told = [*zip((each.subject for each in corrections), answers, strict=True)]
    told += [(each.subject, not_sent(each)) for each in found if isinstance(each, NotSent)]
    rows = [{"id": subject, **asdict(said)} for subject, said in told]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("id", "is_queued", "reason", "detail"), nothing="There is nothing to send.")
    if not all(said.is_queued for _, said in told):
        raise typer.Exit(1)


def _send(settings: Settings, corrections: Sequence[Correction], regions: Mapping[str, str]) -> list[CollectorAnswer]:
    """Let the collector check and queue them, in a process of its own; an answer for each. `regions` are by tenant."""
    lines = [
        encode({"region": regions[each.request.tenant_id], "request": each.request, "content": each.content}) + b"\n"
        for each in corrections
    ]
    command = python("-m", "ingest_api.replay", "--data-dir", str(settings.data_dir))
    sent = subprocess.run(command, input=b"".join(lines), capture_output=True, check=False)
    if sent.returncode != 0:
        last = (sent.stderr.decode(errors="replace").strip().splitlines() or ["no reason was given"])[-1]
        raise CommandFailed(f"The events were not sent, or not all of them; sending them again is safe: {last}")
    return [msgspec.json.decode(line, type=CollectorAnswer) for line in sent.stdout.splitlines()]


def _letters(data_dir: Path | None, ids: list[str], tenant_id: str, reason: str, limit: int) -> list[dict[str, Any]]:
    """The rows of the dead letters, each once. Raises `CommandFailed` when none was named, or one is not there."""
    if not ids and not tenant_id:
        raise CommandFailed("Name dead letters, or all of a tenant with --tenant.")
    parameters = {"ids": ids, "tenant_id": tenant_id, "reason": reason, "limit": limit}
    names, rows = _rows(data_dir, LETTERS, parameters)
    letters = [_aware(dict(zip(names, row, strict=True))) for row in rows]
    missing = set(ids) - {letter["dead_letter_id"] for letter in letters}
    if missing:
        raise CommandFailed(f"There is no dead letter {min(missing)}: see `echolead dead-letter list`.")
    if not letters:
        _check_known(data_dir, tenant_id, reason)
    return letters


def _event(data_dir: Path | None, tenant_id: str, event_id: str) -> dict[str, Any]:
    names, rows = _rows(data_dir, EVENT, {"tenant_id": tenant_id, "event_id": event_id})
    if not rows:
        raise CommandFailed(f"Tenant {tenant_id or '(give --tenant)'} has no event {event_id}.")
    return _aware(dict(zip(names, rows[0], strict=True)))


def _needed(corrected: bytes | None) -> bytes:
    if corrected is None:
        raise CommandFailed("Give the corrected event with --payload: as it is, it is in the warehouse already.")
    return corrected


def _aware(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}


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
    with reading(load_settings(data_dir), so_there="are no dead letters") as client:
        result = client.query(query, parameters=parameters)
        return list(result.column_names), [tuple(row) for row in result.result_rows]
