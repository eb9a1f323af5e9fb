"""What runs by the clock: the hourly full build with all checks, and the clean-up of old runs."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.chat.assets import JOB_NAME as CHAT_JOB_NAME
from orchestration.chat.assets import chat_records
from orchestration.deals.assets import deal_records
from orchestration.deliveries.assets import deliveries
from orchestration.lake.assets import every_file_is_what_was_written, lake_files
from orchestration.live.job import JOB_NAME
from orchestration.replay.assets import replayed_days
from orchestration.spend.assets import ad_spend

LIVE_RUNS_KEPT = timedelta(days=1)
RUNS_KEPT = timedelta(days=30)
MAX_FORGOTTEN = 500
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

BY_OTHERS = (deliveries, replayed_days, chat_records, deal_records, ad_spend, lake_files)
full_build = dg.define_asset_job(
    "full_build",
    selection=(dg.AssetSelection.all() - dg.AssetSelection.assets(*BY_OTHERS))
    | (dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks(every_file_is_what_was_written)),
    description="Mirror, every dbt model with its tests, and the checks; no deliveries, no pulls and no replays.",
    executor_def=dg.in_process_executor,
)
hourly_build = dg.ScheduleDefinition(
    name="hourly_build",
    job=full_build,
    cron_schedule="7 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.op
def forget_finished_runs(context: dg.OpExecutionContext) -> None:
    """Delete old runs: the live path makes about fifty a day, the pulls of chats some three hundred."""
    now = datetime.now(UTC)
    instance = context.instance
    of_live, of_chats = (
        dg.RunsFilter(job_name=name, statuses=FINISHED, created_before=now - LIVE_RUNS_KEPT)
        for name in (JOB_NAME, CHAT_JOB_NAME)
    )
    of_any = dg.RunsFilter(statuses=FINISHED, created_before=now - RUNS_KEPT)
    old = {run.run_id for each in (of_live, of_chats, of_any) for run in instance.get_runs(each, limit=MAX_FORGOTTEN)}
    for run_id in sorted(old):
        instance.delete_run(run_id)
    context.log.info("%d finished runs deleted", len(old))


@dg.job(executor_def=dg.in_process_executor)
def forget_old_runs() -> None:
    """Keep live runs and pulls for a day and the others for a month."""
    forget_finished_runs()


nightly_forgetting = dg.ScheduleDefinition(
    name="nightly_forgetting",
    job=forget_old_runs,
    cron_schedule="37 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
