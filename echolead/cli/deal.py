"""`echolead deal`: stages of CRMs' pipelines and what they count as, pulls of deals."""

from contextlib import closing
from typing import Annotated, Any

import typer

from echolead.cli.addresses import readonly_warehouse_url
from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.cli.processes import answer_of
from echolead.operational.deals import guess, map_stage, mapped_stages
from echolead.operational.models import FUNNEL_STAGES, Destination
from echolead.operational.named_rows import get_named, list_named
from echolead.operational.tenants import get_tenant
from echolead.settings import Settings
from echolead.warehouse import connect

is_group = True
app = typer.Typer(help="Deals of the tenants' CRMs.", no_args_is_help=True)
stages = typer.Typer(help="Stages of pipelines, and what they count as in the funnel.", no_args_is_help=True)
app.add_typer(stages, name="stages")

COLUMNS = ("destination", "pipeline", "pipeline_id", "stage", "stage_id", "counts_as", "guess", "deals")
STAGES = """
    select stages.destination_id as destination_id, stages.pipeline_id as pipeline_id,
        stages.pipeline_label as pipeline_label, stages.stage_id as stage_id, stages.stage_label as stage_label,
        stages.position as position, stages.said_outcome as said_outcome,
        countIf(deals.deal_id != '' and not deals.is_deleted and deals.merged_into = '') as deals
    from staging.stg_deals__stages as stages
    left join marts.deals as deals
        on stages.tenant_id = deals.tenant_id and stages.destination_id = deals.destination_id
        and stages.pipeline_id = deals.pipeline_id and stages.stage_id = deals.stage_id
    where stages.tenant_id = {tenant_id:String} and not stages.is_stage_deleted
    group by all
    order by destination_id, pipeline_label, pipeline_id, position, stage_id
"""
DestinationName = Annotated[str, typer.Argument(help="The destination's name.", show_default=False)]


@stages.command("list")
def list_stages(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the stages that the tenant's CRMs have, what each counts as, and a guess where none is mapped."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        names = {row.destination_id: row.name for row in list_named(session, Destination, tenant_id)}
        mapped = mapped_stages(session, tenant_id)
        found = _stages(settings, tenant_id)
    rows = []
    for row in found:
        place = (row["destination_id"], row["pipeline_id"], row["stage_id"])
        counts_as = next((stage for key, stage in mapped.items() if (str(key[0]), *key[1:]) == place), "")
        name = next((name for key, name in names.items() if str(key) == row["destination_id"]), row["destination_id"])
        suggested = "" if counts_as else guess(row["stage_label"], row["said_outcome"], row["position"])
        rows.append(
            {"destination": name, "pipeline": row["pipeline_label"], "pipeline_id": row["pipeline_id"],
             "stage": row["stage_label"], "stage_id": row["stage_id"], "counts_as": counts_as, "guess": suggested,
             "deals": row["deals"]}
        )  # fmt: skip
    if as_json:
        show_json(rows)
    else:
        show_table(rows, COLUMNS, nothing="No stage is known: pull the deals first with `echolead deal pull`.")


@stages.command("map")
def map_(
    tenant_id: TenantId,
    destination: DestinationName,
    pipeline_id: Annotated[str, typer.Argument(help="Id of the pipeline, as in `list`.", show_default=False)],
    pairs: Annotated[
        list[str], typer.Argument(help=f"STAGE_ID=one of {', '.join(FUNNEL_STAGES)}; repeatable.", show_default=False)
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say what stages of a pipeline count as. Everything that was counted is counted anew at once."""
    with administering(data_dir) as (_, session):
        row = get_named(session, Destination, tenant_id, destination)
        done = []
        for pair in pairs:
            stage_id, sign, stage = pair.rpartition("=")
            if not sign:
                raise CommandFailed(f"{pair!r} is no pair: give STAGE_ID=STAGE, as in 12=qualified.")
            kept = map_stage(session, row, pipeline_id, stage_id, stage, actor=actor())
            done.append({"stage_id": kept.stage_id, "counts_as": kept.stage})
    if as_json:
        show_json(done)
    else:
        show_table(done, ("stage_id", "counts_as"), nothing="Nothing was given.")


@app.command()
def pull(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Read the deals of the tenant's CRMs now, as the stack does every five minutes."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
    done = _asked(tenant_id, settings)
    if as_json:
        show_json(done)
        return
    typer.echo(f"{done['destinations']} destinations, {done['records']} new records.")
    for name, message in done["failed"].items():
        typer.echo(f"{name}: {message}")


def _stages(settings: Settings, tenant_id: str) -> list[dict[str, Any]]:
    with closing(connect(readonly_warehouse_url(settings))) as client:
        return [dict(row) for row in client.query(STAGES, parameters={"tenant_id": tenant_id}).named_results()]


def _asked(tenant_id: str, settings: Settings) -> dict[str, Any]:
    """What a pull did. Raises `CommandFailed`."""
    answer: dict[str, Any] = answer_of(
        settings, "orchestration.deals.pulls", "--tenant-id", tenant_id, silent="The pull ended without a word."
    )
    return answer
