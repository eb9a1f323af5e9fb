"""The lake's upkeep by the hour, and its checks: nothing is missing for long, and what is there is what was written."""

import zlib
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.resources import EchoLead

if TYPE_CHECKING:
    from dlt_pipelines.lake.manifest import StoredFile

KEY = dg.AssetKey(["lake", "files"])
READ_AGAIN_AFTER_DAYS = 30
"""Files of the last days are read every night, each older one once in so many nights."""


@dg.asset(
    key=KEY,
    deps=[["raw", "events"]],
    group_name="lake",
    kinds={"parquet"},
    description="Everything of raw as Parquet files, by table, tenant and day of receipt, written by the live path. "
    "This merges the files of each day, removes those that nothing needs, and drops days of raw that are too old.",
)
def lake_files(context: dg.AssetExecutionContext, echolead: EchoLead) -> dg.MaterializeResult[None]:
    """Merge and remove files; a day with a damaged one is left as it is."""
    from dlt_pipelines.lake.upkeep import tend  # noqa: PLC0415  # the code server only describes this

    done = tend(echolead.settings())
    for said in done.compacted.damaged:
        context.log.warning("%s", said)
    return dg.MaterializeResult(metadata={**asdict(done.compacted), "days_dropped": done.days_dropped_from_raw})


@dg.asset_check(asset=KEY)
def the_lake_has_every_load(echolead: EchoLead) -> dg.AssetCheckResult:
    """A load that the lake lacks for a quarter of an hour is in the warehouse and the queue alone."""
    import psycopg  # noqa: PLC0415  # as above

    from echolead.lake_lag import lake_lag  # noqa: PLC0415

    url = echolead.settings().postgres_loader_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection, echolead.warehouse() as client:
        lag = lake_lag(connection, client)
    return dg.AssetCheckResult(passed=not lag.is_too_long, metadata=asdict(lag))


@dg.asset_check(asset=KEY)
def every_file_is_what_was_written(echolead: EchoLead) -> dg.AssetCheckResult:
    """The files of the last days and a thirtieth of the older ones, read to the end and compared by checksum."""
    from dlt_pipelines.lake.manifest import LakeExtent, Manifest  # noqa: PLC0415  # as above
    from dlt_pipelines.lake.verification import verify  # noqa: PLC0415

    settings = echolead.settings()
    with closing(Manifest(settings)) as manifest:
        found = verify(settings, manifest, LakeExtent(), lambda *_: None, is_of_tonight)
    return dg.AssetCheckResult(
        passed=not found.problems and not found.owed,
        metadata={"files": found.files, "bytes": found.bytes, **found.problems, **found.owed},
    )


def is_of_tonight(file: "StoredFile") -> bool:
    """Whether the nightly check reads the file."""
    today = datetime.now(UTC).date()
    if file.day >= today - timedelta(days=2):
        return True
    return zlib.crc32(file.path.encode()) % READ_AGAIN_AFTER_DAYS == today.toordinal() % READ_AGAIN_AFTER_DAYS


lake_upkeep = dg.define_asset_job(
    "lake_upkeep",
    selection=dg.AssetSelection.assets(lake_files) - dg.AssetSelection.checks_for_assets(lake_files),
    description="Merges the lake's files and removes those that nothing needs.",
    executor_def=dg.in_process_executor,
)
lake_verification = dg.define_asset_job(
    "lake_verification",
    selection=dg.AssetSelection.checks(every_file_is_what_was_written),
    description="Reads files of the lake and compares their checksums.",
    executor_def=dg.in_process_executor,
)
SCHEDULES = [
    dg.ScheduleDefinition(
        name="hourly_lake_upkeep",
        job=lake_upkeep,
        cron_schedule="22 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
    dg.ScheduleDefinition(
        name="nightly_lake_verification",
        job=lake_verification,
        cron_schedule="52 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
]
