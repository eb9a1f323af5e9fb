"""A replay as Dagster offers it: days of receipt are partitions, and materialising them asks the live run for them."""

import time
from contextlib import closing

import dagster as dg

from orchestration.resources import EchoLead

LOOK_SECONDS = 2.0
FIRST_DAY = "2020-01-01"


class Replay(dg.Config):
    """What the launchpad asks for."""

    tenant_id: str
    reason: str


@dg.asset(
    key=["ops", "replayed_days"],
    partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC"),
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ops",
    kinds={"clickhouse"},
)
def replayed_days(context: dg.AssetExecutionContext, config: Replay, echolead: EchoLead) -> dg.MaterializeResult[None]:
    """Days of a tenant that are computed again under present rules, as `echolead replay --from --to` does.

    Several days are one request. Ending the run leaves it to the live run, as `echolead replay stop` says.
    """
    from echolead.operational.warehouse_requests import RequestRecord  # noqa: PLC0415  # the code server describes only

    days = context.partition_time_window
    url = echolead.settings().postgres_loader_url.get_secret_value()
    with closing(RequestRecord(url)) as record:
        request_id = record.ask(config.tenant_id, days.start, days.end, f"dagster:{context.run_id}", config.reason)
        context.log.info("Request %s: `echolead replay show %s`", request_id, request_id)
        while (found := record.look(request_id)).is_open:
            time.sleep(LOOK_SECONDS)
    if found.state != "done":
        raise dg.Failure(f"Request {request_id} is {found.state}. {found.message}")
    return dg.MaterializeResult(metadata={"request": request_id, "visitors": found.visitors, **found.changes})
