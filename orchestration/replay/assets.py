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
    from_queue: bool = False
    """Add what the queue holds of the days and raw lacks, in place of computing again."""


@dg.asset(
    key=["ops", "replayed_days"],
    partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC"),
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ops",
    kinds={"clickhouse"},
)
def replayed_days(context: dg.AssetExecutionContext, config: Replay, echolead: EchoLead) -> dg.MaterializeResult[None]:
    """Days of a tenant that are computed again under present rules, as `echolead replay --from --to` does; with
    `from_queue` as its option `--from-queue`.

    Several days are one request. Ending the run leaves it to the live run, as `echolead replay stop` says.
    """
    # The code server describes only.
    from echolead.operational.warehouse_requests import OF_QUEUE, RequestRecord  # noqa: PLC0415

    days = context.partition_time_window
    url = echolead.settings().postgres_loader_url.get_secret_value()
    with closing(RequestRecord(url)) as record:
        kind = OF_QUEUE if config.from_queue else "replay"
        who = f"dagster:{context.run_id}"
        request_id = record.ask(config.tenant_id, days.start, days.end, who, config.reason, kind)
        context.log.info("Request %s: `echolead replay show %s`", request_id, request_id)
        while (found := record.look(request_id)).is_open:
            time.sleep(LOOK_SECONDS)
    if found.state != "done":
        raise dg.Failure(f"Request {request_id} is {found.state}. {found.message}")
    return dg.MaterializeResult(metadata={"request": request_id, "visitors": found.visitors, **found.changes})
