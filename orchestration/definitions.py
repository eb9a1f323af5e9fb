"""Everything Dagster knows of: assets from the collector's raw tables to the deliveries, checks, jobs, sensors.

Loaded by the code server and by every run. The settings come from ECHOLEAD_DATA_DIR; dbt's manifest must have been
prepared (`python -m orchestration.prepare`).
"""

import dagster as dg
from dagster_dlt import DagsterDltResource

from echolead.settings import Settings, load_settings
from orchestration import schedules
from orchestration.chat import assets as chat
from orchestration.collector import assets as collector
from orchestration.collector import checks as collector_checks
from orchestration.dbt.assets import dbt_command, dbt_models
from orchestration.dbt.project import export_connection
from orchestration.deals import assets as deals
from orchestration.deliveries import assets as delivery
from orchestration.lake import assets as lake
from orchestration.live.checks import every_step_succeeds
from orchestration.live.job import live_job
from orchestration.live.sensor import keep_live
from orchestration.operational import assets as operational
from orchestration.replay.assets import replayed_days
from orchestration.resources import EchoLead
from orchestration.spend import assets as spend


def definitions(settings: Settings) -> dg.Definitions:
    """The definitions of one stack."""
    export_connection(settings)
    return dg.Definitions(
        assets=[
            *collector.SPECS,
            *operational.SPECS,
            operational.mirror_assets(settings),
            *dbt_models(settings),
            chat.chat_records,
            delivery.deliveries,
            deals.deal_records,
            spend.ad_spend,
            replayed_days,
            lake.lake_files,
        ],
        asset_checks=[
            *collector_checks.CHECKS,
            chat.every_account_of_chats_is_pulled,
            delivery.no_delivery_is_stuck,
            deals.every_pull_succeeds,
            spend.every_account_of_spend_is_pulled,
            every_step_succeeds,
            lake.the_lake_has_every_load,
            lake.every_file_is_what_was_written,
        ],
        jobs=[
            live_job,
            chat.chat_pull,
            deals.pull_deals,
            spend.pull_spend,
            lake.lake_upkeep,
            lake.lake_verification,
            schedules.full_build,
            schedules.forget_old_runs,
        ],
        schedules=[schedules.hourly_build, schedules.nightly_forgetting, chat.regular_pull, *lake.SCHEDULES],
        sensors=[keep_live, deals.pull_due_deals, spend.pull_due_spend],
        resources={
            "echolead": EchoLead(data_dir=str(settings.data_dir)),
            "dbt": dbt_command(settings),
            "dlt_resource": DagsterDltResource(),
        },
        executor=dg.in_process_executor,
    )


defs = definitions(load_settings())
